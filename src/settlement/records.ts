/**
 * The stored settlements: what earlier months of an account say, and how a month's are written.
 *
 * Rows are written once. What a month turns out to be later is a line of a month that is settled later
 * (settlement_adjustment), so the sum that was used for a month so far is its row's income and all lines for it.
 */
import { JobError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import { type Month, monthAfter } from './month.ts';
import type { AccountMonth, Reckoning } from './reckoning.ts';
import { type LedgerTarget, type Share, slices } from './share.ts';
import { type Base, channelColumns, noBase, type Statement } from './statement.ts';
import type { TaxRule } from './tax.ts';

/** A settlement that is to be stored. */
export interface Settlement extends AccountMonth, Reckoning, Statement {
  readonly accountId: bigint;
  readonly rule: TaxRule;
  /** By month; what each has changed by. */
  readonly lines: ReadonlyMap<string, bigint>;
}

/** The sums of some settlements, in fen. */
export interface Totals {
  income: bigint;
  adjustment: bigint;
  tax: bigint;
  credited: bigint;
  carried: bigint;
}

const noTotals = (): Totals => ({ income: 0n, adjustment: 0n, tax: 0n, credited: 0n, carried: 0n });

export function addTotals(sum: Totals, more: Totals): void {
  for (const name of Object.keys(sum) as (keyof Totals)[]) sum[name] += more[name];
}

/** What is stored of a share from a month on. */
export interface Stored {
  /** The latest month by account: this one, or a later one. */
  readonly latest: ReadonlyMap<bigint, string>;
  /** Accounts with a row of the month itself. */
  readonly settled: ReadonlySet<bigint>;
  /** Of those rows. */
  readonly totals: Totals;
}

export async function storedFrom(ledger: Reader, share: Share, month: string): Promise<Stored> {
  const latest = new Map<bigint, string>();
  const settled = new Set<bigint>();
  const totals = noTotals();
  const rows = await ledger.tuples(
    `SELECT account_id, month, income, adjustment, tax, credited, carried FROM settlement
      WHERE ${share.holds('account_id')} AND month >= ? ORDER BY account_id, month`,
    [month],
  );
  for (const [account, name, ...sums] of rows) {
    const id = BigInt(String(account));
    latest.set(id, String(name));
    if (name !== month) continue;
    settled.add(id);
    const [income, adjustment, tax, credited, carried] = sums.map((sum) => BigInt(String(sum))) as Five;
    addTotals(totals, { income, adjustment, tax, credited, carried });
  }
  return { latest, settled, totals };
}

type Five = [bigint, bigint, bigint, bigint, bigint];

/** What an account's earlier settlements leave to the next one. */
export interface History {
  /** Fen that were used for each month so far; a month without a row or a line is absent. */
  readonly used: ReadonlyMap<string, bigint>;
  /** Months with a row. */
  readonly months: ReadonlySet<string>;
  readonly carriedTotal: bigint;
  readonly base: Base;
}

export const noHistory: History = { used: new Map(), months: new Set(), carriedTotal: 0n, base: noBase };

export async function historiesOf(
  ledger: Reader,
  ids: readonly bigint[],
  { name, startOf }: Month,
): Promise<Map<bigint, History>> {
  const histories = new Map<bigint, History & { used: Map<string, bigint>; months: Set<string> }>();
  for (const slice of slices(ids)) {
    const rows = await ledger.tuples(
      `SELECT account_id, month, income, carried_total, closing, IFNULL(last_sequence, 0) FROM settlement
        WHERE account_id IN (${slice.join(',')}) AND month < ? ORDER BY account_id, month`,
      [name],
    );
    for (const [account, month, ...values] of rows) {
      const id = BigInt(String(account));
      const [income, carriedTotal, closing, lastSequence] = values.map((value) => BigInt(String(value))) as Five;
      const { used, months } = histories.get(id) ?? { used: new Map<string, bigint>(), months: new Set<string>() };
      const base = { closing, lastSequence, end: startOf(monthAfter(String(month))) };
      used.set(String(month), income);
      histories.set(id, { used, months: months.add(String(month)), carriedTotal, base });
    }
    for (const [account, month, amount] of await ledger.tuples(
      `SELECT account_id, for_month, SUM(amount) FROM settlement_adjustment
        WHERE account_id IN (${slice.join(',')}) AND month < ? GROUP BY account_id, for_month`,
      [name],
    )) {
      const used = histories.get(BigInt(String(account)))?.used;
      used?.set(String(month), (used.get(String(month)) ?? 0n) + BigInt(String(amount)));
    }
  }
  return histories;
}

const columns = [
  'account_id',
  'month',
  'opening',
  ...channelColumns,
  'closing',
  'bills',
  'last_sequence',
  'income',
  'adjustment',
  'tax_rule',
  'tax',
  'credited',
  'carried',
  'carried_total',
  'reason',
  'frozen_reason',
  'bill_id',
];

/**
 * Stores a slice of settlements, and looks at them once more.
 *
 * @param bills ids of the credits by account
 * @throws JobError when one was stored otherwise than it was reckoned; nothing of the transaction may stay
 */
export async function store(
  ledger: LedgerTarget,
  month: string,
  settlements: readonly Settlement[],
  bills: ReadonlyMap<bigint, bigint>,
): Promise<void> {
  if (ledger.dryRun || settlements.length === 0) return;
  const frozen = settlements.map((one) => (one.reason === 'frozen' ? one.frozenReason : null));
  const values = settlements.map((one) => rowOf(one, month, bills.get(one.accountId) ?? null));
  await ledger.write(`INSERT INTO settlement (${columns.join(', ')}) VALUES (${values.join('),(')})`, frozen);
  const lines = settlements.flatMap(({ accountId, lines: byMonth }) =>
    [...byMonth].map(([forMonth, amount]) => `(${accountId},'${month}','${forMonth}',${amount})`),
  );
  if (lines.length > 0)
    await ledger.write(
      `INSERT INTO settlement_adjustment (account_id, month, for_month, amount) VALUES ${lines.join(',')}`,
    );
  await assertStored(ledger, month, settlements);
}

/** In the order of `columns`; the reason of the freeze is a parameter. */
function rowOf(one: Settlement, month: string, billId: bigint | null): string {
  const values = [one.accountId, `'${month}'`, one.opening, ...one.sums, one.closing, one.bills];
  values.push(
    one.lastSequence === 0n ? 'NULL' : one.lastSequence,
    one.income,
    one.adjustment,
    `'${one.rule}'`,
    one.tax,
  );
  values.push(one.credited, one.carried, one.carriedTotal, one.reason === null ? 'NULL' : `'${one.reason}'`, '?');
  return [...values, billId ?? 'NULL'].join(',');
}

/** Each sum divides up, its lines and its bill are as it says, and the account has become what the bill made of it. */
async function assertStored(ledger: Reader, month: string, settlements: readonly Settlement[]): Promise<void> {
  const list = settlements.map(({ accountId }) => accountId).join(',');
  const rows = await ledger.tuples(
    `SELECT s.account_id FROM settlement s JOIN account a ON a.account_id = s.account_id
       LEFT JOIN bill b ON b.bill_id = s.bill_id AND b.channel = 'settlement' AND b.account_id = s.account_id
       LEFT JOIN (SELECT account_id, SUM(amount) total FROM settlement_adjustment
                   WHERE month = ? AND account_id IN (${list}) GROUP BY account_id) l ON l.account_id = s.account_id
      WHERE s.month = ? AND s.account_id IN (${list})
        AND CAST(s.income AS DECIMAL(30)) + s.adjustment = CAST(s.credited AS DECIMAL(30)) + s.tax + s.carried
        AND IFNULL(l.total, 0) = s.adjustment AND IFNULL(b.amount, 0) = s.credited
        AND (s.credited = 0 OR (a.sequence = b.sequence AND a.balance = b.balance_after))`,
    [month, month],
  );
  const right = new Set(rows.map(([id]) => String(id)));
  const wrong = settlements.find(({ accountId }) => !right.has(String(accountId)));
  if (wrong === undefined) return;
  throw new JobError(
    `the settlement of account ${wrong.accountId} for ${month} was stored otherwise than it was reckoned; this part was rolled back`,
    `look for triggers on settlement, settlement_adjustment, bill and account; tidemark ledger show ${wrong.accountId}`,
  );
}
