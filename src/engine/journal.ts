/**
 * The journal: one row for each window that was applied, written in the transaction of its effects.
 *
 * Windows of a shard tile time: each starts where the one before ended. Empty time is recorded, too, by extending an
 * empty window, so that `verify` can prove from the journal alone that nothing was left out and nothing done twice.
 */
import type { Reader, Session } from '../platform/mysql.ts';
import type { ShardName } from './checkpoint.ts';
import type { Digest } from './source.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** What was done with the rows of a window. */
export interface Counts {
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  deadLetters: number;
}

export const noCounts = (): Counts => ({ read: 0, inserted: 0, updated: 0, unchanged: 0, deadLetters: 0 });

export function addCounts(sum: Counts, more: Counts): void {
  for (const name of Object.keys(noCounts()) as (keyof Counts)[]) sum[name] += more[name];
}

export interface Entry {
  readonly window: Window;
  readonly runId: string;
  readonly proven: boolean;
  readonly counts: Counts;
  /** What the source held there; null for a job that reads no source. */
  readonly digest: Digest | null;
  readonly now: Instant;
}

export async function recordWindow(
  session: Session,
  { job, shard }: ShardName,
  entry: Entry,
  zone: Zone,
): Promise<void> {
  const { window, runId, proven, counts, digest, now } = entry;
  const start = zone.text(window.start);
  const end = zone.text(window.end);
  if (counts.read === 0 && counts.deadLetters === 0) {
    const extended = await session.write(
      `UPDATE tidemark_window SET window_end = ?, run_id = ?, closed_at = ?
        WHERE job = ? AND shard = ? AND window_end = ? AND rows_read = 0 AND dead_letters = 0 AND proven = ?`,
      [end, runId, zone.text(now), job, shard, start, proven ? 1 : 0],
    );
    if (extended.affected === 1) return;
  }
  await session.write(
    `INSERT INTO tidemark_window (job, shard, window_start, window_end, run_id, proven, rows_read, inserted, updated, unchanged, dead_letters, closed_at, source_rows, source_sum, source_checksum)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      job,
      shard,
      start,
      end,
      runId,
      proven ? 1 : 0,
      counts.read,
      counts.inserted,
      counts.updated,
      counts.unchanged,
      counts.deadLetters,
      zone.text(now),
      ...digestColumns(digest),
    ],
  );
}

const digestColumns = (digest: Digest | null) => [digest?.rows ?? null, digest?.sum ?? null, digest?.checksum ?? null];

/** A window as the journal has it. */
export interface KeptWindow {
  readonly window: Window;
  /** What the source held there when it was closed, or last swept. */
  readonly digest: Digest | null;
}

/** A shard's windows that reach behind an instant, in order, `limit` of them. */
export async function windowsFrom(
  reader: Reader,
  { job, shard }: ShardName,
  from: Instant,
  limit: number,
  zone: Zone,
): Promise<KeptWindow[]> {
  const rows = await reader.tuples(
    `SELECT window_start, window_end, source_rows, source_sum, source_checksum FROM tidemark_window
      WHERE job = ? AND shard = ? AND window_end > ? ORDER BY window_end LIMIT ${limit}`,
    [job, shard, zone.text(from)],
  );
  return rows.map(([start, end, count, sum, checksum]) => ({
    window: { start: zone.fromText(String(start)) as Instant, end: zone.fromText(String(end)) as Instant },
    digest:
      checksum === null || checksum === undefined
        ? null
        : {
            rows: Number(count),
            sum: sum === null || sum === undefined ? null : String(sum),
            checksum: String(checksum),
          },
  }));
}

/** Notes what a window that was swept holds now. The caller's transaction has the checkpoint row. */
export async function keepDigest(
  session: Session,
  { job, shard }: ShardName,
  window: Window,
  digest: Digest,
  zone: Zone,
): Promise<void> {
  await session.write(
    `UPDATE tidemark_window SET source_rows = ?, source_sum = ?, source_checksum = ?
      WHERE job = ? AND shard = ? AND window_start = ? AND window_end = ?`,
    [...digestColumns(digest), job, shard, zone.text(window.start), zone.text(window.end)],
  );
}

/** The window that covers an instant, and the run that closed it. */
export interface CoveringWindow {
  readonly window: Window;
  readonly runId: string;
  readonly closedAt: Instant | null;
}

export async function windowAt(
  reader: Reader,
  { job, shard }: ShardName,
  at: Instant,
  zone: Zone,
): Promise<CoveringWindow | null> {
  const [row] = await reader.tuples(
    `SELECT window_start, window_end, run_id, closed_at FROM tidemark_window
      WHERE job = ? AND shard = ? AND window_start <= ? AND window_end > ? ORDER BY window_start DESC LIMIT 1`,
    [job, shard, zone.text(at), zone.text(at)],
  );
  if (row === undefined) return null;
  const [start, end, runId, closedAt] = row.map((value) => (value === null ? null : String(value)));
  return {
    window: { start: zone.fromText(start ?? null) as Instant, end: zone.fromText(end ?? null) as Instant },
    runId: String(runId),
    closedAt: zone.fromText(closedAt ?? null),
  };
}

/** Takes back what the journal says of the time from an instant on, because a person has set the checkpoint there. */
export async function forgetFrom(
  session: Session,
  { job, shard }: ShardName,
  from: Instant,
  zone: Zone,
): Promise<void> {
  const at = zone.text(from);
  await session.write('DELETE FROM tidemark_window WHERE job = ? AND shard = ? AND window_start >= ?', [
    job,
    shard,
    at,
  ]);
  await session.write('UPDATE tidemark_window SET window_end = ? WHERE job = ? AND shard = ? AND window_end > ?', [
    at,
    job,
    shard,
    at,
  ]);
}
