import type { Reader } from '../platform/mysql.ts';

/** Everything that `read` asks is answered as of one instant, while others go on writing. */
export async function inSnapshot<Result>(ledger: Reader, read: () => Promise<Result>): Promise<Result> {
  await ledger.rows('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ'); // of the next transaction only
  await ledger.rows('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  try {
    return await read();
  } finally {
    await ledger.rows('ROLLBACK');
  }
}
