/** How a campaign comes to rest: runs in peace until nothing is left to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Session } from '../src/platform/mysql.ts';
import { expectedCopies, isPast, lastWrite } from './checker.ts';
import type { Crew } from './crew.ts';
import type { Stage } from './stage.ts';

const settleMsMax = 90_000;

/** Runs until all checkpoints are past the last write, and the change log is drained. Answers what is wrong then. */
export async function settle(calm: Crew, stage: Stage): Promise<string[]> {
  const [source, main] = [await stage.open('source'), await stage.open('main')];
  try {
    const last = await lastWrite(source);
    for (const endAt = Date.now() + settleMsMax; Date.now() < endAt; await sleep(300)) {
      await calm.run(['sync-commission-log']);
      await calm.run(['rollup-income']);
      if (!(await isPast(main, last))) continue;
      // What a sweep and a full run find now would be a gap: the audit tells.
      await calm.run(['sync-commission-log', '--sweep']);
      await calm.run(['rollup-income', '--full']);
      return wrongCopies(main, stage.redisUrl());
    }
    return [`not all checkpoints came past the last write, ${last}, within ${settleMsMax / 1000} s`];
  } finally {
    await Promise.all([source.close(), main.close()]);
  }
}

async function wrongCopies(main: Session, redisUrl: string): Promise<string[]> {
  const redis = new Redis(redisUrl);
  try {
    const wrong: string[] = [];
    for (const [key, value] of await expectedCopies(main)) {
      const there = await redis.get(key);
      if (there !== value) wrong.push(`Redis holds ${there} in ${key}, and not ${value}`);
    }
    return wrong;
  } finally {
    redis.disconnect();
  }
}
