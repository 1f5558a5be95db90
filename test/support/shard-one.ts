/**
 * Shard 1 of the commission log on servers of its own, a new world for each test, and what tests of disagreements ask of
 * it. Importing it starts and stops the servers.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import type { Log } from '../../src/platform/log.ts';
import { json } from './cli-tools.ts';
import { startTestServers, type TestServers } from './servers.ts';
import { World } from './world.ts';

export const job = 'sync-commission-log';
export const [day, ten, eleven, noon, one] = [
  '2026-11-18',
  '2026-11-18 10:00:00',
  '2026-11-18 11:00:00',
  '2026-11-18 12:00:00',
  '2026-11-18 13:00:00',
] as const;
export let servers: TestServers;
export let world: World;
/** What the runs of a test have warned of so far; empty it with `length = 0`. */
export const warnings: string[] = [];
export const log: Log = {
  error: () => undefined,
  warn: (message) => warnings.push(message),
  info: () => undefined,
  debug: () => undefined,
  with: () => log,
};

beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true });
});
afterAll(() => servers.stop());
beforeEach(async () => {
  warnings.length = 0;
  world = await World.create(servers.addresses);
});
afterEach(() => world.destroy());

/** Runs shard 1 in this process; its warnings are kept. */
export const sync = (request: Partial<Request> = {}, more: Partial<Setting> = {}) =>
  world.runShard(job, '1', request, { log, ...more });
export const fine = async (running: Promise<ShardResult>) => {
  const result = await running;
  expect(result.error).toBeNull();
  return result;
};
export const checkpoint = async () =>
  (
    await world.main.tuples('SELECT checkpoint FROM tidemark_checkpoint WHERE job = ? AND shard = ?', [job, '1'])
  )[0]?.[0];
export const inRedis = () => world.redisCheckpoint(job, '1');
export const utcOf = (text: unknown) => new Date(world.zone.fromText(String(text)) as number).toISOString();
export const putInRedis = (text: string) =>
  world.redis.set(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}:1`, text);
export const expectCopied = async () =>
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
export const expectTiling = async () =>
  expect(json(await world.cli(['verify', job, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
/** A source whose clock stands at this time, so that the checkpoint does, too. */
export const openedAt = (text: string): Partial<Setting> => ({
  openSource: async () => {
    const session = await world.setting().openSource();
    await session.write(`SET timestamp = ${(world.zone.fromText(text) as number) / 1000}`);
    return session;
  },
});

/** Two rows applied, the checkpoint at half past eleven, and a third row that came since. */
export async function between(): Promise<void> {
  await world.addCommission({ id: 1, created: ten }, { id: 2, created: eleven });
  await fine(sync({}, openedAt('2026-11-18 11:30:01')));
  expect(await checkpoint()).toBe('2026-11-18 11:30:00');
  await world.addCommission({ id: 3, created: noon });
}
