/**
 * The limiter as a provider sees it: three processes against a server that notes when each request came.
 *
 * Seconds in the suite; `TIDEMARK_TEST_SECONDS=60` makes it last that long, and prints the figures.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Limiter } from '../../src/payments/limiter.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { RedisLink } from '../../src/platform/redis.ts';
import { averageMin, mostInASecond } from '../support/seconds.ts';
import { redisUrl, startTestServers, type TestServers } from '../support/servers.ts';

const seconds = Number(process.env.TIDEMARK_TEST_SECONDS ?? 5);
const program = fileURLToPath(new URL('../support/limited-caller.ts', import.meta.url));

describe('the limiter', () => {
  let servers: TestServers;
  let gateway: Server;
  let arrivals: number[];
  let callers: ChildProcess[];
  let prefix: string;
  beforeEach(async () => {
    servers = await startTestServers({ quickCommits: true });
    prefix = `${randomBytes(5).toString('hex')}:`;
    [arrivals, callers] = [[], []];
    gateway = createServer((_, response) => {
      arrivals.push(performance.now());
      setTimeout(() => response.end(), 30);
    });
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    for (const caller of callers) caller.kill('SIGKILL');
    gateway.close();
    gateway.closeAllConnections();
    await servers.stop();
  });

  function startCallers(count: number, rate: number): void {
    const address = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/`;
    for (let index = 0; index < count; index++) {
      const argv = ['--import', 'tsx', program, address, redisUrl(servers.addresses), prefix, String(rate)];
      callers.push(spawn(process.execPath, argv, { stdio: ['pipe', 'inherit', 'inherit'] }));
    }
  }

  const arrived = async (count: number) => {
    while (arrivals.length < count) await sleep(20);
  };

  function tell(what: string, figures: object): void {
    if (process.env.TIDEMARK_TEST_SECONDS !== undefined) process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`);
  }

  test('lets three processes send at most 100 requests in any second, and nearly as many on average', async () => {
    startCallers(3, 100);
    await arrived(300); // all are there
    const [from, before] = [performance.now(), arrivals.length];
    await sleep(seconds * 1000);
    const average = (arrivals.length - before) / ((performance.now() - from) / 1000);
    tell('three processes', { average, most: mostInASecond(arrivals) });
    expect(mostInASecond(arrivals)).toBeLessThanOrEqual(100);
    expect(average).toBeGreaterThanOrEqual(averageMin);
  });

  test('lets no second have more while Redis loses everything, and is restarted', async () => {
    startCallers(3, 100);
    await arrived(150);
    const redis = new Redis(redisUrl(servers.addresses)).on('error', () => undefined);
    for (let round = 0; round < 3; round++) {
      await redis.flushall();
      await sleep(1300 + round * 100);
    }
    redis.disconnect();
    await servers.restartRedis();
    const before = arrivals.length;
    await arrived(before + 150); // and they go on by themselves
    tell('flushed and restarted', { most: mostInASecond(arrivals) });
    expect(mostInASecond(arrivals)).toBeLessThanOrEqual(100);
  });

  test('lets no second have more when processes are stopped and go on', async () => {
    startCallers(3, 100);
    await arrived(150);
    for (let round = 0; round < 6; round++) {
      const caller = callers[round % 3] as ChildProcess;
      caller.kill('SIGSTOP');
      await sleep(137 * (round + 1));
      caller.kill('SIGCONT');
      await sleep(200);
    }
    tell('stopped and continued', { most: mostInASecond(arrivals) });
    expect(mostInASecond(arrivals)).toBeLessThanOrEqual(100);
  });

  test('keeps a low rate exactly, across a flush too', async () => {
    startCallers(2, 3);
    await arrived(5);
    const redis = new Redis(redisUrl(servers.addresses));
    await redis.flushall();
    redis.disconnect();
    await arrived(12);
    expect(mostInASecond(arrivals)).toBeLessThanOrEqual(3);
  });

  test.each([
    ['something else', 'a list'],
    ['what is no grant', 'soon'],
    ['grants of a time to come', 'a set'],
  ])('goes on after a second when the key holds %s', async (_, value) => {
    const url = redisUrl(servers.addresses);
    const redis = new Redis(url);
    if (value === 'a list') await redis.lpush(`${prefix}rate:alipay`, 'x');
    else if (value === 'a set') await redis.zadd(`${prefix}rate:alipay`, Date.now() * 1000 + 3_600_000_000, 'x');
    else await redis.set(`${prefix}rate:alipay`, value);
    redis.disconnect();
    const link = new RedisLink(url);
    const limiter = new Limiter({ link, prefix, perSecond: 100 });
    const asked = performance.now();
    await limiter.leave('alipay');
    const waited = performance.now() - asked;
    link.close();
    expect(waited).toBeGreaterThan(1000);
    expect(waited).toBeLessThan(3000);
  });

  test('gives no leave without Redis, and says so within seconds', async () => {
    await servers.killRedis();
    const link = new RedisLink(redisUrl(servers.addresses));
    const limiter = new Limiter({ link, prefix, perSecond: 100 });
    await expect(limiter.leave('alipay')).rejects.toThrow(UnavailableError);
    await expect(limiter.leave('alipay')).rejects.toThrow(/Redis at 127\.0\.0\.1:\d+ cannot be reached/);
    link.close();
  });
});
