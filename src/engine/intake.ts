/**
 * What a job takes in: the same questions to a job that reads a source table and to one that follows another job.
 *
 * How far may a run go, where does a first one begin, and: apply this window, or as much of it as one transaction
 * should carry. Called inside the transaction that holds the checkpoint row, so nothing read before it is ever written.
 */
import type { Log } from '../platform/log.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import type { ShardName } from './checkpoint.ts';
import type { Claim } from './claim.ts';
import { keepLetter, openLetterKeys, type Refusal, resolveLetters } from './dead-letters.ts';
import type { Finding, FollowingJob, Part, TableContext, TableJob, Target, Waiting } from './job.ts';
import { type Cursor, type Digest, inSnapshot, type Source, type SourceRow } from './source.ts';
import { type Exemptions, laggedBound, statementBound } from './statements.ts';
import type { Totals } from './totals.ts';
import { type Holder, provenEnd, upstreamWatermark, type Watermark } from './watermark.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** How a window is to be taken. */
export interface Take {
  readonly window: Window;
  /** Where the part before this one ended. */
  readonly resume: string | null;
  /** `closing`: for the first time, so nothing may be in flight; `again`, `sweep`: it was closed before. */
  readonly mode: 'closing' | 'again' | 'sweep';
  readonly scope: 'changes' | 'all';
  /** Nothing was ever applied. */
  readonly first: boolean;
}

/** What was done in one transaction, with the sums that the job told in it: they count when it is committed. */
export interface Work extends Part {
  readonly totals?: Totals;
}

/** What was taken: the window may end earlier than asked for, at its start even, where rows are still in flight. */
export interface Taken extends Work {
  readonly window: Window;
  /** What the source held in a window that is closed by this, in one part; null elsewhere. */
  readonly digest: Digest | null;
  /** Why the window was not taken, where it is known. */
  readonly heldBackBy?: Holder | null;
}

export interface Intake {
  /** How far a run may go. */
  watermark(target: Reader): Promise<Watermark>;
  /** Where a first run begins; null when there is no data. */
  oldest(target: Reader): Promise<Instant | null>;
  /** A border behind which lies more than one transaction should carry. */
  cut(window: Window): Promise<Instant | null>;
  /** Whether changes wait behind the checkpoint. */
  pending(target: Reader, until: Instant): Promise<boolean>;
  /** What each of some windows holds now; null where there is no source to ask. */
  digests(windows: readonly Window[]): Promise<Digest[] | null>;
  /** Rows in a window, for the progress bar; null when it cannot be told. */
  count(window: Window): Promise<number | null>;
  take(take: Take, target: Target): Promise<Taken>;
  /** Does once more what some open dead letters name; absent where the job cannot. */
  repair?(keys: readonly string[], target: Target): Promise<Work>;
  /** What waits for a person, dead letters aside. */
  waiting?(target: Reader): Promise<Waiting | null>;
  /** A range may lie beyond the checkpoint. */
  readonly rangeMayLead?: true;
  /** What is written for a window is read for the next. */
  readonly buildsOnLast?: true;
}

export interface IntakeOptions {
  readonly name: ShardName;
  readonly claim: Claim;
  readonly zone: Zone;
  readonly log: Log;
  readonly runId: string;
  readonly now: () => Instant;
  readonly rowLimit: number;
  readonly settleLagMs: number | undefined;
  readonly exemptions: Exemptions;
  readonly progress: (rows: number) => void;
  readonly finding: (finding: Finding) => void;
}

/** A fix applies rows as an `again` does. */
interface TableIntake extends Intake {
  repair(keys: readonly string[], target: Target, mode?: 'repair' | 'again'): Promise<Part>;
}

export function tableIntake(job: TableJob, plan: unknown, source: Source, options: IntakeOptions): TableIntake {
  const { claim, zone, rowLimit } = options;
  const applyRows = (
    window: Window,
    rows: Rows,
    target: Target,
    mode: TableContext['mode'],
    keys?: readonly string[],
  ) => applyTable({ job, plan, source, options, window, rows, target, mode, keys });
  return {
    async watermark() {
      const session = await claim.source();
      return options.settleLagMs === undefined
        ? statementBound(session, zone, options.exemptions)
        : laggedBound(session, zone, options.settleLagMs);
    },
    async oldest() {
      const oldest = await source.oldest(await claim.source());
      return oldest === null ? null : zone.border(oldest);
    },
    cut: async (window) => source.cut(await claim.source(), window, rowLimit),
    pending: async () => false,
    digests: async (windows) => source.digests(await claim.source(), windows),
    count: async (window) => source.count(await claim.source(), window),
    async take({ window, resume, mode }, target) {
      const session = await claim.source();
      const toProve = mode === 'closing' && resume === null && options.settleLagMs === undefined;
      const proven = toProve ? await provenEnd(source, window, session, zone) : { end: window.end, digest: null };
      const taken = { start: window.start, end: proven.end };
      const after = resume === null ? null : (JSON.parse(resume) as Cursor);
      return inSnapshot(session, async () => {
        const rows = new Rows(
          (cursor, expressions) => source.page(session, taken, cursor, expressions),
          source.pageRows,
          rowLimit,
          after,
        );
        const counts = await applyRows(taken, rows, target, mode);
        if (rows.rest !== null) return { window: taken, counts, resume: JSON.stringify(rows.rest), digest: null };
        // Of a window in several parts no digest is known that is as old as the first of them: a sweep will look.
        const whole = mode === 'closing' && resume === null;
        const digest = whole ? (proven.digest ?? (await source.digest(session, taken))) : null;
        return { window: taken, counts, resume: null, digest };
      });
    },
    async repair(keys, target, mode = 'repair') {
      const session = await claim.aside();
      const rows = new Rows(
        (cursor, expressions) => (cursor === null ? source.byKeys(session, keys, expressions) : Promise.resolve([])),
        Number.POSITIVE_INFINITY,
        rowLimit,
        null,
      );
      const now = options.now();
      const counts = await applyRows({ start: now, end: now }, rows, target, mode, keys);
      const gone = keys.filter((key) => !rows.seen.has(key));
      if (!target.dryRun)
        await resolveLetters(claim.target, options.name, gone, 'the row is gone from the source', now, zone);
      return { counts, resume: null };
    },
  };
}

