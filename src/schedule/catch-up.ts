/**
 * What a daemon owes when it starts: starts whose time came while nobody was there. However often one was missed, it is
 * made up for once, as a run takes all that has become due meanwhile.
 */
import { type Job, shardNames } from '../engine/job.ts';
import type { Instant } from '../engine/zone.ts';
import { lastUpTo } from './cron-times.ts';
import { isPlain, type Start } from './timetable.ts';

/** What the history of runs tells of a shard and a kind of run. */
export interface Fulfilled {
  /** When the last one began that needs no other; null where there is none. */
  readonly at: Instant | null;
  /** Whether there was any at all. */
  readonly tried: boolean;
}

/**
 * The time that a start owes; null when it owes none. A job that never ran is owed; a sweep, a repair or a full run that
 * never was has its first time ahead. Chores leave no history: they are not made up for.
 */
export function owes(start: Start, shards: readonly Fulfilled[], now: Instant, zone: string): Instant | null {
  const { entry } = start;
  if (entry.kind === null) return null;
  const due = lastUpTo(entry.schedule, now, zone);
  const isOwed = shards.some(({ at, tried }) => (at === null ? isPlain(start) || tried : at < due));
  return isOwed ? due : null;
}

/** Engine names of the shards that a start works on. */
export const shardsOf = ({ entry, shard }: Start): readonly string[] =>
  shard !== null ? [shard] : entry.job === null ? [] : shardNames(entry.job);

/** Jobs before those that follow them, and what takes new windows before what looks at old ones. */
export function inOrder(starts: readonly Start[]): Start[] {
  const jobs = new Map(starts.flatMap(({ entry: { job } }) => (job === null ? [] : [[job.name, job] as const])));
  const rank = (start: Start): number => {
    const { job } = start.entry;
    return job === null ? Number.POSITIVE_INFINITY : depth(job, jobs) + (isPlain(start) ? 0 : jobs.size);
  };
  return [...starts].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

/** How many jobs it follows, one behind the other. */
function depth(job: Job, jobs: ReadonlyMap<string, Job>): number {
  let count = 0;
  for (let here: Job | undefined = job; here !== undefined && count <= jobs.size; count++)
    here = 'follows' in here && here.follows !== undefined ? jobs.get(here.follows) : undefined;
  return count;
}
