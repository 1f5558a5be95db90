/** Bills that a crash has left without an end: found, and ended by a repeat of their call or by a person. */
import type { Session } from '../platform/mysql.ts';
import { noteEvent, type Who } from './account.ts';
import { codes } from './answer.ts';
import { type Bill, findBills, isFollowing, readBill } from './bill.ts';
import { closeBill, lockAccount, processBill } from './process.ts';

export interface Resolution extends Who {
  readonly billId: bigint;
  /** Give it its effect; otherwise it is closed without one. */
  readonly apply?: boolean;
  readonly reason?: string;
}

/** Bills of an id that are unprocessed; of any, when null: the oldest first, up to a limit. */
export function findUnprocessed(
  session: Session,
  { billId, olderThanSeconds, limit }: { billId: bigint | null; olderThanSeconds: number; limit: number },
): Promise<Bill[]> {
  const ofBill = billId === null ? [] : [String(billId)];
  return findBills(
    session,
    `${ofBill.length === 0 ? '' : 'bill_id = ? AND '}result = 'unprocessed' AND created_at <= NOW() - INTERVAL ? SECOND ORDER BY id LIMIT ?`,
    [...ofBill, olderThanSeconds, limit],
  );
}

/**
 * Ends one of them, inside the caller's transaction. What follows a bill is never closed: it could not be asked for again.
 *
 * @returns the bill as it is then, with a code where its account stands in its way; null: commit, and call it again
 */
export async function resolveBill(session: Session, bill: Bill, resolution: Resolution): Promise<Bill | null> {
  await lockAccount(session, bill.accountId);
  const current = (await readBill(session, bill)) as Bill;
  if (current.result !== 'unprocessed') return current; // by us, when the answer to the COMMIT was lost, or by its caller
  if (resolution.apply !== true && !isFollowing(bill)) await closeBill(session, bill, codes.locked);
  else {
    const processed = await processBill(session, bill);
    if (processed === null) return null;
    if (processed.result === 'unprocessed') return { ...current, code: processed.code };
  }
  const ended = (await readBill(session, bill)) as Bill;
  const what = `bill ${bill.billId} (${bill.channel}): ${ended.result}`;
  const reason = [what, resolution.reason ?? 'left unprocessed'].join('; ').slice(0, 255);
  await noteEvent(session, bill.accountId, 'resolved', reason, resolution);
  return ended;
}
