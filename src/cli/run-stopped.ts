/**
 * What a run tells that did not come to its end: a person has paused its job, or its time was over.
 *
 * Windows that are due lose nothing by that, and the next run goes on. It is told where nobody would notice otherwise: a
 * range, --full, --sweep and --repair begin anew each time, and so does a window that needs more time than there is, or
 * for which no time was left.
 */
import { titleOf } from '../engine/checkpoint.ts';
import type { Halt } from '../engine/clock.ts';
import { isDueJob, type Job } from '../engine/job.ts';
import { pauseText } from '../engine/pause.ts';
import type { JobResult, Request, ShardResult } from '../engine/run.ts';
import type { Zone } from '../engine/zone.ts';
import { isOutOfTime } from './halt.ts';
import { counted, grouped, remark } from './output.ts';
import { durationOption } from './span.ts';

interface Asked {
  readonly job: Job;
  readonly request: Request;
  readonly ifLocked: 'skip' | 'wait' | 'fail';
  readonly isLater?: boolean;
}

/** A line for each pause that has kept a shard; for a person on a terminal. */
export function tellPauses({ shards }: JobResult, zone: Zone): void {
  const pauses = shards.map(({ pause }) => pause).filter((pause) => pause !== null);
  for (const text of new Set(pauses.map((one) => `${pauseText(one, zone)}. Next: tidemark resume ${titleOf(one)}`)))
    remark(text);
}

/** The shards whose time was over before the end, where that is a person's business. */
export function cutOff({ shards }: JobResult, { job, request, ifLocked, isLater }: Asked, halt: Halt): ShardResult[] {
  if (!isOutOfTime(halt)) return [];
  if (request.kind !== 'windows')
    return shards.filter(({ outcome }) => outcome === 'interrupted' || (outcome === 'locked' && ifLocked === 'wait'));
  // The first window was rolled back, or never begun, and the next run has no more time for it than this one.
  const stands = ({ outcome, error, windows, leftDue }: ShardResult) =>
    outcome === 'interrupted' && windows === 0 && (error !== null || (leftDue && isLater !== true));
  return isDueJob(job) ? [] : shards.filter(stands);
}

/** One line on stderr: what was over, what was done, and what to type. */
export function tellCutOff(
  { runId, shards }: JobResult,
  cut: readonly ShardResult[],
  { job, request }: Asked,
  limitMs: number,
  zone: Zone,
): void {
  if (cut.length === 0) return;
  const isAll = cut.length >= job.shards.length;
  const title = [job.name, ...(isAll ? [] : cut.map(({ shard }) => shard))].join(' ');
  const options = optionsOf(request, zone);
  const next = `tidemark run ${title}${options} --timeout ${durationOption(2 * limitMs)}`;
  const what = whatWas(shards, cut, request);
  remark(`${title}: its time, ${durationOption(limitMs)}, was over: ${what}. Next: ${next} (run ${runId})`);
}

function whatWas(shards: readonly ShardResult[], cut: readonly ShardResult[], { kind }: Request): string {
  if (cut.every(({ outcome }) => outcome === 'locked')) return 'another run held the lock all the while';
  if (kind === 'windows' && cut.every(({ error }) => error === null)) return 'no window was begun by then';
  if (kind === 'windows') return 'the first window was not done by then, and is rolled back';
  const sum = (what: 'read' | 'inserted' | 'updated') => shards.reduce((all, shard) => all + shard[what], 0);
  const done = `${counted(sum('read'), 'row was', 'rows were')} read, ${grouped(sum('inserted') + sum('updated'))} written`;
  const which = kind === 'range' ? '--from' : `--${kind}`;
  const rest = kind === 'repair' ? 'the other dead letters wait' : `${which} begins anew each time`;
  return `${done}; ${rest}`;
}

function optionsOf({ kind, range }: Request, zone: Zone): string {
  if (range !== null) return ` --from ${zone.iso(range.start)} --to ${zone.iso(range.end)}`;
  return kind === 'windows' ? '' : ` --${kind}`;
}
