/**
 * Writes what a day's reconciliation found beside the statements, for people: `<folder>/reports/<day>-<counterpart>.html`
 * and `.csv`. Both are written aside and renamed, so that nobody reads half of one; a repetition writes them anew.
 */
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reader } from '../platform/mysql.ts';
import { differencesOfDay, firstDifferences, totalsOfDay } from './difference-table.ts';
import type { DifferenceTarget, Stored } from './differences.ts';
import { csvHead, csvLine, type DayReport, htmlPage, type ReportedDifference } from './report.ts';

/** A page that a person reads has room for so many. */
const shownMax = 200;

export const pageOf = (folder: string, counterpart: string, day: string) =>
  join(folder, 'reports', `${day}-${counterpart}.html`);

/** A day as it was reconciled. */
interface Noted {
  readonly counterpart: string;
  readonly day: string;
  readonly source: string;
  readonly localEntries: number;
  readonly channelEntries: number;
  readonly matched: number;
  /** Where the page for people is; null when none is written. */
  readonly page: string | null;
  readonly runId: string;
}

export async function noteDay(ledger: DifferenceTarget, noted: Noted): Promise<void> {
  const { counterpart, day, source, localEntries, channelEntries, matched, page, runId } = noted;
  await ledger.write(
    `INSERT INTO reconciliation_day (counterpart, day, source, local_entries, channel_entries, matched, report, run_id)
     VALUES (?) ON DUPLICATE KEY UPDATE source = VALUES(source), local_entries = VALUES(local_entries),
       channel_entries = VALUES(channel_entries), matched = VALUES(matched), report = VALUES(report), run_id = VALUES(run_id), done_at = NOW()`,
    [[counterpart, day, source, localEntries, channelEntries, matched, page, runId]],
  );
}

/** The page for people about a day; null where none was written. */
export async function reportOf(ledger: Reader, counterpart: string, day: string): Promise<string | null> {
  const [row] = await ledger.tuples('SELECT report FROM reconciliation_day WHERE counterpart = ? AND day = ?', [
    counterpart,
    day,
  ]);
  return (row?.[0] as string | null | undefined) ?? null;
}

interface Wanted {
  readonly folder: string;
  readonly counterpart: string;
  readonly day: string;
  /** A TIMESTAMP in UTC as people read it. */
  readonly iso: (utc: string) => string;
}

export async function writeReport(ledger: Reader, { folder, counterpart, day, iso }: Wanted): Promise<void> {
  const [row] = await ledger.tuples(
    'SELECT source, local_entries, channel_entries, matched, done_at FROM reconciliation_day WHERE counterpart = ? AND day = ?',
    [counterpart, day],
  );
  if (row === undefined) return; // an earlier day of a system that had no report yet
  const report: DayReport = {
    counterpart,
    day,
    madeAt: iso(String(row[4])),
    source: String(row[0]),
    localEntries: Number(row[1]),
    channelEntries: Number(row[2]),
    matched: Number(row[3]),
    totals: await totalsOfDay(ledger, counterpart, day),
    differences: (await firstDifferences(ledger, counterpart, day, shownMax)).map(reported),
  };
  const page = pageOf(folder, counterpart, day);
  await mkdir(join(folder, 'reports'), { recursive: true });
  await aside(page.replace(/html$/, 'csv'), (path) => writeCsv(path, differencesOfDay(ledger, counterpart, day)));
  await aside(page, (path) => writeFile(path, htmlPage(report)));
}

/** Writes a file under another name first. The shard is locked: nobody else writes this one. */
async function aside(path: string, write: (path: string) => Promise<void>): Promise<void> {
  const made = `${path}.tmp`;
  try {
    await write(made);
    await rename(made, path);
  } catch (error) {
    await rm(made, { force: true });
    throw error;
  }
}

async function writeCsv(path: string, pages: AsyncIterable<readonly Stored[]>): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.write(csvHead);
    for await (const page of pages) await file.write(page.map((each) => csvLine(reported(each))).join(''));
  } finally {
    await file.close();
  }
}

function reported(stored: Stored): ReportedDifference {
  const { outcome, resolvedBy, otherHalfDay } = stored;
  const by = resolvedBy ?? (otherHalfDay === null ? null : `the statement of ${otherHalfDay}`);
  return { ...stored, resolvedBy: outcome === 'resolved' ? by : null };
}
