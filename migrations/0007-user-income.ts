import type { Migration } from './migration.ts';

/** Each user's income in all complete hours: the sums of user_income_hour, in fen. */
export const userIncome: Migration = {
  name: '0007-user-income',
  sql: `CREATE TABLE IF NOT EXISTS user_income (
    user_id BIGINT UNSIGNED NOT NULL,
    amount BIGINT NOT NULL COMMENT 'fen',
    entries INT NOT NULL,
    PRIMARY KEY (user_id),
    CONSTRAINT user_income_entries_not_negative CHECK (entries >= 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
