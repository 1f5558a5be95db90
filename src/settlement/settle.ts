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
import { Claims } from './claims.ts';
import { incomesOf, unknownsOf } from './income.ts';
import { type Begun, beginMonth, type EarlierMonths, earlierMonths, type Month, monthAfter } from './month.ts';
import { reckon, type Terms } from './reckoning.ts';
import {
  addTotals,
  assertStored,
  type History,
  historiesOf,
  noHistory,
  noTotals,
  type Settlement,
  type Stored,
  store,
  storedFrom,
  type Totals,
} from './records.ts';
import { inOrder, type LedgerTarget, type Share } from './share.ts';
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
  const claims = new Claims(month.name, earlier, incomes, await unknownsOf(main, share));
  const asking = await whoAsks(ledger, order, claims, stored);
  const waiting = [...asking.keys()].filter((id) => claims.isUnknown(id));
  const ready = [...asking.keys()].filter((id) => !claims.isUnknown(id));

  await takeAccounts(ledger, ready, `settlement of ${month.name}`);
  const chains = await chainsOf(ledger, ready, (id) => historyIn(asking, id).base, month);
  const { settlements, credits, refusals } = reckonAll(ready, asking, chains, claims, begun.terms, month.name);
  const bills = await credit(ledger, credits, `settlement of ${month.name}`);
  await store(ledger, month.name, settlements, bills);
  const inserted = settlements.map(({ accountId }) => accountId);
  await assertStored(ledger, month.name, inserted);

  const totals = noTotals();
  for (const sums of [stored.totals, ...settlements]) addTotals(totals, sums);
  const held = waiting.map((id) => heldBack(id, claims, month.name));
  return {
    read: stored.settled.size + asking.size,
    inserted: inserted.length,
    unchanged: stored.settled.size,
    refusals: [...held, ...refusals],
    totals,
    terms: begun.terms,
    isDone: doneBy(month.name, { stored, asking, inserted: new Set(inserted) }, claims, { begun, earlier }),
  };
}

const historyIn = (histories: ReadonlyMap<bigint, History>, id: bigint): History => histories.get(id) ?? noHistory;

/**
 * Accounts without a row of the month or a later one that the month is due for, each with its history: those that were
 * open in it or settled before it, and users who have a claim.
 */
async function whoAsks(
  ledger: Reader,
  { month, share }: Order,
  claims: Claims,
  { latest }: Stored,
): Promise<Map<bigint, History>> {
  const accounts = await accountsIn(ledger, share, month.end);
  const ids = inOrder([...accounts.keys(), ...claims.users]).filter((id) => share.has(id) && !latest.has(id));
  const histories = await historiesOf(ledger, ids, month);
  const asking = ids.filter((id) => {
    const history = historyIn(histories, id);
    return accounts.get(id) === true || history !== noHistory || claims.asks(id, history);
  });
  return new Map(asking.map((id) => [id, historyIn(histories, id)]));
}

const balanceMin = -balanceMax - 1n;
const fits = (fen: bigint): boolean => fen <= balanceMax && fen >= balanceMin;

function reckonAll(
  ids: readonly bigint[],
  histories: ReadonlyMap<bigint, History>,
  chains: ReadonlyMap<bigint, Chain>,
  claims: Claims,
  terms: Terms,
  month: string,
): { settlements: Settlement[]; credits: Credit[]; refusals: Refusal[] } {
  const settlements: Settlement[] = [];
  const credits: Credit[] = [];
  const refusals: Refusal[] = [];
  for (const accountId of ids) {
    const chain = chains.get(accountId) ?? emptyChain;
    const settlement = settlementOf(accountId, historyIn(histories, accountId), chain, claims, terms);
    const fault = faultIn(historyIn(histories, accountId).base, chain) ?? overflowIn(settlement, chain);
    if (fault !== null) {
      refusals.push(notAddingUp(settlement, chain, fault, month));
      continue;
    }
    settlements.push(settlement);
    if (settlement.credited > 0n) credits.push({ accountId, amount: settlement.credited, ...chain });
  }
  return { settlements, credits, refusals };
}

function settlementOf(accountId: bigint, history: History, chain: Chain, claims: Claims, terms: Terms): Settlement {
  const lines = claims.lines(accountId, history);
  const claim = {
    income: claims.income(accountId),
    adjustment: [...lines.values()].reduce((sum, line) => sum + line, 0n),
    carriedBefore: history.carriedTotal,
    frozenReason: chain.frozenReason,
  };
  return { accountId, ...claim, lines, rule: terms.rule, ...statementOf(history.base, chain), ...reckon(claim, terms) };
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

function heldBack(accountId: bigint, claims: Claims, month: string): Refusal {
  return {
    accountId,
    reason: `commission of user ${accountId} in ${month} waits as a dead letter of sync-commission-log; first: tidemark run sync-commission-log --repair`,
    figures: { income: String(claims.income(accountId)) },
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
  claims: Claims,
  { begun, earlier }: { readonly begun: Begun; readonly earlier: EarlierMonths },
): Settled['isDone'] {
  return (id, waitedFor) => {
    const hasRow = inserted.has(id) || settled.has(id);
    const needsNone = !asking.has(id) && !latest.has(id);
    if (waitedFor === month && (hasRow || needsNone)) return true;
    const counts = waitedFor === month ? begun.whole : earlier.whole.has(waitedFor);
    return counts && (hasRow || latest.has(id)) && !claims.isUnknown(id, waitedFor);
  };
}
