/**
 * Copies pages of source rows into a target table: what the source holds is what the target holds afterwards.
 *
 * Promises: inserted, updated and unchanged rows are told apart, an unchanged one is not written; a row that the target
 * refuses is set aside and the others go on; a row is never overwritten by an older version of itself (two shards may
 * hold the same row for a moment, when it moves). Repeating a page changes nothing.
 *
 * Rows are new or known by a look at the target first, never by ON DUPLICATE KEY alone: on a table with a second unique
 * key that would update another row than the one that was meant.
 */
import { JobError } from '../platform/errors.ts';
import { identifier, type Reader, type Written } from '../platform/mysql.ts';
import { errorNumber, failureOf } from '../platform/mysql-errors.ts';
import { keyLiteral } from '../platform/table.ts';
import type { CopyPlan } from './plan.ts';

interface SourceRow {
  readonly time: string;
  readonly key: string;
  readonly values: readonly (string | null)[];
}

export interface CopySource {
  pages(expressions: readonly string[]): AsyncIterable<readonly SourceRow[]>;
  current(keys: readonly string[], expressions: readonly string[]): Promise<SourceRow[]>;
  content(key: string): Promise<Record<string, string | null>>;
}

export interface CopyTarget extends Reader {
  readonly dryRun: boolean;
  write(sql: string): Promise<Written>;
}

export interface CopyRun {
  readonly plan: CopyPlan;
  readonly source: CopySource;
  readonly target: CopyTarget;
  /**
   * Time behind the checkpoint is copied once more because somebody asked for it: then the source is right even where
   * the target holds a younger version. Else that version came from another shard, to which the row has moved.
   */
  readonly again: boolean;
  /** Expressions over a row, the same on both sides, whose values `written` gets. */
  readonly observe: readonly string[];
  /** Called for each page with the observed values of the rows that were written: before (null for a new row) and after. */
  readonly written: (images: readonly Image[]) => Promise<void>;
  readonly refuse: (refusal: {
    key: string;
    content: Record<string, string | null>;
    reason: string;
    code: number;
  }) => Promise<void>;
  readonly progress: (rows: number) => void;
}

export interface Image {
  readonly before: readonly (string | null)[] | null;
  readonly after: readonly (string | null)[];
}

interface Row {
  readonly key: string;
  readonly time: string;
  readonly text: string | null;
  readonly digest: string;
  readonly observed: readonly (string | null)[];
}

interface Known {
  readonly time: string;
  readonly digest: string;
  readonly observed: readonly (string | null)[];
}

interface Refused {
  readonly row: Row;
  readonly error: Error;
}

const statementBytes = 1_000_000;
/** So many refusals without a single row accepted mean that the table refuses, not the rows. */
const refusalsMax = 50;

const digest = (text: string) => `MD5(${text})`;
/** The same order in every writer keeps them from deadlocking; which order does not matter. */
const byKey = (a: Row, b: Row) => a.key.length - b.key.length || (a.key < b.key ? -1 : 1);

interface Counts {
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  deadLetters: number;
}

/** What is carried from page to page. */
interface Progress {
  readonly counts: Counts;
  readonly refused: Refused[];
  /** The last page was new from end to end: the next may well be, and is tried without a look at the target. */
  expectNew: boolean;
}

export async function copyRows(run: CopyRun): Promise<Counts> {
  const counts = { read: 0, inserted: 0, updated: 0, unchanged: 0, deadLetters: 0 };
  const progress: Progress = { counts, refused: [], expectNew: false };
  const { refused } = progress;
  for await (const page of run.source.pages(expressionsOf(run))) {
    counts.read += page.length;
    await copyPage(run, page.map(toRow).sort(byKey), progress);
    run.progress(page.length);
  }
  // A row may have been refused because of one that came after it: whoever had its unique value has given it up by now.
  for (let again = refused.splice(0); again.length > 0; again = refused.splice(0)) {
    await copyKnownPage(
      run,
      again.map(({ row }) => row),
      progress,
    );
    if (refused.length === again.length) break;
  }
  await exchangeValues(run, progress);
  for (const { row, error } of refused) {
    counts.deadLetters += 1;
    await run.refuse({
      key: row.key,
      content: await run.source.content(row.key),
      reason: error.message,
      code: errorNumber(error),
    });
  }
  return counts;
}

