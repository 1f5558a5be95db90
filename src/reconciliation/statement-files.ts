/**
 * Where the other side's rows of a day are: the file `<folder>/<counterpart>/<day>.*`, or, for an initiator, rows of the
 * table statement_entry. A file that is still being written (`.part`, `.tmp`) is none yet; `<day>.none` says that the
 * counterpart has no statement of that day, since nothing happened.
 *
 * A counterpart with neither rows nor a folder nor bills of ours is not in use: its days are empty.
 */
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { JobError, SetupError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import { hasBills, type Stretch } from './bills.ts';
import type { Counterpart, Entry, Status } from './entry.ts';
import { StatementError } from './statement-error.ts';

/** The other side of a day. */
export interface Statement {
  /** For people: the file, or the table. */
  readonly source: string;
  /** In pieces; complete only when they have ended without an error. */
  entries(): AsyncGenerator<Iterable<Entry>>;
}

export interface StatementQuestion {
  readonly ledger: Reader;
  readonly counterpart: Counterpart;
  /** The business day, `2026-11-20`, and the same as a stretch of UTC. */
  readonly day: string;
  readonly stretch: Stretch;
  /** TIDEMARK_STATEMENTS; undefined when it is not set. */
  readonly folder: string | undefined;
}

const pageRows = 10_000;

/**
 * Finds the statement of a day.
 *
 * @returns null when there is none
 * @throws JobError when there are several
 */
export async function findStatement(question: StatementQuestion): Promise<Statement | null> {
  const { ledger, counterpart, day, folder } = question;
  const files = folder === undefined ? [] : await filesOf(folder, counterpart, day);
  const [first] = files;
  const hasRows = counterpart === 'initiator' && (await hasEntries(ledger, counterpart, day));
  if (files.length > 1 || (files.length === 1 && hasRows))
    throw new JobError(
      `there are several statements of ${counterpart} for ${day}: ${[...files, ...(hasRows ? ['rows in statement_entry'] : [])].join(', ')}`,
      'leave the one that counts',
    );
  if (first?.endsWith('.none')) return { source: first, entries: nothing };
  if (first !== undefined) return { source: first, entries: () => entriesIn(first, counterpart, day) };
  return hasRows ? { source: 'statement_entry', entries: () => entriesOf(ledger, counterpart, day) } : null;
}

/** What reads files is loaded when there is one to read: every start of the program would pay for it. */
async function* entriesIn(file: string, counterpart: Counterpart, day: string): AsyncGenerator<Iterable<Entry>> {
  const { readStatement } = await import('./statement.ts');
  yield* readStatement(file, counterpart, day);
}

async function* nothing(): AsyncGenerator<Iterable<Entry>> {}

async function filesOf(folder: string, counterpart: string, day: string): Promise<string[]> {
  const place = join(folder, counterpart);
  return (await namesIn(place))
    .filter((name) => name.startsWith(`${day}.`) && !/\.(part|tmp)$/.test(name))
    .sort()
    .map((name) => join(place, name));
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new JobError(`the statements in ${folder} cannot be read: ${error.message}`, `ls -l ${folder}`, error);
  });
}

const isThere = (folder: string) =>
  access(folder).then(
    () => true,
    () => false,
  );

/** The first day that a counterpart has a statement for; null when there is none. */
export async function firstStatementDay(
  ledger: Reader,
  counterpart: Counterpart,
  folder: string | undefined,
): Promise<string | null> {
  const names = folder === undefined ? [] : await namesIn(join(folder, counterpart));
  const [row] = await ledger.tuples('SELECT MIN(day) FROM statement_entry WHERE counterpart = ?', [counterpart]);
  const days = [row?.[0], ...names.map((name) => /^(\d{4}-\d\d-\d\d)\./.exec(name)?.[1])];
  return days.filter((day) => typeof day === 'string').sort()[0] ?? null;
}

/** Where a statement that is not there should be; null when the counterpart is not in use. */
export async function whereMissing(question: StatementQuestion): Promise<string | null> {
  const { ledger, counterpart, stretch, folder, day } = question;
  const ours = await hasBills(ledger, counterpart, stretch);
  if (folder === undefined) {
    if (!ours) return null;
    if (counterpart === 'initiator') return `row of ${day} in statement_entry, and no TIDEMARK_STATEMENTS for a file`;
    throw new SetupError(
      `there are bills through ${counterpart} on ${day}, and TIDEMARK_STATEMENTS does not say where its statements are`,
      'set TIDEMARK_STATEMENTS, for example TIDEMARK_STATEMENTS=/var/lib/tidemark/statements',
    );
  }
  const inUse = ours || (await isThere(join(folder, counterpart)));
  return inUse ? join(folder, counterpart, `${day}.*`) : null;
}

/** A statement that was not there when it had to be. */
export function lateStatement({ counterpart, day }: StatementQuestion, missing: string): JobError {
  return new JobError(
    `the statement of ${counterpart} for ${day} is missing: there is no ${missing}`,
    'bring it there, then run again',
  );
}

/** A refused file as a failure of the job, which names the file and the line. Other errors are as they were. */
export function explained(error: unknown): unknown {
  if (!(error instanceof StatementError)) return error;
  return new JobError(
    `the statement is refused, nothing of it was used: ${error.message}`,
    'get the file anew, then run again',
    error,
  );
}

async function hasEntries(ledger: Reader, counterpart: string, day: string): Promise<boolean> {
  return (
    (await ledger.tuples('SELECT 1 FROM statement_entry WHERE counterpart = ? AND day = ? LIMIT 1', [counterpart, day]))
      .length > 0
  );
}

async function* entriesOf(ledger: Reader, counterpart: string, day: string): AsyncGenerator<readonly Entry[]> {
  for (let after: number | string = 0; ; ) {
    const rows = await ledger.tuples(
      `SELECT id, reference, amount, fee, status, occurred_at FROM statement_entry
        WHERE counterpart = ? AND day = ? AND id > ? ORDER BY id LIMIT ${pageRows}`,
      [counterpart, day, after],
    );
    if (rows.length === 0) return;
    yield rows.map((row) => entryOf(row, day));
    after = rows.at(-1)?.[0] as number | string;
  }
}

const statuses: readonly unknown[] = ['success', 'failed', 'unprocessed'] satisfies Status[];

function entryOf(row: readonly (string | number | null)[], day: string): Entry {
  const [id, reference, amount, fee, status, at] = row;
  const refuse = (what: string) =>
    new JobError(`the row ${id} of statement_entry ${what}`, `SELECT * FROM statement_entry WHERE id = ${id}`);
  if (!statuses.includes(status)) throw refuse(`has the status "${status}": expected ${statuses.join(', ')}`);
  if (!String(at).startsWith(day)) throw refuse(`is of ${day}, and its time is ${at}`);
  const fen = BigInt(String(amount));
  return {
    reference: String(reference),
    direction: fen < 0n ? 'out' : 'in',
    part: '',
    amount: fen,
    fee: fee === null || fee === undefined ? null : BigInt(fee),
    status: status as Status,
    occurredAt: String(at).slice(0, 19),
    line: 0,
  };
}
