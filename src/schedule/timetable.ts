/**
 * The timetable: everything that this installation starts by itself, read from the files in jobs/. Crontab, systemd
 * units, CronJobs and the daemon are all made from it, and a crontab is checked against it.
 */
import type { Job, ScheduledRun } from '../engine/job.ts';
import type { DatabaseName } from '../platform/settings.ts';
import type { Chore } from './chore.ts';

/** What a run does, as the history of runs knows it. */
export type Kind = 'windows' | 'due' | 'sweep' | 'repair' | 'full';

export interface Entry {
  /** What people call it: `sync-commission-log --sweep`, `ledger expire`. */
  readonly name: string;
  /** Null of a chore. */
  readonly job: Job | null;
  /** Null of a chore. */
  readonly kind: Kind | null;
  /** Before the shard: `run sync-commission-log`. */
  readonly command: readonly string[];
  /** Behind the shard. */
  readonly options: readonly string[];
  /** Those that are started each by itself; none where one start is for all. */
  readonly shards: readonly string[];
  /** Between the start of one shard and the next. */
  readonly staggerSeconds: number;
  /** Five cron fields, in the business zone. */
  readonly schedule: string;
  readonly why: string;
  readonly database: DatabaseName | null;
  readonly talksAlways: boolean;
  /** What the daemon gives a chore; null of a job, whose runs keep their own limit. */
  readonly choreLimitSeconds: number | null;
}

/** One thing that is started: an entry, or a shard of it. */
export interface Start {
  readonly entry: Entry;
  /** Null for all shards at once. */
  readonly shard: string | null;
  /** Behind the minute of the schedule. */
  readonly delaySeconds: number;
}

/** @param absent databases that have no address: what works on them is left out */
export function timetableOf(
  jobs: readonly Job[],
  chores: readonly Chore[],
  absent: readonly DatabaseName[] = [],
): Entry[] {
  const entries = [
    ...jobs.map(plainEntry),
    ...jobs.flatMap((job) => (job.also ?? []).map((run) => furtherEntry(job, run))),
    ...chores.map(choreEntry),
  ];
  return entries.filter(({ database }) => database === null || !absent.includes(database));
}

function plainEntry(job: Job): Entry {
  const { name, shards, schedule, options = [], staggerSeconds, target, summary, why } = job;
  return {
    name,
    job,
    kind: kindOf(job, options),
    command: ['run', name],
    options,
    shards: staggerSeconds === undefined ? [] : shards,
    staggerSeconds: staggerSeconds ?? 0,
    schedule,
    why: why ?? sentence(summary),
    database: target,
    talksAlways: false,
    choreLimitSeconds: null,
  };
}

function furtherEntry(job: Job, { schedule, options, why }: ScheduledRun): Entry {
  const kind = kindOf(job, options);
  const flag = kind === 'windows' || kind === 'due' ? options.join(' ') : `--${kind}`;
  return {
    ...plainEntry(job),
    name: `${job.name} ${flag}`,
    kind,
    options,
    shards: [],
    staggerSeconds: 0,
    schedule,
    why,
  };
}

const choreLimitSeconds = 3600;

function choreEntry({ command, schedule, why, database, talksAlways, timeLimitSeconds }: Chore): Entry {
  return {
    name: command.join(' '),
    job: null,
    kind: null,
    command,
    options: [],
    shards: [],
    staggerSeconds: 0,
    schedule,
    why,
    database: database ?? null,
    talksAlways: talksAlways === true,
    choreLimitSeconds: timeLimitSeconds ?? choreLimitSeconds,
  };
}

/** What a run with these options does. */
export function kindOf(job: Job, options: readonly string[]): Kind {
  for (const kind of ['sweep', 'repair', 'full'] as const) if (options.includes(`--${kind}`)) return kind;
  return 'work' in job ? 'due' : 'windows';
}

/** Whether it takes what is new; else it looks at old things once more, or is a chore. */
export const isPlain = ({ entry: { kind } }: Start): boolean => kind === 'windows' || kind === 'due';

/** What an entry starts: each shard by itself where they are staggered, else all at once. */
export function startsOf(entry: Entry): Start[] {
  if (entry.shards.length === 0) return [{ entry, shard: null, delaySeconds: 0 }];
  return entry.shards.map((shard, index) => ({ entry, shard, delaySeconds: index * entry.staggerSeconds }));
}

/** Behind `tidemark`. */
export function argumentsOf({ entry, shard }: Start): string[] {
  return [...entry.command, ...(shard === null ? [] : [shard]), ...entry.options];
}

/** What people call it: `sync-commission-log 3`. */
export const nameOf = ({ entry, shard }: Start): string => (shard === null ? entry.name : `${entry.name} ${shard}`);

const sentence = (text: string) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