/**
 * Rows that exchange unique values among themselves: none can be written before another. All of them are taken out and
 * put in again, in one go or not at all; not where the target has columns of its own, which would be lost, or where
 * other tables refer to it, which would lose rows.
 */
async function exchangeValues(run: CopyRun, { counts, refused }: Progress): Promise<void> {
  const rows = refused
    .filter(({ row, error }) => errorNumber(error) === 1062 && row.text !== null)
    .map(({ row }) => row);
  if (rows.length < 2 || run.target.dryRun || run.plan.hasOwnColumns || (await isReferredTo(run))) return;
  const known = await lookUp(run, rows);
  const among = rows.filter((row) => known.has(row.key));
  if (among.length < 2) return;
  const { target, plan } = run;
  const keys = among.map((row) => keyLiteral(plan.key, row.key)).join(',');
  await target.write('SAVEPOINT exchange');
  try {
    await target.write(`DELETE FROM ${identifier(plan.table.name)} WHERE ${identifier(plan.key.name)} IN (${keys})`);
    await target.write(`${plan.insert}${among.map((row) => row.text).join(',')}`);
  } catch (error) {
    if (failureOf(error) !== 'row') throw error;
    await target.write('ROLLBACK TO SAVEPOINT exchange');
    return;
  }
  refused.splice(0, refused.length, ...refused.filter(({ row }) => !among.includes(row)));
  counts.updated += among.length;
  await run.written(among.map((row) => ({ before: known.get(row.key)?.observed ?? null, after: row.observed })));
}

async function isReferredTo({ plan, target }: CopyRun): Promise<boolean> {
  const [reference] = await target.tuples(
    'SELECT 1 FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = ? LIMIT 1',
    [plan.table.name],
  );
  return reference !== undefined;
}

function expressionsOf({ plan, observe }: CopyRun): string[] {
  return [plan.text, digest(plan.text), ...observe];
}

function toRow({ key, time, values: [text, hash, ...observed] }: SourceRow): Row {
  return { key, time, text: text ?? null, digest: hash ?? '', observed };
}

async function copyPage(run: CopyRun, rows: readonly Row[], progress: Progress): Promise<void> {
  const rest = progress.expectNew && !run.target.dryRun ? await insertNew(run, rows, progress) : rows;
  if (rest.length === 0) return;
  const before = { ...progress.counts };
  const refusedBefore = progress.refused.length;
  await copyKnownPage(run, rest, progress);
  progress.expectNew = progress.counts.inserted - before.inserted === rest.length;
  const refusedNow = progress.refused.length - refusedBefore;
  if (refusedNow === rest.length && refusedNow >= refusalsMax) throw refusesAll(run, progress.refused.at(-1)?.error);
}

/** Inserts rows that are believed to be new; answers those from the first one on that is not, or is refused. */
async function insertNew(run: CopyRun, rows: readonly Row[], progress: Progress): Promise<readonly Row[]> {
  let done = 0;
  for (const batch of batches(rows, statementBytes)) {
    try {
      if (batch.some((row) => row.text === null)) break;
      await run.target.write(`${run.plan.insert}${batch.map((row) => row.text).join(',')}`);
    } catch (error) {
      if (failureOf(error) !== 'row') throw error;
      break;
    }
    done += batch.length;
  }
  progress.counts.inserted += done;
  progress.expectNew = done === rows.length;
  if (done > 0) await run.written(rows.slice(0, done).map((row) => ({ before: null, after: row.observed })));
  return rows.slice(done);
}

/** Copies rows after a look at what the target holds of them. */
async function copyKnownPage(run: CopyRun, rows: readonly Row[], { counts, refused }: Progress): Promise<void> {
  const known = await lookUp(run, rows);
  const wanted = await withoutStale(run, rows, known);
  const fresh = wanted.filter((row) => !known.has(row.key));
  const changed = wanted.filter((row) => known.has(row.key) && known.get(row.key)?.digest !== row.digest);
  const inserted = await write(run, fresh, '', refused);
  const updated = await write(run, changed, run.plan.onDuplicate, refused);
  counts.inserted += inserted.length;
  counts.updated += updated.length;
  counts.unchanged += rows.length - fresh.length - changed.length;
  const images = [...inserted, ...updated].map((row) => ({
    before: known.get(row.key)?.observed ?? null,
    after: row.observed,
  }));
  if (images.length > 0) await run.written(images);
}

