/**
 * `tidemark`: what a team's repository uses, the jobs' contract and the command line over its own list of jobs.
 *
 * @example
 * import { cli } from 'tidemark';
 * import { jobs } from './jobs/index.js';
 * await cli({ jobs });
 */
import type { Job } from './engine/job.ts';

export type { Compared } from './engine/compared.ts';
export type { Refusal } from './engine/dead-letters.ts';
export type {
  DueContext,
  DueJob,
  DueThings,
  Finding,
  FollowingContext,
  FollowingJob,
  Job,
  Part,
  PeriodContext,
  PeriodJob,
  PeriodQuestion,
  ScheduledRun,
  TableContext,
  TableJob,
  Target,
  Waiting,
} from './engine/job.ts';
export { defineJob } from './engine/job.ts';
export { type Counts, noCounts } from './engine/journal.ts';
export type { SourceRow } from './engine/source.ts';
export type { Window } from './engine/window.ts';
export { type Instant, type Period, Zone } from './engine/zone.ts';
export { JobError, SetupError, UnavailableError, UsageError } from './platform/errors.ts';
export type { Log } from './platform/log.ts';
export type { Cell, Parameter, Reader, Written } from './platform/mysql.ts';
export type { DatabaseName, SettingName, SettingValue } from './platform/settings.ts';
export type { Column, Table } from './platform/table.ts';
export { type SyncOptions, syncTable } from './sync/sync-table.ts';
export type { CopyTarget, Image } from './sync/target-rows.ts';

/** The whole command line over these jobs: `run`, `status`, `verify`, `migrate`, … It sets the exit code of the process. */
export async function cli({ jobs }: { readonly jobs: readonly Job[] }): Promise<void> {
  const [{ start }, { complainOfJobs }] = await Promise.all([import('./cli/start.ts'), import('./cli/job-list.ts')]);
  // The private servers know no jobs: whatever is wrong with the list, they can be started and stopped.
  const known = process.argv[2] === 'local' ? [] : jobs;
  if (complainOfJobs(known)) await start(known);
}
