/**
 * The checkpoint: the end of the last window that was applied, in the database where the effects live.
 *
 * Its row is lock and position at once. Every transaction with effects takes it FOR UPDATE first and reads the source
 * only then; the position moves from a window's start to its end by compare-and-set, in the same transaction. So a gap,
 * an overlap or a writer that was overtaken cannot commit. A shard that never ran has no row: of two first runs at once,
 * the second insert fails.
 *
 * It is kept as the rows are, in the text of the business zone: it is a position in the data.
 */
import { JobError, SetupError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { Instant, Zone } from './zone.ts';

/** One shard of a job; `shard` is empty for a job without shards. */
export interface ShardName {
  readonly job: string;
  readonly shard: string;
}

export class OvertakenError extends JobError {}

/** `sync-commission-log 3` */
export function titleOf({ job, shard }: ShardName): string {
  return shard === '' ? job : `${job} ${shard}`;
}

/** @returns the position, or null for a shard that never ran */
export async function readCheckpoint(
  reader: Reader,
  { job, shard }: ShardName,
  zone: Zone,
  lock = false,
): Promise<Instant | null> {
  const [row] = await reader.tuples(
    `SELECT checkpoint FROM tidemark_checkpoint WHERE job = ? AND shard = ?${lock ? ' FOR UPDATE' : ''}`,
    [job, shard],
  );
  return row === undefined ? null : zone.fromText(String(row[0]));
}

/** The positions that no shard of these jobs has: of a job or shard that is gone. They count for nothing any more. */
export async function strayCheckpoints(
  reader: Reader,
  names: readonly ShardName[],
  zone: Zone,
): Promise<(ShardName & { readonly at: Instant | null })[]> {
  const known = new Set(names.map(titleOf));
  const rows = await reader.tuples('SELECT job, shard, checkpoint FROM tidemark_checkpoint ORDER BY job, shard');
  return rows
    .map(([job, shard, at]) => ({ job: String(job), shard: String(shard), at: zone.fromText(String(at)) }))
    .filter((name) => !known.has(titleOf(name)));
}

/**
 * Refuses a source whose clock is behind where it was seen when the checkpoint was last moved: rows may now be stamped
 * behind the checkpoint, in windows that are closed. A second is let pass: no window is closed closer to now than that.
 *
 * @throws SetupError that says until when, and how to take what was stamped meanwhile
 */
export async function refuseClockBehind(
  reader: Reader,
  name: ShardName,
  checkpoint: Instant | null,
  sourceNow: Instant,
  zone: Zone,
): Promise<void> {
  const [row] = await reader.tuples('SELECT source_now FROM tidemark_checkpoint WHERE job = ? AND shard = ?', [
    name.job,
    name.shard,
  ]);
  const seen = zone.fromText(row?.[0] === undefined ? null : (row[0] as string | null));
  const last = Math.max(seen ?? 0, checkpoint ?? 0);
  if (sourceNow >= last - 1000) return;
  throw new SetupError(
    `the clock of the source says ${zone.iso(Math.floor(sourceNow / 1000) * 1000)}, and was ${zone.iso(last)} before: rows may now be stamped behind the checkpoint, in windows that are closed`,
    `put the source's clock right, or TIDEMARK_TIMEZONE if that was changed; once it is past ${zone.iso(last)} the job goes on, and tidemark run ${titleOf(name)} --sweep takes what was stamped meanwhile`,
  );
}

/**
 * Moves the position, only from where it is believed to be.
 *
 * @throws OvertakenError when it is somewhere else: the transaction must be rolled back
 */
export async function moveCheckpoint(
  session: Session,
  name: ShardName,
  move: { from: Instant | null; to: Instant; runId: string; now: Instant; sourceNow: Instant | null },
  zone: Zone,
): Promise<void> {
  const { from, to, runId, now } = move;
  const sourceNow = move.sourceNow === null ? null : zone.text(move.sourceNow);
  const moved =
    from === null
      ? await insertCheckpoint(session, name, [zone.text(to), runId, zone.text(now), sourceNow])
      : (
          await session.write(
            'UPDATE tidemark_checkpoint SET checkpoint = ?, run_id = ?, moved_at = ?, source_now = ? WHERE job = ? AND shard = ? AND checkpoint = ?',
            [zone.text(to), runId, zone.text(now), sourceNow, name.job, name.shard, zone.text(from)],
          )
        ).affected === 1;
  if (!moved)
    throw new OvertakenError(
      `${titleOf(name)}: another run has moved the checkpoint; this run stops, and changes nothing more`,
      `tidemark status ${name.job}`,
    );
}

async function insertCheckpoint(
  session: Session,
  { job, shard }: ShardName,
  values: readonly (string | null)[],
): Promise<boolean> {
  try {
    await session.write(
      'INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at, source_now) VALUES (?, ?, ?, ?, ?, ?)',
      [job, shard, ...values],
    );
    return true;
  } catch (error) {
    if (errorNumber(error) === 1062) return false;
    throw error;
  }
}
