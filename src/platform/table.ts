/**
 * What a table looks like, and its rows as exact text.
 *
 * `rowText` is an SQL expression that yields a row as the value list of an INSERT, made by the server itself: it keeps
 * every byte (BIGINT, emoji, quotes, binary, NULL), spares the client from parsing columns, and two rows are equal when
 * their texts are. It relies on the session settings of Session (utf8mb4, backslash escapes on, UTC).
 */
import { SetupError } from './errors.ts';
import type { Reader } from './mysql.ts';
import { identifier } from './mysql.ts';

export interface Column {
  readonly name: string;
  readonly type: string;
  /** With length and precision: `decimal(10,2)`. */
  readonly fullType: string;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  readonly generated: boolean;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns of each index in order, unique ones marked. */
  readonly indexes: readonly { readonly name: string; readonly unique: boolean; readonly columns: readonly string[] }[];
  readonly averageRowBytes: number;
}

/** @returns null when there is no such table in the session's database */
export async function describeTable(reader: Reader, name: string): Promise<Table | null> {
  const columns = await reader.tuples(
    `SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE = 'YES', COLUMN_DEFAULT IS NOT NULL OR EXTRA LIKE '%auto_increment%',
            GENERATION_EXPRESSION IS NOT NULL AND GENERATION_EXPRESSION <> '', COLUMN_TYPE
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [name],
  );
  if (columns.length === 0) return null;
  const indexes = await reader.tuples(
    `SELECT INDEX_NAME, MIN(NON_UNIQUE) = 0, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX SEPARATOR '\\0')
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? GROUP BY INDEX_NAME`,
    [name],
  );
  const [size] = await reader.tuples(
    'SELECT AVG_ROW_LENGTH FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?',
    [name],
  );
  return {
    name,
    columns: columns.map(([column, type, nullable, hasDefault, generated, fullType]) => ({
      name: String(column),
      type: String(type).toLowerCase(),
      fullType: String(fullType).toLowerCase(),
      nullable: Number(nullable) === 1,
      hasDefault: Number(hasDefault) === 1,
      generated: Number(generated) === 1,
    })),
    indexes: indexes.map(([index, unique, list]) => ({
      name: String(index),
      unique: Number(unique) === 1,
      columns: String(list).split('\0'),
    })),
    averageRowBytes: Math.max(1, Number(size?.[0] ?? 0)),
  };
}

/** @throws SetupError when the table is not there */
export async function needTable(reader: Reader, database: string, name: string, next: string): Promise<Table> {
  const table = await describeTable(reader, name);
  if (table === null) throw new SetupError(`there is no table ${name} in the ${database} database`, next);
  return table;
}

export function columnOf(table: Table, name: string): Column | undefined {
  return table.columns.find((column) => column.name === name);
}

const integers = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year']);
const numerics = new Set([...integers, 'decimal', 'double']);
const binaries = new Set([
  'binary',
  'varbinary',
  'tinyblob',
  'blob',
  'mediumblob',
  'longblob',
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
]);

export const isBinary = (column: Column): boolean => binaries.has(column.type) || column.type === 'bit';

/** A column, or another expression of its type, as an SQL literal. */
export function literalOf({ name, type, nullable }: Column, column = identifier(name)): string {
  const orNull = (expression: string) => (nullable ? `IFNULL(${expression},'NULL')` : expression);
  if (numerics.has(type)) return orNull(column);
  if (type === 'float') return orNull(`CAST(${column} AS DOUBLE)`); // as FLOAT it would print six digits only
  if (type === 'bit') return orNull(`${column}+0`);
  if (binaries.has(type)) return orNull(`CONCAT('x''',HEX(${column}),'''')`);
  return `QUOTE(${column})`;
}

/** The columns as the value list of an INSERT; NULL when it is larger than the server's max_allowed_packet. */
export function rowText(columns: readonly Column[]): string {
  return `CONCAT('(',${columns.map((column) => literalOf(column)).join(`,',',`)},')')`;
}

/** A key as an SQL literal. Integers stay bare: compared as quoted text they would pass through DOUBLE and lose digits. */
export function keyLiteral(column: Column, key: string): string {
  if (integers.has(column.type)) {
    if (!/^-?\d+$/.test(key)) throw new TypeError(`not a key of ${column.name}: ${key}`);
    return key;
  }
  return `'${key.replace(/['\\]/g, (character) => `\\${character}`).replaceAll('\0', '\\0')}'`;
}
