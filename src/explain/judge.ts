/**
 * What is bad about a plan: many rows read for few that are wanted, or sorted where an index has them in order; and the
 * index that would help. Small tables are fine, however they are read.
 */

import { identifier } from '../platform/mysql.ts';
import type { Table } from '../platform/table.ts';
import type { Access, Plan, Sort } from './plan.ts';

/** As many rows nobody has to wait for. */
const rowsMax = 10_000;
/** Of the rows read by an index, fewer than these are few. */
const fewShare = 0.01;
const columnsMax = 4;

export interface Judgement {
  readonly isBad: boolean;
  /** What is worth knowing, a sentence each, the bad first. */
  readonly says: readonly string[];
  /** Indexes that would help. */
  readonly indexes: readonly Index[];
}

export interface Index {
  readonly table: string;
  readonly columns: readonly string[];
}

/** @param describe gives the table that a statement calls by a name; null for what is none */
export function judge(plan: Plan, describe: (name: string) => Table | null): Judgement {
  const bad: string[] = [];
  const known: string[] = [];
  const indexes: Index[] = [];
  for (const access of plan.accesses) {
    const table = describe(access.name);
    if (table === null || access.read <= rowsMax) continue;
    const sort = plan.sorts.find(({ by }) => plainColumns(by, access.name) !== null);
    const columns = wantedColumns(access, sort);
    const has = columns.length > 0 && isThere(columns, table);
    const isBad = isWasteful(access, sort) && !has; // with the index there, the server has its reasons
    if (isBad && columns.length > 0) indexes.push({ table: table.name, columns });
    (isBad ? bad : known).push(sentenceOf(access, table, plan.measured));
  }
  const sorts = plan.sorts.map(
    ({ by, rows }) => `sorts${rows > 0 ? ` ${inWords(rows)} rows` : ''}${by && ` by ${by}`}`,
  );
  const temporary = plan.temporary > 0 ? ['makes a temporary table'] : [];
  return { isBad: bad.length > 0, says: [...bad, ...known, ...sorts, ...temporary], indexes: merged(indexes) };
}

const inWords = (rows: number): string => rows.toLocaleString('en-US');

const isScan = ({ type }: Access): boolean => type === 'ALL' || type === 'index';

/** Whether most of what is read is thrown away, or much must be sorted that an index could have in order. */
function isWasteful(access: Access, sort: Sort | undefined): boolean {
  if (sort !== undefined && sort.rows > rowsMax) return true;
  if (access.kept === null) return isScan(access) && access.condition !== '';
  return isScan(access) ? access.kept < access.read / 2 : access.kept < access.read * fewShare;
}

function sentenceOf({ type, key, read, kept }: Access, { name }: Table, measured: boolean): string {
  const rows = `${measured ? '' : 'about '}${inWords(read)}`;
  const rest = kept === null || kept === read ? '' : ` and keeps ${inWords(kept)}`;
  if (type === 'ALL') return `reads all ${rows} rows of ${name}${rest}: no index is used`;
  if (type === 'index') return `reads ${rows} rows of ${name} along the index ${key}${rest}`;
  return `reads ${rows} rows of ${name} by the index ${key}${rest}`;
}

/** The columns that a sort goes by, where all are plain ones of this table; else null. */
function plainColumns(by: string, name: string): string[] | null {
  const columns = by.split(',').map((part) => new RegExp(`^\\s*${name}\\.(\\w+)\\s*$`).exec(part)?.[1]);
  return columns.every((column) => column !== undefined) ? (columns as string[]) : null;
}

/** The index that WHERE and ORDER ask for: what is equal first, then what is in order or within a range. */
function wantedColumns(access: Access, sort: Sort | undefined): string[] {
  const { equal, range } = comparedColumns(access);
  const sorted = sort === undefined ? [] : (plainColumns(sort.by, access.name) ?? []);
  const ordered = sorted.length > 0 && (range.length === 0 || range.includes(sorted[0] as string));
  const rest = ordered ? sorted : range.slice(0, 1);
  return [...new Set([...equal.filter((column) => !rest.includes(column)), ...rest])].slice(0, columnsMax);
}

function comparedColumns({ name, condition }: Access): { equal: string[]; range: string[] } {
  const text = condition.replace(/'(?:[^'\\]|\\.|'')*'/g, "''");
  const column = `(?:\\w+\\.)?\\b${name}\\.(\\w+)`;
  const found = (pattern: string) => [...text.matchAll(new RegExp(pattern, 'gi'))].map(([, one]) => `${one}`);
  const range = found(`${column}\\s*(?:<=|>=|<(?!=>)|>|between\\b|like\\b)`);
  const equal = [...found(`${column}\\s*(?:<=>|=|in\\s*\\(|is null)`), ...found(`=\\s*${column}(?!\\s*[<>=])`)];
  return { equal: [...new Set(equal)].filter((one) => !range.includes(one)), range: [...new Set(range)] };
}

/** An index of InnoDB has the primary key behind its own columns. */
function isThere(columns: readonly string[], table: Table): boolean {
  const primary = table.indexes.find(({ name }) => name === 'PRIMARY')?.columns ?? [];
  return table.indexes.some(({ columns: there }) => {
    const all = [...there, ...primary.filter((one) => !there.includes(one))];
    return columns.every((column, at) => all[at] === column);
  });
}

/** Without those that begin another. */
export function merged(indexes: readonly Index[]): Index[] {
  const begins = (one: Index, other: Index) =>
    one.table === other.table && one.columns.every((column, at) => other.columns[at] === column);
  return indexes.filter(
    (one, at) =>
      !indexes.some(
        (other, where) =>
          where !== at && begins(one, other) && (other.columns.length > one.columns.length || where < at),
      ),
  );
}

export const createIndex = (database: string, { table, columns }: Index): string =>
  `CREATE INDEX ${identifier(`by_${columns.join('_')}`.slice(0, 64))} ON ${identifier(database)}.${identifier(table)} (${columns.map(identifier).join(', ')});`;
