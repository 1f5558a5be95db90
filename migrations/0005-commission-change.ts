import type { Migration } from './migration.ts';

/**
 * Which cells (user, hour) of the total table were touched: written with each change, drained by the rollup of income.
 * No second key: every change of commission pays for it, and the log is short when it is read.
 */
export const commissionChange: Migration = {
  name: '0005-commission-change',
  sql: `CREATE TABLE IF NOT EXISTS commission_change (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    user_id BIGINT UNSIGNED NOT NULL,
    hour DATETIME NOT NULL COMMENT 'hour of create_time, business zone',
    PRIMARY KEY (id)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
