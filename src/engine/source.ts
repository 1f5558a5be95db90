/**
 * The source table of a job, read by windows of its time column.
 *
 * Promises: nothing is locked; rows come in pages by (time, key), so a second with millions of rows is read in bounded
 * memory and a page costs what it returns; all pages of one slice come from one snapshot of committed rows.
 * Needs an index that begins with the time column; without one every window reads the whole table.
 */
import type { Cell, Reader, Session } from '../platform/mysql.ts';
import { identifier } from '../platform/mysql.ts';
import { type Column, columnOf, isBinary, keyLiteral, rowText, type Table } from '../platform/table.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** Where a page ended; the next begins behind it. */
export interface Cursor {
  readonly time: string;
  readonly key: string;
}

/** The columns that windows are made by. */
export interface SourceColumns {
  readonly time: string;
  readonly key: string;
  /** An integer column whose sum tells people what a window was worth. */
  readonly sum?: string;
}

export interface SourceRow extends Cursor {
  /** The values of the expressions that were asked for, as text. */
  readonly values: readonly (string | null)[];
}

export interface Version {
  readonly time: string;
  readonly key: string;
  readonly digest: string;
}

/** What a set of row versions is told apart by: equal digests mean equal rows. */
export interface Digest {
  readonly rows: number;
  /** Sum of the job's summed column, as exact text; null for a job without, and where there are no rows. */
  readonly sum: string | null;
  /** 64 bits of the rows' MD5 put together by XOR, as text. */
  readonly checksum: string;
}

export const isSameDigest = (a: Digest, b: Digest): boolean =>
  a.rows === b.rows && a.sum === b.sum && a.checksum === b.checksum;

const pageBytes = 4_000_000;

export class Source {
  readonly table: Table;
  readonly time: string;
  readonly key: string;
  readonly keyColumn: Column;
  readonly pageRows: number;
  readonly #zone: Zone;
  readonly #name: string;
  readonly #time: string;
  readonly #key: string;
  readonly #sum: string;
  /** TIMESTAMP columns hold instants and are compared in the session's zone, which is UTC; DATETIME holds local text. */
  readonly #utc: boolean;

  constructor(table: Table, { time, key, sum }: SourceColumns, zone: Zone) {
    this.table = table;
    this.time = time;
    this.key = key;
    this.keyColumn = columnOf(table, key) as Column;
    this.pageRows = Math.min(2000, Math.max(20, Math.floor(pageBytes / table.averageRowBytes)));
    this.#zone = zone;
    this.#name = identifier(table.name);
    this.#time = identifier(time);
    this.#key = identifier(key);
    this.#sum = sum === undefined ? 'NULL' : `SUM(${identifier(sum)})`;
    this.#utc = columnOf(table, time)?.type === 'timestamp';
  }