function refusesAll({ plan }: CopyRun, error: Error | undefined): JobError {
  return new JobError(
    `the target table ${plan.table.name} refuses every row: ${error?.message ?? 'no reason given'}; nothing was written, nothing is lost`,
    'mend the table, then run again',
    error,
  );
}

/** What the target holds for these keys; the rows stay locked until the transaction ends. */
async function lookUp({ plan, target, observe }: CopyRun, rows: readonly Row[]): Promise<Map<string, Known>> {
  if (rows.length === 0) return new Map();
  const keys = rows.map((row) => keyLiteral(plan.key, row.key)).join(',');
  const key = identifier(plan.key.name);
  const found = await target.tuples(
    `SELECT ${[key, `IFNULL(${identifier(plan.time)},'')`, digest(plan.text), ...observe].join(', ')}
       FROM ${identifier(plan.table.name)} WHERE ${key} IN (${keys})${target.dryRun ? '' : ' FOR UPDATE'}`,
  );
  return new Map(
    found.map(([id, time, hash, ...observed]) => [
      String(id),
      {
        time: String(time),
        digest: String(hash),
        observed: observed.map((value) => (value === null ? null : String(value))),
      },
    ]),
  );
}

/** Where the target is as young as the row in hand but differs, another shard may have it now: asks the source again. */
async function withoutStale(
  run: CopyRun,
  rows: readonly Row[],
  known: ReadonlyMap<string, Known>,
): Promise<readonly Row[]> {
  const doubtful = rows.filter((row) => {
    const there = known.get(row.key);
    return there !== undefined && there.digest !== row.digest && there.time >= row.time;
  });
  if (doubtful.length === 0) return rows;
  const current = await run.source.current(
    doubtful.map((row) => row.key),
    expressionsOf(run),
  );
  const fresh = new Map(current.map((row) => [row.key, toRow(row)]));
  const keys = new Set(doubtful.map((row) => row.key));
  return rows.flatMap((row) => {
    if (!keys.has(row.key)) return row;
    const now = fresh.get(row.key);
    const younger = now !== undefined && !run.again && now.time < (known.get(row.key)?.time ?? '');
    return now === undefined || younger ? [] : now;
  });
}

/** Writes rows in statements of bounded size; what the target refuses is found by halving. */
async function write(run: CopyRun, rows: readonly Row[], onDuplicate: string, refused: Refused[]): Promise<Row[]> {
  const accepted: Row[] = [];
  for (const batch of batches(rows, statementBytes)) await writeBatch(run, batch, onDuplicate, accepted, refused);
  return accepted;
}

async function writeBatch(
  run: CopyRun,
  rows: readonly Row[],
  onDuplicate: string,
  accepted: Row[],
  refused: Refused[],
): Promise<void> {
  const [only] = rows;
  if (only === undefined || (accepted.length === 0 && refused.length >= refusalsMax)) {
    refused.push(...rows.map((row) => ({ row, error: refused.at(-1)?.error ?? new Error('not tried') })));
    return;
  }
  if (rows.length === 1 && only.text === null) {
    refused.push({ row: only, error: new Error('the row is larger than the max_allowed_packet of the source') });
    return;
  }
  try {
    if (rows.some((row) => row.text === null)) throw Object.assign(new Error('a row is too large'), { errno: 1153 });
    await run.target.write(`${run.plan.insert}${rows.map((row) => row.text).join(',')}${onDuplicate}`);
    accepted.push(...rows);
  } catch (error) {
    if (failureOf(error) !== 'row') throw error;
    if (rows.length === 1) {
      refused.push({ row: only, error: error as Error });
      return;
    }
    const middle = Math.ceil(rows.length / 2);
    await writeBatch(run, rows.slice(0, middle), onDuplicate, accepted, refused);
    await writeBatch(run, rows.slice(middle), onDuplicate, accepted, refused);
  }
}

function* batches(rows: readonly Row[], bytesMax: number): Generator<readonly Row[]> {
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.text?.length ?? 0;
    if (batch.length > 0 && bytes + size > bytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
