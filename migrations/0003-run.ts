import type { Migration } from './migration.ts';

/** The history of runs. A row without an end is a run that is under way, or was killed. */
export const run: Migration = {
  name: '0003-run',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_run (
    sequence BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'the order in which runs took their shard',
    run_id CHAR(36) NOT NULL,
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    kind ENUM('windows', 'range', 'full', 'repair', 'sweep', 'checkpoint') NOT NULL,
    host VARCHAR(64) NOT NULL,
    pid BIGINT UNSIGNED NOT NULL,
    started_at DATETIME NOT NULL,
    ended_at DATETIME NULL,
    outcome VARCHAR(16) NULL,
    windows BIGINT UNSIGNED NOT NULL DEFAULT 0,
    rows_read BIGINT UNSIGNED NOT NULL DEFAULT 0,
    inserted BIGINT UNSIGNED NOT NULL DEFAULT 0,
    updated BIGINT UNSIGNED NOT NULL DEFAULT 0,
    unchanged BIGINT UNSIGNED NOT NULL DEFAULT 0,
    dead_letters BIGINT UNSIGNED NOT NULL DEFAULT 0,
    error VARCHAR(1000) NULL,
    PRIMARY KEY (sequence),
    KEY by_shard (job, shard, sequence),
    KEY by_run (run_id)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
