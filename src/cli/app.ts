/** What commands share: the jobs, the settings in force, and the way from a name on the command line to a job. */
import type { Migration } from '../../migrations/migration.ts';
import { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import { isPeriodJob, isTableJob, type Job, shardNames, type WindowJob } from '../engine/job.ts';
import { Zone } from '../engine/zone.ts';
import { Config } from '../platform/config.ts';
import { Databases } from '../platform/databases.ts';
import { SetupError, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import type { Chore } from '../schedule/chore.ts';
import { didYouMean } from './nearest.ts';
import { remark } from './output.ts';

/** What the entry hands over: everything that belongs to this installation and not to the engine. */
export interface App {
  /** What a person types to call it; `tidemark` unless told. */
  readonly calledAs?: string;
  readonly jobs: readonly Job[];
  /** What is started beside them. */
  readonly chores?: readonly Chore[];
  readonly migrations: Readonly<Record<Job['target'], readonly Migration[]>>;
  /** The tables of orders in the ledger database, behind its other migrations. */
  readonly payOrders: (tables: number) => readonly Migration[];
}

export interface Surroundings {
  readonly config: Config;
  readonly databases: Databases;
  readonly zone: Zone;
}

/** The private servers that were told of: once is enough. */
let toldOf: string | null = null;

/**
 * Reads the settings; nothing connects yet.
 *
 * @param quiet a command that must be silent under cron says that it uses the private servers on a terminal only
 */
export function openSurroundings({ quiet = false } = {}): Surroundings {
  const config = Config.read();
  const databases = new Databases(config);
  const file = config.privateServersFile;
  if (file !== null && file !== toldOf && (!quiet || process.stderr.isTTY)) {
    remark(`using the private servers of ${file}`);
    toldOf = file;
  }
  return {
    config,
    databases,
    zone: new Zone(config.need('TIDEMARK_TIMEZONE') as string),
  };
}

/** The copies in Redis; the caller closes them. @throws SetupError when REDIS_URL is missing */
export function openCopies({ config, databases }: Surroundings): CheckpointCopies {
  config.need('REDIS_URL');
  return new CheckpointCopies(() => databases.redis(), config.need('TIDEMARK_REDIS_PREFIX') as string);
}

/**
 * Does `work` for the jobs of each database, in a connection to it. Without a job by name, those of a database that has
 * no address are left out, which is said on a terminal.
 */
export async function inEachTarget<SomeJob extends Job, Result>(
  surroundings: Surroundings,
  jobs: readonly SomeJob[],
  isNamed: boolean,
  work: (jobs: readonly SomeJob[], session: Session) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const addressOf = (target: DatabaseName) => surroundings.config.get(databaseSettings[target]);
  const targets = targetsOf(surroundings, jobs, isNamed);
  for (const address of new Set(targets.map(addressOf))) {
    const here = targets.filter((target) => addressOf(target) === address); // two may share one
    const own = jobs.filter((job) => here.includes(job.target));
    results.push(await withSession(surroundings, here[0] as DatabaseName, (session) => work(own, session)));
  }
  return results;
}

/** The databases of these jobs that have an address; the main one always counts. */
export function targetsOf({ config }: Surroundings, jobs: readonly Job[], isNamed: boolean): Job['target'][] {
  return [...new Set(jobs.map((job) => job.target))].filter((target) => {
    if (isNamed || target === 'main' || config.get(databaseSettings[target]) !== undefined) return true;
    const names = jobs.filter((job) => job.target === target).map(({ name }) => name);
    if (process.stderr.isTTY) remark(`${names.join(', ')} left out: ${databaseSettings[target]} is not set`);
    return false;
  });
}

/** Runs `work` with a connection to a job's target, and closes it. */
export async function withSession<Result>(
  { databases }: Surroundings,
  name: DatabaseName,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = await databases.open(name);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** @throws UsageError with the nearest name */
export function findJob({ jobs }: App, name: string): Job {
  const job = jobs.find((candidate) => candidate.name === name);
  if (job !== undefined) return job;
  throw new UsageError(
    `there is no job "${name}"${didYouMean(
      name,
      jobs.map((candidate) => candidate.name),
    )}`,
    'tidemark list',
  );
}

/**
 * The jobs without those that this installation does not use, which nobody starts and nobody misses.
 *
 * @throws SetupError for a name that no job has
 */
export function jobsInUse(app: App, config: Config): readonly Job[] {
  const names = config.get('TIDEMARK_UNUSED_JOBS') ?? [];
  try {
    const unused = new Set(names.map((name) => findJob(app, name)));
    return app.jobs.filter((job) => !unused.has(job));
  } catch (error) {
    throw new SetupError(`TIDEMARK_UNUSED_JOBS: ${(error as Error).message}`, 'tidemark list', error);
  }
}

/** The jobs a command is about: the one named, or all. */
export function chosenJobs(app: App, name: string | undefined): readonly Job[] {
  return name === undefined ? app.jobs : [findJob(app, name)];
}

/** Engine names of the shards asked for, or of all. @throws UsageError for one that the job does not have */
export function findShards(job: Job, asked: readonly string[]): readonly string[] {
  const all = shardNames(job);
  for (const shard of asked) {
    if (job.shards.includes(shard)) continue;
    const known = job.shards.length === 0 ? 'it has none' : `it has ${job.shards.join(', ')}`;
    throw new UsageError(
      `${job.name} has no shard "${shard}": ${known}${didYouMean(shard, job.shards)}`,
      `tidemark status ${job.name}`,
    );
  }
  return asked.length === 0 ? all : [...new Set(asked)];
}

/** The latest border at or before an instant that windows of a job may begin or end at. */
export function borderOf(job: WindowJob, at: number, zone: Zone): { border: number; unit: string } {
  if (isTableJob(job)) return secondBorder(at, zone);
  if (isPeriodJob(job)) return { border: zone.periodStart(job.period, at), unit: `the start of a ${job.period}` };
  return { border: zone.hour(at), unit: `a whole ${job.rangeUnit}` };
}

export const secondBorder = (at: number, zone: Zone) => ({
  border: zone.border(at),
  unit: 'a whole second outside of a repeated hour',
});

export function parseTime(zone: Zone, option: string, text: string): number {
  const instant = zone.parse(text);
  if (instant === null)
    throw new UsageError(
      `${option} "${text}" is no time: expected ISO 8601, such as 2026-11-20T10:00:00 (in ${zone.name}) or 2026-11-20T10:00:00+08:00`,
    );
  return instant;
}
