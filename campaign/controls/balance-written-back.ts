import { setTimeout as sleep } from 'node:timers/promises';
import type { Naive } from './naive.ts';

const accounts = 5;
const turns = 10;

/**
 * Wrong: the balance is read, and later written back with the sum added to it, with its bill in one transaction, but
 * nobody has locked the account in between. Of two callers at once, the second takes the first one's bill out again.
 */
export async function balanceWrittenBack({ target }: Naive): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const accountId = 1 + Math.floor(Math.random() * accounts);
    const [row] = await target.tuples('SELECT balance FROM account WHERE account_id = ?', [accountId]);
    await sleep(50); // so as not to load the server
    await target.write('START TRANSACTION');
    await bookRecharge(target, accountId);
    await target.write('UPDATE account SET balance = ? WHERE account_id = ?', [Number(row?.[0]) + fen, accountId]);
    await target.write('COMMIT');
  }
}

export const fen = 5;

/** A bill of as much as it takes for its sum to count. */
export async function bookRecharge(target: Naive['target'], accountId: number): Promise<void> {
  await target.write(
    `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, caller)
     VALUES (0, 'recharge', ?, ?, 0, 'success', '')`,
    [accountId, fen],
  );
}
