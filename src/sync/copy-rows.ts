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
import { identifier } from '../platform/mysql.ts';
import { errorNumber, failureOf } from '../platform/mysql-errors.ts';
import { keyLiteral } from '../platform/table.ts';
import {
  batches,
  type CopyRun,
  expressionsOf,
  fits,
  type Known,
  lookUp,
  type Refused,
  type Row,
  refusalsMax,
  toRow,
  write,
} from './target-rows.ts';

/** The same order in every writer keeps them from deadlocking; which order does not matter. */
const byKey = (a: Row, b: Row) => a.key.length - b.key.length || (a.key < b.key ? -1 : 1);

export interface Counts {
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
  const rows = refused.filter(({ error }) => errorNumber(error) === 1062).map(({ row }) => row);
  if (rows.length < 2 || run.target.dryRun || run.plan.hasOwnColumns || (await isReferredTo(run))) return;
  const known = await lookUp(run, rows);
  const among = rows.filter((row) => known.has(row.key));
  const [group, ...more] = [...batches(run, among)];
  if (group === undefined || group.length < 2 || more.length > 0) return;
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

async function copyPage(run: CopyRun, rows: readonly Row[], progress: Progress): Promise<void> {
  const rest = progress.expectNew && !run.target.dryRun ? await insertNew(run, rows, progress) : rows;
  if (rest.length === 0) return;
  const { counts, refused } = progress;
  const insertedBefore = counts.inserted;
  const refusedBefore = refused.length;
  await copyKnownPage(run, rest, progress);
  progress.expectNew = counts.inserted - insertedBefore === rest.length;
  // A page of refusals, and never a row accepted: it is the table that refuses, not the rows.
  const all = refused.length - refusedBefore === rest.length && rest.length >= refusalsMax;
  const accepted = counts.inserted + counts.updated + counts.unchanged;
  if (all && accepted === 0 && run.mode !== 'repair') throw refusesAll(run, refused.at(-1)?.error);
}

/** Inserts rows that are believed to be new; answers those from the first one on that is not, or is refused. */
async function insertNew(run: CopyRun, rows: readonly Row[], progress: Progress): Promise<readonly Row[]> {
  let done = 0;
  for (const batch of batches(run, rows)) {
    try {
      if (!batch.every((row) => fits(run, row))) break;
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
    const there = known.get(row.key);
    if (now === undefined || there === undefined) return now ?? [];
    // What is observed tells the shard: the same on both sides, and the source in hand is the only one.
    const elsewhere = there.observed.some((value, index) => value !== now.observed[index]);
    const younger = now.time.slice(0, 19) < there.time.slice(0, 19);
    return run.mode !== 'again' && elsewhere && younger ? [] : now;
  });
}