/** Pages of rows up to a limit, with a memory of where they ended. */
class Rows {
  readonly seen = new Set<string>();
  /** Where the next transaction goes on; null when all were read. */
  rest: Cursor | null = null;
  readonly #read: (after: Cursor | null, expressions: readonly string[]) => Promise<SourceRow[]>;
  readonly #pageRows: number;
  readonly #limit: number;
  readonly #after: Cursor | null;

  constructor(
    read: (after: Cursor | null, expressions: readonly string[]) => Promise<SourceRow[]>,
    pageRows: number,
    limit: number,
    after: Cursor | null,
  ) {
    this.#read = read;
    this.#pageRows = pageRows;
    this.#limit = limit;
    this.#after = after;
  }

  /** The next page is read while the caller works on this one. */
  async *pages(expressions: readonly string[]): AsyncGenerator<readonly SourceRow[]> {
    let taken = 0;
    let page = await this.#read(this.#after, expressions);
    while (page.length > 0) {
      const last = page.at(-1) as SourceRow;
      taken += page.length;
      const complete = page.length < this.#pageRows;
      const full = taken >= this.#limit;
      const next = complete || full ? Promise.resolve([]) : this.#read(last, expressions);
      next.catch(() => undefined); // it is awaited below, or the caller has failed first
      yield page;
      if (full && !complete) this.rest = { time: last.time, key: last.key };
      page = await next;
    }
  }
}

interface Application {
  readonly job: TableJob;
  readonly plan: unknown;
  readonly source: Source;
  readonly options: IntakeOptions;
  readonly window: Window;
  readonly rows: Rows;
  readonly target: Target;
  readonly mode: TableContext['mode'];
  /** The rows' keys, where they are known beforehand: no other letters are looked up. */
  readonly keys: readonly string[] | undefined;
}

async function applyTable({ job, plan, source, options, window, rows, target, mode, keys }: Application) {
  const { claim, name, zone, runId } = options;
  const open = new Set(keys ?? (await openLetterKeys(target, name)));
  const log = logOf(window, options);
  const refused = new Set<string>();
  const counts = await job.apply({
    plan,
    window,
    zone,
    target,
    mode,
    log,
    progress: options.progress,
    source: {
      table: source.table,
      async *pages(expressions) {
        for await (const page of rows.pages(expressions)) {
          claim.assertWanted();
          if (open.size > 0) for (const { key } of page) if (open.has(key)) rows.seen.add(key);
          yield page;
        }
      },
      current: async (keys, expressions) => source.byKeys(await claim.aside(), keys, expressions),
      content: async (key) => contentOf(await claim.aside(), source, key),
    },
    async deadLetter(refusal: Refusal) {
      refused.add(refusal.key);
      log.warn('the target refuses a row', { key: refusal.key, reason: refusal.reason });
      if (!target.dryRun) await keepLetter(claim.target, name, refusal, runId, options.now(), zone);
    },
  });
  const settled = [...rows.seen].filter((key) => !refused.has(key));
  if (!target.dryRun) await resolveLetters(claim.target, name, settled, `applied by run ${runId}`, options.now(), zone);
  return counts;
}

/** Every line that a job tells names the window that it is about; rows that are repaired belong to none. */
export function logOf({ start, end }: Window, { log, zone }: Pick<IntakeOptions, 'log' | 'zone'>): Log {
  return end - start < 1000 ? log : log.with({ from: zone.iso(start), to: zone.iso(end) });
}

/** A letter must fit into the target, and be readable: long values are cut, with a mark. */
const contentValueMax = 10_000;

async function contentOf(session: Session, source: Source, key: string): Promise<Record<string, string | null>> {
  const names = source.table.columns.map((column) => column.name);
  const [row] = await source.byKeys(session, [key], source.contentExpressions(contentValueMax + 1));
  if (row === undefined) return { [source.key]: key }; // deleted since it was read
  const cut = (value: string | null) =>
    value !== null && value.length > contentValueMax ? `${value.slice(0, contentValueMax)}… (cut)` : value;
  return Object.fromEntries(names.map((column, index) => [column, cut(row.values[index] ?? null)]));
}

export function followingIntake(job: FollowingJob, upstreamShards: readonly string[], options: IntakeOptions): Intake {
  const { claim, zone } = options;
  return {
    watermark: (target) => upstreamWatermark(target, job.follows, upstreamShards, zone),
    oldest: (target) => job.oldest(target, zone),
    cut: async () => null,
    pending: (target, until) => job.pending(target, until, zone),
    digests: async () => null,
    count: async () => null,
    async take({ window, resume, scope, first }, target) {
      claim.assertWanted();
      const part = await job.apply({
        window,
        scope,
        first,
        resume,
        zone,
        target,
        rowLimit: options.rowLimit,
        log: logOf(window, options),
        progress: options.progress,
        finding: options.finding,
      });
      return { ...part, window, digest: null };
    },
  };
}
