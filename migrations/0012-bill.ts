import type { Migration } from './migration.ts';

/**
 * Bills: every operation on an account, written before the account changes and never edited after its end.
 *
 * The successful bills of an account are a chain: numbered without a gap, each beginning with the state that the one
 * before it made. A bill id has one operation that began it (`origin`) and may have what follows from it: its rollback,
 * or the one end of a hold (`resolution`).
 */
export const bill: Migration = {
  name: '0012-bill',
  sql: `CREATE TABLE IF NOT EXISTS bill (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    bill_id BIGINT UNSIGNED NOT NULL,
    channel ENUM('recharge', 'charge', 'rollback', 'settlement', 'hold', 'confirm', 'cancel', 'correction') NOT NULL,
    account_id BIGINT UNSIGNED NOT NULL,
    amount BIGINT NOT NULL COMMENT 'fen, signed: what the balance changes by',
    held_change BIGINT NOT NULL COMMENT 'fen, signed: what the held part changes by',
    result ENUM('unprocessed', 'success', 'failed') NOT NULL DEFAULT 'unprocessed',
    code TINYINT NULL COMMENT 'the answer of a failed one',
    sequence BIGINT UNSIGNED NULL COMMENT 'place among the successful bills of the account, from 1',
    previous BIGINT UNSIGNED NULL COMMENT 'sequence of the one before; NULL for the first',
    balance_before BIGINT NULL,
    balance_after BIGINT NULL,
    held_before BIGINT NULL,
    held_after BIGINT NULL,
    prices TEXT NULL COMMENT 'JSON: what was charged for, with the unit prices of the moment',
    info VARCHAR(1000) NULL,
    caller VARCHAR(64) NOT NULL COMMENT 'the application; empty when it has no name',
    operator VARCHAR(128) NULL,
    client_address VARCHAR(64) NULL,
    provider VARCHAR(32) NULL COMMENT 'the payment provider through which the money came or went',
    order_id VARCHAR(64) NULL COMMENT 'what the provider calls it',
    fee BIGINT NULL COMMENT 'fen, of the provider',
    hold_seconds INT UNSIGNED NULL COMMENT 'after which a hold is released; NULL: it waits for its caller',
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    done_at TIMESTAMP NULL,
    origin BIGINT UNSIGNED AS (IF(channel IN ('rollback', 'confirm', 'cancel'), NULL, bill_id)) STORED,
    resolution BIGINT UNSIGNED AS (IF(channel IN ('confirm', 'cancel') AND result = 'success', bill_id, NULL)) STORED,
    PRIMARY KEY (id),
    UNIQUE KEY one_bill (bill_id, channel),
    UNIQUE KEY one_origin (origin),
    UNIQUE KEY one_resolution (resolution),
    UNIQUE KEY one_place (account_id, sequence),
    UNIQUE KEY state (account_id, sequence, balance_after, held_after),
    KEY state_before (account_id, previous, balance_before, held_before),
    KEY movements (account_id, done_at, channel, amount),
    KEY by_time (done_at, id),
    KEY waiting (result, created_at),
    CONSTRAINT bill_of_account FOREIGN KEY (account_id) REFERENCES account (account_id),
    CONSTRAINT bill_continues FOREIGN KEY (account_id, previous, balance_before, held_before)
      REFERENCES bill (account_id, sequence, balance_after, held_after),
    CONSTRAINT bill_sign CHECK ((CASE channel
      WHEN 'recharge' THEN amount > 0 AND held_change = 0
      WHEN 'settlement' THEN amount > 0 AND held_change = 0
      WHEN 'charge' THEN amount < 0 AND held_change = 0
      WHEN 'hold' THEN amount = 0 AND held_change > 0
      WHEN 'confirm' THEN amount < 0 AND held_change <= amount
      WHEN 'cancel' THEN amount = 0 AND held_change < 0
      ELSE amount <> 0 AND held_change = 0 END) = 1),
    CONSTRAINT bill_end CHECK ((CASE result
      WHEN 'success' THEN code IS NULL AND done_at IS NOT NULL AND sequence IS NOT NULL AND balance_before IS NOT NULL
        AND balance_after IS NOT NULL AND held_before IS NOT NULL AND held_after IS NOT NULL
      WHEN 'failed' THEN code IS NOT NULL AND done_at IS NOT NULL AND sequence IS NULL AND previous IS NULL AND balance_after IS NULL
      ELSE code IS NULL AND done_at IS NULL AND sequence IS NULL AND previous IS NULL AND balance_after IS NULL END) = 1),
    CONSTRAINT bill_effect CHECK (result <> 'success' OR (balance_after = balance_before + amount
      AND held_after = held_before + held_change AND held_after >= 0 AND held_after <= balance_after)),
    CONSTRAINT bill_place CHECK (sequence IS NULL OR (sequence = 1 AND previous IS NULL AND balance_before = 0 AND held_before = 0)
      OR (sequence > 1 AND previous IS NOT NULL AND previous + 1 = sequence)),
    CONSTRAINT bill_prices_are_json CHECK (prices IS NULL OR JSON_VALID(prices))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
