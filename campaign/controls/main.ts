/**
 * A control as a process: `control <name>`. It does its part again and again for some seconds, like a job that
 * cron starts with a loop in it, and ends with 1 at the first error.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { openAsApplication } from '../sessions.ts';
import { accountBeforeBill } from './account-before-bill.ts';
import { balanceWrittenBack } from './balance-written-back.ts';
import { fixedLag, untilNow } from './fixed-lag.ts';
import { incomeByUpdateTime } from './income-by-update-time.ts';
import type { ControlName } from './list.ts';
import type { Control } from './naive.ts';
import { newBillId } from './new-bill-id.ts';
import { noLock } from './no-lock.ts';
import { redisCheckpoint } from './redis-checkpoint.ts';

const passes: Readonly<Record<ControlName, Control>> = {
  'redis-checkpoint': redisCheckpoint,
  'no-lock': noLock,
  now: untilNow,
  'fixed-lag': fixedLag,
  'income-by-update-time': incomeByUpdateTime,
  'balance-written-back': balanceWrittenBack,
  'account-before-bill': accountBeforeBill,
  'new-bill-id': newBillId,
};

const { CONTROL_SOURCE, CONTROL_TARGET, CONTROL_REDIS, CONTROL_SHARDS, CONTROL_LAG, CONTROL_MS } = process.env;

async function main(name: ControlName): Promise<void> {
  const redis = new Redis(String(CONTROL_REDIS), { maxRetriesPerRequest: 0, retryStrategy: () => null });
  redis.on('error', () => undefined);
  const naive = {
    source: await openAsApplication(String(CONTROL_SOURCE)),
    target: await openAsApplication(String(CONTROL_TARGET)),
    targetUrl: String(CONTROL_TARGET),
    redis,
    shards: String(CONTROL_SHARDS).split(','),
    lagSeconds: Number(CONTROL_LAG),
  };
  const endAt = Date.now() + Number(CONTROL_MS);
  do {
    await passes[name](naive);
    await sleep(100);
  } while (Date.now() < endAt);
}

main(process.argv[2] as ControlName).then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error}\n`);
    process.exit(1);
  },
);
