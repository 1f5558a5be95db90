import type { Migration } from './migration.ts';

/**
 * Who asked first for a payout by an idempotency key, and the ids that it got: written ahead of everything else, so that
 * a repeat goes on with the same ids wherever the first was broken off. Rows are never changed.
 */
export const payoutClaim: Migration = {
  name: '0032-payout-claim',
  sql: `CREATE TABLE IF NOT EXISTS payout_claim (
    account_id BIGINT UNSIGNED NOT NULL,
    idempotency_key VARCHAR(64) NOT NULL,
    content CHAR(64) NOT NULL COMMENT 'SHA-256 of what was asked for',
    payout_id BIGINT UNSIGNED NOT NULL,
    bill_id BIGINT UNSIGNED NOT NULL COMMENT 'of the hold',
    tax BIGINT NOT NULL COMMENT 'fen, by the rule of that moment',
    tax_bill_id BIGINT UNSIGNED NULL COMMENT 'of the charge for the tax; NULL without one',
    claimed_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (account_id, idempotency_key),
    UNIQUE KEY one_payout (payout_id),
    UNIQUE KEY one_bill (bill_id),
    UNIQUE KEY one_tax_bill (tax_bill_id),
    CONSTRAINT payout_claim_tax CHECK (tax >= 0 AND (tax > 0) = (tax_bill_id IS NOT NULL))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
