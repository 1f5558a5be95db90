/**
 * The runner: the only place that decides. Read `runShard` and `applyNext`; the rest of the engine does one step each.
 *
 *   take the lock → where were we → how far may we go → for each window, one transaction in the target:
 *   { checkpoint row locked · source read · effects · journal row · checkpoint moved } → the copy in Redis
 *
 * A crash anywhere leaves a whole number of windows applied; the next run goes on from the checkpoint. A COMMIT whose
 * answer was lost is not sent again: the position, read under the lock, tells whether it happened.
 */
import { SetupError, UsageError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Session } from '../platform/mysql.ts';
import { moveCheckpoint, OvertakenError, readCheckpoint, type ShardName, titleOf } from './checkpoint.ts';
import type { CheckpointCopies } from './checkpoint-copy.ts';
import type { Clock, Halt } from './clock.ts';
import { countOpenLetters, openLetterKeys } from './dead-letters.ts';
import { Hold, InterruptedError, type OnStep } from './hold.ts';
import { followingIntake, type Intake, type IntakeOptions, type Take, type Taken, tableIntake } from './intake.ts';
import { type Finding, isTableJob, type Job, shardNames, type TableJob, type Target } from './job.ts';
import { addCounts, type Counts, noCounts, recordWindow } from './journal.ts';
import { beginRun, endRun, type RunKind } from './runs.ts';
import { Source } from './source.ts';
import { describeSource } from './source-table.ts';
import { checkProvable, type Holder, type Watermark } from './watermark.ts';
import { nextWindow, type Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** What a run is asked to do. */
export interface Request {
  readonly kind: Exclude<RunKind, 'checkpoint'>;
  /** For `range`. */
  readonly range: Window | null;
  readonly dryRun: boolean;
  readonly maxWindows: number;
  readonly waitForLock: boolean;
}

/** What a run works with. */
export interface Setting {
  readonly openTarget: (job: Job) => Promise<Session>;
  readonly openSource: () => Promise<Session>;
  readonly copies: CheckpointCopies;
  readonly jobs: readonly Job[];
  readonly clock: Clock;
  readonly zone: Zone;
  readonly halt: Halt;
  readonly log: Log;
  readonly windowRows: number;
  readonly stallTimeoutMs: number;
  readonly settleLagMs: number | undefined;
  readonly missingColumns: 'warn' | 'error';
  readonly onStep: OnStep;
  readonly progress: { total(shard: string, rows: number): void; rows(shard: string, rows: number): void } | null;
}

export type Outcome =
  | 'done'
  | 'nothing-due'
  | 'held-back'
  | 'locked'
  | 'paused'
  | 'dead-letters'
  | 'failed'
  | 'interrupted';

export interface ShardResult extends Counts {
  readonly shard: string;
  outcome: Outcome;
  windows: number;
  from: Instant | null;
  to: Instant | null;
  checkpoint: Instant | null;
  heldBackBy: Holder | null;
  error: unknown;
  readonly findings: Finding[];
}

/** Everything one shard's run carries from step to step. */
interface Run {
  readonly name: ShardName;
  readonly runId: string;
  readonly request: Request;
  readonly setting: Setting;
  readonly hold: Hold;
  readonly intake: Intake;
  readonly log: Log;
  readonly result: ShardResult;
  /** How far this run may go; fixed once, so that it ends although the source goes on. */
  watermark: Watermark;
  /** In a dry run the position moves here only. */
  pretended: Instant | null;
}

const lookbackMs = 86_400_000;
const lettersPerTransaction = 500;

/** Runs one shard: every window that is due, or what else was asked for. Failures are told in the result. */
export async function runShard(
  job: Job,
  shard: string,
  runId: string,
  request: Request,
  setting: Setting,
): Promise<ShardResult> {
  const result: ShardResult = {
    shard,
    outcome: 'nothing-due',
    windows: 0,
    from: null,
    to: null,
    ...noCounts(),
    checkpoint: null,
    heldBackBy: null,
    error: null,
    findings: [],
  };
  const name = { job: job.name, shard };
  const { clock, zone, halt, onStep, stallTimeoutMs } = setting;
  let hold: Hold | null = null;
  try {
    hold = await Hold.take({
      name,
      clock,
      zone,
      halt,
      onStep,
      stallTimeoutMs,
      dryRun: request.dryRun,
      waitForLock: request.waitForLock,
      openTarget: () => setting.openTarget(job),
      openSource: setting.openSource,
    });
    if (hold === null) return { ...result, outcome: 'locked' };
    await onStep('locked');
    await workOn(job, name, runId, request, setting, hold, result);
  } catch (error) {
    result.error = error;
    result.outcome = error instanceof InterruptedError ? 'interrupted' : 'failed';
  } finally {
    await hold?.release();
  }
  return result;
}

async function workOn(
  job: Job,
  name: ShardName,
  runId: string,
  request: Request,
  setting: Setting,
  hold: Hold,
  result: ShardResult,
): Promise<void> {
  const { zone, clock } = setting;
  const log = setting.log.with({ runId, job: name.job, shard: name.shard });
  await checkCopy(name, hold, setting, result, log);
  if (!request.dryRun)
    hold.sequence = await beginRun(hold.target, name, { runId, kind: request.kind, now: clock.now() }, zone);
  try {
    const options = intakeOptions(name, runId, setting, hold, result, log);
    const intake = await openIntake(job, options, setting);
    const watermark = await intake.watermark(hold.target);
    const run: Run = { name, runId, request, setting, hold, intake, log, result, watermark, pretended: null };
    await (request.kind === 'repair' ? repairLetters(run) : runWindows(run));
    const openLetters = await countOpenLetters(hold.target, name);
    if (setting.halt.soon.aborted) result.outcome = 'interrupted';
    else if (openLetters > 0) result.outcome = 'dead-letters';
  } catch (error) {
    result.outcome = error instanceof InterruptedError ? 'interrupted' : 'failed';
    result.error = error;
  }
  const error = result.error instanceof Error ? result.error.message : null;
  if (hold.sequence !== null && !hold.target.lost) {
    await endRun(
      hold.target,
      hold.sequence,
      { outcome: result.outcome, windows: result.windows, counts: result, error, now: clock.now() },
      zone,
    ).catch(() => undefined);
  }
}

/** A range alone; or every window that is due, and then, where asked for, all that is closed once more. */
async function runWindows(run: Run): Promise<void> {
  const { request, result, setting } = run;
  if (request.kind === 'range' && request.range !== null) return applyAgain(run, request.range);
  const first = result.checkpoint === null;
  await announce(run);
  while (request.kind !== 'sweep' && result.windows < request.maxWindows && !setting.halt.soon.aborted) {
    if (!(await applyNext(run))) break;
  }
  const checkpoint = run.pretended ?? result.checkpoint;
  if (first || checkpoint === null || request.kind === 'windows') return;
  const oldest = (await run.intake.oldest(run.hold.target)) ?? checkpoint;
  const start = request.kind === 'sweep' ? Math.max(oldest, checkpoint - lookbackMs) : oldest;
  if (start < checkpoint) await applyAgain(run, { start: setting.zone.border(start), end: checkpoint });
}

/** Applies the next window that is due. Answers whether there may be another. */
async function applyNext(run: Run): Promise<boolean> {
  const { hold, setting, request } = run;
  const counts = noCounts();
  const window: WindowInHand = { chosen: null, attempted: null };
  for (;;) {
    const taken = await hold.transaction(async (actual, session) => {
      const position = run.pretended ?? actual;
      const chosen = window.chosen ?? (await due(run, position, session));
      if (chosen === null) return null;
      if (wasCommitted(window, position)) return window.attempted;
      if (position !== chosen.position) throw overtaken(run.name);
      const part = await run.intake.take(chosen, targetOf(session, request.dryRun));
      await setting.onStep('applied');
      window.chosen = { ...chosen, window: part.window };
      window.attempted = part;
      if (part.resume === null) await settle(run, window.chosen, part, counts, session);
      return part;
    });
    if (taken === null || window.chosen === null) return false;
    addCounts(counts, taken.counts);
    if (taken.resume === null) return finish(run, window.chosen, counts);
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

function holdBack(result: ShardResult, by: Holder | null): void {
  result.heldBackBy ??= by;
  if (by !== null && result.outcome === 'nothing-due') result.outcome = 'held-back';
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
    await recordWindow(session, name, { window, runId, proven: run.watermark.proven, counts, now }, zone);
  await onStep('recorded');
  await moveCheckpoint(
    session,
    name,
    { from: position === null ? null : window.start, to: window.end, runId, now },
    zone,
  );
  await onStep('moved');
}

/** After the commit: told, copied to Redis. Answers whether there may be another window. */
async function finish(run: Run, chosen: Chosen, counts: Counts): Promise<boolean> {
  const { result, setting, name, log, hold, request } = run;
  const { window } = chosen;
  addCounts(result, counts);
  if (counts.read > 0) result.outcome = 'done';
  if (!moves(chosen)) {
    if (chosen.mode === 'closing') holdBack(result, run.watermark.heldBackBy ?? heldByRowsInFlight);
    return false;
  }
  if (window.end > window.start) {
    result.outcome = 'done';
    result.windows += 1;
    result.from ??= window.start;
    result.to = window.end;
    log.info('window applied', { from: setting.zone.iso(window.start), to: setting.zone.iso(window.end), ...counts });
  }
  result.checkpoint = window.end;
  if (request.dryRun) {
    run.pretended = window.end;
    return true;
  }
  const warning = await setting.copies.publish(name, window.end, () => readCheckpoint(hold.target, name, setting.zone));
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

/** Applies time that is behind the checkpoint again; the checkpoint stays. */
async function applyAgain(run: Run, range: Window): Promise<void> {
  const { hold, intake, request, setting, result, name } = run;
  let start = range.start;
  let resume: string | null = null;
  let window: Window | null = null;
  if (result.from === null || range.start < result.from) result.from = range.start;
  while (start < range.end && !setting.halt.soon.aborted) {
    const taken: Taken = await hold.transaction(async (position, session) => {
      if (position === null || (range.end > position && !request.dryRun))
        throw beyondCheckpoint(name, range, position, setting.zone);
      const rest = { start, end: range.end };
      window ??= nextWindow(start, range.end, await intake.cut(rest)) ?? rest;
      return intake.take(
        { window, resume, mode: 'again', scope: 'all', first: false },
        targetOf(session, request.dryRun),
      );
    });
    addCounts(result, taken.counts);
    resume = taken.resume;
    if (resume !== null) continue;
    start = taken.window.end;
    window = null;
    result.windows += 1;
  }
  result.to = Math.max(result.to ?? start, start);
  result.outcome = 'done';
}

function beyondCheckpoint(name: ShardName, range: Window, position: Instant | null, zone: Zone): UsageError {
  const where = position === null ? 'it has none yet' : `which is ${zone.iso(position)}`;
  return new UsageError(
    `--to ${zone.iso(range.end)} lies beyond the checkpoint of ${titleOf(name)}, ${where}: only what was applied can be run again`,
    `tidemark run ${titleOf(name)}`,
  );
}

/** Works off the shard's open dead letters: each row is applied as the source holds it now. */
async function repairLetters(run: Run): Promise<void> {
  const { hold, intake, request, result, name } = run;
  const repair = (intake as Partial<ReturnType<typeof tableIntake>>).repair;
  const keys = await openLetterKeys(hold.target, name);
  if (repair === undefined || keys.length === 0) return;
  for (let from = 0; from < keys.length && !run.setting.halt.soon.aborted; from += lettersPerTransaction) {
    const share = keys.slice(from, from + lettersPerTransaction);
    const { counts } = await hold.transaction((_, session) => repair(share, targetOf(session, request.dryRun)));
    addCounts(result, counts);
  }
  result.outcome = 'done';
}

/** Compares the copy in Redis with the checkpoint before any work, and puts it right. */
async function checkCopy(name: ShardName, hold: Hold, setting: Setting, result: ShardResult, log: Log): Promise<void> {
  const { zone, copies } = setting;
  const checkpoint = await hold.retried(() => readCheckpoint(hold.target, name, zone));
  result.checkpoint = checkpoint;
  const copy = await copies.look(name, checkpoint);
  if (checkpoint === null && copy.at !== null) {
    throw new SetupError(
      `Redis knows a checkpoint of ${titleOf(name)} (${zone.iso(copy.at)}), the database has none: a first run would apply everything again`,
      `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(copy.at)}, or delete the key ${copies.key(name)}`,
    );
  }
  if (copy.state === 'unreachable')
    log.warn('Redis cannot be reached; the run goes on, checkpoints are safe in the database');
  else if (checkpoint !== null && copy.state !== 'agrees' && setting.halt.soon.aborted === false && !hold.isDryRun) {
    const warning = await copies.publish(name, checkpoint, () => readCheckpoint(hold.target, name, zone));
    if (warning !== null) log.warn(warning);
  }
}

async function openIntake(job: Job, options: IntakeOptions, setting: Setting): Promise<Intake> {
  const { hold, zone, log } = options;
  if (!isTableJob(job)) {
    const upstream = setting.jobs.find((candidate) => candidate.name === job.follows);
    if (upstream === undefined)
      throw new SetupError(`${job.name} follows ${job.follows}, and there is no such job`, 'tidemark list');
    return followingIntake(job, shardNames(upstream), options);
  }
  const session = await hold.source();
  await checkProvable(session, options.settleLagMs === undefined);
  const table = await describeSource(session, job, options.name.shard, log);
  const source = new Source(table, job.source.time, job.source.key, zone);
  const timeless = await source.timeless(session);
  if (timeless > 0)
    log.warn(
      `${timeless} rows of ${table.name} have no ${job.source.time} (NULL or zero): they are in no window and are not copied`,
    );
  const plan = await (job as TableJob).prepare({
    table,
    target: hold.target,
    log,
    missingColumns: setting.missingColumns,
  });
  return tableIntake(job as TableJob, plan, source, options);
}

function intakeOptions(
  name: ShardName,
  runId: string,
  setting: Setting,
  hold: Hold,
  result: ShardResult,
  log: Log,
): IntakeOptions {
  const { zone, clock, windowRows, settleLagMs, progress } = setting;
  return {
    name,
    runId,
    hold,
    zone,
    log,
    settleLagMs,
    now: () => clock.now(),
    rowLimit: windowRows,
    progress: (rows) => progress?.rows(name.shard, rows),
    finding: (finding) => result.findings.push(finding),
  };
}

/** Tells the progress bar how much there is to do. */
async function announce({ setting, result, watermark, intake, hold, name }: Run): Promise<void> {
  if (setting.progress === null || watermark.at === null) return;
  const start = result.checkpoint ?? (await intake.oldest(hold.target));
  const rows = start === null || start >= watermark.at ? 0 : await intake.count({ start, end: watermark.at });
  if (rows !== null) setting.progress.total(name.shard, rows);
}

function overtaken(name: ShardName): OvertakenError {
  return new OvertakenError(
    `${titleOf(name)}: another run has moved the checkpoint; this run stops, and changes nothing more`,
    `tidemark status ${name.job}`,
  );
}

function targetOf(session: Session, dryRun: boolean): Target {
  return {
    dryRun,
    rows: (sql, parameters) => session.rows(sql, parameters),
    tuples: (sql, parameters) => session.tuples(sql, parameters),
    write: (sql, parameters) =>
      dryRun ? Promise.resolve({ affected: 0, insertId: 0 }) : session.write(sql, parameters),
  };
}
