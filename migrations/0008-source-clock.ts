import type { Migration } from './migration.ts';

/** The source's clock as it was when the checkpoint was last moved, so that one that has stepped back is found. */
export const sourceClock: Migration = {
  name: '0008-source-clock',
  sql: `ALTER TABLE tidemark_checkpoint
    ADD COLUMN source_now DATETIME NULL COMMENT 'clock of the source when it was moved, business zone'`,
};
