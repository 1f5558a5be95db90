import type { Migration } from './migration.ts';

/** A kind of run: `verify --data --fix`. */
export const fixRun: Migration = {
  name: '0010-fix-run',
  sql: `ALTER TABLE tidemark_run
    MODIFY kind ENUM('windows', 'range', 'full', 'repair', 'sweep', 'checkpoint', 'fix') NOT NULL`,
};
