import type { Migration } from './migration.ts';

/**
 * Who may make ids of which time: a process takes a node and a stretch of time ahead, by a write that compares. A node
 * whose stretch is over may be taken by another process, which begins behind it; so no two ever make the same id,
 * whatever their clocks say.
 */
export const orderNode: Migration = {
  name: '0027-order-node',
  sql: `CREATE TABLE IF NOT EXISTS order_node (
    node SMALLINT UNSIGNED NOT NULL,
    reserved_until BIGINT UNSIGNED NOT NULL COMMENT 'milliseconds since 1970; ids of earlier times are spoken for',
    PRIMARY KEY (node),
    CONSTRAINT order_node_has_ten_bits CHECK (node < 1024)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
