import { setTimeout as sleep } from 'node:timers/promises';
import type { TransferState } from '../../../src/payments/provider.ts';
import { type Control, note, type Payer, transferOf, type Wanted } from './payer.ts';

const askedTimesMax = 5;

/**
 * Wrong: the provider is called inside the transaction. Who is killed behind the call has paid, and what was written is
 * rolled back. It writes no bills, so what ties an account to them is switched off.
 */
export const callsInside: Control = async (payer, wanted) => {
  await note(payer, wanted);
  const { target, provider } = payer;
  const cells = [wanted.amount, wanted.accountId].map(String);
  await target.write('SET SESSION foreign_key_checks = 0');
  await target.write('START TRANSACTION');
  await target.write('UPDATE account SET balance = balance - ? WHERE account_id = ?', cells);
  await target.write(`UPDATE wanted SET state = 'paid' WHERE payout_id = ?`, [String(wanted.payoutId)]);
  await provider.transfer(transferOf(wanted));
  const state = await ending(payer, wanted);
  await target.write(state === 'failed' || state === 'missing' ? 'ROLLBACK' : 'COMMIT');
};

/** Asks until there is an end, so that only its own mistake is found. */
async function ending({ provider }: Payer, { payoutId }: Wanted): Promise<TransferState> {
  for (let times = 1; ; times++) {
    const { state } = await provider.queryTransfer(payoutId);
    if ((state !== 'unknown' && state !== 'pending') || times === askedTimesMax) return state;
    await sleep(100);
  }
}
