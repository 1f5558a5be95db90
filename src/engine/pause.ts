/**
 * Pauses: a person keeps a job, or a shard of it, from beginning anything new. What is under way comes to its end.
 *
 * A pause lives in the database of the job's effects, beside its checkpoint; time that passes meanwhile is taken when it
 * is over, as after any other stop.
 */
import { JobError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { type ShardName, titleOf } from './checkpoint.ts';
import type { Instant, Zone } from './zone.ts';

/** The shard is empty for a pause of all shards. */
export interface Pause extends ShardName {
  readonly reason: string;
  readonly who: string;
  readonly since: Instant | null;
}

/** An SQL condition, with the job and the shard as its parameters: that something keeps it. */
export const isPausedSql = `EXISTS (SELECT 1 FROM tidemark_pause WHERE job = ? AND shard IN ('', ?))`;

export async function isPaused(reader: Reader, { job, shard }: ShardName): Promise<boolean> {
  const [row] = await reader.tuples(`SELECT ${isPausedSql}`, [job, shard]);
  return Number(row?.[0]) === 1;
}

/**
 * Pauses a shard, or all of a job. What has begun its transaction by now may still commit it.
 *
 * @returns false when this very pause was there already; it stays as it is
 */
export async function beginPause(
  session: Session,
  { job, shard, reason, who }: Omit<Pause, 'since'>,
  now: Instant,
  zone: Zone,
): Promise<boolean> {
  try {
    await session.write('INSERT INTO tidemark_pause (job, shard, reason, who, since) VALUES (?, ?, ?, ?, ?)', [
      job,
      shard,
      reason,
      who.slice(0, 128),
      zone.text(now),
    ]);
    return true;
  } catch (error) {
    if (errorNumber(error) === 1062) return false;
    throw error;
  }
}

/** @returns whether there was such a pause */
export async function endPause(session: Session, { job, shard }: ShardName): Promise<boolean> {
  const { affected } = await session.write('DELETE FROM tidemark_pause WHERE job = ? AND shard = ?', [job, shard]);
  return affected === 1;
}

/** `sync-commission-log 3 is paused since 2026-11-21 22:10:05 by ann (tidemark pause): the table is being moved` */
export function pauseText(pause: Pause, zone: Zone): string {
  const since = pause.since === null ? '' : ` since ${zone.text(pause.since)}`;
  return `${titleOf(pause)} is paused${since} by ${pause.who}: ${pause.reason}`;
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

/** The pause that keeps a shard; null when it was lifted meanwhile. */
export async function readPauseOf(reader: Reader, name: ShardName, zone: Zone): Promise<Pause | null> {
  return pauseOf(await readPauses(reader, zone), name);
}

/** For what a person has asked for and may not begin. */
export async function pausedErrorOf(reader: Reader, name: ShardName, zone: Zone): Promise<JobError> {
  const pause = await readPauseOf(reader, name, zone);
  const text = pause === null ? `${titleOf(name)} is paused` : pauseText(pause, zone);
  return new JobError(text, `tidemark resume ${titleOf(pause ?? name)}`);
}
