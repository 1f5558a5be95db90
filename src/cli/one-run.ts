/** One run of a job: its shards, each for itself, and everyone who hears of it. */
import pLimit from 'p-limit';
import { v7 as uuid } from 'uuid';
import type { Job } from '../engine/job.ts';
import type { JobResult, Request, Setting } from '../engine/run.ts';
import { runShard } from '../engine/runner.ts';
import { exitCodes } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { exitCodeOfShard, graveness } from './run-report.ts';
import { cutOff } from './run-stopped.ts';

export interface WantedRun {
  readonly job: Job;
  readonly shards: readonly string[];
  readonly request: Request;
  /** Shards at once. */
  readonly concurrency: number;
  readonly ifLocked: 'skip' | 'wait' | 'fail';
  /** Of --every: an earlier round has come to its end. */
  readonly isLater?: boolean;
}

/** Hears of runs. What goes wrong with it is warned of, and fails no run. */
export interface RunObserver {
  /** Before the first shard. */
  began?(runId: string, wanted: WantedRun): Promise<void>;
  /** Behind the last commit. */
  ended?(result: JobResult, code: number, wanted: WantedRun): Promise<void>;
}

/** @returns what became of it, and the exit code of the gravest shard */
export async function oneRun(
  wanted: WantedRun,
  setting: Setting,
  observers: readonly RunObserver[],
): Promise<{ readonly result: JobResult; readonly code: number }> {
  const { job, shards, request, concurrency, ifLocked } = wanted;
  const runId = uuid();
  const log = setting.log.with({ runId, job: job.name });
  await tellAll(observers, log, (observer) => observer.began?.(runId, wanted));
  const result = await runJob(job, shards, request, setting, concurrency, runId);
  const codes = result.shards.map((shard) => exitCodeOfShard(shard, ifLocked));
  if (cutOff(result, wanted, setting.halt).length > 0) codes.push(exitCodes.waitsForPerson);
  const code = gravest(codes);
  await tellAll(observers, log, (observer) => observer.ended?.(result, code, wanted));
  return { result, code };
}

/** Of several exit codes the one that counts. */
export const gravest = (codes: readonly number[]): number =>
  codes.reduce((a, b) => (graveness(b) > graveness(a) ? b : a), exitCodes.done as number);

/** Runs the shards of a job, some at once; each for itself, so that one that fails holds up no other. */
export async function runJob(
  job: Job,
  shards: readonly string[],
  request: Request,
  setting: Setting,
  concurrency: number,
  runId: string = uuid(),
): Promise<JobResult> {
  const startedAt = Date.now();
  const limit = pLimit(concurrency);
  const results = await Promise.all(shards.map((shard) => limit(() => runShard(job, shard, runId, request, setting))));
  return { job: job.name, runId, durationMs: Date.now() - startedAt, shards: results };
}

async function tellAll(
  observers: readonly RunObserver[],
  log: Log,
  tell: (observer: RunObserver) => Promise<void> | undefined,
): Promise<void> {
  for (const outcome of await Promise.allSettled(observers.map(tell)))
    if (outcome.status === 'rejected') log.warn(`somebody could not be told of the run: ${outcome.reason}`);
}
