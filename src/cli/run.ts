/** `tidemark run`: quiet when there is nothing to say, progress on a terminal, the gravest shard's exit code. */
import { systemClock } from '../engine/clock.ts';
import { type DueJob, isDueJob, isTableJob, type Job, readsFrom, type WindowJob } from '../engine/job.ts';
import type { JobResult, Request } from '../engine/run.ts';
import type { Zone } from '../engine/zone.ts';
import { UsageError } from '../platform/errors.ts';
import { LogWriter } from '../platform/log.ts';
import { databaseSettings } from '../platform/settings.ts';
import { type App, borderOf, findJob, findShards, openCopies, openSurroundings, parseTime } from './app.ts';
import { engineSetting } from './engine-setting.ts';
import { watchHalt, withLimit } from './halt.ts';
import { gravest, oneRun, type WantedRun } from './one-run.ts';
import { openProgress } from './progress.ts';
import { runObservers } from './run-observers.ts';
import { reportFailures, reportJson, reportSummary, reportTotals } from './run-report.ts';
import { cutOff, tellCutOff, tellPauses } from './run-stopped.ts';

export interface RunOptions {
  from?: string;
  to?: string;
  full?: true;
  repair?: true;
  sweep?: true;
  dryRun?: true;
  maxWindows?: number;
  concurrency: number;
  every?: number;
  for?: number;
  timeout?: number;
  ifLocked: 'skip' | 'wait' | 'fail';
  json?: true;
  /** For --repair: ids of the dead letters that it is about. */
  letters?: ReadonlySet<number>;
}

export async function run(
  app: App,
  jobName: string,
  shardNames: readonly string[],
  options: RunOptions,
): Promise<number> {
  const job = findJob(app, jobName);
  findShards(job, shardNames);
  checkTogether(options);
  const surroundings = openSurroundings({ quiet: true });
  const { config, zone } = surroundings;
  const databases = new Set([readsFrom(job, app.jobs), job.target].map((name) => databaseSettings[name]));
  config.require([...databases, 'REDIS_URL']);
  const wanted = wantedRun(app, jobName, shardNames, options, zone);
  const writer = LogWriter.of(config, wanted.request);
  const { halt, exitCode, done } = watchHalt(timeLimit(job, options));
  const ownLimitMs = job.timeLimitSeconds === undefined ? undefined : job.timeLimitSeconds * 1000;
  const progress = await openProgress(job.name, options.json !== true);
  const observers = runObservers(app, surroundings);
  try {
    const codes: number[] = [];
    const endAt = Date.now() + (options.for ?? 0);
    do {
      const startedAt = Date.now();
      const copies = openCopies(surroundings); // anew for each: Redis may have come back
      const own = withLimit(halt, options.timeout === undefined ? ownLimitMs : undefined);
      const setting = engineSetting(app, surroundings, { copies, halt: own.halt, log: writer.log(), progress });
      const round = { ...wanted, isLater: codes.length > 0 };
      const { result, code } = await oneRun(round, setting, observers).finally(() => copies.close());
      own.done();
      progress?.stop();
      await report(result, options, zone);
      tellCutOff(result, cutOff(result, round, own.halt), round, options.timeout ?? ownLimitMs ?? 0, zone);
      codes.push(code);
      const wait = startedAt + (options.every ?? 0) - Date.now();
      if (options.every === undefined || startedAt + options.every >= endAt || halt.soon.aborted) break;
      await systemClock.sleep(Math.max(0, wait), halt.soon);
    } while (!halt.soon.aborted);
    return exitCode() ?? gravest(codes);
  } finally {
    progress?.stop();
    done();
    await writer.close();
  }
}

/** What a command line asks for. @throws UsageError when it asks for what there is not, or for two things at once */
export function wantedRun(
  app: App,
  jobName: string,
  shardNames: readonly string[],
  options: RunOptions,
  zone: Zone,
): WantedRun {
  const job = findJob(app, jobName);
  const shards = findShards(job, shardNames);
  checkTogether(options);
  const { concurrency, ifLocked } = options;
  return { job, shards, request: requestOf(job, options, zone), concurrency, ifLocked };
}