  #text(instant: Instant): string {
    return this.#utc ? new Date(instant).toISOString().slice(0, 19).replace('T', ' ') : this.#zone.text(instant);
  }

  /** The instant of a value of the time column. */
  instant(text: string): Instant | null {
    return this.#utc ? Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`) : this.#zone.fromText(text);
  }

  /**
   * The earliest time of a row, in its committed version or in one that is not committed: either may come to stand.
   * Null when there is none; zero and NULL do not count.
   */
  async oldest(session: Session): Promise<Instant | null> {
    const earliest = async () => {
      const [row] = await session.tuples(
        `SELECT MIN(${this.#time}) FROM ${this.#name} WHERE ${this.#time} >= '1000-01-01'`,
      );
      return row?.[0] === null || row?.[0] === undefined ? null : this.instant(String(row[0]));
    };
    const uncommitted = await dirtily(session, earliest);
    const committed = await earliest();
    return uncommitted === null || committed === null ? (uncommitted ?? committed) : Math.min(uncommitted, committed);
  }

  /** How many rows have no usable time: they can be in no window. */
  async timeless(session: Session): Promise<number> {
    const [row] = await session.tuples(
      `SELECT COUNT(*) FROM ${this.#name} WHERE ${this.#time} IS NULL OR ${this.#time} < '1000-01-01'`,
    );
    return Number(row?.[0] ?? 0);
  }

  async count(session: Session, window: Window): Promise<number> {
    const [row] = await session.tuples(`SELECT COUNT(*) FROM ${this.#name} WHERE ${this.#within(window)}`);
    return Number(row?.[0] ?? 0);
  }

  /**
   * The border at which a window should end so that it holds no more than `rows` rows; null when all of them fit.
   * A single second with more rows than that is not cut: its window ends right behind it.
   */
  async cut(session: Session, window: Window, rows: number): Promise<Instant | null> {
    const [row] = await session.tuples(
      `SELECT ${this.#time} FROM ${this.#name} WHERE ${this.#within(window)}
        ORDER BY ${this.#time}, ${this.#key} LIMIT 1 OFFSET ${rows}`,
    );
    if (row === undefined) return null;
    const border = this.#zone.border(this.instant(String(row[0])) ?? window.end);
    return border > window.start ? border : this.#zone.borderAfter(window.start);
  }

  #range(after: Cursor | null, window: Window): string {
    if (after === null) return this.#within(window);
    const low = `'${after.time}'`;
    const until = `${this.#time} < '${this.#text(window.end)}'`;
    const key = keyLiteral(this.keyColumn, after.key);
    return `((${this.#time} = ${low} AND ${this.#key} > ${key}) OR (${this.#time} > ${low} AND ${until}))`;
  }

  /** One page of rows behind a cursor, with the given expressions. */
  async page(
    reader: Reader,
    window: Window,
    after: Cursor | null,
    expressions: readonly string[],
    limit = this.pageRows,
  ): Promise<SourceRow[]> {
    const rows = await reader.tuples(
      `SELECT ${[this.#time, this.#key, ...expressions].join(', ')} FROM ${this.#name}
        WHERE ${this.#range(after, window)} ORDER BY ${this.#time}, ${this.#key} LIMIT ${limit}`,
    );
    return rows.map(toRow);
  }

  /** The committed rows with these keys, whatever their time. */
  async byKeys(reader: Reader, keys: readonly string[], expressions: readonly string[]): Promise<SourceRow[]> {
    if (keys.length === 0) return [];
    const list = keys.map((key) => keyLiteral(this.keyColumn, key)).join(',');
    const rows = await reader.tuples(
      `SELECT ${[`IFNULL(${this.#time},'')`, this.#key, ...expressions].join(', ')} FROM ${this.#name} WHERE ${this.#key} IN (${list})`,
    );
    return rows.map(toRow);
  }

  /** Each column as text, its first characters where it is long; binary ones in hexadecimal. */
  contentExpressions(lengthMax: number): string[] {
    return this.table.columns.map((column) => {
      const name = identifier(column.name);
      return `LEFT(${isBinary(column) ? `HEX(${name})` : `CAST(${name} AS CHAR)`}, ${lengthMax})`;
    });
  }

  /** A digest of a row by all its columns, as an expression. */
  get #digest(): string {
    return `IFNULL(MD5(${rowText(this.table.columns)}),MD5(CONCAT(${this.#key},'@',${this.#time})))`;
  }

  /** Count, sum and checksum of the row versions that a condition selects, as expressions. */
  get #totals(): string {
    // MD5, and not the quick CRC32: CRCs are linear, and two rows changed alike would cancel out under XOR.
    return `COUNT(*), ${this.#sum}, BIT_XOR(CAST(CONV(LEFT(${this.#digest}, 16), 16, 10) AS UNSIGNED))`;
  }

  #within({ start, end }: Window): string {
    return `${this.#time} >= '${this.#text(start)}' AND ${this.#time} < '${this.#text(end)}'`;
  }

  /** What a window holds. */
  async digest(reader: Reader, window: Window): Promise<Digest> {
    const [digest] = await this.digests(reader, [window]);
    return digest as Digest;
  }

  /** What each of some windows holds, in their order. */
  async digests(reader: Reader, windows: readonly Window[]): Promise<Digest[]> {
    const rows = await reader.tuples(
      windows
        .map((window, index) => `SELECT ${index} n, ${this.#totals} FROM ${this.#name} WHERE ${this.#within(window)}`)
        .join(' UNION ALL '),
    );
    const digests = new Map(rows.map(([index, ...totals]) => [Number(index), toDigest(totals)]));
    return windows.map((_, index) => digests.get(index) as Digest);
  }

  /** What each time of a window holds, as one word. Seen dirtily, a time may come in two parts: both are in its word. */
  async digestsByTime(reader: Reader, window: Window): Promise<Map<string, string>> {
    const rows = await reader.tuples(
      `SELECT ${this.#time}, ${this.#totals} FROM ${this.#name} WHERE ${this.#within(window)}
        GROUP BY ${this.#time} ORDER BY ${this.#time}`,
    );
    const digests = new Map<string, string>();
    for (const [time, ...totals] of rows)
      digests.set(String(time), `${digests.get(String(time)) ?? ''} ${totals.join(':')}`);
    return digests;
  }

  /** The versions of these keys, whatever their time, each with its digest. */
  async versionsByKeys(reader: Reader, keys: readonly string[]): Promise<Version[]> {
    const rows = await this.byKeys(reader, keys, [this.#digest]);
    return rows.map(toVersion);
  }

  /** A page of the row versions with one time, by key, each with its digest. */
  async versionsAt(reader: Reader, time: string, after: string | null, limit: number): Promise<Version[]> {
    const behind = after === null ? '' : `AND ${this.#key} > ${keyLiteral(this.keyColumn, after)}`;
    const rows = await reader.tuples(
      `SELECT ${this.#time}, ${this.#key}, ${this.#digest} FROM ${this.#name}
        WHERE ${this.#time} = ? ${behind} ORDER BY ${this.#key} LIMIT ${limit}`,
      [time],
    );
    return rows.map(toRow).map(toVersion);
  }
}

const toDigest = ([rows, sum, checksum]: Cell[]): Digest => ({
  rows: Number(rows),
  sum: sum === null || sum === undefined ? null : String(sum),
  checksum: String(checksum),
});

const toVersion = ({ time, key, values }: SourceRow): Version => ({ time, key, digest: String(values[0]) });

function toRow([time, key, ...values]: (string | number | null)[]): SourceRow {
  return {
    time: String(time),
    key: String(key),
    values: values.map((value) => (value === null ? null : String(value))),
  };
}

/**
 * Runs one read that also sees what is not committed. It takes no locks and waits for none.
 *
 * The level is the session's for that long, and not the next statement's alone: a word to keep the connection warm may
 * come between.
 */
export async function dirtily<Result>(session: Session, read: () => Promise<Result>): Promise<Result> {
  await session.write('SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED');
  try {
    return await read();
  } finally {
    await backToNormal(session);
  }
}

/** Runs reads that all see the same instant of committed rows. */
export async function inSnapshot<Result>(session: Session, read: () => Promise<Result>): Promise<Result> {
  await session.write('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await session.write('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  try {
    return await read();
  } finally {
    await session.write('ROLLBACK').catch(() => session.destroy());
    await backToNormal(session);
  }
}

/** A session whose level is not known is of no use. */
async function backToNormal(session: Session): Promise<void> {
  await session.write('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED').catch(() => session.destroy());
}
