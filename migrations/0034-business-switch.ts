import type { Migration } from './migration.ts';

/** Business functions that can be switched off: nothing new then, and what is under way comes to its end. */
export const businessSwitch: Migration = {
  name: '0034-business-switch',
  sql: `CREATE TABLE IF NOT EXISTS business_switch (
    name VARCHAR(32) NOT NULL,
    is_off BOOLEAN NOT NULL DEFAULT FALSE,
    reason VARCHAR(255) NULL,
    who VARCHAR(128) NULL,
    since TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (name),
    CONSTRAINT business_switch_says_why CHECK (NOT is_off OR (reason IS NOT NULL AND who IS NOT NULL))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
