/**
 * Pauses: a person keeps a job, or a shard of it, from beginning anything new. What is under way comes to its end.
 *
 * A pause lives in the database of the job's effects, beside its checkpoint; time that passes meanwhile is taken when it
 * is over, as after any other stop.
 */
import type { Reader } from '../platform/mysql.ts';
import type { ShardName } from './checkpoint.ts';
import type { Instant, Zone } from './zone.ts';

/** The shard is empty for a pause of all shards. */
export interface Pause extends ShardName {
  readonly reason: string;
  readonly who: string;
  readonly since: Instant | null;
}

/** All pauses of a database. */
export async function readPauses(reader: Reader, zone: Zone): Promise<Pause[]> {
  const rows = await reader.tuples('SELECT job, shard, reason, who, since FROM tidemark_pause ORDER BY job, shard');
  return rows.map(([job, shard, reason, who, since]) => ({
    job: String(job),
    shard: String(shard),
    reason: String(reason),
    who: String(who),
    since: zone.fromText(String(since)),
  }));
}

/** The pause that keeps a shard, its own or that of its job; null when nothing does. */
export function pauseOf(pauses: readonly Pause[], { job, shard }: ShardName): Pause | null {
  const ofJob = pauses.filter((pause) => pause.job === job);
  return ofJob.find((pause) => pause.shard === '') ?? ofJob.find((pause) => pause.shard === shard) ?? null;
}
