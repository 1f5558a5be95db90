/**
 * What the history of runs tells of a shard: it failed again and again, it has not started, a run never ended.
 *
 * A run that was refused the lock leaves no row: while one is under way, nobody else starts, and nobody is missed.
 */
import { hostname } from 'node:os';
import { titleOf } from '../engine/checkpoint.ts';
import { isDueJob, type Job } from '../engine/job.ts';
import { lockName } from '../engine/lock.ts';
import type { RunKind } from '../engine/runs.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { livesSince } from '../platform/process.ts';
import type { Deadlines } from '../schedule/deadline.ts';
import { inWords, type Matter, shardKey, timeText } from './matter.ts';

interface Run {
  readonly sequence: number;
  readonly runId: string;
  readonly kind: RunKind;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Instant;
  readonly isOpen: boolean;
  readonly outcome: string | null;
  readonly error: string | null;
}

export interface RunQuestion {
  readonly job: Job;
  readonly shard: string;
  readonly session: Session;
  readonly zone: Zone;
  readonly now: Instant;
  readonly deadlines: Deadlines;
  /** So many failures in a row are a matter. */
  readonly failuresMax: number;
}

/** How far back runs are looked for: days, also where jobs run every few seconds. The sequence is that of all shards. */
const horizon = '(SELECT MAX(sequence) - LEAST(MAX(sequence), 100000) FROM tidemark_run)';
/** A process that was killed is left to the next start for so long. */
const killedMs = 300_000;
/** For runs over everything, which have no schedule to be measured by. */
const longRunMs = 6 * 3_600_000;

export async function runMatters(question: RunQuestion): Promise<Matter[]> {
  const runs = await recentRuns(question);
  const stuck = await stuckRun(question, runs);
  const found = [...failures(question, runs), missing(question, runs), stuck];
  return found.filter((matter) => matter !== null);
}

/** The last few runs of each kind that has a schedule, and the very last one, the youngest first. */
async function recentRuns({ job, shard, session, zone, failuresMax }: RunQuestion): Promise<Run[]> {
  const last = (more: string, count: number) =>
    `(SELECT sequence, run_id, kind, host, pid, started_at, ended_at IS NULL, outcome, error FROM tidemark_run
       WHERE job = ? AND shard = ? ${more} ORDER BY sequence DESC LIMIT ${count})`;
  const kinds = [plainKind(job), ...scheduledKinds(job)];
  const parts = [
    last('', 1),
    ...kinds.map((kind) => last(`AND kind = '${kind}' AND sequence > ${horizon}`, failuresMax + 1)),
  ];
  const rows = await session.tuples(
    parts.join(' UNION '),
    parts.flatMap(() => [job.name, shard]),
  );
  const runs = rows.map(([sequence, runId, kind, host, pid, startedAt, isOpen, outcome, error]) => ({
    sequence: Number(sequence),
    runId: String(runId),
    kind: String(kind) as RunKind,
    host: String(host),
    pid: Number(pid),
    startedAt: zone.fromText(String(startedAt)) ?? 0,
    isOpen: Number(isOpen) === 1,
    outcome: outcome === null || outcome === undefined ? null : String(outcome),
    error: error === null || error === undefined ? null : String(error),
  }));
  return runs.sort((one, other) => other.sequence - one.sequence);
}

const plainKind = (job: Job): RunKind => (isDueJob(job) ? 'due' : 'windows');

const scheduledKinds = (job: Job) =>
  (['full', 'sweep', 'repair'] as const).filter((kind) =>
    (job.also ?? []).some(({ options }) => options.includes(`--${kind}`)),
  );

/** One for each kind of run that has a schedule: a person's own runs are watched by that person. */
function failures({ job, shard, now, zone, failuresMax }: RunQuestion, runs: readonly Run[]): Matter[] {
  const name = { job: job.name, shard };
  const youngest = runs[0];
  return [plainKind(job), ...scheduledKinds(job)].flatMap((kind) => {
    const ended = runs.filter((run) => run.kind === kind && !(run.isOpen && (run === youngest || isDueJob(job))));
    const last = ended.slice(0, failuresMax);
    const oldest = last.at(-1);
    if (oldest === undefined || last.length < failuresMax || !last.every(hasFailed)) return [];
    const { startedAt, error } = last[0] as Run;
    const flag = kind === 'full' || kind === 'sweep' || kind === 'repair' ? ` --${kind}` : '';
    const runsText = failuresMax === 1 ? 'the last run' : `the last ${failuresMax} runs`;
    return {
      key: shardKey(flag === '' ? 'failing' : `failing-${kind as 'full'}`, name),
      gravity: 'critical' as const,
      of: name,
      since: oldest.startedAt,
      what: `${runsText}${flag} failed, the last one at ${timeText(startedAt, now, zone)}: ${error ?? 'its process was killed'}`,
      next: `tidemark run ${titleOf(name)}${flag}`,
      cause: null,
    };
  });
}

