/**
 * The accounts of a share in the ledger: locked, opened where there is none, credited.
 *
 * Promises: accounts are locked one by one in order of their ids, and nothing else of the ledger is locked but the
 * number of the last bill, last of all; so the callers of the ledger, who lock one account each, wait for a part and
 * are never in a deadlock with it. A credit is a bill first, and the account then becomes what the bill says.
 */
import { takeBillIds } from '../ledger/numbers.ts';
import type { Reader } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { inOrder, type LedgerTarget, type Share, slices } from './share.ts';

const operator = 'settle-month';

/** The UTC text at which the first account was opened or the first bill had its end; null for an empty ledger. */
export async function oldestInLedger(ledger: Reader): Promise<string | null> {
  const [row] = await ledger.tuples(
    'SELECT MIN(at) FROM (SELECT MIN(opened_at) at FROM account UNION ALL SELECT MIN(done_at) FROM bill) both_tables',
  );
  return row?.[0] === null || row?.[0] === undefined ? null : String(row[0]);
}

/** Accounts of a share, each with whether it was open before an instant. */
export async function accountsIn(ledger: Reader, share: Share, before: string): Promise<Map<bigint, boolean>> {
  const rows = await ledger.tuples(`SELECT account_id, opened_at < ? FROM account WHERE ${share.holds('account_id')}`, [
    before,
  ]);
  return new Map(rows.map(([id, open]) => [BigInt(String(id)), Number(open) === 1]));
}

/**
 * Locks accounts until the transaction ends, and opens those that are not there.
 *
 * @param why what the opening is told to be for
 */
export async function takeAccounts(ledger: LedgerTarget, ids: readonly bigint[], why: string): Promise<void> {
  if (ledger.dryRun) return;
  for (;;) {
    const there = new Set<bigint>();
    for (const slice of slices(inOrder(ids))) {
      const rows = await ledger.tuples(
        `SELECT account_id FROM account WHERE account_id IN (${slice.join(',')}) ORDER BY account_id FOR UPDATE`,
      );
      for (const [id] of rows) there.add(BigInt(String(id)));
    }
    const missing = inOrder(ids).filter((id) => !there.has(id));
    try {
      for (const slice of slices(missing)) await open(ledger, slice, why);
      return;
    } catch (error) {
      if (errorNumber(error) !== 1062) throw error;
      // Somebody has opened one of them meanwhile: of that statement nothing is left, and the account is there now.
    }
  }
}

async function open(ledger: LedgerTarget, ids: readonly bigint[], why: string): Promise<void> {
  await ledger.write(
    `INSERT INTO account (account_id, kind) VALUES ${ids.map((id) => `(${id},'commission')`).join(',')}`,
  );
  await ledger.write(
    `INSERT INTO account_event (account_id, what, reason, operator)
     SELECT account_id, 'opened', ?, ? FROM account WHERE account_id IN (${ids.join(',')})`,
    [why, operator],
  );
}

/** What an account is to get, and its state, as it is under the lock. */
export interface Credit {
  readonly accountId: bigint;
  readonly amount: bigint;
  readonly balance: bigint;
  readonly held: bigint;
  /** Of the bill that made this state; 0 before the first. */
  readonly sequence: bigint;
  /** UTC text of the server. */
  readonly changedAt: string;
}

/**
 * Writes a bill of the channel `settlement` for each credit of a slice, and moves the accounts. The caller has locked
 * them.
 *
 * @returns the bill ids by account
 */
export async function credit(
  ledger: LedgerTarget,
  credits: readonly Credit[],
  info: string,
): Promise<Map<bigint, bigint>> {
  const bills = new Map<bigint, bigint>();
  if (credits.length === 0 || ledger.dryRun) return bills;
  const first = await takeBillIds(ledger, BigInt(credits.length));
  const values = credits.map(({ accountId, amount, balance, held, sequence, changedAt }, index) => {
    const id = first + BigInt(index);
    bills.set(accountId, id);
    const previous = sequence === 0n ? 'NULL' : sequence;
    // Time never runs backwards in an account, whatever the server's clock does.
    const doneAt = `GREATEST(NOW(),'${changedAt}')`;
    return `(${id},'settlement',${accountId},${amount},0,'success',${sequence + 1n},${previous},${balance},${balance + amount},${held},${held},?,'','${operator}',${doneAt})`;
  });
  await ledger.write(
    `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, sequence, previous, balance_before,
       balance_after, held_before, held_after, info, caller, operator, done_at) VALUES ${values.join(',')}`,
    credits.map(() => info),
  );
  await ledger.write(
    `UPDATE account a JOIN bill b ON b.account_id = a.account_id
        SET a.balance = b.balance_after, a.sequence = b.sequence, a.changed_at = b.done_at
      WHERE b.bill_id BETWEEN ? AND ? AND b.channel = 'settlement'`,
    [String(first), String(first + BigInt(credits.length) - 1n)],
  );
  return bills;
}
