import type { Migration } from './migration.ts';

/**
 * What an account's month was, and what its user's commission of the month became. Written once, never changed.
 *
 * The first half is the statement: opening, the sum of each channel that moves the balance, closing. The second half is
 * the settlement: what came in was credited, kept back as tax or carried over. Decimals in the checks, so that no sum on
 * the way is too large.
 */
export const settlement: Migration = {
  name: '0021-settlement',
  sql: `CREATE TABLE IF NOT EXISTS settlement (
    account_id BIGINT UNSIGNED NOT NULL,
    month CHAR(7) NOT NULL COMMENT 'business zone, 2026-11',
    opening BIGINT NOT NULL COMMENT 'fen, as all sums here',
    recharges BIGINT NOT NULL,
    charges BIGINT NOT NULL,
    rollbacks BIGINT NOT NULL,
    settlements BIGINT NOT NULL COMMENT 'credits that were made in this month, of the months before',
    confirms BIGINT NOT NULL,
    corrections BIGINT NOT NULL,
    closing BIGINT NOT NULL,
    bills BIGINT UNSIGNED NOT NULL COMMENT 'successful ones in the month',
    last_sequence BIGINT UNSIGNED NULL COMMENT 'of the last successful bill before the end; NULL: there was none',
    income BIGINT NOT NULL COMMENT 'effective commission of the month when it was settled',
    adjustment BIGINT NOT NULL COMMENT 'what months settled before have changed by; the lines are in settlement_adjustment',
    tax_rule VARCHAR(32) NOT NULL,
    tax BIGINT NOT NULL,
    credited BIGINT NOT NULL,
    carried BIGINT NOT NULL COMMENT 'what this month adds to what is carried over; negative: what it takes from it',
    carried_total BIGINT NOT NULL COMMENT 'carried over behind this month; negative: a debt',
    reason ENUM('frozen', 'debt', 'minimum') NULL COMMENT 'why something is carried over',
    frozen_reason VARCHAR(255) NULL,
    bill_id BIGINT UNSIGNED NULL COMMENT 'of the credit',
    settled_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (account_id, month),
    UNIQUE KEY one_credit (bill_id),
    CONSTRAINT settlement_of_account FOREIGN KEY (account_id) REFERENCES account (account_id),
    CONSTRAINT settlement_by_the_rule FOREIGN KEY (month, tax_rule) REFERENCES settlement_month (month, tax_rule),
    CONSTRAINT settlement_credit FOREIGN KEY (bill_id) REFERENCES bill (origin),
    CONSTRAINT settlement_statement_adds_up CHECK (opening >= 0 AND closing >= 0 AND (CAST(opening AS DECIMAL(30))
      + recharges + charges + rollbacks + settlements + confirms + corrections = closing)),
    CONSTRAINT settlement_divides_up CHECK (CAST(income AS DECIMAL(30)) + adjustment = CAST(credited AS DECIMAL(30)) + tax + carried),
    CONSTRAINT settlement_takes_nothing_back CHECK (tax >= 0 AND credited >= 0),
    CONSTRAINT settlement_credit_has_a_bill CHECK ((credited > 0) = (bill_id IS NOT NULL)),
    CONSTRAINT settlement_credits_all_or_nothing CHECK (credited = 0 OR carried_total = 0),
    CONSTRAINT settlement_says_why CHECK ((carried_total <> 0) = (reason IS NOT NULL)),
    CONSTRAINT settlement_debt CHECK (reason IS NULL OR reason = 'frozen' OR (reason = 'debt') = (carried_total < 0)),
    CONSTRAINT settlement_frozen CHECK ((reason IS NOT NULL AND reason = 'frozen') = (frozen_reason IS NOT NULL))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
