import type { Migration } from './migration.ts';

/** Messages of providers that were taken, so that the very same one, sent again by somebody, is refused. */
export const noticeNonce: Migration = {
  name: '0029-notice-nonce',
  sql: `CREATE TABLE IF NOT EXISTS notice_nonce (
    provider VARCHAR(16) NOT NULL,
    nonce VARCHAR(128) NOT NULL,
    seen_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (provider, nonce),
    KEY by_time (seen_at)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
