import type { Migration } from './migration.ts';

/** Rows that the target refused. A row has at most one open letter a shard; letters are never deleted. */
export const deadLetter: Migration = {
  name: '0004-dead-letter',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_dead_letter (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    row_key VARCHAR(255) NOT NULL,
    content LONGTEXT NOT NULL COMMENT 'the row as JSON, values as text',
    reason TEXT NOT NULL,
    code INT UNSIGNED NOT NULL COMMENT 'error number of the server',
    state ENUM('open', 'resolved', 'discarded') NOT NULL DEFAULT 'open',
    attempts INT UNSIGNED NOT NULL,
    run_id CHAR(36) NOT NULL COMMENT 'the run that tried last',
    first_at DATETIME NOT NULL,
    last_at DATETIME NOT NULL,
    resolution VARCHAR(1000) NULL,
    open_key VARCHAR(255) AS (IF(state = 'open', row_key, NULL)) STORED,
    PRIMARY KEY (id),
    UNIQUE KEY one_open_letter (job, shard, open_key),
    CONSTRAINT tidemark_dead_letter_is_json CHECK (JSON_VALID(content)),
    CONSTRAINT tidemark_dead_letter_end CHECK ((state = 'open') = (resolution IS NULL))
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
