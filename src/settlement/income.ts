/**
 * What the main database says of users' commission: how much by month, and which months nobody can tell yet.
 *
 * It lies beside the ledger, with no snapshot in common: each statement is as of its own instant, and what comes after
 * it is an adjustment of a later month. A row of commission that the main database has refused (an open dead letter)
 * makes its user's month unknown: before the change and after it, so for the user and month of the letter and for those
 * of the row that it would replace.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import type { Share } from './share.ts';

/** Fen by month, by user; a month without commission is absent. */
export type Incomes = ReadonlyMap<bigint, ReadonlyMap<string, bigint>>;

/** Text of the earliest hour with income; null when there is none. */
export async function oldestIncome(main: Reader): Promise<string | null> {
  const [row] = await main.tuples('SELECT MIN(hour) FROM user_income_hour');
  return row?.[0] === null || row?.[0] === undefined ? null : String(row[0]);
}

/** The months from one to another, the second one not included. */
export async function incomesOf(main: Reader, share: Share, from: string, to: string): Promise<Incomes> {
  const rows = await main.tuples(
    `SELECT user_id, LEFT(hour, 7) month, SUM(amount) FROM user_income_hour FORCE INDEX (by_user)
      WHERE ${share.holds('user_id')} AND hour >= ? AND hour < ? GROUP BY user_id, month`,
    [`${from}-01 00:00:00`, `${to}-01 00:00:00`],
  );
  const incomes = new Map<bigint, Map<string, bigint>>();
  for (const [user, month, amount] of rows) {
    const id = BigInt(String(user));
    const months = incomes.get(id) ?? new Map<string, bigint>();
    incomes.set(id, months.set(String(month), BigInt(String(amount))));
  }
  return incomes;
}

/** Which users' months are not known, because a row of commission waits as a dead letter. */
export class Unknowns {
  /** Months by user; a null among them is any month. */
  readonly #months = new Map<bigint, Set<string | null>>();
  /** Months by the last digit of the user's id, of letters that do not tell the user. */
  readonly #byDigit = new Map<string, Set<string | null>>();

  /** @param shard its name is the last digit of its users' ids */
  add(shard: string, user: string | null, month: string | null): void {
    if (user !== null && /^\d{1,20}$/.test(user)) addTo(this.#months, BigInt(user), month);
    else addTo(this.#byDigit, shard, month);
  }

  has(user: bigint, month: string): boolean {
    return this.isNamed(user, month) || holds(this.#byDigit.get(String(user).slice(-1)), month);
  }

  /** Whether a letter names this user for this month. */
  isNamed(user: bigint, month: string): boolean {
    return holds(this.#months.get(user), month);
  }

  /** Users that letters name for this month. */
  named(month: string): bigint[] {
    return [...this.#months.keys()].filter((user) => this.isNamed(user, month));
  }
}

const holds = (months: ReadonlySet<string | null> | undefined, month: string): boolean =>
  months !== undefined && (months.has(month) || months.has(null));

function addTo<Key>(map: Map<Key, Set<string | null>>, key: Key, month: string | null): void {
  map.set(key, (map.get(key) ?? new Set()).add(month));
}

const userOfLetter = `JSON_VALUE(d.content, '$.user_id')`;

export async function unknownsOf(main: Reader, share: Share): Promise<Unknowns> {
  const unknowns = new Unknowns();
  // What is NULL of a letter is told apart from what it does not hold: a row without a time is in no month.
  const rows = await main.tuples(
    `SELECT DISTINCT d.shard, ${userOfLetter}, LEFT(JSON_EXTRACT(d.content, '$.create_time'), 20), l.user_id, LEFT(l.create_time, 7)
       FROM tidemark_dead_letter d LEFT JOIN plus_commission_log l ON l.id = CAST(d.row_key AS UNSIGNED)
      WHERE d.job = 'sync-commission-log' AND d.state = 'open'
        AND (IFNULL(${userOfLetter}, '') NOT REGEXP '^[0-9]+$' OR ${share.holds(`CAST(${userOfLetter} AS UNSIGNED)`)}
             OR ${share.holds('l.user_id')})`,
  );
  for (const [shard, user, time, userBefore, monthBefore] of rows) {
    const month = monthOfLetter(time);
    if (month !== 'none') unknowns.add(String(shard), textOf(user), month);
    if (textOf(userBefore) !== null && textOf(monthBefore) !== null)
      unknowns.add(String(shard), textOf(userBefore), textOf(monthBefore));
  }
  return unknowns;
}

const textOf = (cell: Cell | undefined): string | null => (cell === null || cell === undefined ? null : String(cell));

/** The month of a letter's time of creation, which is JSON; null when it cannot be read, `none` for NULL and zero dates. */
function monthOfLetter(json: Cell | undefined): string | null {
  const text = textOf(json)?.replaceAll('"', '') ?? '';
  if (text === 'null' || text.startsWith('0000')) return 'none';
  return /^\d{4}-\d\d-/.test(text) ? text.slice(0, 7) : null;
}
