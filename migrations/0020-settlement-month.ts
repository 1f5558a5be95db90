import type { Migration } from './migration.ts';

/** Months that were settled, each by one rule for all its accounts: that of the moment when the first was settled. */
export const settlementMonth: Migration = {
  name: '0020-settlement-month',
  sql: `CREATE TABLE IF NOT EXISTS settlement_month (
    month CHAR(7) NOT NULL COMMENT 'business zone, 2026-11',
    tax_rule VARCHAR(32) NOT NULL,
    minimum BIGINT NOT NULL COMMENT 'fen; less is carried over',
    whole BOOLEAN NOT NULL COMMENT 'taken for every account: for one without a row, all income of it is an adjustment',
    begun_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (month),
    UNIQUE KEY rule (month, tax_rule),
    CONSTRAINT settlement_month_is_one CHECK (month REGEXP '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    CONSTRAINT settlement_month_minimum CHECK (minimum >= 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
