import type { Migration } from './migration.ts';

/**
 * Accounts of the ledger. `balance` is the sum of the successful bills, `held` the part of it that is spoken for.
 *
 * A foreign key (0013) ties each state to the bill that made it: a balance that no bill has made cannot be stored.
 */
export const account: Migration = {
  name: '0011-account',
  sql: `CREATE TABLE IF NOT EXISTS account (
    account_id BIGINT UNSIGNED NOT NULL,
    kind ENUM('prepaid', 'commission') NOT NULL COMMENT 'commission: filled by settlements only',
    balance BIGINT NOT NULL DEFAULT 0 COMMENT 'fen',
    held BIGINT NOT NULL DEFAULT 0 COMMENT 'fen, of the balance',
    sequence BIGINT UNSIGNED NULL COMMENT 'of the bill that made this state; NULL before the first',
    frozen_reason VARCHAR(255) NULL COMMENT 'NULL: not frozen',
    opened_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    changed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (account_id),
    KEY state (account_id, sequence, balance, held),
    CONSTRAINT account_is_not_overdrawn CHECK (balance >= 0),
    CONSTRAINT account_holds_what_it_has CHECK (held >= 0 AND held <= balance),
    CONSTRAINT account_begins_empty CHECK (sequence IS NOT NULL OR (balance = 0 AND held = 0))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
