/**
 * The two sides of a comparison: one target table, and the source tables of all shards that are copied into it.
 *
 * A row is its copied columns, as text made by the server that holds it, in UTF-8; where a column's type is another on
 * both sides, the source's text is what the target would store of it. Rows are found by their key.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import { identifier } from '../platform/mysql.ts';
import { type Column, columnOf, keyLiteral, literalOf, type Table } from '../platform/table.ts';
import type { CopyPlan } from './plan.ts';

/** What is known of a shard when the comparison begins. */
export interface ComparedShard {
  readonly shard: string;
  readonly table: Table;
  readonly plan: CopyPlan;
  /** Keys of its open dead letters. */
  readonly letters: ReadonlySet<string>;
}

export interface Sides {
  readonly source: Reader;
  readonly target: Reader;
  readonly shards: readonly ComparedShard[];
  /** Names of the columns that are compared. */
  readonly columns: readonly string[];
  /** What a person should know about columns that are compared in part, or not at all. */
  readonly notes: readonly string[];
  readonly key: Column;
  readonly targetTable: string;
}

/** A row version of one shard. */
export interface Version {
  readonly shard: string;
  readonly time: string;
  /** A digest of each compared column. */
  readonly digests: readonly string[];
}

/** Keys above `after`, up to and with `upTo`; null is no bound. */
export interface Range {
  readonly after: string | null;
  readonly upTo: string | null;
}

export function openSides(source: Reader, target: Reader, shards: readonly ComparedShard[]): Sides {
  const [first] = shards;
  if (first === undefined) throw new TypeError('a job without shards has one nameless shard');
  const everywhere = first.plan.columns.filter(({ name }) =>
    shards.every(({ plan }) => plan.columns.some((column) => column.name === name)),
  );
  const columns = everywhere.map(({ name }) => name);
  const left = new Set(shards.flatMap(({ plan }) => [...plan.columns.map(({ name }) => name), ...plan.missing]));
  for (const name of columns) left.delete(name);
  return {
    source,
    target,
    shards,
    columns,
    notes: [
      ...(left.size === 0 ? [] : [`not compared, because not every table has it: ${[...left].join(', ')}`]),
      ...everywhere.flatMap((column) => noteOf(column, columnOf(first.plan.table, column.name) as Column)),
    ],
    key: first.plan.key,
    targetTable: identifier(first.plan.table.name),
  };
}

const temporal = new Set(['datetime', 'timestamp']);
const numeric = /^(tinyint|smallint|mediumint|int|bigint|decimal|float|double|year|bit)$/;
const lengthOf = ({ fullType }: Column): string => /\(([\d,]+)\)/.exec(fullType)?.[1] ?? '0';

/** What the target would store of a source column. */
function asStored(source: Column, target: Column): string {
  const name = identifier(source.name);
  if (source.fullType === target.fullType) return name;
  if (temporal.has(source.type) && temporal.has(target.type)) return `CAST(${name} AS DATETIME(${lengthOf(target)}))`;
  if (target.type === 'decimal' && numeric.test(source.type)) return `CAST(${name} AS DECIMAL(${lengthOf(target)}))`;
  if (target.type === 'char') return `TRIM(TRAILING ' ' FROM ${name})`;
  return name;
}

function noteOf(source: Column, target: Column): string[] {
  const family = ({ type }: Column) =>
    temporal.has(type) ? 'time' : numeric.test(type) ? 'number' : /char|text|enum|set/.test(type) ? 'text' : type;
  return family(source) === family(target)
    ? []
    : [`${source.name} is ${source.fullType} in the source and ${target.fullType} in the target: compared by its text`];
}

/** Each compared column as a literal; NULL is one, too, so that no text is NULL because of it. */
function literals({ columns }: Sides, { plan }: ComparedShard, side: 'source' | 'target'): string[] {
  return columns.map((name) => {
    const source = plan.columns.find((column) => column.name === name) as Column;
    const target = columnOf(plan.table, name) as Column;
    return literalOf({ ...source, nullable: true }, side === 'source' ? asStored(source, target) : identifier(name));
  });
}

/** MD5, not the quick CRC32: a difference that is missed costs money. */
const digestOf = (texts: readonly string[]): string => `MD5(CONVERT(CONCAT(${texts.join(`,',',`)},'') USING utf8mb4))`;

/** Of a row larger than max_allowed_packet there is no text: its key must do. */
const rowDigest = (sides: Sides, shard: ComparedShard, side: 'source' | 'target'): string =>
  `IFNULL(${digestOf(literals(sides, shard, side))},MD5(${identifier(sides.key.name)}))`;

const within = (key: Column, { after, upTo }: Range): string =>
  [
    after === null ? 'TRUE' : `${identifier(key.name)} > ${keyLiteral(key, after)}`,
    upTo === null ? 'TRUE' : `${identifier(key.name)} <= ${keyLiteral(key, upTo)}`,
  ].join(' AND ');

