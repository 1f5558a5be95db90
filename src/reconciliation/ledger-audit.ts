/**
 * The ledger beside itself: whether what is stored of each account is what its bills say, and whether a bill was left
 * without an end. The tables refuse most of this by themselves; this finds what came in around them: a restored backup, a
 * hand in the database, checks that were switched off.
 *
 * Accounts are taken in chunks, each as of one instant, while charges go on: a charge changes account and bills in one
 * transaction, so no snapshot shows half of it. A finding is told as a difference: ours is what is stored, the other side
 * what the bills say.
 *
 * Accounts are as they are now, so only the last day that is over looks at them in all; of an older day there are only
 * its bills to look at.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import type { Stretch } from './bills.ts';
import type { Found } from './differences.ts';
import type { Side } from './outcome.ts';
import { inSnapshot } from './snapshot.ts';

/** How long a bill may be without an end before it is told. */
const unprocessedSecondsMax = 3600;

const chunkAccounts = 2000;
const pageBills = 2000;

interface AuditQuestion {
  readonly ledger: Reader;
  /** Whether to look at the accounts as they are now, too. */
  readonly whole: boolean;
  readonly day: string;
  readonly stretch: Stretch;
  readonly localTime: (utc: string) => string;
}

interface Audited {
  /** Accounts and bills that were looked at. */
  readonly looked: number;
  readonly right: number;
  readonly found: readonly Found[];
}

/** Looks at every account, and at the bills that have no end, chunk by chunk. */
export async function* audit(question: AuditQuestion): AsyncGenerator<Audited> {
  for (let after: Cell = 0; ; ) {
    const upTo: Cell | undefined = await lastOfChunk(question.ledger, after);
    if (upTo === undefined) break;
    yield await inSnapshot(question.ledger, () => auditAccounts(question, after, upTo));
    after = upTo;
  }
  if (question.whole) yield await auditUnprocessed(question);
}

/** Whether no later day is over. */
export async function isLastDay(ledger: Reader, { to }: Stretch): Promise<boolean> {
  const [row] = await ledger.tuples('SELECT ? > NOW() - INTERVAL 24 HOUR', [to]);
  return Number(row?.[0]) === 1;
}

async function lastOfChunk(ledger: Reader, after: Cell): Promise<Cell | undefined> {
  const [row] = await ledger.tuples(
    `SELECT MAX(account_id) FROM (SELECT account_id FROM account WHERE account_id > ? ORDER BY account_id LIMIT ${chunkAccounts}) chunk`,
    [after],
  );
  return row?.[0] ?? undefined;
}

async function auditAccounts(question: AuditQuestion, after: Cell, upTo: Cell): Promise<Audited> {
  const { ledger, whole, day, stretch } = question;
  const sums = whole ? await wrongSums(ledger, after, upTo) : [];
  const found = [...sums, ...(await brokenChains(ledger, stretch, after, upTo))];
  const [row] = await ledger.tuples('SELECT COUNT(*), NOW() FROM account WHERE account_id > ? AND account_id <= ?', [
    after,
    upTo,
  ]);
  const at = question.localTime(String(row?.[1]));
  const accounts = new Map<string, Finding[]>();
  for (const finding of found) accounts.set(finding.account, [...(accounts.get(finding.account) ?? []), finding]);
  const looked = Number(row?.[0]);
  return {
    looked,
    right: looked - accounts.size,
    found: [...accounts].map(([account, findings]) => ({
      day,
      reference: account,
      direction: 'in',
      outcome: 'amount',
      local: sideOf((findings[0] as Finding).stored, at),
      channel: sideOf((findings[0] as Finding).told, at),
      detail: findings
        .map(({ what }) => what)
        .join('; ')
        .slice(0, 255),
    })),
  };
}

interface Finding {
  readonly account: string;
  readonly what: string;
  readonly stored: bigint;
  readonly told: bigint;
}

const sideOf = (amount: bigint, occurredAt: string): Side => ({
  amount,
  fee: null,
  status: 'success',
  occurredAt,
  entries: 1,
  part: '',
});

