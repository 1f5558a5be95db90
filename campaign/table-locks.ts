import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../src/platform/mysql.ts';
import { errorNumber } from '../src/platform/mysql-errors.ts';
import type { Random } from './random.ts';
import { openWhenUp } from './sessions.ts';

interface TableLockOptions {
  readonly url: string;
  readonly random: Random;
  readonly shards: readonly string[];
  readonly tableLockMsMax: number;
}

/**
 * Waits until nobody is in a table, then keeps everybody out for a while, again and again: statements that come
 * meanwhile stall behind it, after their NOW() was fixed. Answers how often.
 */
export async function lockTables(options: TableLockOptions, signal: AbortSignal): Promise<number> {
  let locked = 0;
  const random = options.random.fork('table locks');
  let session: Session | null = null;
  while (!signal.aborted) {
    await sleep(random.between(1500, 4000), undefined, { signal }).catch(() => undefined);
    if (session === null || session.lost) session = await openWhenUp(options.url, signal);
    if (session === null || signal.aborted) break;
    try {
      await session.write('SET SESSION lock_wait_timeout = 4');
      await session.write(`LOCK TABLES plus_commission_log_${random.pick(options.shards)} WRITE`);
      await sleep(random.next() * options.tableLockMsMax);
      await session.write('UNLOCK TABLES');
      locked += 1;
    } catch (error) {
      // A long transaction kept it waiting: others have stalled behind it all the same. Or the server is gone.
      if (errorNumber(error) === 1205) locked += 1;
    }
  }
  await session?.close();
  return locked;
}
