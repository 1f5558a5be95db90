/**
 * The history of runs as people read it: what each run was, what became of it, and whether one without an end still runs.
 *
 * A run of a job with windows holds the lock of its shard from before its row is written until after it has ended. So of
 * the rows without an end the youngest of a shard is under way if its lock is held; all others were killed. Runs of jobs
 * without windows hold no lock and may work beside each other: there the process tells, on its own host, and elsewhere
 * the time that has gone by.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Parameter, Session } from '../platform/mysql.ts';
import type { ShardName } from './checkpoint.ts';
import type { Counts } from './journal.ts';
import { lockName } from './lock.ts';
import type { Instant, Zone } from './zone.ts';

/** A run's work on one shard. */
export interface PastRun extends ShardName, Counts {
  readonly sequence: number;
  readonly runId: string;
  readonly kind: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Instant | null;
  readonly endedAt: Instant | null;
  readonly windows: number;
  /** What became of it; `running` and `killed` of those that have written no end. */
  readonly outcome: string;
  readonly error: string | null;
}

export interface HistoryFilter {
  readonly since?: Instant;
  /** Only runs of which a shard failed or was killed. */
  readonly failed?: true;
  readonly limit: number;
}

const columns =
  'sequence, run_id, job, shard, kind, host, pid, started_at, ended_at, windows, rows_read, inserted, updated, unchanged, dead_letters, outcome, error';

/** A run of a job without windows on another host, of which no more is known, is taken for killed after so long. */
const unheardMs = 3_600_000;

/**
 * The latest runs that have worked on these shards, the latest first, each with all of these shards that it had.
 *
 * Each shard is asked for by itself, so that the index leads to its latest rows, however long the history is.
 */
export async function pastRuns(
  session: Session,
  names: readonly ShardName[],
  { since = 0, failed, limit }: HistoryFilter,
  zone: Zone,
): Promise<PastRun[]> {
  const wanted = failed === true ? ["AND outcome = 'failed'", 'AND outcome IS NULL'] : [''];
  const found: PastRun[] = [];
  for (const { job, shard } of names)
    for (const outcome of wanted)
      found.push(...(await read(session, `job = ? AND shard = ? ${outcome}`, [job, shard], zone, limit)));
  const isWanted = (run: PastRun) => (run.startedAt ?? 0) >= since && (failed !== true || isBad(run.outcome));
  const latest = found.filter(isWanted).sort((a, b) => b.sequence - a.sequence);
  const runIds = [...new Set(latest.map(({ runId }) => runId))].slice(0, limit);
  if (runIds.length === 0) return [];
  const isNamed = new Set(names.map(({ job, shard }) => `${job} ${shard}`));
  return (await read(session, 'run_id IN (?)', [runIds], zone)).filter(({ job, shard }) =>
    isNamed.has(`${job} ${shard}`),
  );
}

/** All shards of the runs whose id begins so. */
export function runsByPrefix(session: Session, prefix: string, zone: Zone): Promise<PastRun[]> {
  return read(session, 'run_id LIKE ?', [`${prefix}%`], zone, 1000);
}

/** The runs that have written no end: under way, or killed. */
export function runsWithoutEnd(session: Session, zone: Zone): Promise<PastRun[]> {
  return read(session, 'outcome IS NULL', [], zone);
}

/** The last run of each shard. */
export async function lastRuns(session: Session, zone: Zone): Promise<PastRun[]> {
  const last = 'SELECT MAX(sequence) FROM tidemark_run GROUP BY job, shard';
  return read(session, `sequence IN (SELECT * FROM (${last}) youngest)`, [], zone);
}

/** What a line of the plain schedule begins, in jobs with windows and in those without. */
export const isPlain = (kind: string): boolean => kind === 'windows' || kind === 'due';

/** When a shard was last begun by its plain schedule, or as that would: a sweep or a repair stands in for no such run. */
export async function lastPlainStart(session: Session, { job, shard }: ShardName, zone: Zone): Promise<Instant | null> {
  const [row] = await session.tuples(
    `SELECT started_at FROM tidemark_run WHERE job = ? AND shard = ? AND kind IN ('windows', 'due')
      ORDER BY sequence DESC LIMIT 1`,
    [job, shard],
  );
  return row === undefined ? null : zone.fromText(String(row[0]));
}

const isBad = (outcome: string): boolean => outcome === 'failed' || outcome === 'killed';

async function read(
  session: Session,
  where: string,
  values: readonly Parameter[],
  zone: Zone,
  limit?: number,
): Promise<PastRun[]> {
  const rows = await session.rows<Record<string, string | number | null>>(
    `SELECT ${columns} FROM tidemark_run WHERE ${where} ORDER BY sequence DESC${limit === undefined ? '' : ` LIMIT ${limit}`}`,
    values,
  );
  const text = (value: string | number | null | undefined) =>
    value === null || value === undefined ? null : `${value}`;
  const runs = rows.map((row) => ({
    sequence: Number(row.sequence),
    runId: String(row.run_id),
    job: String(row.job),
    shard: String(row.shard),
    kind: String(row.kind),
    host: String(row.host),
    pid: Number(row.pid),
    startedAt: zone.fromText(text(row.started_at)),
    endedAt: zone.fromText(text(row.ended_at)),
    windows: Number(row.windows),
    read: Number(row.rows_read),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    unchanged: Number(row.unchanged),
    deadLetters: Number(row.dead_letters),
    outcome: text(row.outcome) ?? '',
    error: text(row.error),
  }));
  return withFates(session, runs);
}

/** What has become of those that have written no end. */
async function withFates(session: Session, runs: readonly PastRun[]): Promise<PastRun[]> {
  if (runs.every(({ outcome }) => outcome !== '')) return [...runs];
  const youngest = await session.tuples('SELECT job, shard, MAX(sequence) FROM tidemark_run GROUP BY job, shard');
  const last = new Map(youngest.map(([job, shard, sequence]) => [`${job} ${shard}`, Number(sequence)]));
  const told: PastRun[] = [];
  for (const run of runs) {
    const isYoungest = last.get(`${run.job} ${run.shard}`) === run.sequence;
    const outcome = run.outcome || ((await isUnderWay(session, run, isYoungest)) ? 'running' : 'killed');
    told.push({ ...run, outcome });
  }
  return told;
}

async function isUnderWay(session: Session, run: PastRun, isYoungest: boolean): Promise<boolean> {
  if (run.kind === 'due') return isHeardOf(run);
  if (!isYoungest) return false;
  return (await isLocked(session, run)) || (run.kind === 'repair' && isHeardOf(run)); // a repair may be of either sort
}

async function isLocked(session: Session, { job, shard }: ShardName): Promise<boolean> {
  const [row] = await session.tuples('SELECT IS_USED_LOCK(?)', [lockName(session.database, job, shard)]);
  return row?.[0] !== null && row?.[0] !== undefined;
}

function isHeardOf({ host, pid, startedAt }: PastRun): boolean {
  if (host !== hostname().slice(0, 64)) return Date.now() - (startedAt ?? 0) < unheardMs;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const began = beganAt(pid);
  return began === null || startedAt === null || began < startedAt + 2000; // else another has got its number
}

/** When a process of this host began, where that can be told (Linux). */
function beganAt(pid: number): Instant | null {
  try {
    const ticks = Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]);
    const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
    const began = boot * 1000 + ticks * 10;
    return Number.isFinite(began) ? began : null;
  } catch {
    return null;
  }
}
