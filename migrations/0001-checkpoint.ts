import type { Migration } from './migration.ts';

/** Lock and position of each shard. No row: the shard never ran. `shard` is empty for a job without shards. */
export const checkpoint: Migration = {
  name: '0001-checkpoint',
  sql: `CREATE TABLE IF NOT EXISTS tidemark_checkpoint (
    job VARCHAR(64) NOT NULL,
    shard VARCHAR(64) NOT NULL,
    checkpoint DATETIME NOT NULL COMMENT 'end of the last window applied, business zone',
    run_id CHAR(36) NOT NULL COMMENT 'the run that moved it here',
    moved_at DATETIME NOT NULL,
    PRIMARY KEY (job, shard)
  ) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`,
};
