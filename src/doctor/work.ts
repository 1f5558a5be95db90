/** How the work goes: runs that never ended, jobs that nobody started, pauses, dead letters. */
import { hostname } from 'node:os';
import { type ShardName, titleOf } from '../engine/checkpoint.ts';
import { isDueJob, type Job } from '../engine/job.ts';
import { heldLocks } from '../engine/lock.ts';
import { pauseText, readPauses } from '../engine/pause.ts';
import type { Instant } from '../engine/zone.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { livesSince } from '../platform/process.ts';
import { type Check, doubtful, type Finding, fine } from './check.ts';
import { jobsIn, type Patient, targetsOf } from './patient.ts';
import { missed } from './schedule.ts';

/** Longer than any run of a job that has no limit of its own should take. */
const longRunMs = 6 * 3_600_000;

export function workChecks(patient: Patient): Check[] {
  const looks = {
    'runs that did not end': stuck,
    'jobs that missed their time': missed,
    pauses,
    'dead letters': letters,
  };
  return targetsOf(patient).flatMap((name) =>
    Object.entries(looks).map(
      ([about, look]): Check => ({
        group: 'work',
        about: `${about} (${name} database)`,
        needs: [name],
        look: async (access) => look(patient, jobsIn(patient, name), await access.session(name)),
      }),
    ),
  );
}

interface OpenRun extends ShardName {
  readonly sequence: number;
  readonly runId: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: Instant;
}

/** Only the last run of a shard counts: whatever one before it left open, the next has made up. */
async function stuck(patient: Patient, jobs: readonly Job[], session: Session): Promise<Finding[]> {
  const rows = await session.tuples(
    `SELECT r.job, r.shard, r.run_id, r.host, r.pid, r.started_at, r.sequence
       FROM (SELECT MAX(sequence) sequence FROM tidemark_run GROUP BY job, shard) latest
       JOIN tidemark_run r ON r.sequence = latest.sequence WHERE r.ended_at IS NULL ORDER BY r.job, r.shard`,
  );
  const found: Finding[] = [];
  for (const [job, shard, runId, host, pid, startedAt, sequence] of rows) {
    const known = jobs.find(({ name }) => name === job);
    const at = patient.zone.fromText(String(startedAt)) ?? 0;
    const run = {
      job: String(job),
      shard: String(shard),
      runId: String(runId),
      host: String(host),
      pid: Number(pid),
      startedAt: at,
      sequence: Number(sequence),
    };
    if (known !== undefined) found.push(...(await judge(run, known, session, patient)));
  }
  return found.length > 0 ? found : [fine('no run is stuck')];
}

async function judge(run: OpenRun, job: Job, session: Session, { zone }: Patient): Promise<Finding[]> {
  const { host, pid, startedAt, runId } = run;
  const title = titleOf(run);
  if (await wasKilled(run, job, session))
    return [
      doubtful(
        `${title}: run ${runId} of ${zone.iso(startedAt)} was killed (process ${pid} on ${host})`,
        'what it had in hand was rolled back, and waits for the next run',
        `tidemark run ${title}`,
      ),
    ];
  const limitMs = job.timeLimitSeconds === undefined ? longRunMs : 2000 * job.timeLimitSeconds;
  if (Date.now() - startedAt < limitMs) return [];
  return [
    doubtful(
      `${title}: run ${runId} of ${zone.iso(startedAt)} has not ended (process ${pid} on ${host})`,
      'while it holds the lock, no other run of the shard can work',
      `tidemark status ${job.name}`,
      `kill -TERM ${pid}, on ${host}: it ends without harm`,
    ),
  ];
}

/** A run of windows lives as long as its lock is held, on whatever host; of others only this host can tell. */
async function wasKilled(run: OpenRun, job: Job, session: Session): Promise<boolean> {
  if (isDueJob(job)) return run.host === hostname().slice(0, 64) && !livesSince(run.pid, run.startedAt);
  if ((await heldLocks(session, [run])).length > 0) return false;
  const [row] = await session.tuples('SELECT ended_at FROM tidemark_run WHERE sequence = ?', [run.sequence]);
  return row?.[0] === null; // it may have ended since we looked
}

async function pauses({ zone }: Patient, jobs: readonly Job[], reader: Reader): Promise<Finding[]> {
  const all = await readPauses(reader, zone);
  const found = all
    .filter(({ job }) => jobs.some(({ name }) => name === job))
    .map((pause) =>
      doubtful(
        pauseText(pause, zone),
        'nothing new is begun until somebody resumes it',
        `tidemark resume ${titleOf(pause)}`,
      ),
    );
  return found.length > 0 ? found : [fine('no job is paused')];
}

async function letters(_: Patient, jobs: readonly Job[], reader: Reader): Promise<Finding[]> {
  const rows = await reader.tuples(
    'SELECT job, COUNT(*) FROM tidemark_dead_letter WHERE open_key IS NOT NULL GROUP BY job ORDER BY job',
  );
  const found = rows
    .filter(([job]) => jobs.some(({ name }) => name === job))
    .map(([job, count]) =>
      doubtful(
        `${job} has ${count} open dead letters`,
        'these rows are not in the target',
        `tidemark dead-letters list ${job}`,
      ),
    );
  return found.length > 0 ? found : [fine('no dead letter is open')];
}
