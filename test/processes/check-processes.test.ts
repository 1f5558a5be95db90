/**
 * The check in processes of its own, killed and cut off.
 *
 * Seconds in the suite; `TIDEMARK_TEST_SECONDS=60` makes the load last that long, with 100,000 due, and prints its figures.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { averageMin, mostInASecond } from '../support/seconds.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { addThings, createThings, Gateway, type Word } from '../support/thing-book.ts';
import { World } from '../support/world.ts';

const seconds = Number(process.env.TIDEMARK_TEST_SECONDS ?? 8);
const program = fileURLToPath(new URL('../support/thing-cli.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Run {
  readonly process: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

describe('the check', () => {
  let servers: TestServers;
  let world: World;
  let gateway: Gateway;
  let runs: Run[];
  beforeEach(async () => {
    servers = await startTestServers({ quickCommits: true });
    world = await World.create(servers.addresses, { ledger: true });
    await createThings(world.ledger);
    gateway = await Gateway.start();
    runs = [];
  });
  afterEach(async () => {
    for (const run of runs) run.process.kill('SIGKILL');
    await gateway.stop();
    await world.destroy().catch(() => undefined); // some tests leave no server
    await servers.stop();
  });

  function start(options: readonly string[] = []): Run {
    const child = spawn(process.execPath, ['--import', 'tsx', program, 'run', 'check-pending-payments', ...options], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        ...world.settings,
        THING_GATEWAY: gateway.address,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve) =>
      child.once('close', (code) => resolve({ code, stderr })),
    );
    const run = { process: child, ended };
    runs.push(run);
    return run;
  }

  const count = async (condition: string) =>
    Number((await world.ledger.tuples(`SELECT COUNT(*) FROM thing WHERE ${condition}`))[0]?.[0]);
  const asked = async (many: number) => {
    while (gateway.asked.length < many) await sleep(20); // or the test takes too long
  };
  /** As if the leases of all that was in hand were over. */
  const passLeases = () =>
    world.ledger.write('UPDATE thing SET next_at = next_at - INTERVAL 121 SECOND WHERE next_at > NOW(3)');

  test('in three processes asks as often as it may, and about nothing twice', async () => {
    const isLong = process.env.TIDEMARK_TEST_SECONDS !== undefined;
    await addThings(world.ledger, { count: isLong ? 100_000 : 10_000 });
    gateway.answer = async (): Promise<Word> => {
      await sleep(30 + Math.random() * 100);
      return 'ended';
    };
    for (let index = 0; index < 3; index++) start();
    await asked(300);
    const [from, before] = [performance.now(), gateway.asked.length];
    await sleep(seconds * 1000);
    const average = (gateway.asked.length - before) / ((performance.now() - from) / 1000);
    for (const run of runs) run.process.kill('SIGTERM');
    const codes = await Promise.all(runs.map(({ ended }) => ended));
    const most = mostInASecond(gateway.asked.map((one) => one.from));
    const takes = await count('takes > 1');
    if (isLong) process.stdout.write(`${JSON.stringify({ average, most, takes, asked: gateway.asked.length })}\n`);
    expect(codes).toEqual(Array(3).fill({ code: 143, stderr: '' }));
    expect(most).toBeLessThanOrEqual(100);
    expect(average).toBeGreaterThanOrEqual(averageMin);
    expect(new Set(gateway.asked.map(({ id }) => id)).size).toBe(gateway.asked.length);
    expect(await count('next_at IS NULL')).toBe(gateway.asked.length);
  }, 240_000);

  test('killed over and over, with Redis flushed, asks about everything until it has ended, and never twice at once', async () => {
    await addThings(world.ledger, { count: 500 });
    gateway.answer = async (): Promise<Word> => {
      await sleep(100);
      return 'ended';
    };
    for (let round = 0; (await count('answers = 0')) > 100; round++) {
      const running = [start(), start(), start()];
      await asked(gateway.asked.length + 60);
      await sleep(300);
      if (round < 2) await world.redis.flushall();
      for (const run of running) run.process.kill('SIGKILL');
      await Promise.all(running.map(({ ended }) => ended));
      await passLeases();
    }
    expect((await start().ended).code).toBe(0);
    expect(await count('next_at IS NOT NULL OR answers = 0')).toBe(0);
    expect(gateway.askedTwiceAtOnce).toEqual([]);
  }, 240_000);

  test('without Redis ends with 69, its letters kept, and says what to do', async () => {
    await addThings(world.ledger, { count: 1000 });
    gateway.answer = (id) => (id === 3 ? 'stuck' : 'ended');
    const run = start();
    await asked(50);
    await servers.killRedis();
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(69);
    expect(stderr).toMatch(/Redis at 127\.0\.0\.1:\d+ cannot be reached.*Next: check REDIS_URL/);
    const letters = await world.ledger.tuples('SELECT row_key, state FROM tidemark_dead_letter');
    expect(letters).toEqual([['order:3', 'open']]);
    const [[outcome]] = (await world.ledger.tuples('SELECT outcome FROM tidemark_run')) as [[string]];
    expect(outcome).toBe('failed');
  });

  test('survives a restart of Redis', async () => {
    await addThings(world.ledger, { count: 400 });
    const run = start();
    await asked(50);
    await servers.restartRedis();
    expect(await run.ended).toEqual({ code: 0, stderr: '' });
    expect(await count('next_at IS NOT NULL')).toBe(0);
    expect(mostInASecond(gateway.asked.map((one) => one.from))).toBeLessThanOrEqual(100);
  });

  test('without the database ends with 69', async () => {
    await addThings(world.ledger, { count: 1000 });
    const run = start();
    await asked(50);
    await servers.killMariadb();
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(69);
  }, 240_000);

  test('with --for ends in time although more is due, and the next one goes on', async () => {
    await addThings(world.ledger, { count: 3000 });
    const startedAt = performance.now();
    const options = ['--every', '1s', '--for', '3s'];
    expect(await start(options).ended).toEqual({ code: 0, stderr: '' });
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    const before = gateway.asked.length;
    expect(before).toBeGreaterThan(50);
    await start(options).ended;
    expect(gateway.asked.length).toBeGreaterThan(before);
    expect(gateway.askedTwiceAtOnce).toEqual([]);
  });
});
