import type { Migration } from './migration.ts';

/**
 * The tables of orders, their number fixed with the first: what is read and written at every step in `pay_order_<n>`,
 * what people read in `pay_order_detail_<n>`. A merchant's orders are all in one of them.
 */
export const payOrders = (tables: number): Migration[] => [
  {
    name: '0031-order-tables-number',
    sql: `INSERT INTO order_tables (one, tables) VALUES (1, ${tables}) ON DUPLICATE KEY UPDATE one = one`,
  },
  ...Array.from({ length: tables }, (_, table) => [payOrder(table), payOrderDetail(table)]).flat(),
];

const payOrder = (table: number): Migration => ({
  name: `0031-pay-order-${table}`,
  sql: `CREATE TABLE IF NOT EXISTS pay_order_${table} (
    order_id BIGINT UNSIGNED NOT NULL,
    merchant_id BIGINT UNSIGNED NOT NULL COMMENT 'the account that the money goes to',
    provider ENUM('alipay', 'wechat') NOT NULL,
    amount BIGINT NOT NULL COMMENT 'fen',
    state ENUM('pending', 'paid', 'refunded', 'closed') NOT NULL DEFAULT 'pending' COMMENT 'at the provider, as it was shown to us',
    bill_id BIGINT UNSIGNED NOT NULL COMMENT 'of the bill that credits the account',
    credited TINYINT NOT NULL DEFAULT 0 COMMENT 'whether that bill has taken effect',
    returned TINYINT NOT NULL DEFAULT 0 COMMENT 'whether it was rolled back',
    concern VARCHAR(255) NULL COMMENT 'why a person must look; NULL: nobody must',
    expires_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    next_at TIMESTAMP(3) NULL DEFAULT NULL COMMENT 'when the provider is asked next; NULL: never',
    attempts INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often it was taken to be asked about',
    PRIMARY KEY (order_id),
    UNIQUE KEY one_bill (bill_id),
    KEY due (provider, next_at),
    KEY by_state (state),
    CONSTRAINT pay_order_${table}_is_of_money CHECK (amount > 0),
    CONSTRAINT pay_order_${table}_credited_when_paid CHECK (credited = 0 OR (credited = 1 AND state IN ('paid', 'refunded'))),
    CONSTRAINT pay_order_${table}_returned_when_credited CHECK (returned = 0 OR (returned = 1 AND credited = 1 AND state = 'refunded'))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
});

const payOrderDetail = (table: number): Migration => ({
  name: `0031-pay-order-detail-${table}`,
  sql: `CREATE TABLE IF NOT EXISTS pay_order_detail_${table} (
    order_id BIGINT UNSIGNED NOT NULL,
    merchant_id BIGINT UNSIGNED NOT NULL,
    idempotency_key VARCHAR(64) NULL COMMENT 'of the program that asked for it',
    subject VARCHAR(127) NOT NULL,
    client_address VARCHAR(64) NULL,
    expires_in_seconds INT UNSIGNED NOT NULL,
    provider_id VARCHAR(64) NULL COMMENT 'what the provider calls the payment',
    word VARCHAR(128) NULL COMMENT 'of the last answer of the provider',
    answered_at TIMESTAMP(3) NULL DEFAULT NULL COMMENT 'when that word came first',
    paid_at TIMESTAMP(3) NULL DEFAULT NULL COMMENT 'by the provider',
    created_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (order_id),
    UNIQUE KEY one_key (merchant_id, idempotency_key)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
});
