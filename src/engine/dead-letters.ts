/**
 * Dead letters: rows that the target refused, kept with their content and the reason until a person or a later run
 * settles them. They are written in the transaction of the window that met them, so that the rest of it goes on and
 * nothing is lost. A row has at most one open letter a shard; when it is applied after all, its letter is resolved.
 */
import type { Reader, Session } from '../platform/mysql.ts';
import type { ShardName } from './checkpoint.ts';
import type { Instant, Zone } from './zone.ts';

/** A row that was refused. */
export interface Refusal {
  readonly key: string;
  /** The row's columns as text. */
  readonly content: Readonly<Record<string, string | null>>;
  readonly reason: string;
  /** The server's error number, 0 when it has none. */
  readonly code: number;
}

export interface DeadLetter extends Refusal, ShardName {
  readonly id: number;
  readonly state: 'open' | 'resolved' | 'discarded';
  readonly attempts: number;
  readonly runId: string;
  readonly firstAt: Instant | null;
  readonly lastAt: Instant | null;
  readonly resolution: string | null;
}

export async function keepLetter(
  session: Session,
  { job, shard }: ShardName,
  refusal: Refusal,
  runId: string,
  now: Instant,
  zone: Zone,
): Promise<void> {
  const at = zone.text(now);
  await session.write(
    `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
     VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
     ON DUPLICATE KEY UPDATE content = VALUES(content), reason = VALUES(reason), code = VALUES(code), attempts = attempts + 1,
       run_id = VALUES(run_id), last_at = VALUES(last_at)`,
    [
      job,
      shard,
      refusal.key,
      JSON.stringify(refusal.content),
      refusal.reason.slice(0, 2000),
      refusal.code,
      runId,
      at,
      at,
    ],
  );
}

/** The keys of a shard's open letters, in the order in which they were written. */
export async function openLetterKeys(reader: Reader, { job, shard }: ShardName): Promise<string[]> {
  const rows = await reader.tuples(
    `SELECT row_key FROM tidemark_dead_letter WHERE job = ? AND shard = ? AND state = 'open' ORDER BY id`,
    [job, shard],
  );
  return rows.map(([key]) => String(key));
}

export async function countOpenLetters(reader: Reader, { job, shard }: ShardName): Promise<number> {
  const [row] = await reader.tuples(
    `SELECT COUNT(*) FROM tidemark_dead_letter WHERE job = ? AND shard = ? AND state = 'open'`,
    [job, shard],
  );
  return Number(row?.[0] ?? 0);
}

export async function resolveLetters(
  session: Session,
  { job, shard }: ShardName,
  keys: readonly string[],
  resolution: string,
  now: Instant,
  zone: Zone,
): Promise<void> {
  if (keys.length === 0) return;
  await session.write(
    `UPDATE tidemark_dead_letter SET state = 'resolved', resolution = ?, last_at = ? WHERE job = ? AND shard = ? AND state = 'open' AND row_key IN (?)`,
    [resolution, zone.text(now), job, shard, keys],
  );
}

/** Letters by filter, oldest first. */
export async function findLetters(
  reader: Reader,
  filter: { id?: number; job?: string; key?: string; state?: DeadLetter['state']; limit: number },
  zone: Zone,
): Promise<DeadLetter[]> {
  const conditions = Object.entries({
    id: filter.id,
    job: filter.job,
    row_key: filter.key,
    state: filter.state,
  }).filter(([, value]) => value !== undefined);
  const where = conditions.map(([name]) => `${name} = ?`).join(' AND ') || 'TRUE';
  const rows = await reader.rows<Record<string, string>>(
    `SELECT id, job, shard, row_key, content, reason, code, state, attempts, run_id, first_at, last_at, resolution
       FROM tidemark_dead_letter WHERE ${where} ORDER BY id LIMIT ${filter.limit}`,
    conditions.map(([, value]) => value as string | number),
  );
  return rows.map((row) => ({
    id: Number(row.id),
    job: String(row.job),
    shard: String(row.shard),
    key: String(row.row_key),
    content: JSON.parse(String(row.content)) as Record<string, string | null>,
    reason: String(row.reason),
    code: Number(row.code),
    state: row.state as DeadLetter['state'],
    attempts: Number(row.attempts),
    runId: String(row.run_id),
    firstAt: zone.fromText(row.first_at ?? null),
    lastAt: zone.fromText(row.last_at ?? null),
    resolution: row.resolution ?? null,
  }));
}
