import type { Migration } from './migration.ts';

/** Jobs and shards that a person has paused: a row each, an empty shard for all of a job. Gone when it is resumed. */
export const pause: Migration = {
  name: '0038-pause',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_pause (
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    reason VARCHAR(255) NOT NULL,
    who VARCHAR(128) NOT NULL,
    since DATETIME NOT NULL,
    PRIMARY KEY (job, shard),
    CONSTRAINT tidemark_pause_says_why CHECK (reason <> '' AND who <> '')
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
