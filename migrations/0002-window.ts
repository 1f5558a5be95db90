import type { Migration } from './migration.ts';

/** The journal: windows tile time, so two cannot share a start or an end. Empty windows are extended, not repeated. */
export const window: Migration = {
  name: '0002-window',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_window (
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    window_start DATETIME NOT NULL COMMENT 'first instant in the window, business zone',
    window_end DATETIME NOT NULL COMMENT 'first instant behind it',
    run_id CHAR(36) NOT NULL,
    proven BOOLEAN NOT NULL COMMENT '0: closed by TIDEMARK_SETTLE_LAG',
    rows_read BIGINT UNSIGNED NOT NULL,
    inserted BIGINT UNSIGNED NOT NULL,
    updated BIGINT UNSIGNED NOT NULL,
    unchanged BIGINT UNSIGNED NOT NULL,
    dead_letters BIGINT UNSIGNED NOT NULL,
    closed_at DATETIME NOT NULL,
    PRIMARY KEY (job, shard, window_start),
    UNIQUE KEY one_end (job, shard, window_end),
    CONSTRAINT tidemark_window_has_length CHECK (window_start < window_end)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
