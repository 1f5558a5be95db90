import { setTimeout as sleep } from 'node:timers/promises';
import { copyWindow, type Naive, readClock } from './naive.ts';

/** Where it begins when Redis knows nothing; so little, that a long campaign does not fill the disk. */
const beginSeconds = 5;

/**
 * Wrong: the position is in Redis, and saved when all shards are done. Whoever is killed, or cannot reach Redis,
 * between the first commit and that applies windows again; and so does everybody after a flush.
 */
export async function redisCheckpoint(naive: Naive): Promise<void> {
  const { source, target, redis, shards, lagSeconds } = naive;
  const to = await readClock(source, lagSeconds);
  for (const shard of shards) {
    const from = (await redis.get(`control:${shard}`)) ?? (await readClock(source, lagSeconds + beginSeconds));
    await target.write('START TRANSACTION');
    await copyWindow(naive, shard, from, to);
    await target.write('COMMIT');
    await sleep(250); // so as not to load the server
  }
  for (const shard of shards) await redis.set(`control:${shard}`, to);
}
