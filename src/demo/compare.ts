/**
 * Source and target side by side, computed by SQL on each side alone.
 *
 * Sums are exact: DECIMAL in the server, bigint here. A checksum is the sum of 60 bits of each row's MD5 over all
 * columns, so that it depends on every byte of every row, and not on their order.
 */
import type { Reader } from '../platform/mysql.ts';
import { needTable, rowText } from '../platform/table.ts';
import { shards } from './platform-tables.ts';

/** Rows, their sum in fen, and their checksum. */
interface Side {
  readonly rows: bigint;
  readonly fen: bigint;
  readonly checksum: bigint;
}

export interface Pair {
  readonly what: string;
  readonly source: Side;
  readonly target: Side;
}

export const isEqual = ({ source, target }: Pair): boolean =>
  source.rows === target.rows && source.fen === target.fen && source.checksum === target.checksum;

const checksums = 2n ** 64n;
const nothing: Side = { rows: 0n, fen: 0n, checksum: 0n };
const figures = (fen: string, text: string) =>
  `COUNT(*), IFNULL(SUM(${fen}), 0), IFNULL(SUM(CAST(CONV(LEFT(MD5(${text}), 15), 16, 10) AS UNSIGNED)), 0)`;

function sideOf(row: readonly unknown[] | undefined): Side {
  if (row === undefined) return nothing;
  const [rows, fen, checksum] = row.map((value) => BigInt(String(value))) as [bigint, bigint, bigint];
  return { rows, fen, checksum: checksum % checksums };
}

/** The ten shards together. */
export function totalOf(pairs: readonly Pair[]): Pair {
  const add = (sum: Side, side: Side) => ({
    rows: sum.rows + side.rows,
    fen: sum.fen + side.fen,
    checksum: (sum.checksum + side.checksum) % checksums,
  });
  return {
    what: 'total',
    source: pairs.map(({ source }) => source).reduce(add, nothing),
    target: pairs.map(({ target }) => target).reduce(add, nothing),
  };
}

async function allColumns(source: Reader, table: string): Promise<string> {
  return rowText((await needTable(source, 'source', table, 'tidemark demo')).columns);
}

/** Each shard against its part of the total table. */
export async function compareShards(source: Reader, main: Reader): Promise<Pair[]> {
  const wanted = figures('amount', await allColumns(source, 'plus_commission_log_0'));
  const parts = await main.tuples(`SELECT user_id % 10, ${wanted} FROM plus_commission_log GROUP BY 1`);
  const pairs: Pair[] = [];
  for (const shard of shards) {
    const [row] = await source.tuples(`SELECT ${wanted} FROM plus_commission_log_${shard}`);
    const part = parts.find(([digit]) => String(digit) === shard);
    pairs.push({ what: shard, source: sideOf(row), target: sideOf(part?.slice(1)) });
  }
  return pairs;
}

export async function compareUsers(source: Reader, main: Reader): Promise<Pair> {
  const sql = `SELECT ${figures('0', await allColumns(source, 'user_extension'))} FROM user_extension`;
  const [[left], [right]] = [await source.tuples(sql), await main.tuples(sql)];
  return { what: 'user_extension', source: sideOf(left), target: sideOf(right) };
}

/**
 * Income by user and hour, and by user: of the source's effective rows in hours before `until`, and as rolled up.
 *
 * @param until start of the first hour that is not complete, local text
 */
export async function compareIncome(source: Reader, main: Reader, until: string): Promise<Pair[]> {
  const rows = shards
    .map((shard) => `SELECT user_id, create_time, amount FROM plus_commission_log_${shard} WHERE ${effective}`)
    .join(' UNION ALL ');
  const bounds = shards.map(() => until);
  const hour = `CONCAT(LEFT(create_time, 13), ':00:00')`;
  const grouping = (columns: string) =>
    `SELECT ${columns}, SUM(amount) amount, COUNT(*) entries FROM (${rows}) l GROUP BY`;
  const cell = figures('amount', `CONCAT_WS(' ', user_id, hour, amount, entries)`);
  const user = figures('amount', `CONCAT_WS(' ', user_id, amount, entries)`);
  const [cells] = await source.tuples(
    `SELECT ${cell} FROM (${grouping(`user_id, ${hour} hour`)} user_id, hour) cells`,
    bounds,
  );
  const [users] = await source.tuples(`SELECT ${user} FROM (${grouping('user_id')} user_id) users`, bounds);
  const [targetCells] = await main.tuples(`SELECT ${cell} FROM user_income_hour`);
  const [targetUsers] = await main.tuples(`SELECT ${user} FROM user_income`);
  return [
    { what: 'user_income_hour', source: sideOf(cells), target: sideOf(targetCells) },
    { what: 'user_income', source: sideOf(users), target: sideOf(targetUsers) },
  ];
}

const effective = 'status = 1 AND create_time < ?';
