import { setTimeout as sleep } from 'node:timers/promises';
import { bookRecharge, fen } from './balance-written-back.ts';
import type { Naive } from './naive.ts';

const accounts = 100;
const turns = 10;

/** Wrong: the account is changed first, and then the bill is written. Who is killed in between leaves money without a bill. */
export async function accountBeforeBill({ target }: Naive): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const accountId = 1 + Math.floor(Math.random() * accounts);
    await target.write('UPDATE account SET balance = balance + ? WHERE account_id = ?', [fen, accountId]);
    await sleep(50); // so as not to load the server
    await bookRecharge(target, accountId);
  }
}
