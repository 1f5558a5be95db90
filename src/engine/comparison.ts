/**
 * Comparing what a job has written with its source: opens both sides, and tells the job what should be there by now.
 *
 * Checkpoints are read before any row. What is then found in the source with a time before its shard's checkpoint was
 * closed, and so must have been applied, whatever goes on meanwhile.
 */
import { silentLog } from '../platform/log.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { Compared } from './compared.ts';
import { openLetterKeys } from './dead-letters.ts';
import type { ComparedShard, TableJob } from './job.ts';
import { shardNames } from './job.ts';
import type { Setting } from './run.ts';
import { Source } from './source.ts';
import { describeSource } from './source-table.ts';
import { checkProvable } from './watermark.ts';
import type { Instant } from './zone.ts';

/**
 * Compares all shards of a job with its target. Writes nothing, locks nothing.
 *
 * @param only the keys of the rows to compare; null for all
 * @throws SetupError where a table is missing, the source is a replica, or the job cannot be compared with it
 */
export async function compareJob(
  job: TableJob,
  setting: Setting,
  only: readonly string[] | null = null,
): Promise<Compared> {
  if (job.compare === undefined) throw new TypeError(`${job.name} has no way to compare`);
  const sessions: Session[] = [];
  const open = async (opening: Promise<Session>) => {
    const session = await opening;
    session.keepWarm(setting.stallTimeoutMs / 3);
    sessions.push(session);
    return session;
  };
  try {
    const [target, source] = await Promise.all([open(setting.openTarget(job)), open(setting.openSource())]);
    const checkpoints = new Map<string, Instant | null>();
    for (const shard of shardNames(job))
      checkpoints.set(shard, await readCheckpoint(target, { job: job.name, shard }, setting.zone));
    await checkProvable(source, setting.settleLagMs === undefined);
    const { shards, instantOf } = await describeShards(job, target, source, setting);
    return await job.compare({
      shards,
      source,
      target,
      only,
      due: (shard, time) => dueBy(checkpoints.get(shard) ?? null, instantOf(shard, time)),
      stopped: () => setting.halt.soon.aborted,
    });
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
}

export function dueBy(checkpoint: Instant | null, time: Instant | null): 'due' | 'later' | 'never' {
  if (time === null) return 'never';
  return checkpoint !== null && time < checkpoint ? 'due' : 'later';
}

/** Every shard's source table and plan, and how to read its time column; null is no usable time. */
export async function describeShards(
  job: TableJob,
  target: Reader,
  source: Session,
  { zone, missingColumns }: Setting,
): Promise<{ shards: ComparedShard[]; instantOf: (shard: string, time: string) => Instant | null }> {
  const shards: ComparedShard[] = [];
  const readers = new Map<string, Source>();
  for (const shard of shardNames(job)) {
    const table = await describeSource(source, job, shard, silentLog);
    const plan = await job.prepare({ table, target, log: silentLog, missingColumns });
    const letters = new Set(await openLetterKeys(target, { job: job.name, shard }));
    shards.push({ shard, table, plan, letters });
    readers.set(shard, new Source(table, job.source, zone));
  }
  return {
    shards,
    instantOf: (shard, time) => (time < '1000-01-01' ? null : (readers.get(shard)?.instant(time) ?? null)),
  };
}
