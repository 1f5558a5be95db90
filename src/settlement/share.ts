/**
 * A share of the accounts: what one transaction settles. Accounts are users, so a share is one of users as well.
 *
 * Shares go up by id and leave none out: behind the last of one begins the next, and the last one has no upper end.
 */
import type { Reader, Written } from '../platform/mysql.ts';

/** The ledger inside a transaction; in a dry run `write` does nothing. */
export interface LedgerTarget extends Reader {
  readonly dryRun: boolean;
  write(sql: string, parameters?: readonly (string | number | null)[]): Promise<Written>;
}

export interface Share {
  /** An SQL condition. */
  readonly holds: (column: string) => string;
  readonly has: (id: bigint) => boolean;
}

export interface Stretch extends Share {
  /** The last account of it; null when no account is behind it. */
  readonly last: bigint | null;
}

/**
 * Accounts in one statement: little enough that what is in memory is small. Of a list of 1000 and more MariaDB makes a
 * join, and then reads no ranges of an index.
 */
const sliceMax = 100;

/** The next accounts and users, `size` of them, above an id; null for the first. */
export async function nextShare(
  { ledger, main }: { readonly ledger: Reader; readonly main: Reader },
  after: bigint | null,
  size: number,
): Promise<Stretch> {
  const above = (column: string) => (after === null ? 'TRUE' : `${column} > ${after}`);
  const accounts = await idsOf(
    ledger,
    `SELECT account_id FROM account WHERE ${above('account_id')} ORDER BY account_id LIMIT ${size}`,
  );
  const users = await idsOf(
    main,
    `SELECT user_id FROM user_income WHERE ${above('user_id')} ORDER BY user_id LIMIT ${size}`,
  );
  const ids = inOrder([...accounts, ...users]);
  const last = accounts.length < size && users.length < size ? null : (ids[size - 1] as bigint);
  return {
    last,
    holds: (column) => `${above(column)} AND ${last === null ? 'TRUE' : `${column} <= ${last}`}`,
    has: (id) => (after === null || id > after) && (last === null || id <= last),
  };
}

/** These accounts alone. */
export function shareOf(ids: readonly bigint[]): Share {
  const wanted = new Set(ids);
  return { holds: (column) => `${column} IN (${ids.join(',')})`, has: (id) => wanted.has(id) };
}

/** Distinct ids, lowest first. */
export function inOrder(ids: Iterable<bigint>): bigint[] {
  return [...new Set(ids)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Pieces of what one statement should take. */
export function slices<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  for (let from = 0; from < items.length; from += sliceMax) parts.push(items.slice(from, from + sliceMax));
  return parts;
}

async function idsOf(reader: Reader, sql: string): Promise<bigint[]> {
  return (await reader.tuples(sql)).map(([id]) => BigInt(String(id)));
}
