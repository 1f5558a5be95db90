import type { Migration } from './migration.ts';

/** What was compared on a business day, with what the other side was read from. One row a day that was reconciled. */
export const reconciliationDay: Migration = {
  name: '0026-reconciliation-day',
  sql: `CREATE TABLE IF NOT EXISTS reconciliation_day (
    counterpart VARCHAR(32) NOT NULL,
    day DATE NOT NULL COMMENT 'business day',
    source VARCHAR(1000) NOT NULL COMMENT 'the file, or the table, of the other side',
    local_entries BIGINT UNSIGNED NOT NULL,
    channel_entries BIGINT UNSIGNED NOT NULL,
    matched BIGINT UNSIGNED NOT NULL COMMENT 'keys on which both sides agree',
    report VARCHAR(1000) NULL COMMENT 'the page; NULL without a folder for statements',
    run_id CHAR(36) NOT NULL,
    done_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (counterpart, day)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
