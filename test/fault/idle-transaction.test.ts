/** A transaction that somebody has left open holds the watermark back: it is named, and warned of when it lasts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Log, silentLog } from '../../src/platform/log.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { json, openSession } from '../support/cli-tools.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

const job = 'sync-user-extension';
let servers: TestServers;
let world: World;
let idle: Session;
let warnings: { message: string; fields: object }[];
const log: Log = {
  ...silentLog,
  warn: (message, fields = {}) => warnings.push({ message, fields }),
  with: () => log,
};

beforeAll(async () => {
  // The clocks of the server's machine are in a zone that is neither the session's nor the business zone.
  const { TZ } = process.env;
  process.env.TZ = 'America/New_York';
  servers = await startTestServers({ quickCommits: true });
  if (TZ === undefined) delete process.env.TZ;
  else process.env.TZ = TZ;
  world = await World.create(servers.addresses);
  idle = await openSession(world.settings.SOURCE_DATABASE_URL as string);
  await idle.write('SET time_zone = @@global.time_zone');
  await idle.write('START TRANSACTION');
  await idle.write(`INSERT INTO user_extension VALUES (1, 1001, 0, NULL, 'idle', 1, NOW(), NOW())`);
  await sleep(2500);
});
afterAll(async () => {
  await idle.close();
  await world.destroy();
  await servers.stop();
});
beforeEach(() => {
  warnings = [];
});

const run = (blockedWarningMs: number) => world.runShard(job, '', {}, { log, blockedWarningMs });

test('a run warns of it, with its thread and age, when it is older than the limit', async () => {
  const { error, heldBackBy } = await run(2000);
  expect(error).toBeNull();
  expect(heldBackBy).toMatchObject({ kind: 'transaction', thread: idle.facts.connectionId, user: 'tidemark' });
  expect(heldBackBy?.ageSeconds).toBeGreaterThanOrEqual(2);
  expect(heldBackBy?.ageSeconds).toBeLessThan(600);
  expect(warnings).toHaveLength(1);
  const { message, fields } = warnings[0] as (typeof warnings)[number];
  expect(message).toMatch(
    new RegExp(`thread ${idle.facts.connectionId} of tidemark has held a transaction open for \\d+ s, and is idle`),
  );
  expect(fields).toMatchObject({ next: expect.stringContaining(`KILL ${idle.facts.connectionId}`) });
});

test('a run says nothing of one that is younger, but its result names it', async () => {
  expect((await run(600_000)).heldBackBy).toMatchObject({ thread: idle.facts.connectionId });
  expect(warnings).toEqual([]);
});

test('status names its thread and age', async () => {
  const [line] = json<{ heldBackBy: { thread: number; ageSeconds: number } }[]>(
    await world.cli(['status', job, '--json']),
  );
  expect(line?.heldBackBy).toMatchObject({ kind: 'transaction', thread: idle.facts.connectionId });
  expect(line?.heldBackBy.ageSeconds).toBeGreaterThanOrEqual(2);
  expect((await world.cli(['status', job])).stdout).toMatch(
    new RegExp(`held back: thread ${idle.facts.connectionId} of tidemark has held a transaction open for \\d+ s`),
  );
});
