import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../src/ledger/index.ts';
import type { Naive } from './naive.ts';

const turns = 10;

/**
 * Wrong: what has no answer is asked for again with a new bill id. What had happened happens once more. The calls stand
 * in a table, and each bill says for which call it is.
 */
export async function newBillId({ target, targetUrl }: Naive): Promise<void> {
  const ledger = await Ledger.connect({ url: targetUrl, connections: 1 });
  for (let turn = 0; turn < turns; turn++) {
    await target.write('INSERT INTO asked_for (is_answered) VALUES (FALSE)');
    const open = await target.tuples('SELECT number FROM asked_for WHERE NOT is_answered');
    for (const [number] of open) {
      const billId = await ledger.nextBillId();
      const { code } = await ledger.recharge({ billId, accountId: 1n, amount: 5n, info: `call ${number}` });
      await sleep(100); // so as not to load the server
      if (code === 0) await target.write('UPDATE asked_for SET is_answered = TRUE WHERE number = ?', [number ?? null]);
    }
  }
  await ledger.close();
}
