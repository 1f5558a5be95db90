/**
 * Settles a month for a share of the accounts, in the one transaction that the caller has open in the ledger.
 *
 *   who has a row already → income of the others, from the main database → their accounts locked, or opened →
 *   statement and proof → reckoned → bills and accounts, rows and lines → looked at once more
 *
 * Promises: an account gets at most one row a month, and only above its other rows; with it its bill, or neither. Who
 * cannot be settled is answered with the reason, and the others go on. Effects depend on the data alone, so a repetition
 * changes nothing and answers the same sums.
 */
import { balanceMax } from '../ledger/account.ts';
import type { Reader } from '../platform/mysql.ts';
import { accountsIn, type Credit, credit, takeAccounts } from './accounts.ts';
import { Dues } from './dues.ts';
import { incomesOf, unknownsOf } from './income.ts';
import { type Begun, beginMonth, type EarlierMonths, earlierMonths, type Month, monthAfter } from './month.ts';
import { reckon, type Terms } from './reckoning.ts';
import {
  addTotals,
  type History,
  historiesOf,
  noHistory,
  type Settlement,
  type Stored,
  store,
  storedFrom,
  type Totals,
} from './records.ts';
import { inOrder, type LedgerTarget, type Share, slices } from './share.ts';
import { type Chain, chainsOf, emptyChain, faultIn, statementOf } from './statement.ts';

export interface Books {
  readonly ledger: LedgerTarget;
  /** Where the income is. */
  readonly main: Reader;
}

/** An account that waits, and why. */
interface Refusal {
  readonly accountId: bigint;
  readonly reason: string;
  readonly figures: Readonly<Record<string, string | null>>;
}

export interface Settled {
  /** Accounts looked at. */
  readonly read: number;
  readonly inserted: number;
  readonly unchanged: number;
  readonly refusals: readonly Refusal[];
  /** Of all rows of the share for this month, whoever has written them. */
  readonly totals: Totals;
  /** What the month goes by. */
  readonly terms: Terms;
  /**
   * Whether an account of the share waits no more for a month, this one or an earlier one: it has its row, or needs none,
   * or what it waited for is an adjustment of a later row.
   */
  readonly isDone: (accountId: bigint, month: string) => boolean;
}

interface Order {
  readonly month: Month;
  readonly share: Share;
  readonly terms: Terms;
  /** The month is taken for every account. */
  readonly whole: boolean;
}

export async function settle(books: Books, order: Order): Promise<Settled> {
  const { ledger, main } = books;
  const { month, share } = order;
  const begun = await beginMonth(ledger, month.name, order.terms, order.whole);
  const earlier = await earlierMonths(ledger, month.name);
  const stored = await storedFrom(ledger, share, month.name);
  const incomes = await incomesOf(main, share, earlier.first, monthAfter(month.name));
  const dues = new Dues(month.name, earlier, incomes, await unknownsOf(main, share));
  const asking = await whoAsks(ledger, order, dues, stored);
  const ready = [...asking.keys()].filter((id) => !dues.isUnknown(id));
  const waiting = [...asking.keys()].filter((id) => dues.isUnknown(id));

  await takeAccounts(ledger, ready, `settlement of ${month.name}`);
  const refusals = waiting.map((id) => heldBack(id, dues, month.name));
  const inserted = new Set<bigint>();
  const totals = { ...stored.totals };
  for (const slice of slices(ready)) {
    const done = await settleSlice(ledger, slice, { month, dues, asking, terms: begun.terms });
    for (const settlement of done.settlements) {
      inserted.add(settlement.accountId);
      addTotals(totals, settlement);
    }
    refusals.push(...done.refusals);
  }
  return {
    read: stored.settled.size + asking.size,
    inserted: inserted.size,
    unchanged: stored.settled.size,
    refusals,
    totals,
    terms: begun.terms,
    isDone: doneBy(month.name, { stored, asking, inserted }, dues, { begun, earlier }),
  };
}

interface Basis {
  readonly month: Month;
  readonly dues: Dues;
  readonly asking: ReadonlyMap<bigint, History>;
  readonly terms: Terms;
}

