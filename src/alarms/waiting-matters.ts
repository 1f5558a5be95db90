/** What waits for a person: rows whose repair failed, what a job says of its periods, pauses that were forgotten. */
import { titleOf } from '../engine/checkpoint.ts';
import { isPeriodJob, type Job, shardNames } from '../engine/job.ts';
import { type Pause, pauseOf } from '../engine/pause.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { type Matter, shardKey } from './matter.ts';

/** A row that was refused so often when it was tried again waits for more than time. */
const repairsMax = 2;

/** Open dead letters of a job that a repair has failed to settle, a matter for each shard. */
export async function letterMatters(session: Session, job: Job, zone: Zone): Promise<Matter[]> {
  const rows = await session.tuples(
    `SELECT shard, COUNT(*), MIN(first_at), MAX(repairs) FROM tidemark_dead_letter
      WHERE job = ? AND state = 'open' AND repairs >= ${repairsMax} GROUP BY shard ORDER BY shard`,
    [job.name],
  );
  return rows.map(([shard, count, firstAt, repairs]) => {
    const name = { job: job.name, shard: String(shard) };
    const letters = Number(count) === 1 ? '1 dead letter' : `${count} dead letters`;
    return {
      key: shardKey('letters', name),
      gravity: 'warning',
      of: name,
      since: zone.fromText(firstAt === null ? null : String(firstAt)),
      what: `${letters}, tried again ${repairs} times in vain`,
      next: `tidemark dead-letters list ${job.name}`,
      cause: null,
    };
  });
}

/** What the job itself says: differences that are open, say. */
export async function periodMatters(session: Session, job: Job): Promise<Matter[]> {
  if (!isPeriodJob(job) || job.waiting === undefined) return [];
  const found: Matter[] = [];
  for (const shard of shardNames(job)) {
    const waiting = await job.waiting(session, shard);
    const name = { job: job.name, shard };
    if (waiting !== null)
      found.push({
        ...waiting,
        key: shardKey('waiting', name),
        gravity: 'warning',
        of: name,
        since: null,
        cause: null,
      });
  }
  return found;
}

/** Pauses of a job, or of shards of it, that have lasted too long. */
export function pauseMatters(
  pauses: readonly Pause[],
  job: Job,
  { now, pauseMaxMs }: { readonly now: Instant; readonly pauseMaxMs: number },
): Matter[] {
  const ofJob = new Set(shardNames(job).map((shard) => pauseOf(pauses, { job: job.name, shard })));
  return [...ofJob].flatMap((pause) => {
    if (pause === null || pause.since === null || now - pause.since <= pauseMaxMs) return [];
    const name = { job: pause.job, shard: pause.shard };
    return {
      key: shardKey('paused', name),
      gravity: 'warning' as const,
      of: name,
      since: pause.since,
      what: `still paused, by ${pause.who}: ${pause.reason}`,
      next: `tidemark resume ${titleOf(name)}`,
      cause: null,
    };
  });
}
