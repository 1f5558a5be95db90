import type { Migration } from './migration.ts';

/** Holds that wait for their end; the row goes with it. An account's \`held\` is their sum. */
export const openHold: Migration = {
  name: '0014-open-hold',
  sql: `CREATE TABLE IF NOT EXISTS open_hold (
    bill_id BIGINT UNSIGNED NOT NULL,
    account_id BIGINT UNSIGNED NOT NULL,
    amount BIGINT NOT NULL COMMENT 'fen',
    expires_at TIMESTAMP NULL COMMENT 'NULL: it waits for its caller',
    PRIMARY KEY (bill_id),
    KEY by_account (account_id, expires_at),
    KEY by_end (expires_at),
    CONSTRAINT open_hold_of_bill FOREIGN KEY (bill_id) REFERENCES bill (origin),
    CONSTRAINT open_hold_holds CHECK (amount > 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
