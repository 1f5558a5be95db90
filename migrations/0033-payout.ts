import type { Migration } from './migration.ts';

/**
 * Payouts: money on its way out of a wallet, through a provider.
 *
 *   held → sending → paid → returned        held: the wallet's hold has its effect, nothing was sent
 *                  ↘ failed                 sending: it may have been sent
 *   refused                                 nothing was held
 *
 * `taken_at`, `released_at` and `given_back_at` are what the wallet knows of it: written in the transaction of the bill.
 */
export const payout: Migration = {
  name: '0033-payout',
  sql: `CREATE TABLE IF NOT EXISTS payout (
    payout_id BIGINT UNSIGNED NOT NULL COMMENT 'what the provider knows it by',
    account_id BIGINT UNSIGNED NOT NULL,
    provider ENUM('alipay', 'wechat') NOT NULL,
    gross BIGINT NOT NULL COMMENT 'fen: what leaves the wallet',
    tax BIGINT NOT NULL COMMENT 'fen, kept back',
    net BIGINT NOT NULL COMMENT 'fen: what is sent',
    tax_rule VARCHAR(32) NOT NULL,
    payee VARCHAR(128) NOT NULL COMMENT 'the name that the provider has for whom it goes to',
    payee_name VARCHAR(128) NULL COMMENT 'checked by the provider',
    title VARCHAR(64) NOT NULL,
    state ENUM('held', 'sending', 'paid', 'failed', 'returned', 'refused') NOT NULL,
    refusal TINYINT NULL COMMENT 'the code of a refused one',
    reason VARCHAR(255) NULL COMMENT 'why it was refused, or who gave it up and why',
    bill_id BIGINT UNSIGNED NOT NULL COMMENT 'of the hold',
    tax_bill_id BIGINT UNSIGNED NULL COMMENT 'of the charge for the tax',
    attempts INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often the sending of it was begun',
    sent_at TIMESTAMP(3) NULL COMMENT 'when it was begun last',
    provider_id VARCHAR(64) NULL,
    word VARCHAR(255) NULL COMMENT 'what the provider said last',
    requested_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    decided_at TIMESTAMP(3) NULL COMMENT 'when the state became paid, failed or returned',
    taken_at TIMESTAMP(3) NULL COMMENT 'the hold is confirmed, the tax charged',
    released_at TIMESTAMP(3) NULL COMMENT 'the hold is cancelled',
    given_back_at TIMESTAMP(3) NULL COMMENT 'what was taken is rolled back',
    next_at TIMESTAMP(3) NULL COMMENT 'when it is looked at next, or until when somebody has it; NULL: never',
    waits INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'looks in a row that told nothing new',
    PRIMARY KEY (payout_id),
    UNIQUE KEY one_bill (bill_id),
    UNIQUE KEY one_tax_bill (tax_bill_id),
    KEY due (provider, next_at, payout_id),
    KEY by_account (account_id, requested_at),
    CONSTRAINT payout_claimed FOREIGN KEY (payout_id) REFERENCES payout_claim (payout_id),
    CONSTRAINT payout_hold FOREIGN KEY (bill_id) REFERENCES bill (origin),
    CONSTRAINT payout_sums CHECK (gross = tax + net AND tax >= 0 AND net > 0),
    CONSTRAINT payout_tax_has_a_bill CHECK ((tax > 0) = (tax_bill_id IS NOT NULL)),
    CONSTRAINT payout_refusal CHECK ((state = 'refused') = (refusal IS NOT NULL) AND (refusal IS NULL OR reason IS NOT NULL)),
    CONSTRAINT payout_begins_unsent CHECK (IF(state IN ('held', 'refused'), attempts = 0, attempts > 0 OR state = 'failed')
      AND (attempts > 0) = (sent_at IS NOT NULL)),
    CONSTRAINT payout_decided CHECK ((state IN ('paid', 'failed', 'returned')) = (decided_at IS NOT NULL)),
    CONSTRAINT payout_taken CHECK (taken_at IS NULL OR state IN ('paid', 'returned')),
    CONSTRAINT payout_released CHECK (released_at IS NULL OR state = 'failed'),
    CONSTRAINT payout_given_back CHECK (given_back_at IS NULL OR (state = 'returned' AND taken_at IS NOT NULL)),
    CONSTRAINT payout_is_looked_at CHECK (next_at IS NOT NULL OR state = 'refused' OR (state = 'paid' AND taken_at IS NOT NULL)
      OR (state = 'failed' AND released_at IS NOT NULL) OR given_back_at IS NOT NULL)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
