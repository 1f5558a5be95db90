/**
 * The history of runs, one row for each shard that a run worked on, and the order in which runs began.
 *
 * A run's row is written when it has the lock and closed when it ends; one that was killed stays open, and says so. The
 * row's sequence number is a fence: a run that finds a younger one inside its transaction has been overtaken, was
 * paused perhaps for an hour, and must write nothing more, not even what could be repeated.
 */
import { hostname } from 'node:os';
import type { Reader, Session } from '../platform/mysql.ts';
import { OvertakenError, type ShardName, titleOf } from './checkpoint.ts';
import type { Counts } from './journal.ts';
import { isPausedSql } from './pause.ts';
import type { Instant, Zone } from './zone.ts';

export type RunKind = 'windows' | 'due' | 'range' | 'full' | 'repair' | 'sweep' | 'fix' | 'checkpoint';

interface Beginning {
  readonly runId: string;
  readonly kind: RunKind;
  readonly now: Instant;
}

const insertRun =
  'INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at) SELECT ?, ?, ?, ?, ?, ?, ?';

const valuesOf = ({ job, shard }: ShardName, { runId, kind, now }: Beginning, zone: Zone) =>
  [runId, job, shard, kind, hostname().slice(0, 64), process.pid, zone.text(now)] as const;

/** @returns the run's sequence number; null when the shard is paused, so that nothing may begin */
export async function beginRun(session: Session, name: ShardName, run: Beginning, zone: Zone): Promise<number | null> {
  const { affected, insertId } = await session.write(`${insertRun} FROM DUAL WHERE NOT ${isPausedSql}`, [
    ...valuesOf(name, run, zone),
    name.job,
    name.shard,
  ]);
  return affected === 0 ? null : insertId;
}

/** Begins what a person does to a shard while nothing runs, paused or not. @returns the sequence number */
export async function beginByHand(session: Session, name: ShardName, run: Beginning, zone: Zone): Promise<number> {
  return (await session.write(insertRun, valuesOf(name, run, zone))).insertId;
}

/**
 * Ends a run's row, and adds it to the sums of its shard in the same statement. Repeated, because an answer was lost, it
 * changes nothing. The first run of a shard with an outcome needs a second statement, and is not summed up if it is
 * killed between the two.
 */
export async function endRun(
  session: Session,
  sequence: number,
  end: { outcome: string; windows: number; counts: Counts; error: string | null; now: Instant },
  zone: Zone,
): Promise<void> {
  const { read, inserted, updated, unchanged, deadLetters } = end.counts;
  const counts = [end.windows, read, inserted, updated, unchanged, deadLetters];
  const at = zone.text(end.now);
  const { affected } = await session.write(
    `UPDATE tidemark_run r
       LEFT JOIN tidemark_run_sum s ON s.job = r.job AND s.shard = r.shard AND s.kind = r.kind AND s.outcome = ?
        SET r.ended_at = ?, r.outcome = ?, r.error = ?, ${summed.map((name) => `r.${name} = ?`).join(', ')},
            s.runs = s.runs + 1, s.last_at = ?, ${summed.map((name) => `s.${name} = s.${name} + ?`).join(', ')}
      WHERE r.sequence = ? AND r.ended_at IS NULL`,
    [end.outcome, at, end.outcome, end.error?.slice(0, 1000) ?? null, ...counts, at, ...counts, sequence],
  );
  if (affected !== 1) return; // both rows, or neither
  await session.write(
    `INSERT INTO tidemark_run_sum (job, shard, kind, outcome, runs, ${summed.join(', ')}, last_at)
     SELECT job, shard, kind, outcome, 1, ${summed.join(', ')}, ended_at FROM tidemark_run r WHERE sequence = ?
     ON DUPLICATE KEY UPDATE runs = tidemark_run_sum.runs + 1, last_at = VALUES(last_at),
       ${summed.map((name) => `${name} = tidemark_run_sum.${name} + VALUES(${name})`).join(', ')}`,
    [sequence],
  );
}

const summed = ['windows', 'rows_read', 'inserted', 'updated', 'unchanged', 'dead_letters'] as const;

/**
 * Looks, inside a transaction, whether the run may go on.
 *
 * @returns whether the shard is paused: then it may finish what it has in hand, and begin nothing more
 * @throws OvertakenError when a younger run of the shard has begun
 */
export async function assertYoungest(session: Session, { job, shard }: ShardName, sequence: number): Promise<boolean> {
  const [row] = await session.tuples(
    `SELECT sequence, run_id, ${isPausedSql} FROM tidemark_run WHERE job = ? AND shard = ? ORDER BY sequence DESC LIMIT 1`,
    [job, shard, job, shard],
  );
  if (row !== undefined && Number(row[0]) > sequence) {
    throw new OvertakenError(
      `${titleOf({ job, shard })}: run ${row[1]} has taken over while this one was stopped or cut off; this run stops, and changes nothing more`,
      `tidemark status ${job}`,
    );
  }
  return Number(row?.[2]) === 1;
}

/**
 * When a shard's last run of a kind began that needs no other: one that failed, was killed, interrupted or paused in its
 * midst does. Null where there is none; `tried` tells whether there was any run of the kind. Who asks again and again says
 * since when it matters, and older runs are not looked for.
 */
export async function lastFulfilled(
  reader: Reader,
  { job, shard }: ShardName,
  kind: RunKind,
  zone: Zone,
  since: Instant | null = null,
): Promise<{ readonly at: Instant | null; readonly tried: boolean }> {
  let tried = false;
  let below: number | null = null;
  for (let looked = 0, count = firstLook; looked < lookedAtMax; looked += count, count *= 4) {
    const [row] = await reader.tuples(
      `SELECT MAX(IF(kind = ? AND outcome NOT IN ('failed', 'interrupted', 'paused'), started_at, NULL)),
              SUM(kind = ?), COUNT(*), MIN(sequence), MIN(started_at)
         FROM (SELECT sequence, started_at, outcome, kind FROM tidemark_run
                WHERE job = ? AND shard = ? ${below === null ? '' : 'AND sequence < ?'}
                ORDER BY sequence DESC LIMIT ${Math.min(count, lookedAtMax - looked)}) latest`,
      [kind, kind, job, shard, ...(below === null ? [] : [below])],
    );
    const [at, ofKind, found, lowest, oldest] = row ?? [];
    tried ||= Number(ofKind ?? 0) > 0;
    if (at !== null && at !== undefined) return { at: zone.fromText(String(at)), tried };
    if (Number(found ?? 0) < count) break;
    if (since !== null && (zone.fromText(String(oldest)) ?? 0) < since - clocksApartMs) break;
    below = Number(lowest);
  }
  return { at: null, tried };
}

/** How many runs are looked at first: most are found among them, and rows are read from the youngest on. */
const firstLook = 200;
/** How far back one looks for runs of a kind: two months of a job that runs every two minutes. */
const lookedAtMax = 50_000;
/** Hosts whose clocks differ do not write their starts quite in order. */
const clocksApartMs = 3_600_000;
