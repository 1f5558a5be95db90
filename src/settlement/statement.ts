/**
 * The statement of an account's month, and the proof that it adds up.
 *
 * Promises: a statement continues the last one that was stored (the first begins with nothing), so together they prove
 * the whole chain of bills; every bill since then is looked at, up to the account as it stands. One statement of SQL
 * reads bills and account, so it sees them at one instant, also where nothing is locked.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import type { Month } from './month.ts';

/** Channels that move a balance, and the columns of their sums. Holds and their cancellation move nothing. */
const columnOf = {
  recharge: 'recharges',
  charge: 'charges',
  rollback: 'rollbacks',
  settlement: 'settlements',
  confirm: 'confirms',
  correction: 'corrections',
} as const;
type Channel = keyof typeof columnOf;
const channels = Object.keys(columnOf) as readonly Channel[];
export const channelColumns: readonly string[] = Object.values(columnOf);

/** What the last stored statement of an account ended with. */
export interface Base {
  readonly closing: bigint;
  /** Of its last bill; 0: there was none. */
  readonly lastSequence: bigint;
  /** The UTC text behind its month. */
  readonly end: string;
}

/** For an account that has no statement yet. */
export const noBase: Base = { closing: 0n, lastSequence: 0n, end: '1970-01-02 00:00:00' };

/** Successful bills of an account since its base, in three stretches of time, and the account; all exact. */
export interface Chain {
  readonly balance: bigint;
  readonly held: bigint;
  readonly sequence: bigint;
  readonly frozenReason: string | null;
  /** UTC text of the server. */
  readonly changedAt: string;
  /** Sequence of the first bill, and the balance that it begins with; null: there are none. */
  readonly first: bigint | null;
  readonly firstBefore: bigint | null;
  /** Bills that do not begin with the balance that the one before them left, or not end with their own sum. */
  readonly broken: bigint;
  /** Up to the month's start, in the month, behind it. `last` is the highest sequence. */
  readonly earlier: Stretch;
  readonly inMonth: Stretch;
  readonly later: Stretch;
  /** Of the month, in the order of `channels`. */
  readonly sums: readonly bigint[];
}

interface Stretch {
  readonly bills: bigint;
  readonly moved: bigint;
  readonly last: bigint | null;
}

export interface Statement {
  readonly opening: bigint;
  readonly sums: readonly bigint[];
  readonly closing: bigint;
  readonly bills: bigint;
  readonly lastSequence: bigint;
}

const nothing: Stretch = { bills: 0n, moved: 0n, last: null };

/** An account that is about to be opened. */
export const emptyChain: Chain = {
  balance: 0n,
  held: 0n,
  sequence: 0n,
  frozenReason: null,
  changedAt: noBase.end,
  first: null,
  firstBefore: null,
  broken: 0n,
  earlier: nothing,
  inMonth: nothing,
  later: nothing,
  sums: channels.map(() => 0n),
};

export function statementOf(base: Base, chain: Chain): Statement {
  const opening = base.closing + chain.earlier.moved;
  return {
    opening,
    sums: chain.sums,
    closing: opening + chain.inMonth.moved,
    bills: chain.inMonth.bills,
    lastSequence: base.lastSequence + chain.earlier.bills + chain.inMonth.bills,
  };
}

/** What does not add up, in words; null when all does. */
export function faultIn(base: Base, chain: Chain): string | null {
  const { earlier, inMonth, later } = chain;
  const { lastSequence: closingSequence, closing } = statementOf(base, chain);
  if (chain.broken > 0n) return `${chain.broken} of its bills do not continue the balance of the one before`;
  if (chain.firstBefore !== null && chain.firstBefore !== base.closing)
    return `its bill ${chain.first} begins with ${chain.firstBefore} fen, and ${base.closing} fen were there`;
  const expected = closingSequence + later.bills;
  const last = [earlier.last, inMonth.last, later.last].reduce((a, b) => ((a ?? 0n) > (b ?? 0n) ? a : b), null);
  if (chain.first !== null && (chain.first !== base.lastSequence + 1n || last !== expected))
    return `its bills ${base.lastSequence + 1n} to ${last} are not all there`;
  if ((earlier.last ?? base.lastSequence) > closingSequence - inMonth.bills || (inMonth.last ?? 0n) > closingSequence)
    return 'its bills ended in another order than they are numbered';
  if (chain.sums.reduce((sum, amount) => sum + amount, 0n) !== inMonth.moved)
    return 'bills of a channel that moves no balance have moved it';
  if (chain.sequence !== expected || chain.balance !== closing + later.moved)
    return `it stands at ${chain.balance} fen behind bill ${chain.sequence}, and its bills make ${closing + later.moved} fen behind bill ${expected}`;
  return null;
}

