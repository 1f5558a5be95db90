import type { Migration } from './migration.ts';

/** A kind of run: of a job without windows. */
export const dueRun: Migration = {
  name: '0037-due-run',
  sql: `ALTER TABLE tidemark_run
    MODIFY kind ENUM('windows', 'range', 'full', 'repair', 'sweep', 'checkpoint', 'fix', 'due') NOT NULL`,
};
