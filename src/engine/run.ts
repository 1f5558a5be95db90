/** What a run is asked to do, what it works with, what it carries from step to step, and what it tells in the end. */

import type { Log } from '../platform/log.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import type { DatabaseName, SettingName, SettingValue } from '../platform/settings.ts';
import type { ShardName } from './checkpoint.ts';
import type { CheckpointCopies } from './checkpoint-copy.ts';
import type { Claim, OnStep } from './claim.ts';
import type { Clock, Halt } from './clock.ts';
import type { Intake, Work } from './intake.ts';
import type { Finding, Job, Target, Waiting } from './job.ts';
import { type Counts, noCounts } from './journal.ts';
import { type Pause, readPauseOf } from './pause.ts';
import type { RunKind } from './runs.ts';
import type { Exemptions } from './statements.ts';
import { Totals } from './totals.ts';
import type { Holder, Watermark } from './watermark.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** What a run is asked to do. */
export interface Request {
  readonly kind: Exclude<RunKind, 'fix' | 'checkpoint' | 'due'>;
  /** For `range`. */
  readonly range: Window | null;
  readonly dryRun: boolean;
  readonly maxWindows: number;
  readonly waitForLock: boolean;
  /** For `repair`: ids of the dead letters to work off; absent for all that are open. */
  readonly letters?: ReadonlySet<number>;
}

/** What a run works with. */
export interface Setting {
  readonly openTarget: (job: Job) => Promise<Session>;
  readonly openSource: () => Promise<Session>;
  /** A database that a job reads besides its target and is no source. */
  readonly openDatabase: (name: DatabaseName) => Promise<Session>;
  readonly settingOf: <Name extends SettingName>(name: Name) => SettingValue<Name>;
  readonly copies: CheckpointCopies;
  readonly jobs: readonly Job[];
  readonly clock: Clock;
  readonly zone: Zone;
  readonly halt: Halt;
  readonly log: Log;
  readonly windowRows: number;
  readonly stallTimeoutMs: number;
  readonly settleLagMs: number | undefined;
  readonly exemptions: Exemptions;
  /** A transaction that holds the watermark back for longer than this is warned of. */
  readonly blockedWarningMs: number;
  readonly missingColumns: 'warn' | 'error';
  readonly onStep: OnStep;
  readonly progress: { total(shard: string, rows: number): void; rows(shard: string, rows: number): void } | null;
}

type Outcome = 'done' | 'nothing-due' | 'held-back' | 'locked' | 'paused' | 'dead-letters' | 'failed' | 'interrupted';

export interface ShardResult extends Counts {
  readonly shard: string;
  outcome: Outcome;
  windows: number;
  from: Instant | null;
  to: Instant | null;
  checkpoint: Instant | null;
  heldBackBy: Holder | null;
  /** Why nothing more was begun, where the outcome is `paused`; null when the pause was lifted meanwhile. */
  pause: Pause | null;
  /** Open dead letters of the shard when the run ended; of a repair of some letters, those of them. */
  lettersWaiting: number;
  error: unknown;
  /** It was told to stop before it began a window that is due. */
  leftDue: boolean;
  readonly findings: Finding[];
  /** What waits for a person, dead letters aside. */
  waiting: Waiting | null;
  readonly totals: Totals;
}

/** What a run of several shards tells. */
export interface JobResult {
  readonly job: string;
  readonly runId: string;
  readonly durationMs: number;
  readonly shards: readonly ShardResult[];
}

/** Everything one shard's run carries from step to step. */
export interface Run {
  readonly name: ShardName;
  readonly runId: string;
  readonly request: Request;
  readonly setting: Setting;
  readonly claim: Claim;
  readonly intake: Intake;
  readonly log: Log;
  readonly result: ShardResult;
  /** How far this run may go; fixed once, so that it ends although the source goes on. */
  watermark: Watermark;
  /** In a dry run the position moves here only. */
  pretended: Instant | null;
}

export function emptyResult(shard: string): ShardResult {
  return {
    shard,
    outcome: 'nothing-due',
    windows: 0,
    from: null,
    to: null,
    ...noCounts(),
    checkpoint: null,
    heldBackBy: null,
    pause: null,
    lettersWaiting: 0,
    error: null,
    leftDue: false,
    findings: [],
    waiting: null,
    totals: new Totals(),
  };
}

/** Notes that the shard is paused, and by whom. */
export async function notePause(result: ShardResult, name: ShardName, reader: Reader, zone: Zone): Promise<void> {
  result.outcome = 'paused';
  result.pause = await readPauseOf(reader, name, zone);
}

/** Adds the sums of a transaction that was committed. */
export function addTotals(result: ShardResult, { totals }: Work): void {
  if (totals !== undefined) result.totals.addAll(totals);
}

/**
 * Whether a dry run has to end behind a window, because what follows reads what it has not written. It is told as what
 * holds the rest back.
 */
export function endsDryRun({ request, intake, result, log, setting }: Run, window: Window, counts: Counts): boolean {
  if (!request.dryRun || intake.buildsOnLast !== true || counts.inserted + counts.updated === 0) return false;
  const detail = `a dry run ends at ${setting.zone.iso(window.end)}: what follows builds on what it has not written`;
  log.warn(detail);
  holdBack(result, { kind: 'upstream', thread: null, user: null, ageSeconds: null, statement: null, detail });
  return true;
}

/** Notes what keeps the run from going on; the first to do so is told. */
export function holdBack(result: ShardResult, by: Holder | null): void {
  result.heldBackBy ??= by;
  if (by !== null && result.outcome === 'nothing-due') result.outcome = 'held-back';
}

/** A job's view of the transaction: no commit, no rollback, and in a dry run no writing. */
export function targetOf(session: Session, dryRun: boolean): Target {
  return {
    dryRun,
    statementBytesMax: session.facts.maxPacketBytes,
    rows: (sql, parameters) => session.rows(sql, parameters),
    tuples: (sql, parameters) => session.tuples(sql, parameters),
    write: (sql, parameters) => (dryRun ? session.pretend(sql, parameters) : session.write(sql, parameters)),
  };
}
