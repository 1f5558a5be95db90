import type { Migration } from './migration.ts';

/** Orders that a person has decided, and why. Never edited. */
export const orderResolution: Migration = {
  name: '0030-order-resolution',
  sql: `CREATE TABLE IF NOT EXISTS order_resolution (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    order_id BIGINT UNSIGNED NOT NULL,
    state_before ENUM('pending', 'paid', 'refunded', 'closed') NOT NULL,
    resolved_as ENUM('paid', 'closed') NOT NULL,
    concern VARCHAR(255) NULL COMMENT 'why a person had to look',
    operator VARCHAR(128) NOT NULL,
    reason VARCHAR(255) NOT NULL,
    at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (id),
    KEY of_order (order_id)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
