import type { Migration } from './migration.ts';

/** The price list. A bill keeps the unit prices of its moment, so a change here changes no bill. */
export const price: Migration = {
  name: '0016-price',
  sql: `CREATE TABLE IF NOT EXISTS price (
    name VARCHAR(64) NOT NULL,
    price BIGINT NOT NULL COMMENT 'fen for one',
    info VARCHAR(1000) NOT NULL DEFAULT '',
    changed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (name),
    CONSTRAINT price_is_not_negative CHECK (price >= 0)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
