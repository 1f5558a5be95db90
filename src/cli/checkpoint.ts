/** `tidemark checkpoint`: shows it, or sets it where a person knows better than tidemark what is applied already. */
import { v7 as uuid } from 'uuid';
import { readCheckpoint, type ShardName, titleOf } from '../engine/checkpoint.ts';
import type { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import { systemClock } from '../engine/clock.ts';
import { isDueJob, isPeriodJob, type WindowJob } from '../engine/job.ts';
import { acquireLock, lockName } from '../engine/lock.ts';
import { setCheckpoint } from '../engine/set-checkpoint.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, TidemarkError, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import {
  type App,
  borderOf,
  findJob,
  findShards,
  openCopies,
  openSurroundings,
  parseTime,
  secondBorder,
  withSession,
} from './app.ts';
import { confirm } from './confirm.ts';
import { print, printJson, printTable } from './output.ts';

interface Place {
  readonly zone: Zone;
  readonly copies: CheckpointCopies;
}

type InTarget = <Result>(work: (session: Session) => Promise<Result>) => Promise<Result>;

export async function checkpoint(
  app: App,
  jobName: string,
  shard: string | undefined,
  options: { set?: string; yes?: true; json?: true },
): Promise<number> {
  const job = findJob(app, jobName);
  if (isDueJob(job))
    throw new UsageError(
      `${job.name} has no windows, and so no checkpoint: it works off whatever is due`,
      `tidemark status ${job.name}`,
    );
  const names = findShards(job, shard === undefined ? [] : [shard]).map((one) => ({ job: job.name, shard: one }));
  const surroundings = openSurroundings();
  const copies = openCopies(surroundings);
  const place: Place = { zone: surroundings.zone, copies };
  const inTarget: InTarget = (work) => withSession(surroundings, job.target, work);
  try {
    return options.set === undefined
      ? await inTarget((session) => show(names, place, session, options))
      : await set(job, names, options.set, place, inTarget, options);
  } finally {
    await copies.close();
  }
}

async function show(
  names: readonly ShardName[],
  { zone, copies }: Place,
  session: Session,
  options: { json?: true },
): Promise<number> {
  const lines = [];
  for (const name of names) {
    const at = await readCheckpoint(session, name, zone);
    lines.push({
      job: name.job,
      shard: name.shard || null,
      checkpoint: at === null ? null : zone.iso(at),
      redis: (await copies.look(name, at, () => readCheckpoint(session, name, zone))).state,
    });
  }
  if (options.json) printJson(lines);
  else
    await printTable(
      ['JOB', 'SHARD', 'CHECKPOINT', 'REDIS'],
      lines.map((line) => [line.job, line.shard ?? '-', line.checkpoint ?? 'never ran', line.redis]),
    );
  return exitCodes.done;
}

async function set(
  job: WindowJob,
  names: readonly ShardName[],
  text: string,
  { zone, copies }: Place,
  inTarget: InTarget,
  options: { yes?: true; json?: true },
): Promise<number> {
  const to = parseTime(zone, '--set', text);
  const { border, unit } = isPeriodJob(job) ? borderOf(job, to, zone) : secondBorder(to, zone);
  if (border !== to) throw new UsageError(`--set ${text} is not ${unit}`, `--set ${zone.iso(border)}`);
  if (to > systemClock.now())
    throw new UsageError(
      `--set ${zone.iso(to)} lies in the future: rows stamped until then would be left out`,
      'name the end of what is applied already',
    );
  const from = await inTarget((session) => Promise.all(names.map((name) => readCheckpoint(session, name, zone))));
  const question = names
    .map((name, index) => `${titleOf(name)}: ${describeMove(from[index] ?? null, to, (at) => zone.iso(at))}`)
    .join('\n');
  // No connection waits for the answer: the server would close it after TIDEMARK_STALL_TIMEOUT.
  if (options.yes !== true && !(await confirm(question))) return exitCodes.done;
  return inTarget(async (session) => {
    for (const name of names) {
      // The lock is taken like a run's, so that no run is under way meanwhile; it falls with the connection.
      if (!(await acquireLock(session, lockName(session.database, name.job, name.shard), 0))) {
        throw new TidemarkError(
          `${titleOf(name)}: a run is under way; its checkpoint was not set`,
          exitCodes.locked,
          `try again when it has ended: tidemark status ${name.job}`,
        );
      }
      await setCheckpoint(session, name, { to, runId: uuid(), now: systemClock.now() }, zone);
      await copies.overwrite(name, to);
      if (!options.json) print(`${titleOf(name)}: the checkpoint is ${zone.iso(to)}`);
    }
    return options.json ? show(names, { zone, copies }, session, options) : exitCodes.done;
  });
}

function describeMove(from: number | null, to: number, iso: (instant: number) => string): string {
  if (from === null) return `the first run will begin at ${iso(to)}; what lies before counts as applied`;
  if (to > from)
    return `from ${iso(from)} on to ${iso(to)}; what lies between is left out, and verify will report it as a gap`;
  return `back from ${iso(from)} to ${iso(to)}; what lies between is applied again`;
}
