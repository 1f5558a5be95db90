/**
 * The runner: the only place that decides. Read `runShard` and `applyNext`; the rest of the engine does one step each.
 *
 *   take the lock → where were we → how far may we go → for each window, one transaction in the target:
 *   { checkpoint row locked · source read · effects · journal row · checkpoint moved } → the copy in Redis
 *
 * A crash anywhere leaves a whole number of windows applied; the next run goes on from the checkpoint. A COMMIT whose
 * answer was lost is not sent again: the position, read under the lock, tells whether it happened.
 */
import { JobError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { applyAgain, repairLetters, sweep } from './again.ts';
import {
  moveCheckpoint,
  OvertakenError,
  readCheckpoint,
  refuseClockBehind,
  type ShardName,
  titleOf,
} from './checkpoint.ts';
import { type Claim, InterruptedError } from './claim.ts';
import { countOpenLetters } from './dead-letters.ts';
import { runDue } from './due-run.ts';
import { nameHolder, noteLeft } from './held-back.ts';
import type { Take, Taken } from './intake.ts';
import { isDueJob, isPeriodJob, isTableJob, type Job, type WindowJob } from './job.ts';
import { addCounts, type Counts, noCounts, recordWindow } from './journal.ts';
import { announce, checkCopy, intakeOptions, openIntake, takeClaim } from './opening.ts';
import {
  addTotals,
  emptyResult,
  endsDryRun,
  holdBack,
  notePause,
  type Request,
  type Run,
  type Setting,
  type ShardResult,
  targetOf,
} from './run.ts';
import { beginRun, endRun } from './runs.ts';
import type { Holder } from './watermark.ts';
import { nextWindow } from './window.ts';
import type { Instant } from './zone.ts';

/** How far back a sweep reads. */
const lookbackMs = 86_400_000;

/** Runs one shard: every window that is due, or what else was asked for. Failures are told in the result. */
export async function runShard(
  job: Job,
  shard: string,
  runId: string,
  request: Request,
  setting: Setting,
): Promise<ShardResult> {
  if (isDueJob(job)) return runDue(job, runId, request, setting);
  const result = emptyResult(shard);
  const name = { job: job.name, shard };
  let claim: Claim | null = null;
  try {
    claim = await takeClaim(job, shard, setting, request);
    if (claim === null) return { ...result, outcome: 'locked' };
    await setting.onStep('locked');
    await workOn(job, name, runId, request, setting, claim, result);
  } catch (error) {
    result.error = error;
    result.outcome = error instanceof InterruptedError || setting.halt.now.aborted ? 'interrupted' : 'failed';
  } finally {
    await claim?.release();
  }
  return result;
}

async function workOn(
  job: WindowJob,
  name: ShardName,
  runId: string,
  request: Request,
  setting: Setting,
  claim: Claim,
  result: ShardResult,
): Promise<void> {
  const { zone, clock } = setting;
  const log = setting.log.with({ runId, job: name.job, shard: name.shard });
  const connecting = isTableJob(job) || isPeriodJob(job) ? claim.source() : null; // meanwhile
  connecting?.catch(() => undefined); // awaited below, where it counts as this run's failure
  await checkCopy(name, claim, setting, result, log);
  if (!request.dryRun) {
    claim.sequence = await beginRun(claim.target, name, { runId, kind: request.kind, now: clock.now() }, zone);
    if (claim.sequence === null) return notePause(result, name, claim.target, zone);
  }
  try {
    const options = intakeOptions(name, runId, setting, claim, result, log);
    await connecting; // one that was never there is not waited for, one that is lost later is
    const intake = await claim.retried(() => openIntake(job, options, setting));
    const watermark = await claim.retried(() => intake.watermark(claim.target));
    const run: Run = { name, runId, request, setting, claim, intake, log, result, watermark, pretended: null };
    await (request.kind === 'repair' ? repairLetters(run) : runWindows(run));
    await nameHolder(run);
    result.lettersWaiting = await countOpenLetters(claim.target, name, request.letters);
    result.waiting = (await intake.waiting?.(claim.target)) ?? null;
    if (setting.halt.soon.aborted) result.outcome = 'interrupted';
    else if (result.outcome === 'paused') await notePause(result, name, claim.target, zone);
    else if (result.lettersWaiting > 0) result.outcome = 'dead-letters';
  } catch (error) {
    result.outcome = error instanceof InterruptedError || setting.halt.now.aborted ? 'interrupted' : 'failed';
    result.error = error;
  }
  const error = result.error instanceof Error ? result.error.message : null;
  if (claim.sequence !== null && !claim.target.lost) {
    await endRun(
      claim.target,
      claim.sequence,
      { outcome: result.outcome, windows: result.windows, counts: result, error, now: clock.now() },
      zone,
    ).catch(() => undefined);
  }
}

/** A range alone; or, where asked for, all that is closed once more, and then every window that is due. */
async function runWindows(run: Run): Promise<void> {
  const { request, result, setting, claim } = run;
  if (request.kind === 'range' && request.range !== null) return applyAgain(run, request.range);
  const { checkpoint } = result;
  if (request.kind === 'sweep') return checkpoint === null ? undefined : sweep(run, checkpoint - lookbackMs);
  if (checkpoint !== null && request.kind === 'full') {
    const oldest = (await claim.retried(() => run.intake.oldest(claim.target))) ?? checkpoint;
    if (oldest < checkpoint) await applyAgain(run, { start: setting.zone.border(oldest), end: checkpoint });
    if (result.outcome === 'paused') return;
  }
  await claim.retried(() => announce(run));
  while (result.windows < request.maxWindows && !setting.halt.soon.aborted) if (!(await applyNext(run))) return;
  if (setting.halt.soon.aborted) await noteLeft(run);
}

/** Applies the next window that is due. Answers whether there may be another. */
async function applyNext(run: Run): Promise<boolean> {
  const { claim, setting, request } = run;
  const counts = noCounts();
  const window: WindowInHand = { chosen: null, attempted: null };
  for (;;) {
    const taken = await claim.transaction(async (actual, session, isPaused) => {
      const position = run.pretended ?? actual;
      if (isPaused && window.chosen === null) return 'paused';
      const chosen = window.chosen ?? (await due(run, position, session));
      if (chosen === null) return null;
      if (wasCommitted(window, position)) return window.attempted;
      if (position !== chosen.position) throw request.dryRun ? outOfDate(run.name) : overtaken(run.name);
      const part = await run.intake.take(chosen, targetOf(session, request.dryRun));
      await setting.onStep('applied');
      window.chosen = { ...chosen, window: part.window };
      window.attempted = part;
      if (part.resume === null) await settle(run, window.chosen, part, counts, session);
      return part;
    });
    if (taken === 'paused') run.result.outcome = taken;
    if (taken === null || taken === 'paused' || window.chosen === null) return false;
    addCounts(counts, taken.counts);
    addTotals(run.result, taken);
    if (taken.resume === null) return finish(run, window.chosen, taken, counts);
    window.chosen = { ...window.chosen, resume: taken.resume };
    window.attempted = null;
  }
}

/** A window between its choice and its commit; one with too many rows for one transaction takes several. */
interface WindowInHand {
  chosen: Chosen | null;
  /** The part whose COMMIT may or may not have happened. */
  attempted: Taken | null;
}

interface Chosen extends Take {
  /** The checkpoint when the window was chosen; null before the first. */
  readonly position: Instant | null;
}

/** Where a COMMIT's answer was lost, the position tells whether it happened. Parts before the last are simply repeated. */
function wasCommitted({ chosen, attempted }: WindowInHand, position: Instant | null): boolean {
  return (
    attempted?.resume === null && chosen !== null && position !== chosen.position && position === attempted.window.end
  );
}

/** The window to take from this position, or null when nothing is due. */
async function due(run: Run, position: Instant | null, session: Session): Promise<Chosen | null> {
  const { intake, watermark, result } = run;
  // Here, and not before: of a run that was paused and overtaken, it is not the source's clock that is behind.
  if (result.windows === 0 && watermark.sourceNow !== null)
    await refuseClockBehind(session, run.name, position, watermark.sourceNow, run.setting.zone);
  if (watermark.at === null) {
    holdBack(result, watermark.heldBackBy);
    return null;
  }
  const target = targetOf(session, run.request.dryRun);
  const first = position === null;
  const scope = first ? 'all' : 'changes';
  const start = position ?? Math.min((await intake.oldest(target)) ?? watermark.at, watermark.at);
  const due = nextWindow(start, watermark.at, null);
  if (due === null) {
    if (position !== null) holdBack(result, watermark.heldBackBy);
    // A first run without data begins the tiling here; changes behind the checkpoint need no time to have passed.
    const worthwhile = position === null || (await intake.pending(target, start));
    return worthwhile ? { window: { start, end: start }, resume: null, mode: 'again', scope, first, position } : null;
  }
  const window = nextWindow(start, watermark.at, await intake.cut(due)) ?? due;
  return { window, resume: null, mode: 'closing', scope, first, position };
}

/** Whether a window's transaction moves the checkpoint; one that works off changes behind it does not. */
const moves = ({ position, window }: Chosen): boolean => position === null || window.end > position;

/** The end of a window's transaction: journal row written, checkpoint moved. */
async function settle(run: Run, chosen: Chosen, taken: Taken, before: Counts, session: Session): Promise<void> {
  const { name, runId, setting, request } = run;
  const { window, position } = chosen;
  if (request.dryRun || !moves(chosen)) return;
  const { zone, clock, onStep } = setting;
  const now = clock.now();
  const counts = { ...before };
  addCounts(counts, taken.counts);
  if (window.end > window.start)
    await recordWindow(
      session,
      name,
      { window, runId, proven: run.watermark.proven, counts, digest: taken.digest, now },
      zone,
    ).catch((error) => {
      throw errorNumber(error) === 1062 ? overtaken(name) : error; // the other of two first runs was quicker
    });
  await onStep('recorded');
  await moveCheckpoint(
    session,
    name,
    { from: position === null ? null : window.start, to: window.end, runId, now, sourceNow: run.watermark.sourceNow },
    zone,
  );
  await onStep('moved');
}

/** After the commit: told, copied to Redis. Answers whether there may be another window. */
async function finish(run: Run, chosen: Chosen, taken: Taken, counts: Counts): Promise<boolean> {
  const { result, setting, name, log, claim, request } = run;
  const { window } = chosen;
  addCounts(result, counts);
  if (counts.read > 0) result.outcome = 'done';
  if (!moves(chosen)) {
    if (chosen.mode === 'closing') holdBack(result, taken.heldBackBy ?? run.watermark.heldBackBy ?? heldByRowsInFlight);
    return false;
  }
  if (window.end > window.start) {
    result.outcome = 'done';
    result.windows += 1;
    result.from ??= window.start;
    result.to = window.end;
    const applied = { from: setting.zone.iso(window.start), to: setting.zone.iso(window.end), ...counts };
    // Of most runs nothing else is to be told than that time went by.
    const isEmpty = counts.read === 0 && counts.deadLetters === 0;
    (isEmpty ? log.debug : log.info)(isEmpty ? 'empty window applied' : 'window applied', applied);
  }
  result.checkpoint = window.end;
  if (request.dryRun) {
    run.pretended = window.end;
    return !endsDryRun(run, window, counts);
  }
  const warning = await setting.copies.publish(name, window.end, () =>
    claim.retried(() => readCheckpoint(claim.target, name, setting.zone)),
  );
  if (warning !== null) log.warn(warning);
  await setting.onStep('published');
  return true;
}

const heldByRowsInFlight: Holder = {
  kind: 'transaction',
  thread: null,
  user: null,
  ageSeconds: null,
  statement: null,
  detail: 'an open transaction holds rows of the next window',
};

function overtaken(name: ShardName): OvertakenError {
  return new OvertakenError(
    `${titleOf(name)}: another run has moved the checkpoint; this run stops, and changes nothing more`,
    `tidemark status ${name.job}`,
  );
}

/** A dry run holds no lock, so a run may well come between its windows: what it has added up belongs to two moments. */
function outOfDate(name: ShardName): JobError {
  return new JobError(
    `${titleOf(name)}: a run moved the checkpoint while this dry run was adding up; its sums are out of date`,
    `tidemark run ${name.job} --dry-run`,
  );
}
