import { copyWindow, type Naive, readClock, readPosition } from './naive.ts';

/**
 * Wrong: locked and moved as it should be, but a window ends at NOW(), or at NOW() less some seconds that somebody
 * thought to be enough. Rows that commit later are left out.
 */
export async function fixedLag(naive: Naive): Promise<void> {
  const { source, target, shards, lagSeconds } = naive;
  for (const shard of shards) {
    await target.write('START TRANSACTION');
    const from = await readPosition(target, shard, 'FOR UPDATE');
    const to = await readClock(source, lagSeconds);
    if (String(from) < to) {
      await copyWindow(naive, shard, from, to);
      await target.write('UPDATE position SET at = ? WHERE shard = ?', [to, shard]);
    }
    await target.write('COMMIT');
  }
}

/** With no lag at all. */
export const untilNow = (naive: Naive): Promise<void> => fixedLag({ ...naive, lagSeconds: 0 });
