import type { Migration } from './migration.ts';

/** Effective commission by user and hour of creation, in fen; complete hours only, no row where there is nothing. */
export const userIncomeHour: Migration = {
  name: '0006-user-income-hour',
  sql: `CREATE TABLE IF NOT EXISTS user_income_hour (
    user_id BIGINT UNSIGNED NOT NULL,
    hour DATETIME NOT NULL COMMENT 'business zone',
    amount BIGINT NOT NULL COMMENT 'fen',
    entries INT UNSIGNED NOT NULL,
    PRIMARY KEY (hour, user_id),
    KEY by_user (user_id, hour),
    CONSTRAINT user_income_hour_is_whole CHECK (MINUTE(hour) = 0 AND SECOND(hour) = 0),
    CONSTRAINT user_income_hour_has_entries CHECK (entries > 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