export interface Sum {
  readonly rows: number;
  readonly digest: bigint;
}

const toSum = ([rows, digest]: readonly Cell[]): Sum => ({ rows: Number(rows), digest: BigInt(String(digest)) });

/** Count, and XOR of 64 bits of each row's digest, for a range of each source table. */
export async function sumSource(sides: Sides, range: Range): Promise<Sum[]> {
  const parts = sides.shards.map((shard, index) => {
    const digest = rowDigest(sides, shard, 'source');
    return `SELECT ${index}, COUNT(*), BIT_XOR(CAST(CONV(LEFT(${digest}, 16), 16, 10) AS UNSIGNED)) FROM ${identifier(shard.table.name)} WHERE ${within(sides.key, range)}`;
  });
  const rows = await sides.source.tuples(parts.join(' UNION ALL '));
  return rows.sort((a, b) => Number(a[0]) - Number(b[0])).map((row) => toSum(row.slice(1)));
}

/** The same for the target. */
export async function sumTarget(sides: Sides, range: Range): Promise<Sum> {
  const digest = rowDigest(sides, sides.shards[0] as ComparedShard, 'target');
  const [row] = await sides.target.tuples(
    `SELECT COUNT(*), BIT_XOR(CAST(CONV(LEFT(${digest}, 16), 16, 10) AS UNSIGNED)) FROM ${sides.targetTable} WHERE ${within(sides.key, range)}`,
  );
  return toSum(row ?? []);
}

/** Key and digest of each row of a range, of all shards. */
export async function digestsOfSource(sides: Sides, range: Range): Promise<Cell[][]> {
  const parts = sides.shards.map(
    (shard) =>
      `SELECT ${identifier(sides.key.name)}, ${rowDigest(sides, shard, 'source')} FROM ${identifier(shard.table.name)} WHERE ${within(sides.key, range)}`,
  );
  return sides.source.tuples(parts.join(' UNION ALL '));
}

export async function digestsOfTarget(sides: Sides, range: Range): Promise<Cell[][]> {
  const digest = rowDigest(sides, sides.shards[0] as ComparedShard, 'target');
  return sides.target.tuples(
    `SELECT ${identifier(sides.key.name)}, ${digest} FROM ${sides.targetTable} WHERE ${within(sides.key, range)}`,
  );
}

/** The key of the row at which a stretch of so many rows of a table ends; null when there are not so many. */
export async function keyAt(
  reader: Reader,
  table: string,
  key: Column,
  range: Range,
  rows: number,
): Promise<string | null> {
  const name = identifier(key.name);
  const [row] = await reader.tuples(
    `SELECT ${name} FROM ${table} WHERE ${within(key, range)} ORDER BY ${name} LIMIT 1 OFFSET ${rows - 1}`,
  );
  return row === undefined ? null : String(row[0]);
}

const keyList = (sides: Sides, keys: readonly string[]): string =>
  `${identifier(sides.key.name)} IN (${keys.map((key) => keyLiteral(sides.key, key)).join(',')})`;

const columnDigests = (sides: Sides, shard: ComparedShard, side: 'source' | 'target'): string =>
  literals(sides, shard, side)
    .map((literal) => `IFNULL(${digestOf([literal])},'')`)
    .join(', ');

/** All committed versions of these keys, of one instant: a row that moves between shards is never seen in neither. */
export async function versionsOf(sides: Sides, keys: readonly string[]): Promise<Map<string, Version[]>> {
  const parts = sides.shards.map(
    (shard, index) =>
      `SELECT ${index}, ${identifier(sides.key.name)}, IFNULL(${identifier(shard.plan.time)},''), ${columnDigests(sides, shard, 'source')}
         FROM ${identifier(shard.table.name)} WHERE ${keyList(sides, keys)}`,
  );
  const found = new Map<string, Version[]>();
  for (const [index, key, time, ...digests] of await sides.source.tuples(parts.join(' UNION ALL '))) {
    const shard = (sides.shards[Number(index)] as ComparedShard).shard;
    const versions = found.get(String(key)) ?? [];
    versions.push({ shard, time: String(time), digests: digests.map(String) });
    found.set(String(key), versions);
  }
  return found;
}

/** What the target holds of these keys: a digest of each compared column. */
export async function heldOf(sides: Sides, keys: readonly string[]): Promise<Map<string, readonly string[]>> {
  const digests = columnDigests(sides, sides.shards[0] as ComparedShard, 'target');
  const rows = await sides.target.tuples(
    `SELECT ${identifier(sides.key.name)}, ${digests} FROM ${sides.targetTable} WHERE ${keyList(sides, keys)}`,
  );
  return new Map(rows.map(([key, ...values]) => [String(key), values.map(String)]));
}

/** The version that counts: the youngest. Null when two shards hold equally young ones. */
export function youngest(versions: readonly Version[]): Version | null {
  const [first, second] = [...versions].sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0));
  if (first === undefined || (second !== undefined && second.time === first.time)) return null;
  return first;
}
