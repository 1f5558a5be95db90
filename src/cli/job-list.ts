/** A team's list of jobs, checked before anything begins: in JavaScript nobody else has looked at it. */
import * as v from 'valibot';
import {
  type FollowingJob,
  isDueJob,
  isFollowingJob,
  isPeriodJob,
  isTableJob,
  type Job,
  type PeriodJob,
  upstreamOf,
} from '../engine/job.ts';
import { exitCodes, SetupError } from '../platform/errors.ts';
import { complain } from './output.ts';

export const jobName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
/** As wide as the columns of tidemark's tables. */
export const nameMax = 64;

const name = v.pipe(
  v.string('expected a text'),
  v.regex(jobName, 'expected small letters, digits and single hyphens'),
  v.maxLength(nameMax, `expected ${nameMax} characters at the most`),
);
const work = v.function('expected a function');
const schedule = v.pipe(v.string('expected a text'), v.regex(/^\S+( +\S+){4}$/, 'expected five fields of cron'));
const base = v.looseObject({
  name,
  summary: v.pipe(v.string('expected a line of text'), v.nonEmpty('expected a line of text')),
  shards: v.array(
    v.pipe(v.string('expected texts'), v.regex(/^\S{1,64}$/, 'expected names of 1 to 64 characters without spaces')),
    "expected a list: ['0', '1'], or [] for a job without shards",
  ),
  schedule,
  target: v.picklist(['main', 'ledger'], "expected 'main' or 'ledger'"),
  tables: v.optional(v.array(v.string('expected SQL'), 'expected a list of SQL')),
});
const source = v.looseObject({
  table: v.function('expected a function that names the table of a shard'),
  time: v.string('expected the name of a column'),
  key: v.string('expected the name of a column'),
});
const kinds = [
  { is: isTableJob, schema: v.looseObject({ source, prepare: work, apply: work }) },
  { is: isFollowingJob, schema: v.looseObject({ follows: name, oldest: work, pending: work, apply: work }) },
  { is: isPeriodJob, schema: v.looseObject({ period: v.picklist(['day', 'month']), oldest: work, apply: work }) },
  { is: isDueJob, schema: v.looseObject({ due: work, work }) },
] as const;

/** @returns whether all is well; else what is wrong is told, and the exit code set */
export function complainOfJobs(jobs: readonly Job[]): boolean {
  try {
    checkJobs(jobs);
    return true;
  } catch (error) {
    complain(error);
    process.exitCode = exitCodes.settings;
    return false;
  }
}

/** @throws SetupError naming the job and what is wrong with it */
export function checkJobs(jobs: readonly Job[]): void {
  if (!Array.isArray(jobs)) throw wrong('cli needs a list of jobs: await cli({ jobs })');
  for (const [place, job] of jobs.entries()) checkJob(job, place);
  for (const job of jobs) {
    if (jobs.filter((other) => other.name === job.name).length > 1) throw wrong(`two jobs are named ${job.name}`);
    if (isFollowingJob(job) || (isPeriodJob(job) && job.follows !== undefined)) checkUpstream(job, jobs);
  }
}

function checkUpstream(job: FollowingJob | PeriodJob, jobs: readonly Job[]): void {
  try {
    upstreamOf(job, jobs);
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

function checkJob(job: Job, place: number): void {
  const called = job?.name === undefined ? `job number ${place + 1} of the list` : `the job ${job.name}`;
  if (typeof job !== 'object' || job === null) throw wrong(`${called} is no job: expected what defineJob answers`);
  const kind = kinds.find(({ is }) => is(job));
  if (kind === undefined)
    throw wrong(`${called} is of no kind: expected source, rangeUnit (with follows), period or work`);
  for (const schema of [base, kind.schema]) {
    const { issues } = v.safeParse(schema, job, { abortEarly: true });
    const [issue] = issues ?? [];
    if (issue === undefined) continue;
    const what = v.getDotPath(issue) ?? 'it';
    throw wrong(
      `${called}: ${issue.received === 'undefined' ? `${what} is missing` : `${what} is wrong: ${issue.message}`}`,
    );
  }
}

const wrong = (what: string) => new SetupError(what, 'correct it in the list of jobs, then run again');
