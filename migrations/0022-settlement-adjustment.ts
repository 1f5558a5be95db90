import type { Migration } from './migration.ts';

/** By how much a month's income has changed since it was settled: a line of the month that took the change up. */
export const settlementAdjustment: Migration = {
  name: '0022-settlement-adjustment',
  sql: `CREATE TABLE IF NOT EXISTS settlement_adjustment (
    account_id BIGINT UNSIGNED NOT NULL,
    month CHAR(7) NOT NULL COMMENT 'whose settlement it is a line of',
    for_month CHAR(7) NOT NULL COMMENT 'whose income has changed',
    amount BIGINT NOT NULL COMMENT 'fen',
    PRIMARY KEY (account_id, month, for_month),
    CONSTRAINT settlement_adjustment_of_settlement FOREIGN KEY (account_id, month) REFERENCES settlement (account_id, month),
    CONSTRAINT settlement_adjustment_for_settled FOREIGN KEY (for_month) REFERENCES settlement_month (month),
    CONSTRAINT settlement_adjustment_is_later CHECK (for_month < month),
    CONSTRAINT settlement_adjustment_changes CHECK (amount <> 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
