/**
 * What a job is: the contract between the engine and the files in `jobs/`.
 *
 * A job says what it reads, where its effects live and how a window is applied. Everything else (checkpoint, lock,
 * watermark, retry, journal, Redis) is the engine's. A job gets a narrow context: it cannot move a checkpoint, open a
 * connection or commit early. Its effects must be functions of the data, not of the run: a window whose transaction
 * failed is applied again from the start, and so is a part of a window that needs several transactions.
 */

import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Reader, Written } from '../platform/mysql.ts';
import type { DatabaseName, SettingName, SettingValue } from '../platform/settings.ts';
import type { Table } from '../platform/table.ts';
import type { Compared } from './compared.ts';
import type { Refusal } from './dead-letters.ts';
import type { DueWork } from './due-work.ts';
import type { Counts } from './journal.ts';
import type { SourceColumns, SourceRow } from './source.ts';
import type { Sums } from './totals.ts';
import type { Window } from './window.ts';
import type { Instant, Period, Zone } from './zone.ts';

export type { DueContext, DueThings } from './due-work.ts';

/** The target inside the window's transaction. In a dry run the transaction is read-only and `write` does nothing. */
export interface Target extends Reader {
  readonly dryRun: boolean;
  /** The largest statement that the server takes. */
  readonly statementBytesMax: number;
  write(sql: string, parameters?: Parameters<Reader['rows']>[1]): Promise<Written>;
}

/** The committed rows of a window. */
interface SourceRows {
  readonly table: Table;
  /** Pages in order of (time, key), each row with the values of these SQL expressions; nothing is held in memory but one page and the next. */
  pages(expressions: readonly string[]): AsyncIterable<readonly SourceRow[]>;
  /** What the source holds now for these keys, committed, whatever its time; keys that are gone are absent. */
  current(keys: readonly string[], expressions: readonly string[]): Promise<SourceRow[]>;
  /** A row's columns as text, for a dead letter. */
  content(key: string): Promise<Record<string, string | null>>;
}

/** Something that a run found wrong and put right, and that a person should know. */
export interface Finding {
  readonly what: string;
  readonly was: string;
  readonly is: string;
  /** Where it lies in time, as `--from` and `--to` take it; told where a range that covers it puts it right. */
  readonly range?: { readonly from: string; readonly to: string };
}

interface Context {
  readonly window: Window;
  readonly zone: Zone;
  readonly target: Target;
  readonly log: Log;
  /** Counts rows for the progress bar. */
  progress(rows: number): void;
}

export interface TableContext<Plan = unknown> extends Context {
  readonly plan: Plan;
  readonly source: SourceRows;
  /**
   * `closing`: for the first time; `again`: behind the checkpoint, because somebody asked for it; `sweep`: behind it,
   * because a window holds other rows than it did; `repair`: dead letters.
   */
  readonly mode: 'closing' | 'again' | 'sweep' | 'repair';
  /** Keeps a row that the target refuses; the others go on. */
  deadLetter(refusal: Refusal): Promise<void>;
}

export interface FollowingContext extends Context {
  /** `changes`: what the upstream job has changed since; `all`: everything in the window, from the data alone. */
  readonly scope: 'changes' | 'all';
  /** Nothing was ever applied: what is computed was not wrong before, only not there. */
  readonly first: boolean;
  /** How much one transaction should carry. */
  readonly rowLimit: number;
  /** What the part before this one answered; null in the first. */
  readonly resume: string | null;
  finding(finding: Finding): void;
}

export interface PeriodContext extends Context {
  readonly shard: string;
  /** `2026-11-20` or `2026-11`; empty for `repair`, whose letters name theirs. */
  readonly period: string;
  /** `closing`: for the first time; `again`: because somebody asked for it; `repair`: dead letters. */
  readonly mode: 'closing' | 'again' | 'repair';
  /** The database that the job reads besides, outside of the transaction, each statement as of its own instant. */
  readonly upstream: Reader;
  readonly runId: string;
  readonly rowLimit: number;
  /** What the part before this one answered; null in the first. */
  readonly resume: string | null;
  /** Keys of the shard's open dead letters. */
  readonly letters: readonly string[];
  /** Keeps what cannot be done now; the rest goes on. */
  deadLetter(refusal: Refusal): Promise<void>;
  /** Closes open letters of what is done by now. */
  settled(keys: readonly string[]): Promise<void>;
  setting<Name extends SettingName>(name: Name): SettingValue<Name>;
  /** Adds to the sums that a run shows: counts are numbers, fen are bigint. */
  total(what: string, sums: Sums): void;
}

