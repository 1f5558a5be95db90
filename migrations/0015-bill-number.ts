import type { Migration } from './migration.ts';

/** The last bill id that was handed out, in blocks: one row. */
export const billNumber: Migration = {
  name: '0015-bill-number',
  sql: `CREATE TABLE IF NOT EXISTS bill_number (
    one TINYINT NOT NULL DEFAULT 1,
    last BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (one),
    CONSTRAINT bill_number_is_one_row CHECK (one = 1)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
