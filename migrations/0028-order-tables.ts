import type { Migration } from './migration.ts';

/** Over how many tables the orders are spread: one row, and never another number, as an order is found by it. */
export const orderTables: Migration = {
  name: '0028-order-tables',
  sql: `CREATE TABLE IF NOT EXISTS order_tables (
    one TINYINT NOT NULL DEFAULT 1,
    tables TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (one),
    CONSTRAINT order_tables_is_one_row CHECK (one = 1),
    CONSTRAINT order_tables_are_some CHECK (tables BETWEEN 1 AND 64)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