/** Settles accounts that are locked, as many as one statement should take. */
async function settleSlice(
  ledger: LedgerTarget,
  ids: readonly bigint[],
  { month, dues, asking, terms }: Basis,
): Promise<{ settlements: Settlement[]; refusals: Refusal[] }> {
  const settlements: Settlement[] = [];
  const credits: Credit[] = [];
  const refusals: Refusal[] = [];
  const chains = await chainsOf(ledger, ids, (id) => historyIn(asking, id).base, month);
  for (const accountId of ids) {
    const history = historyIn(asking, accountId);
    const chain = chains.get(accountId) ?? emptyChain;
    const settlement = settlementOf(accountId, history, chain, dues, terms);
    const fault = faultIn(history.base, chain) ?? overflowIn(settlement, chain);
    if (fault !== null) {
      refusals.push(notAddingUp(settlement, chain, fault, month.name));
      continue;
    }
    settlements.push(settlement);
    if (settlement.credited > 0n) credits.push({ accountId, amount: settlement.credited, ...chain });
  }
  const bills = await credit(ledger, credits, `settlement of ${month.name}`);
  await store(ledger, month.name, settlements, bills);
  return { settlements, refusals };
}

const historyIn = (histories: ReadonlyMap<bigint, History>, id: bigint): History => histories.get(id) ?? noHistory;

/**
 * Accounts without a row of the month or a later one that the month is due for, each with its history: those that were
 * open in it or settled before it, and users to whom something is due.
 */
async function whoAsks(
  ledger: Reader,
  { month, share }: Order,
  dues: Dues,
  { latest }: Stored,
): Promise<Map<bigint, History>> {
  const accounts = await accountsIn(ledger, share, month.end);
  const ids = inOrder([...accounts.keys(), ...dues.users]).filter((id) => share.has(id) && !latest.has(id));
  const histories = await historiesOf(ledger, ids, month);
  const asking = ids.filter((id) => {
    const history = historyIn(histories, id);
    return accounts.get(id) === true || history !== noHistory || dues.asks(id, history);
  });
  return new Map(asking.map((id) => [id, historyIn(histories, id)]));
}

const balanceMin = -balanceMax - 1n;
const fits = (fen: bigint): boolean => fen <= balanceMax && fen >= balanceMin;

function settlementOf(accountId: bigint, history: History, chain: Chain, dues: Dues, terms: Terms): Settlement {
  const lines = dues.lines(accountId, history);
  const accountMonth = {
    income: dues.income(accountId),
    adjustment: [...lines.values()].reduce((sum, line) => sum + line, 0n),
    carriedBefore: history.carriedTotal,
    frozenReason: chain.frozenReason,
  };
  return {
    accountId,
    ...accountMonth,
    lines,
    rule: terms.rule,
    ...statementOf(history.base, chain),
    ...reckon(accountMonth, terms),
  };
}

function overflowIn({ lines, sums, ...one }: Settlement, { balance }: Chain): string | null {
  const figures = Object.values(one).filter((value) => typeof value === 'bigint');
  return [...figures, ...sums, ...lines.values(), balance + one.credited].every(fits)
    ? null
    : 'a sum of it is larger than the ledger can hold';
}

function notAddingUp({ accountId, ...one }: Settlement, chain: Chain, fault: string, month: string): Refusal {
  const { opening, closing, bills, income, adjustment } = one;
  const figures = { opening, closing, bills, income, adjustment, balance: chain.balance, sequence: chain.sequence };
  return {
    accountId,
    reason: `account ${accountId} does not add up in ${month}: ${fault}; it is not settled, and nothing is credited`,
    figures: Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, String(value)])),
  };
}

function heldBack(accountId: bigint, dues: Dues, month: string): Refusal {
  return {
    accountId,
    reason: `commission of user ${accountId} in ${month} waits as a dead letter of sync-commission-log; first: tidemark run sync-commission-log --repair`,
    figures: { income: String(dues.income(accountId)) },
  };
}

interface Outcome {
  readonly stored: Stored;
  readonly asking: ReadonlyMap<bigint, History>;
  readonly inserted: ReadonlySet<bigint>;
}

function doneBy(
  month: string,
  { stored: { latest, settled }, asking, inserted }: Outcome,
  dues: Dues,
  { begun, earlier }: { readonly begun: Begun; readonly earlier: EarlierMonths },
): Settled['isDone'] {
  return (id, waitedFor) => {
    const hasRow = inserted.has(id) || settled.has(id);
    const needsNone = !asking.has(id) && !latest.has(id);
    if (waitedFor === month && (hasRow || needsNone)) return true;
    const counts = waitedFor === month ? begun.whole : earlier.whole.has(waitedFor);
    return counts && (hasRow || latest.has(id)) && !dues.isUnknown(id, waitedFor);
  };
}
