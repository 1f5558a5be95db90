/**
 * What the bookkeeping of one database tells in figures. Any process on any host reads the same.
 *
 * Every query goes by an index or over a table of a row a shard, so that it costs the same after years: but for dead
 * letters, of which there are few.
 */
import type { Job } from '../engine/job.ts';
import { shardNames } from '../engine/job.ts';
import { pauseOf, readPauses } from '../engine/pause.ts';
import { lastRuns, type PastRun, runsWithoutEnd } from '../engine/run-history.ts';
import type { Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';

/** What the runs of a shard of one kind and outcome come to. */
export interface Sum {
  readonly kind: string;
  readonly outcome: string;
  readonly runs: number;
  readonly windows: number;
  readonly read: number;
  readonly inserted: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly refused: number;
  readonly lastAt: number | null;
}

export interface ShardFigures {
  readonly job: string;
  readonly shard: string;
  readonly checkpoint: number | null;
  /** The source's clock when the checkpoint was last moved. */
  readonly sourceNow: number | null;
  readonly lastRun: PastRun | null;
  readonly killed: number;
  readonly deadLetters: number;
  readonly isPaused: boolean;
  readonly sums: readonly Sum[];
}

export interface Figures {
  readonly shards: readonly ShardFigures[];
  /** Open differences by counterpart; null where the database knows none. */
  readonly differences: ReadonlyMap<string, number> | null;
}

export async function figuresOf(jobs: readonly Job[], session: Session, zone: Zone): Promise<Figures> {
  const at = (text: unknown) => zone.fromText(text === null || text === undefined ? null : String(text));
  const checkpoints = await session.tuples('SELECT job, shard, checkpoint, source_now FROM tidemark_checkpoint');
  const letters = await session.tuples(
    'SELECT job, shard, COUNT(open_key) FROM tidemark_dead_letter GROUP BY job, shard',
  );
  const last = await lastRuns(session, zone);
  const killed = (await runsWithoutEnd(session, zone)).filter(({ outcome }) => outcome === 'killed');
  const pauses = await readPauses(session, zone);
  const sums = await readSums(session, at);
  const shards = jobs.flatMap((job) =>
    shardNames(job).map((shard) => {
      const name = { job: job.name, shard };
      const isIt = (one: { readonly job: string; readonly shard: string }) =>
        one.job === job.name && one.shard === shard;
      const rowOf = (rows: typeof letters) => rows.find(([of, which]) => of === job.name && which === shard);
      const checkpoint = rowOf(checkpoints);
      return {
        ...name,
        checkpoint: at(checkpoint?.[2]),
        sourceNow: at(checkpoint?.[3]),
        lastRun: last.find(isIt) ?? null,
        killed: killed.filter(isIt).length,
        deadLetters: Number(rowOf(letters)?.[2] ?? 0),
        isPaused: pauseOf(pauses, name) !== null,
        sums: sums.filter(isIt),
      };
    }),
  );
  return { shards, differences: await openDifferences(session) };
}

async function readSums(session: Session, at: (text: unknown) => number | null) {
  const rows = await session.rows<Record<string, string | number>>('SELECT * FROM tidemark_run_sum');
  return rows.map((row) => ({
    job: String(row.job),
    shard: String(row.shard),
    kind: String(row.kind),
    outcome: String(row.outcome),
    runs: Number(row.runs),
    windows: Number(row.windows),
    read: Number(row.rows_read),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    unchanged: Number(row.unchanged),
    refused: Number(row.dead_letters),
    lastAt: at(row.last_at),
  }));
}

/** Only the ledger has such a table. */
async function openDifferences(session: Session): Promise<Map<string, number> | null> {
  try {
    const rows = await session.tuples(
      `SELECT counterpart, SUM(outcome NOT IN ('resolved', 'pending_cutoff')) FROM difference GROUP BY counterpart`,
    );
    return new Map(rows.map(([counterpart, count]) => [String(counterpart), Number(count)]));
  } catch (error) {
    if (errorNumber(error) === 1146) return null;
    throw error;
  }
}
