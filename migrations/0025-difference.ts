import type { Migration } from './migration.ts';

/**
 * Differences between the ledger and its counterparts, kept by business day. What both sides agree on has no row.
 *
 * The counterpart `ledger` is the ledger itself: `in` are its findings about accounts, `out` those about bills, and the
 * two sides are what is stored and what the bills say.
 */
export const difference: Migration = {
  name: '0025-difference',
  sql: `CREATE TABLE IF NOT EXISTS difference (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    counterpart VARCHAR(32) NOT NULL,
    day DATE NOT NULL COMMENT 'business day',
    reference VARCHAR(128) NOT NULL,
    direction ENUM('in', 'out') NOT NULL,
    outcome ENUM('local_only', 'channel_only', 'amount', 'fee', 'status', 'duplicate', 'pending_cutoff', 'resolved') NOT NULL,
    local_amount BIGINT NULL COMMENT 'fen; NULL: our side has nothing',
    local_fee BIGINT NULL COMMENT 'fen',
    local_status ENUM('unprocessed', 'success', 'failed') NULL,
    local_at DATETIME NULL COMMENT 'business zone',
    local_entries INT UNSIGNED NULL,
    channel_amount BIGINT NULL COMMENT 'fen; NULL: the other side has nothing',
    channel_fee BIGINT NULL COMMENT 'fen',
    channel_status ENUM('unprocessed', 'success', 'failed') NULL,
    channel_at DATETIME NULL COMMENT 'business zone',
    channel_entries INT UNSIGNED NULL,
    alone ENUM('local', 'channel') NULL COMMENT 'the side that had no other half when this was found',
    part VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'number of the refund that was alone',
    detail VARCHAR(255) NULL,
    run_id CHAR(36) NOT NULL COMMENT 'the run that saw it last',
    found_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    other_half_day DATE NULL COMMENT 'the business day that had the other half',
    resolved_at TIMESTAMP NULL,
    resolved_by VARCHAR(128) NULL COMMENT 'the person; NULL: the other half came, or it was gone on other_half_day',
    resolution VARCHAR(255) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY one_key (counterpart, day, reference, direction),
    KEY by_outcome (counterpart, outcome, day),
    KEY by_other_half (counterpart, other_half_day),
    CONSTRAINT difference_has_a_side CHECK (local_status IS NOT NULL OR channel_status IS NOT NULL),
    CONSTRAINT difference_local_side CHECK ((local_status IS NULL) = (local_amount IS NULL)),
    CONSTRAINT difference_channel_side CHECK ((channel_status IS NULL) = (channel_amount IS NULL)),
    CONSTRAINT difference_resolved CHECK ((outcome = 'resolved') = (resolved_at IS NOT NULL)
      AND (outcome <> 'resolved' OR resolved_by IS NOT NULL OR other_half_day IS NOT NULL)
      AND (resolved_by IS NULL OR outcome = 'resolved'))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