/** One transaction's share of a window. */
export interface Part {
  readonly counts: Counts;
  /** Where the next transaction goes on; null when the window is done. */
  readonly resume: string | null;
}

export interface ComparedShard<Plan = unknown> {
  readonly shard: string;
  readonly table: Table;
  readonly plan: Plan;
  /** Keys of its open dead letters. */
  readonly letters: ReadonlySet<string>;
}

interface SidesContext<Plan> {
  readonly shards: readonly ComparedShard<Plan>[];
  readonly source: Reader;
  /** Whether a row with this time (text of the source) should have been applied; `never` without a usable time. */
  due(shard: string, time: string): 'due' | 'later' | 'never';
}

interface CompareContext<Plan = unknown> extends SidesContext<Plan> {
  readonly target: Reader;
  /** Only the rows with these keys; null for all. */
  readonly only: readonly string[] | null;
  /** Whether to stop early. */
  stopped(): boolean;
}

/** Inside a transaction that holds the checkpoint row of the shard. */
interface MendContext<Plan = unknown> extends SidesContext<Plan> {
  readonly shard: string;
  readonly target: Target;
  /** Keys whose rows are to become what the source holds. */
  readonly copy: readonly string[];
  /** Keys whose rows no shard had. */
  readonly remove: readonly string[];
  /** The job's own `apply`, for rows of this shard as the source holds them now, in this mode. */
  apply(keys: readonly string[], mode: 'again' | 'repair'): Promise<Counts>;
}

/** A run that a schedule starts beside the plain one: `--sweep` every hour, `--full` every night. */
export interface ScheduledRun {
  /** Five cron fields, in the business zone. */
  readonly schedule: string;
  /** Behind `tidemark run <job>`. */
  readonly options: readonly string[];
  /** What it is for, in one line. */
  readonly why: string;
}

interface JobBase {
  readonly name: string;
  /** One line for `tidemark list`. */
  readonly summary: string;
  /** Shards run independently, each with a checkpoint of its own; none for a job without. */
  readonly shards: readonly string[];
  /** Five cron fields, in the business zone. */
  readonly schedule: string;
  /** What who reads the schedule should know; without it the summary stands there. */
  readonly why?: string;
  /** Behind `tidemark run <job>` at each start of the schedule: `--every 10s --for 50s`. */
  readonly options?: readonly string[];
  /** Seconds between the starts of one shard and the next. */
  readonly staggerSeconds?: number;
  /** Runs besides, for all shards at once. */
  readonly also?: readonly ScheduledRun[];
  /** So far behind, somebody is alarmed. Without it: three times what lies between two starts, and a quarter of an hour. */
  readonly lagMaxSeconds?: number;
  /** A run that takes longer stops cleanly, as with `--timeout`, which goes before it. */
  readonly timeLimitSeconds?: number;
  /**
   * SQL that makes the job's own tables, in the target: `tidemark migrate` runs each once, in this order. What has run is
   * never changed, the next change of a table is one more at the end. Each must bear to be run twice.
   */
  readonly tables?: readonly string[];
  /** The database of the effects, and of the checkpoint. */
  readonly target: Exclude<DatabaseName, 'source'>;
}

/** A job that takes the changed rows of a source table, window by window of its time column. */
export interface TableJob<Plan = unknown> extends JobBase {
  readonly source: { readonly table: (shard: string) => string } & SourceColumns;
  /** The target table that `tidemark migrate` makes like the source's when it is missing. */
  readonly targetTable?: string;
  /** Looks at both sides once a run, before any window. Throws SetupError for what a person must mend. */
  prepare(context: {
    readonly table: Table;
    readonly target: Reader;
    readonly log: Log;
    readonly missingColumns: 'warn' | 'error';
  }): Promise<Plan>;
  apply(context: TableContext<Plan>): Promise<Counts>;
  /** Compares what the job has written with the source, all shards together; without it `verify --data` cannot. */
  compare?(context: CompareContext<Plan>): Promise<Compared>;
  /** Applies differences that `compare` has found. What has changed since is judged as it is now. */
  mend?(context: MendContext<Plan>): Promise<Counts & { readonly deleted: number }>;
}