/**
 * After how long a run is told to stop. Runs of a job without windows keep one another from nothing, so those that find
 * much to do would gather: there --for ends the one under way, too, and the next one goes on.
 */
export function timeLimit(job: Job, { timeout, for: forMs }: RunOptions): number | undefined {
  const limits = [timeout, isDueJob(job) ? forMs : undefined].filter((limit) => limit !== undefined);
  return limits.length === 0 ? undefined : Math.min(...limits);
}

async function report(result: JobResult, options: RunOptions, zone: Zone): Promise<void> {
  if (options.json) reportJson(result, zone);
  else {
    if (process.stderr.isTTY && options.letters === undefined) await reportSummary(result, zone);
    if (process.stderr.isTTY || options.dryRun) await reportTotals(result);
  }
  if (process.stderr.isTTY) tellPauses(result, zone);
  reportFailures(result, options);
}

/** @throws UsageError for options that exclude or need each other */
export function checkTogether(options: RunOptions): void {
  const kinds = [
    options.from !== undefined || options.to !== undefined ? '--from/--to' : '',
    options.full ? '--full' : '',
    options.repair ? '--repair' : '',
    options.sweep ? '--sweep' : '',
  ].filter((kind) => kind !== '');
  if (kinds.length > 1)
    throw new UsageError(
      `${kinds.join(' and ')} exclude each other: each says which data to take`,
      'tidemark run --help',
    );
  if ((options.from === undefined) !== (options.to === undefined))
    throw new UsageError(
      `--from and --to belong together: ${options.from === undefined ? '--from' : '--to'} is missing`,
      'tidemark run --help',
    );
  if ((options.every === undefined) !== (options.for === undefined))
    throw new UsageError(
      `--every and --for belong together: ${options.every === undefined ? '--every' : '--for'} is missing`,
      'tidemark run <job> --every 10s --for 50s',
    );
}

/** What a run is asked to do by its options. @throws UsageError for what this job cannot do */
export function requestOf(job: Job, options: RunOptions, zone: Zone): Request {
  if (isDueJob(job)) refuseWindows(job, options);
  if (options.sweep && !isTableJob(job))
    throw new UsageError(
      `${job.name} reads no source table: there is nothing to sweep`,
      `tidemark run ${job.name} --full`,
    );
  const range =
    options.from === undefined || options.to === undefined
      ? null
      : { start: parseTime(zone, '--from', options.from), end: parseTime(zone, '--to', options.to) };
  if (range !== null) checkRange(job as WindowJob, range, zone);
  const kind =
    range !== null ? 'range' : options.full ? 'full' : options.repair ? 'repair' : options.sweep ? 'sweep' : 'windows';
  return {
    kind,
    range,
    dryRun: options.dryRun === true,
    maxWindows: options.maxWindows ?? Number.POSITIVE_INFINITY,
    waitForLock: options.ifLocked === 'wait',
    ...(options.letters === undefined ? {} : { letters: options.letters }),
  };
}

function refuseWindows(job: DueJob, options: RunOptions): void {
  const asked = [
    options.from === undefined ? '' : '--from/--to',
    options.full ? '--full' : '',
    options.sweep ? '--sweep' : '',
    options.maxWindows === undefined ? '' : '--max-windows',
  ].find((option) => option !== '');
  if (asked !== undefined)
    throw new UsageError(
      `${job.name} has no windows, so ${asked} means nothing to it: it works off whatever is due`,
      `tidemark run ${job.name}`,
    );
}

function checkRange(job: WindowJob, { start, end }: { start: number; end: number }, zone: Zone): void {
  if (start >= end)
    throw new UsageError(
      `--from ${zone.iso(start)} is not before --to ${zone.iso(end)}`,
      'swap them: the range is [from, to)',
    );
  for (const [option, at] of [
    ['--from', start],
    ['--to', end],
  ] as const) {
    const { border, unit } = borderOf(job, at, zone);
    if (border !== at)
      throw new UsageError(`${option} ${zone.iso(at)} is not ${unit}`, `${option} ${zone.iso(border)}`);
  }
}