/** The chains of a slice of accounts since their bases; an account that is not there is absent. */
export async function chainsOf(
  ledger: Reader,
  ids: readonly bigint[],
  baseOf: (id: bigint) => Base,
  month: Month,
): Promise<Map<bigint, Chain>> {
  const chains = new Map<bigint, Chain>();
  for (const start of new Set(ids.map((id) => baseOf(id).end))) {
    const since = ids.filter((id) => baseOf(id).end === start);
    const rows = await ledger.tuples(chainQuery(since), [month.start, month.end, start]);
    for (const [id, ...row] of rows) chains.set(BigInt(String(id)), chainFrom(row));
  }
  return chains;
}

const inStretch = { earlier: `stretch = 'earlier'`, inMonth: `stretch = 'month'`, later: `stretch = 'later'` };
const figures = [
  ...Object.values(inStretch).flatMap((where) => [
    `SUM(${where})`,
    `SUM(IF(${where}, amount, 0))`,
    `MAX(IF(${where}, sequence, NULL))`,
  ]),
  ...channels.map((channel) => `SUM(IF(${inStretch.inMonth} AND channel = '${channel}', amount, 0))`),
];

/** Parameters: the month's start, its end, since when. */
function chainQuery(ids: readonly bigint[]): string {
  const list = ids.join(',');
  return `
    SELECT a.account_id, a.balance, a.held, IFNULL(a.sequence, 0), a.frozen_reason, a.changed_at, c.*
      FROM account a LEFT JOIN (
        SELECT account_id of_account, MIN(sequence), MAX(IF(sequence_before IS NULL, balance_before, NULL)),
               SUM(NOT (balance_after <=> balance_before + amount)
                   OR (sequence_before IS NOT NULL AND NOT (balance_before <=> left_before))), ${figures.join(', ')}
          FROM (
            SELECT account_id, channel, amount, sequence, balance_before, balance_after,
                   CASE WHEN done_at < ? THEN 'earlier' WHEN done_at < ? THEN 'month' ELSE 'later' END stretch,
                   LAG(sequence) OVER in_order sequence_before, LAG(balance_after) OVER in_order left_before
              FROM bill FORCE INDEX (movements)
             WHERE account_id IN (${list}) AND done_at >= ? AND result = 'success'
            WINDOW in_order AS (PARTITION BY account_id ORDER BY sequence)) bills
         GROUP BY account_id) c ON c.of_account = a.account_id
     WHERE a.account_id IN (${list})`;
}

function chainFrom(row: readonly (Cell | undefined)[]): Chain {
  const [balance, held, sequence, frozenReason, changedAt, , first, firstBefore, broken, ...numbers] = row;
  const stretch = (from: number): Stretch => ({
    bills: whole(numbers[from]),
    moved: whole(numbers[from + 1]),
    last: wholeOrNull(numbers[from + 2]),
  });
  return {
    balance: whole(balance),
    held: whole(held),
    sequence: whole(sequence),
    frozenReason: frozenReason === null ? null : String(frozenReason),
    changedAt: String(changedAt),
    first: wholeOrNull(first),
    firstBefore: wholeOrNull(firstBefore),
    broken: whole(broken),
    earlier: stretch(0),
    inMonth: stretch(3),
    later: stretch(6),
    sums: numbers.slice(9).map(whole),
  };
}

const wholeOrNull = (cell: Cell | undefined): bigint | null =>
  cell === null || cell === undefined ? null : BigInt(String(cell));
const whole = (cell: Cell | undefined): bigint => wholeOrNull(cell) ?? 0n;
