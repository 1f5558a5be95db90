import type { Migration } from './migration.ts';

/** The runs that failed, and those without an end, are found among millions that went well. */
export const runByOutcome: Migration = {
  name: '0045-run-by-outcome',
  sql: 'ALTER TABLE tidemark_run ADD KEY by_outcome (outcome, job, shard)',
};