/** Balance, held and last bill of accounts against their bills and open holds. */
async function wrongSums(ledger: Reader, after: Cell, upTo: Cell): Promise<Finding[]> {
  const rows = await ledger.tuples(
    `SELECT a.account_id, a.balance, IFNULL(b.balance, 0), a.held, IFNULL(b.held, 0), IFNULL(h.held, 0),
            IFNULL(a.sequence, 0), IFNULL(b.last, 0), IFNULL(b.bills, 0), IFNULL(l.balance_after, 0), IFNULL(l.held_after, 0)
       FROM account a
       LEFT JOIN (SELECT account_id, SUM(amount) balance, SUM(held_change) held, MAX(sequence) last, COUNT(*) bills
                    FROM bill WHERE account_id > ? AND account_id <= ? AND result = 'success' GROUP BY account_id) b ON b.account_id = a.account_id
       LEFT JOIN (SELECT account_id, SUM(amount) held FROM open_hold WHERE account_id > ? AND account_id <= ? GROUP BY account_id) h
              ON h.account_id = a.account_id
       LEFT JOIN bill l ON l.account_id = a.account_id AND l.sequence = b.last
      WHERE a.account_id > ? AND a.account_id <= ?
        AND (a.balance <> IFNULL(b.balance, 0) OR a.held <> IFNULL(b.held, 0) OR a.held <> IFNULL(h.held, 0)
             OR IFNULL(a.sequence, 0) <> IFNULL(b.last, 0) OR IFNULL(b.last, 0) <> IFNULL(b.bills, 0)
             OR a.balance <> IFNULL(l.balance_after, 0) OR a.held <> IFNULL(l.held_after, 0))`,
    [after, upTo, after, upTo, after, upTo],
  );
  return rows.flatMap(([account, ...values]) => {
    const [balance, sum, held, heldSum, holds, sequence, last, bills, lastBalance, lastHeld] = values.map((value) =>
      BigInt(String(value)),
    ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint];
    const checks: readonly (readonly [string, bigint, bigint])[] = [
      ['balance is not the sum of the bills', balance, sum],
      ['held is not the sum of the bills', held, heldSum],
      ['held is not the sum of the open holds', held, holds],
      ['balance is not that after the last bill', balance, lastBalance],
      ['held is not that after the last bill', held, lastHeld],
      ['its last bill is not the last', sequence, last],
      ['a bill is missing between the first and the last', last, bills],
    ];
    return checks
      .filter(([, stored, told]) => stored !== told)
      .map(([what, stored, told]) => ({
        account: String(account),
        what: `${what}: ${stored} and ${told}`,
        stored,
        told,
      }));
  });
}

/** The day's bills that do not begin with what the one before them left. */
async function brokenChains(ledger: Reader, { from, to }: Stretch, after: Cell, upTo: Cell): Promise<Finding[]> {
  const rows = await ledger.tuples(
    `SELECT b.account_id, b.bill_id, b.channel, b.balance_before, IFNULL(p.balance_after, 0)
       FROM bill b LEFT JOIN bill p ON p.account_id = b.account_id AND p.sequence = b.sequence - 1
      WHERE b.account_id > ? AND b.account_id <= ? AND b.done_at >= ? AND b.done_at < ? AND b.result = 'success'
        AND (b.balance_before <> IFNULL(p.balance_after, 0) OR b.held_before <> IFNULL(p.held_after, 0) OR (b.sequence > 1 AND p.id IS NULL)
             OR b.balance_after <> b.balance_before + b.amount OR b.held_after <> b.held_before + b.held_change)
      ORDER BY b.account_id, b.sequence`,
    [after, upTo, from, to],
  );
  return rows.map(([account, billId, channel, before, previous]) => ({
    account: String(account),
    what: `bill ${billId} (${channel}) does not continue the one before it: ${before} and ${previous}`,
    stored: BigInt(String(before)),
    told: BigInt(String(previous)),
  }));
}

/** Bills that have had no end for too long. Whether they will take effect, nobody knows until they are resolved. */
async function auditUnprocessed({ ledger, day, localTime }: AuditQuestion): Promise<Audited> {
  const found: Found[] = [];
  for (let after: Cell = 0; ; ) {
    const rows: Cell[][] = await ledger.tuples(
      `SELECT id, bill_id, channel, account_id, amount, created_at FROM bill
        WHERE result = 'unprocessed' AND created_at < NOW() - INTERVAL ${unprocessedSecondsMax} SECOND AND id > ? ORDER BY id LIMIT ${pageBills}`,
      [after],
    );
    for (const [, billId, channel, account, amount, created] of rows)
      found.push({
        day,
        reference: String(billId),
        direction: 'out',
        outcome: 'status',
        local: { ...sideOf(BigInt(String(amount)), localTime(String(created))), status: 'unprocessed' },
        channel: null,
        detail: `${channel} of account ${account} has no end`,
      });
    if (rows.length < pageBills) return { looked: found.length, right: 0, found };
    after = rows.at(-1)?.[0] as Cell;
  }
}
