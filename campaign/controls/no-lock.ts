import { copyWindow, type Naive, readClock, readPosition } from './naive.ts';

/**
 * Wrong: the position is in the target and moves in the window's own transaction, but nobody locks it or compares it
 * with what was read. Two runs that overlap apply the same window.
 */
export async function noLock(naive: Naive): Promise<void> {
  const { source, target, shards, lagSeconds } = naive;
  for (const shard of shards) {
    const to = await readClock(source, lagSeconds);
    const from = await readPosition(target, shard);
    await target.write('START TRANSACTION');
    await copyWindow(naive, shard, from, to);
    await target.write('UPDATE position SET at = ? WHERE shard = ?', [to, shard]);
    await target.write('COMMIT');
  }
}