/** A job that follows another job in the same database: its watermark is the lowest checkpoint of that job's shards. */
export interface FollowingJob extends JobBase {
  readonly follows: string;
  /** What `--from` and `--to` must be whole ones of. */
  readonly rangeUnit: 'hour';
  /** The start of the oldest data that a first or full run must cover; null when there is none. */
  oldest(target: Reader, zone: Zone): Promise<Instant | null>;
  /** Whether changes wait that can be applied although the watermark has not moved. */
  pending(target: Reader, until: Instant, zone: Zone): Promise<boolean>;
  apply(context: FollowingContext): Promise<Part>;
  /** `apply` to `all` tells everything that differs as a finding: so a dry run of it is what `verify --data` shows. */
  readonly tellsDifferences?: true;
}

/** What a job may look at to say whether a period can be taken. */
export interface PeriodQuestion {
  readonly shard: string;
  readonly period: string;
  readonly window: Window;
  readonly target: Reader;
  readonly zone: Zone;
  readonly now: Instant;
  setting<Name extends SettingName>(name: Name): SettingValue<Name>;
}

/** A job that takes whole days or months of the business zone, one a window, once they are over and complete. */
export interface PeriodJob extends JobBase {
  readonly period: Period;
  /** A table of the target that a period needs complete: none of its rows may still be on its way into it. */
  readonly needs: { readonly table: string } & SourceColumns;
  /** A job that must be past the end of a period, all shards of it. */
  readonly follows?: string;
  /** The start of the oldest data of a shard; null when there is none. */
  oldest(question: Omit<PeriodQuestion, 'period' | 'window'> & { readonly upstream: Reader }): Promise<Instant | null>;
  /** What a period that is over still waits for, told to people; null when it can be taken. */
  waitsFor?(question: PeriodQuestion): Promise<string | null>;
  apply(context: PeriodContext): Promise<Part>;
  /** Does what the shard's open letters name once more. */
  repair?(context: PeriodContext): Promise<Part>;
  /** What waits for a person, dead letters aside; null when nothing does. */
  waiting?(target: Reader, shard: string): Promise<Waiting | null>;
  /** `--from` and `--to` may lie beyond the checkpoint. */
  readonly rangeMayLead?: true;
  /** What is written for a period is read for the next: a dry run ends behind the first that has something to write. */
  readonly buildsOnLast?: true;
}

/** Matters that only a person can settle: a run that leaves some ends with exit 65. */
export interface Waiting {
  readonly what: string;
  /** The command to type next. */
  readonly next: string;
}

/** A job without windows: it works off things that are due each at a time of its own. See due-work.ts. */
export interface DueJob extends JobBase, DueWork {}

/** A job that takes time window by window, each with its checkpoint. */
export type WindowJob = TableJob | FollowingJob | PeriodJob;

export type Job = WindowJob | DueJob;

export function isTableJob(job: Job): job is TableJob {
  return 'source' in job;
}

export function isPeriodJob(job: Job): job is PeriodJob {
  return 'period' in job;
}

export function isFollowingJob(job: Job): job is FollowingJob {
  return 'rangeUnit' in job;
}

export function isDueJob(job: Job): job is DueJob {
  return 'work' in job;
}

/** The job that another one follows. @throws SetupError when there is no such job, or it has no checkpoint to follow */
export function upstreamOf(job: FollowingJob | PeriodJob, jobs: readonly Job[]): WindowJob {
  const upstream = jobs.find((candidate) => candidate.name === job.follows);
  if (upstream !== undefined && !isDueJob(upstream)) return upstream;
  const what = upstream === undefined ? 'there is no such job' : 'it has no checkpoint';
  throw new SetupError(`${job.name} follows ${job.follows}, and ${what}`, 'tidemark list');
}

/** The database that a job reads besides its target: its source, or where the job lives that it follows. */
export function readsFrom(job: Job, jobs: readonly Job[]): DatabaseName {
  if (isTableJob(job)) return 'source';
  if (isDueJob(job)) return job.target;
  return job.follows === undefined ? job.target : upstreamOf(job, jobs).target;
}

/** Shard names as the engine keeps them: one empty name for a job without shards. */
export function shardNames(job: Job): readonly string[] {
  return job.shards.length === 0 ? [''] : job.shards;
}

/** Declares a job; it serves to infer the type of the plan, and of the contexts. */
export function defineJob<Plan>(job: TableJob<Plan>): Job;
export function defineJob(job: FollowingJob): Job;
export function defineJob(job: PeriodJob): Job;
export function defineJob(job: DueJob): Job;
export function defineJob(job: unknown): Job {
  return job as Job;
}