/** Not ended, and another has begun: it was killed. */
const hasFailed = ({ outcome, isOpen }: Run): boolean => outcome === 'failed' || isOpen;

function missing({ job, shard, now, zone, deadlines }: RunQuestion, runs: readonly Run[]): Matter | null {
  const name = { job: job.name, shard };
  const last = runs.find(({ kind }) => kind === plainKind(job));
  if (last !== undefined && (runs[0]?.isOpen === true || last.startedAt >= deadlines.start)) return null;
  const what = last === undefined ? 'never started' : `no start since ${timeText(last.startedAt, now, zone)}`;
  return {
    key: shardKey('missing', name),
    gravity: 'critical',
    of: name,
    since: last?.startedAt ?? null,
    what: `${what}; its schedule is ${job.schedule}`,
    next: `tidemark run ${titleOf(name)} (then tidemark doctor: is its line in the crontab, does cron run?)`,
    cause: null,
    // An installation, or a shard, that is new has as much time as one that stands still.
    ...(last === undefined ? { patienceMs: now - deadlines.start } : {}),
  };
}

async function stuckRun(question: RunQuestion, runs: readonly Run[]): Promise<Matter | null> {
  const { job, shard, now, zone } = question;
  const [last] = runs;
  if (last === undefined || !last.isOpen) return null;
  const name = { job: job.name, shard };
  const ageMs = now - last.startedAt;
  const who = `run ${last.runId} on ${last.host} (pid ${last.pid}) began ${timeText(last.startedAt, now, zone)}`;
  const matter = { key: shardKey('stuck', name), gravity: 'critical' as const, of: name, since: last.startedAt };
  if (ageMs > killedMs && !(await isAlive(question, last))) {
    const what = `${who} and never ended: its process is gone`;
    return { ...matter, what, next: `tidemark run ${titleOf(name)}`, cause: null };
  }
  if (!(await isTooLong(question, last, ageMs))) return null;
  const what = `${who} and works ${inWords(ageMs)} by now, longer than it may`;
  const next = `tidemark status ${job.name} (kill ${last.pid} on ${last.host} ends it without harm)`;
  return { ...matter, what, next, cause: null };
}

/** A run of windows lives as long as its lock is held, wherever it is; of others only this host knows. */
async function isAlive({ job, shard, session }: RunQuestion, run: Run): Promise<boolean> {
  if (run.host === hostname().slice(0, 64) && livesSince(run.pid, run.startedAt)) return true;
  if (isDueJob(job)) return run.host !== hostname().slice(0, 64);
  const [lock] = await session.tuples('SELECT IS_USED_LOCK(?)', [lockName(session.database, job.name, shard)]);
  if (lock?.[0] !== null) return true;
  const [row] = await session.tuples('SELECT ended_at IS NULL FROM tidemark_run WHERE sequence = ?', [run.sequence]);
  return Number(row?.[0]) !== 1; // it has ended between our two looks
}

async function isTooLong({ job, shard, session, zone, now, deadlines }: RunQuestion, run: Run, ageMs: number) {
  const isPlain = run.kind === plainKind(job);
  if (job.timeLimitSeconds !== undefined) return ageMs > job.timeLimitSeconds * 1000 + killedMs;
  if (!isPlain) return ageMs > longRunMs;
  if (run.startedAt >= deadlines.start) return false;
  // One that makes up for a long stop comes along, window by window.
  const [row] = await session.tuples('SELECT moved_at FROM tidemark_checkpoint WHERE job = ? AND shard = ?', [
    job.name,
    shard,
  ]);
  const movedAt = zone.fromText(row === undefined ? null : String(row[0]));
  return movedAt === null || now - movedAt > now - deadlines.start;
}
