/** The check of what is due, in one process: a run's course, its letters, its queue. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { checkJob } from '../../jobs/check-pending-payments.ts';
import type { Job } from '../../src/engine/job.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import type { Cell, Session } from '../../src/platform/mysql.ts';
import { until } from '../support/cli-tools.ts';
import { intercepted } from '../support/intercept.ts';
import { addThings, createThings, Gateway, openThings, type Word } from '../support/thing-book.ts';
import { World } from '../support/world.ts';

let world: World;
let gateway: Gateway;
beforeEach(async () => {
  world = await World.create(inject('servers'), { ledger: true, settings: { TIDEMARK_PROVIDER_RATE: '1000' } });
  await createThings(world.ledger);
  gateway = await Gateway.start();
});
afterEach(async () => {
  await gateway.stop();
  await world.destroy();
});

async function check(request: Partial<Request> = {}, more: Partial<Setting> = {}): Promise<ShardResult> {
  const job = checkJob(async (setting, limiter) => {
    const { book, close } = openThings({
      url: setting('LEDGER_DATABASE_URL') as string,
      gateway: gateway.address,
      limiter,
    });
    return { books: [book], close };
  });
  const plain = {
    kind: 'windows',
    range: null,
    dryRun: false,
    maxWindows: Number.POSITIVE_INFINITY,
    waitForLock: false,
  } as const;
  const setting = world.setting(more);
  const result = await runShard(job, '', crypto.randomUUID(), { ...plain, ...request }, setting);
  await setting.copies.close();
  return result;
}

const rows = (sql: string): Promise<Cell[][]> => world.ledger.tuples(sql);
const dueNow = async () => Number((await rows('SELECT COUNT(*) FROM thing WHERE next_at <= NOW(3)'))[0]?.[0]);
const letters = () => rows('SELECT row_key, reason, state, content FROM tidemark_dead_letter ORDER BY id');
const queue = (provider = 'alipay') => `${world.settings.TIDEMARK_REDIS_PREFIX}due:${provider}`;

test('asks once about everything that is due, and about nothing else', async () => {
  await addThings(world.ledger, { count: 150 });
  await addThings(world.ledger, { from: 1001, count: 10, provider: 'wechat' });
  await addThings(world.ledger, { from: 5001, count: 5, dueMs: -30_000 });
  expect(await check()).toMatchObject({ outcome: 'done', error: null, read: 160, updated: 160, deadLetters: 0 });
  expect(await dueNow()).toBe(0);
  expect(new Set(gateway.asked.map(({ id }) => id)).size).toBe(160);
  expect(gateway.asked).toHaveLength(160);
});

test('asks about the oldest first', async () => {
  await addThings(world.ledger, { count: 400 });
  await check();
  const places = gateway.asked.map(({ id }, place) => Math.abs(id - 1 - place));
  expect(Math.max(...places)).toBeLessThan(100); // as many as are under way at once
});

test('finds nothing due, says so, and is recorded', async () => {
  expect(await check()).toMatchObject({ outcome: 'nothing-due', read: 0 });
  expect(await rows('SELECT job, shard, kind, outcome, windows FROM tidemark_run')).toEqual([
    ['check-pending-payments', '', 'due', 'nothing-due', '0'],
  ]);
});

test('keeps no checkpoint and no journal', async () => {
  await addThings(world.ledger, { count: 3 });
  await check();
  expect(await rows('SELECT job FROM tidemark_checkpoint UNION SELECT job FROM tidemark_window')).toEqual([]);
});

test('what is stuck becomes a dead letter with its content, told once', async () => {
  await addThings(world.ledger, { count: 2 });
  gateway.answer = (id) => (id === 1 ? 'stuck' : 'ended');
  expect(await check()).toMatchObject({ outcome: 'dead-letters', deadLetters: 1, lettersWaiting: 1 });
  await world.ledger.write('UPDATE thing SET next_at = NOW(3) WHERE id = 1');
  expect(await check()).toMatchObject({ outcome: 'dead-letters', deadLetters: 0, lettersWaiting: 1 });
  const [letter] = await letters();
  expect(letter?.slice(0, 3)).toEqual(['order:1', 'the gateway says stuck', 'open']);
  expect(JSON.parse(String(letter?.[3]))).toEqual({ order: '1', provider: 'alipay', detail: 'the gateway says stuck' });
});

test('a letter is closed when its thing is looked at and is stuck no more', async () => {
  await addThings(world.ledger, {});
  gateway.answer = () => 'stuck';
  await check();
  gateway.answer = () => 'later';
  await world.ledger.write('UPDATE thing SET next_at = NOW(3)');
  expect(await check()).toMatchObject({ outcome: 'done', lettersWaiting: 0 });
});

test('a letter is closed when its thing has ended without a look', async () => {
  await addThings(world.ledger, {});
  gateway.answer = () => 'stuck';
  await check();
  await world.ledger.write('UPDATE thing SET next_at = NULL');
  expect(await check()).toMatchObject({ outcome: 'nothing-due', lettersWaiting: 0 });
  expect(gateway.asked).toHaveLength(1);
});

test('a repair asks about what letters name, although it is not due, and about nothing else', async () => {
  await addThings(world.ledger, {});
  gateway.answer = () => 'stuck';
  await check();
  await addThings(world.ledger, { from: 2, count: 3 });
  gateway.answer = () => 'ended';
  expect(await check({ kind: 'repair' })).toMatchObject({ outcome: 'done', read: 1, lettersWaiting: 0 });
  expect(gateway.asked.map(({ id }) => id)).toEqual([1, 1]);
});

test('a repair leaves alone what another process may have in hand', async () => {
  await addThings(world.ledger, {});
  gateway.answer = () => 'stuck';
  await check();
  await world.ledger.write('UPDATE thing SET next_at = NOW(3) + INTERVAL 60 SECOND');
  expect(await check({ kind: 'repair' })).toMatchObject({ outcome: 'dead-letters', read: 0, lettersWaiting: 1 });
  expect(await rows('SELECT repairs FROM tidemark_dead_letter')).toEqual([[0]]);
});

test('a repair that is broken off before it has noted why is counted', async () => {
  await addThings(world.ledger, {});
  gateway.answer = () => 'stuck';
  await check();
  const open = world.setting().openTarget;
  const openTarget = async (of: Job) =>
    intercepted(await open(of), (sql) => {
      if (sql.startsWith('INSERT INTO tidemark_dead_letter')) throw new Error('made by the test');
    });
  expect(await check({ kind: 'repair' }, { openTarget })).toMatchObject({ outcome: 'failed' });
  expect(await rows('SELECT repairs FROM tidemark_dead_letter')).toEqual([[1]]);
});

test('a repair of one letter asks about that one, and counts where it is stuck still', async () => {
  await addThings(world.ledger, { count: 2 });
  gateway.answer = () => 'stuck';
  await check();
  const [[id] = []] = await rows(`SELECT id FROM tidemark_dead_letter WHERE row_key = 'order:2'`);
  const repair = { kind: 'repair', letters: new Set([Number(id)]) } as const;
  expect(await check(repair)).toMatchObject({ outcome: 'dead-letters', read: 1, lettersWaiting: 1 });
  expect(await rows('SELECT row_key, repairs FROM tidemark_dead_letter ORDER BY row_key')).toEqual([
    ['order:1', 0],
    ['order:2', 1],
  ]);
  gateway.answer = () => 'ended';
  expect(await check(repair)).toMatchObject({ outcome: 'done', read: 1, lettersWaiting: 0 });
  expect((await letters()).map(([key, , state]) => [key, state]).sort()).toEqual([
    ['order:1', 'open'],
    ['order:2', 'resolved'],
  ]);
});

test('a look that fails is a dead letter, and the others go on', async () => {
  await addThings(world.ledger, { count: 30 });
  gateway.answer = (id) => (id === 7 ? ('rubbish' as 'ended') : 'ended');
  expect(await check()).toMatchObject({ outcome: 'dead-letters', error: null, updated: 29, deadLetters: 1 });
  expect((await letters())[0]?.slice(0, 2)).toEqual(['order:7', 'looking at it failed: the gateway says rubbish']);
});

test('looks that all fail end the run with their error, and not with a letter for each', async () => {
  await addThings(world.ledger, { count: 2000 });
  gateway.answer = () => 'rubbish' as 'ended';
  const { outcome, error, deadLetters } = await check();
  expect({ outcome, message: (error as Error).message }).toEqual({
    outcome: 'failed',
    message: 'the gateway says rubbish',
  });
  expect(deadLetters).toBeLessThan(150);
});

test('a dry run counts what is due, and changes nothing', async () => {
  await addThings(world.ledger, { count: 12, dueMs: 60_000 });
  const before = await rows('SELECT * FROM thing');
  const result = await check({ dryRun: true });
  expect(result).toMatchObject({ outcome: 'done', read: 12 });
  expect(result.totals.get('orders')).toMatchObject({ due: 12 });
  expect(await rows('SELECT * FROM thing')).toEqual(before);
  expect(await rows('SELECT run_id FROM tidemark_run')).toEqual([]);
  expect(await world.redis.keys(`${world.settings.TIDEMARK_REDIS_PREFIX}*`)).toEqual([]);
});

test('a slow provider does not hold up the other', async () => {
  await addThings(world.ledger, { count: 300 });
  await addThings(world.ledger, { from: 1001, count: 300, provider: 'wechat', dueMs: 100_000 });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  gateway.answer = async (id): Promise<Word> => {
    if (id <= 1000) await released;
    return 'ended';
  };
  const running = check();
  const of = (provider: string) => gateway.asked.filter((one) => one.provider === provider);
  await until(async () => of('wechat').length === 300);
  expect(of('alipay').length).toBeLessThanOrEqual(80); // at once
  release();
  expect(await running).toMatchObject({ outcome: 'done', updated: 600 });
});

test('told to stop, it ends what it has in hand and begins nothing more', async () => {
  await addThings(world.ledger, { count: 1000 });
  const soon = new AbortController();
  gateway.answer = () => {
    if (gateway.asked.length === 50) soon.abort();
    return 'ended';
  };
  const { outcome, updated } = await check({}, { halt: { soon: soon.signal, now: new AbortController().signal } });
  expect(outcome).toBe('interrupted');
  expect(updated).toBe(gateway.asked.length);
  expect(updated).toBeLessThan(200);
  expect(await dueNow()).toBe(1000 - updated);
});

test('told to drop everything, it comes back at once, and what it had in hand is due when the lease is over', async () => {
  await addThings(world.ledger, { count: 5 });
  const [soon, now] = [new AbortController(), new AbortController()];
  gateway.answer = () => {
    soon.abort();
    now.abort();
    return new Promise<'ended'>(() => undefined);
  };
  const { outcome, error } = await check({}, { halt: { soon: soon.signal, now: now.signal } });
  expect({ outcome, error }).toEqual({ outcome: 'interrupted', error: null });
  expect(await dueNow()).toBe(0);
  await world.ledger.write('UPDATE thing SET next_at = next_at - INTERVAL 121 SECOND');
  gateway.answer = () => 'ended';
  await check();
  expect(await rows('SELECT id FROM thing WHERE next_at IS NOT NULL')).toEqual([]);
});

test('goes by the tables when the queue is lost in the middle of a run', async () => {
  await addThings(world.ledger, { count: 500 });
  gateway.answer = async (): Promise<Word> => {
    if (gateway.asked.length % 100 === 50) await world.redis.del(queue());
    return 'ended';
  };
  expect(await check()).toMatchObject({ outcome: 'done', updated: 500 });
  expect(gateway.askedTwiceAtOnce).toEqual([]);
  expect(gateway.asked).toHaveLength(500);
});

test.each([
  ['rubbish', async () => world.redis.zadd(queue(), 1, 'rubbish', 2, 'order:0', 3, 'order:18446744073709551616')],
  ['what is not in the table', async () => world.redis.zadd(queue(), 1, 'order:99', 2, 'payout:3')],
  ['what is not due', async () => world.redis.zadd(queue(), 1, 'order:77')],
  ['everything far too late', async () => world.redis.zadd(queue(), 9e15, '*', 9e15, 'order:1', 9e15, 'order:2')],
  ['another kind of value', async () => world.redis.set(queue(), 'x')],
])('goes by the tables when the queue holds %s', async (_, spoil) => {
  await addThings(world.ledger, { count: 20 });
  await addThings(world.ledger, { from: 77, dueMs: -200_000 });
  await spoil();
  expect(await check()).toMatchObject({ outcome: 'done', updated: 20, error: null });
  expect(gateway.asked.map(({ id }) => id)).not.toContain(77);
  expect(gateway.asked).toHaveLength(20);
});

test('a run that was told to drop everything leaves no connection behind, whatever what it has dropped does then', async () => {
  await addThings(world.ledger, { count: 1 });
  const [soon, now] = [new AbortController(), new AbortController()];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let isAsked = false;
  gateway.answer = async (): Promise<Word> => {
    isAsked = true;
    await released;
    return 'stuck';
  };
  const opened: Session[] = [];
  const setting = world.setting();
  const running = check(
    {},
    {
      halt: { soon: soon.signal, now: now.signal },
      openTarget: async (job) => {
        const session = await setting.openTarget(job);
        opened.push(session);
        return session;
      },
    },
  );
  await until(async () => isAsked);
  soon.abort();
  now.abort();
  expect(await running).toMatchObject({ outcome: 'interrupted' });
  const whenItEnded = opened.length;
  release();
  await sleep(1500);
  expect(opened.map(({ lost }) => lost)).toEqual(Array(whenItEnded).fill(true));
});
