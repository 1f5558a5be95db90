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
 * Processes a bill inside the caller's transaction; one that has its end already is only read. What follows another bill
 * stays unprocessed, with a code, where the account stands in its way.
 *
 * @returns null when many holds have expired and more are to: commit, and call it again
 */
export async function processBill(
  session: Session,
  key: Pick<Bill, 'billId' | 'channel' | 'accountId'>,
): Promise<Ended | null> {
  const { account, isAll } = await expireHolds(session, await lockAccount(session, key.accountId));
  if (!isAll) return null;
  const bill = (await readBill(session, key, true)) as Bill;
  if (bill.result !== 'unprocessed') return bill;
  const refusal = (await lacksWhatItFollows(session, bill)) ? codes.noData : refusalOf(account, bill);
  if (refusal === null) {
    const { balance, held } = await succeed(session, account, bill);
    return { ...bill, result: 'success', balanceAfter: balance, heldAfter: held };
  }
  // What follows a bill may be asked for again when the account is free, so only what can never be done ends it.
  if (isFollowing(bill) && refusal !== codes.noData) return { ...bill, code: refusal };
  await closeBill(session, bill, refusal);
  return { ...bill, result: 'failed', code: refusal };
}

/** Takes the account for the rest of the transaction. */
export async function lockAccount(session: Session, accountId: bigint): Promise<Account> {
  return (await readAccount(session, accountId, true)) as Account;
}

/** Why an account does not let a bill have its effect; null when it does. */
export function refusalOf(
  account: Account,
  { channel, amount, heldChange }: Pick<Bill, 'channel' | 'amount' | 'heldChange'>,
): RefusalCode | null {
  const undoes = channel === 'cancel' || (channel === 'rollback' && amount > 0n) || channel === 'correction';
  if (account.frozenReason !== null && !undoes) return codes.frozen;
  if (available(account) + amount - heldChange < 0n) return codes.tooLow;
  return account.balance + amount > balanceMax ? codes.badArgument : null;
}

/** Whether a bill follows from one that has not happened, and by now never will; or from a hold that has its end. */
async function lacksWhatItFollows(session: Session, bill: Bill): Promise<boolean> {
  if (!isFollowing(bill)) return false;
  const origin = (await readOrigin(session, bill.billId, true)) as Bill;
  if (origin.result === 'unprocessed') await closeBill(session, origin, codes.locked);
  if (origin.result !== 'success') return true;
  if (bill.channel === 'rollback') return false;
  const [hold] = await session.tuples('SELECT 1 FROM open_hold WHERE bill_id = ?', [String(bill.billId)]);
  return hold === undefined;
}

/**
 * Time does not run backwards in an account where the server's clock steps back a little. By more, it does: an account
 * that was once stamped far ahead must not stay there.
 */
const notBefore = 'IF(? > NOW() + INTERVAL 5 MINUTE, NOW(), GREATEST(NOW(), ?))';

/** Gives a bill its effect on an account that is locked. */
async function succeed(session: Session, account: Account, bill: Bill): Promise<Account> {
  const { balance, held, sequence, accountId, changedAt } = account;
  const after = { balance: balance + bill.amount, held: held + bill.heldChange, sequence: (sequence ?? 0n) + 1n };
  const ended = await session.write(
    `UPDATE bill SET result = 'success', done_at = ${notBefore}, sequence = ?, previous = ?, balance_before = ?,
            balance_after = ?, held_before = ?, held_after = ? WHERE id = ? AND result = 'unprocessed'`,
    [changedAt, changedAt, after.sequence, sequence, balance, after.balance, held, after.held, bill.id].map(asText),
  );
  const moved = await session.write(
    `UPDATE account SET balance = ?, held = ?, sequence = ?, changed_at = ${notBefore}
      WHERE account_id = ? AND sequence <=> ?`,
    [after.balance, after.held, after.sequence, changedAt, changedAt, accountId, sequence].map(asText),
  );
  if (ended.affected !== 1 || moved.affected !== 1)
    throw new Error(`bill ${bill.billId} or account ${accountId} changed although it was locked`);
  await keepHold(session, bill);
  return { ...account, ...after };
}

const asText = (value: bigint | string | null): string | null => (value === null ? null : String(value));

/** The row of a hold is there as long as it is open. */
async function keepHold(session: Session, bill: Bill): Promise<void> {
  const { channel, billId, accountId, heldChange, expiresInSeconds } = bill;
  // Its time counts from now, however long its bill has waited.
  if (channel === 'hold')
    await session.write(
      'INSERT INTO open_hold (bill_id, account_id, amount, expires_at) VALUES (?, ?, ?, NOW() + INTERVAL ? SECOND)',
      [String(billId), String(accountId), String(heldChange), expiresInSeconds],
    );
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

/** More in one transaction would keep the account from its callers. */
const expiriesMax = 50;

/**
 * Holds whose time is over, but not those that are about to be confirmed: their money may have left.
 *
 * @param condition of ours, over `open_hold h`
 */
export const expired = (condition: string): string =>
  `${condition} AND h.expires_at <= NOW() AND NOT EXISTS (
     SELECT 1 FROM bill c WHERE c.bill_id = h.bill_id AND c.channel = 'confirm' AND c.result = 'unprocessed')`;

/** Whether the time of a hold is over, released or not yet. */
export async function isOver(session: Session, billId: bigint): Promise<boolean> {
  const condition = 'SELECT 1 FROM open_hold WHERE bill_id = ? AND expires_at <= NOW()';
  return (await session.tuples(condition, [String(billId)])).length > 0;
}

/**
 * Releases holds of an account, which is locked, whose time is over: each by a bill of channel `cancel`.
 *
 * @returns the account as it is then, and whether these were all
 */
export async function expireHolds(session: Session, account: Account): Promise<{ account: Account; isAll: boolean }> {
  if (account.held === 0n) return { account, isAll: true };
  const ids = await session.tuples(
    `SELECT h.bill_id FROM open_hold h WHERE ${expired('h.account_id = ?')} ORDER BY h.bill_id LIMIT ${expiriesMax}`,
    [String(account.accountId)],
  );
  const over = ids.length === 0 ? [] : await findBills(session, 'origin IN (?) ORDER BY id', [ids.flat().map(String)]);
  let state = account;
  for (const hold of over) {
    const none = { items: null, expiresInSeconds: null };
    const content = { ...hold, ...none, channel: 'cancel' as const, heldChange: -hold.heldChange };
    const notes = { info: 'its time was over', operator: expiryOperator, clientAddress: null };
    await insertBill(session, content, notes); // or its caller's, which was about to
    const cancel = (await readBill(session, content, true)) as Bill;
    state = await succeed(session, state, cancel);
  }
  return { account: state, isAll: ids.length < expiriesMax };
}
