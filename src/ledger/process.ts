/**
 * Processing a bill: the one transaction that gives it its effect, or refuses it.
 *
 * The account row is locked first, so the changes of an account are serial over any number of processes, and everything
 * that the decision rests on is read behind that lock. The bill's end, the account's new state and the hold's row commit
 * together or not at all; a bill whose COMMIT got no answer is simply processed again, and found done. The tables refuse
 * what must never be: a balance below zero, a place in the chain that is taken, a state that no bill has made.
 */
import type { Session } from '../platform/mysql.ts';
import { type Account, available, balanceMax, readAccount } from './account.ts';
import { codes, type RefusalCode } from './answer.ts';
import { type Bill, findBills, insertBill, isFollowing, readBill, readOrigin } from './bill.ts';

/** How a bill ended. */
export type Ended = Pick<Bill, 'billId' | 'amount' | 'result' | 'code' | 'balanceAfter' | 'heldAfter'>;

/**
 * Processes a bill inside the caller's transaction; one that has its end already is only read.
 */
export async function processBill(
  session: Session,
  key: Pick<Bill, 'billId' | 'channel' | 'accountId'>,
): Promise<Ended> {
  const account = await expireHolds(session, await lockAccount(session, key.accountId));
  const bill = (await readBill(session, key, true)) as Bill;
  if (bill.result !== 'unprocessed') return bill;
  const refusal = await refusalOf(session, account, bill);
  if (refusal === null) {
    const { balance, held } = await succeed(session, account, bill);
    return { ...bill, result: 'success', balanceAfter: balance, heldAfter: held };
  }
  await closeBill(session, bill, refusal);
  return { ...bill, result: 'failed', code: refusal };
}

/** Takes the account for the rest of the transaction. */
export async function lockAccount(session: Session, accountId: bigint): Promise<Account> {
  return (await readAccount(session, accountId, true)) as Account;
}

/** Why a bill cannot have its effect on this account, which is locked; null when it can. */
async function refusalOf(session: Session, account: Account, bill: Bill): Promise<RefusalCode | null> {
  const { channel, amount, heldChange } = bill;
  const undoes = channel === 'cancel' || (channel === 'rollback' && amount > 0n) || channel === 'correction';
  if (isFollowing(bill) && !(await stands(session, bill))) return codes.noData;
  if (channel === 'confirm' || channel === 'cancel') {
    const [hold] = await session.tuples('SELECT 1 FROM open_hold WHERE bill_id = ?', [String(bill.billId)]);
    if (hold === undefined) return codes.noData;
  }
  if (account.frozenReason !== null && !undoes) return codes.frozen;
  if (available(account) + amount - heldChange < 0n) return codes.tooLow;
  return account.balance + amount > balanceMax ? codes.badArgument : null;
}

/** Whether what a bill follows from has happened. What has not by now never will: its bill is closed. */
async function stands(session: Session, { billId }: Bill): Promise<boolean> {
  const origin = (await readOrigin(session, billId, true)) as Bill;
  if (origin.result === 'unprocessed') await closeBill(session, origin, codes.locked);
  return origin.result === 'success';
}

/** Gives a bill its effect on an account that is locked. */
async function succeed(session: Session, account: Account, bill: Bill): Promise<Account> {
  const { balance, held, sequence, accountId, changedAt } = account;
  const after = { balance: balance + bill.amount, held: held + bill.heldChange, sequence: (sequence ?? 0n) + 1n };
  // Time never runs backwards in an account, whatever the server's clock does.
  const ended = await session.write(
    `UPDATE bill SET result = 'success', done_at = GREATEST(NOW(), ?), sequence = ?, previous = ?, balance_before = ?,
            balance_after = ?, held_before = ?, held_after = ? WHERE id = ? AND result = 'unprocessed'`,
    [changedAt, after.sequence, sequence, balance, after.balance, held, after.held, bill.id].map(asText),
  );
  const moved = await session.write(
    `UPDATE account SET balance = ?, held = ?, sequence = ?, changed_at = GREATEST(NOW(), changed_at)
      WHERE account_id = ? AND sequence <=> ?`,
    [after.balance, after.held, after.sequence, accountId, sequence].map(asText),
  );
  if (ended.affected !== 1 || moved.affected !== 1)
    throw new Error(`bill ${bill.billId} or account ${accountId} changed although it was locked`);
  await keepHold(session, bill);
  return { ...account, ...after };
}

const asText = (value: bigint | string | null): string | null => (value === null ? null : String(value));

/** The row of a hold is there as long as it is open. */
async function keepHold(session: Session, { channel, billId, accountId, heldChange, expiresAt }: Bill): Promise<void> {
  if (channel === 'hold')
    await session.write('INSERT INTO open_hold (bill_id, account_id, amount, expires_at) VALUES (?, ?, ?, ?)', [
      String(billId),
      String(accountId),
      String(heldChange),
      expiresAt === null ? null : expiresAt.toISOString().slice(0, 19).replace('T', ' '),
    ]);
  if (channel === 'confirm' || channel === 'cancel')
    await session.write('DELETE FROM open_hold WHERE bill_id = ?', [String(billId)]);
}

/** Ends a bill without effect. @returns false when it has its end already */
export async function closeBill(session: Session, { id }: Pick<Bill, 'id'>, code: RefusalCode): Promise<boolean> {
  const { affected } = await session.write(
    `UPDATE bill SET result = 'failed', code = ?, done_at = NOW() WHERE id = ? AND result = 'unprocessed'`,
    [code, String(id)],
  );
  return affected === 1;
}

/** Who cancels a hold that was left alone. */
const expiryOperator = 'expiry';

/**
 * Releases the holds of an account, which is locked, whose time is over: each by a bill of channel `cancel`.
 *
 * @returns the account as it is then
 */
export async function expireHolds(session: Session, account: Account): Promise<Account> {
  if (account.held === 0n) return account;
  const over = await findBills(
    session,
    `origin IN (SELECT bill_id FROM open_hold WHERE account_id = ? AND expires_at <= NOW()) ORDER BY id`,
    [String(account.accountId)],
  );
  let state = account;
  for (const hold of over) {
    const content = { ...hold, channel: 'cancel' as const, heldChange: -hold.heldChange };
    const notes = { items: null, info: 'its time was over', operator: expiryOperator, clientAddress: null };
    await insertBill(session, content, { ...notes, expiresInSeconds: null }); // or its caller's, which was about to
    const cancel = (await readBill(session, content, true)) as Bill;
    state = await succeed(session, state, cancel);
  }
  return state;
}
