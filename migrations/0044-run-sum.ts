import type { Migration } from './migration.ts';

/** What the ended runs of a shard come to, by kind and outcome: counters that never step back, however long the history. */
export const runSum: Migration = {
  name: '0044-run-sum',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_run_sum (
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    outcome VARCHAR(16) NOT NULL,
    runs BIGINT UNSIGNED NOT NULL,
    windows BIGINT UNSIGNED NOT NULL,
    rows_read BIGINT UNSIGNED NOT NULL,
    inserted BIGINT UNSIGNED NOT NULL,
    updated BIGINT UNSIGNED NOT NULL,
    unchanged BIGINT UNSIGNED NOT NULL,
    dead_letters BIGINT UNSIGNED NOT NULL,
    last_at DATETIME NOT NULL COMMENT 'end of the last of them, business zone',
    PRIMARY KEY (job, shard, kind, outcome)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
