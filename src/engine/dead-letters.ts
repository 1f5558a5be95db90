/**
 * Dead letters: rows that the target refused, kept with their content and the reason until a person or a later run
 * settles them. They are written in the transaction of the window that met them, so that the rest of it goes on and
 * nothing is lost. A row has at most one open letter a shard; when it is applied after all, its letter is resolved.
 *
 * A letter ends once: resolved by a run, or discarded by a person, who says why. It stays for ever, so what looks for
 * open ones goes by the key `open_key`, which others do not have. What a run counts on a letter it counts once, however
 * often its transaction was tried.
 */
import type { Parameter, Reader, Session } from '../platform/mysql.ts';
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
  /** Runs that tried the row. */
  readonly attempts: number;
  /** Of them, repairs that have left the letter open. */
  readonly repairs: number;
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
     ON DUPLICATE KEY UPDATE content = VALUES(content), reason = VALUES(reason), code = VALUES(code),
       attempts = attempts + IF(run_id = VALUES(run_id), 0, 1), run_id = VALUES(run_id), last_at = VALUES(last_at)`,
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

/**
 * The keys of a shard's open letters, in their order: of a job that closes months, what an older month lacks comes before
 * what a younger one does, whichever was refused first.
 *
 * @param only ids of the letters that count; absent for all
 */
export async function openLetterKeys(
  reader: Reader,
  { job, shard }: ShardName,
  only?: ReadonlySet<number>,
): Promise<string[]> {
  const rows = await reader.tuples(
    `SELECT id, row_key FROM tidemark_dead_letter WHERE job = ? AND shard = ? AND open_key IS NOT NULL ORDER BY open_key`,
    [job, shard],
  );
  return rows.filter(([id]) => only?.has(Number(id)) ?? true).map(([, key]) => String(key));
}

/** Those of some keys that still have an open letter, in their order. */
export async function stillOpen(reader: Reader, { job, shard }: ShardName, keys: readonly string[]): Promise<string[]> {
  const rows = await reader.tuples(
    `SELECT open_key FROM tidemark_dead_letter WHERE job = ? AND shard = ? AND open_key IN (?)`,
    [job, shard, keys],
  );
  const open = new Set(rows.map(([key]) => String(key)));
  return keys.filter((key) => open.has(key));
}

export async function countOpenLetters(reader: Reader, name: ShardName, only?: ReadonlySet<number>): Promise<number> {
  if (only !== undefined) return (await openLetterKeys(reader, name, only)).length;
  const [row] = await reader.tuples(
    `SELECT COUNT(*) FROM tidemark_dead_letter WHERE job = ? AND shard = ? AND open_key IS NOT NULL`,
    [name.job, name.shard],
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
    `UPDATE tidemark_dead_letter SET state = 'resolved', resolution = ?, last_at = ? WHERE job = ? AND shard = ? AND open_key IN (?)`,
    [resolution, zone.text(now), job, shard, keys],
  );
}

/** Notes on the letters of these keys that are still open that a repair has failed them. */
export async function countRepair(
  session: Session,
  { job, shard }: ShardName,
  keys: readonly string[],
  runId: string,
): Promise<void> {
  if (keys.length === 0) return;
  await session.write(
    `UPDATE tidemark_dead_letter SET repairs = repairs + 1, repair_run = ?
      WHERE job = ? AND shard = ? AND open_key IN (?) AND NOT (repair_run <=> ?)`,
    [runId, job, shard, keys, runId],
  );
}

/**
 * Ends letters of a shard because a person gives their rows up. The caller's transaction has the checkpoint row.
 *
 * @returns how many were open until now
 */
export async function discardLetters(
  session: Session,
  { job, shard }: ShardName,
  ids: readonly number[],
  resolution: string,
  now: Instant,
  zone: Zone,
): Promise<number> {
  const { affected } = await session.write(
    `UPDATE tidemark_dead_letter SET state = 'discarded', resolution = ?, last_at = ? WHERE id IN (?) AND job = ? AND shard = ? AND state = 'open'`,
    [resolution, zone.text(now), ids, job, shard],
  );
  return affected;
}

/** Which letters are meant; what is absent does not count. */
export interface LetterFilter {
  readonly ids?: readonly number[];
  readonly job?: string;
  readonly shard?: string;
  readonly key?: string;
  readonly state?: DeadLetter['state'];
  /** A part of the reason, in either case. */
  readonly reason?: string;
  /** Written before. */
  readonly before?: Instant;
  readonly repairsMin?: number;
}

function conditionsOf(filter: LetterFilter, zone: Zone): { where: string; values: Parameter[] } {
  const { ids, job, shard, key, state, reason, before, repairsMin } = filter;
  const conditions: [sql: string, value: Parameter | undefined][] = [
    ['id IN (?)', ids],
    ['job = ?', job],
    ['shard = ?', shard],
    ['row_key = ?', key],
    ['state = ?', state],
    ['LOCATE(LOWER(?), LOWER(reason)) > 0', reason],
    ['first_at < ?', before === undefined ? undefined : zone.text(before)],
    ['repairs >= ?', repairsMin],
  ];
  const given = conditions.filter((one): one is [string, Parameter] => one[1] !== undefined);
  return {
    where: given.map(([sql]) => sql).join(' AND ') || 'TRUE',
    values: given.map(([, value]) => value),
  };
}

/** Where letters are, without what they hold: all of them, however many. */
export async function placesOfLetters(
  reader: Reader,
  filter: LetterFilter,
  zone: Zone,
): Promise<(ShardName & { readonly id: number })[]> {
  const { where, values } = conditionsOf(filter, zone);
  const rows = await reader.tuples(
    `SELECT id, job, shard FROM tidemark_dead_letter WHERE ${where} ORDER BY id`,
    values,
  );
  return rows.map(([id, job, shard]) => ({ id: Number(id), job: String(job), shard: String(shard) }));
}

/** Letters by filter, oldest first. */
export async function findLetters(
  reader: Reader,
  filter: LetterFilter,
  limit: number,
  zone: Zone,
): Promise<DeadLetter[]> {
  const { where, values } = conditionsOf(filter, zone);
  const rows = await reader.rows<Record<string, string>>(
    `SELECT id, job, shard, row_key, content, reason, code, state, attempts, repairs, run_id, first_at, last_at, resolution
       FROM tidemark_dead_letter WHERE ${where} ORDER BY id LIMIT ${limit}`,
    values,
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
    repairs: Number(row.repairs),
    runId: String(row.run_id),
    firstAt: zone.fromText(row.first_at ?? null),
    lastAt: zone.fromText(row.last_at ?? null),
    resolution: row.resolution ?? null,
  }));
}
