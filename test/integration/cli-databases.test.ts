/** The commands go through every database that a job writes; an installation without a ledger does not miss it. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { json } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true, migrated: false });
});
afterAll(() => world.destroy());

const noLedger = { LEDGER_DATABASE_URL: '' };
const shardsOf = (status: unknown) =>
  (status as { job: string; shard: string | null }[]).map(({ job, shard }) => [job, shard].join(' ').trim());

test('migrate makes the tables of both databases, each its own', async () => {
  const { code, stdout } = await world.cli(['migrate']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/applied 0007-user-income to mia_/);
  expect(stdout).toMatch(/applied 0012-bill to ledger_/);
  expect((await world.cli(['migrate'])).stdout).toBe('nothing to do: all tables are there\n');
  const tables = async (session: typeof world.main) => (await session.tuples('SHOW TABLES')).flat();
  expect(await tables(world.main)).not.toContain('bill');
  expect(await tables(world.ledger)).not.toContain('user_income');
});

describe('with a ledger', () => {
  test('status tells the shards of all jobs', async () => {
    const shards = shardsOf(json(await world.cli(['status', '--json'])));
    expect(shards).toEqual(expect.arrayContaining(['rollup-income', 'sync-commission-log 3', 'reconcile-day alipay']));
  });

  test('verify proves the journals of both', async () => {
    await world.cli(['run', 'reconcile-day', 'ledger']);
    const { shards } = json(await world.cli(['verify', '--json'])) as { shards: { job: string; shard: string }[] };
    expect(shards).toContainEqual(expect.objectContaining({ job: 'reconcile-day', shard: 'ledger', redis: 'agrees' }));
  });

  test('a checkpoint of days is set to the start of one', async () => {
    const refused = await world.cli(['checkpoint', 'reconcile-day', 'alipay', '--set', '2026-11-01T08:00:00', '--yes']);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain('is not the start of a day');
    const next = /(--set) (\S+)$/.exec(refused.stderr.trim()) as RegExpExecArray;
    expect((await world.cli(['checkpoint', 'reconcile-day', 'alipay', '--set', next[2] as string, '--yes'])).code).toBe(
      0,
    );
    expect(await world.redisCheckpoint('reconcile-day', 'alipay')).toBe('2026-10-31T16:00:00.000Z');
  });

  test('a range of days is whole', async () => {
    const { code, stderr } = await world.cli([
      'run',
      'reconcile-day',
      '--from',
      '2026-11-01',
      '--to',
      '2026-11-01T12:00:00',
    ]);
    expect(code).toBe(64);
    expect(stderr).toContain('is not the start of a day');
  });
});

describe('without a ledger', () => {
  test.each([['status'], ['verify'], ['dead-letters'], ['migrate']])('%s leaves its jobs out', async (command) => {
    const { code, stdout, stderr } = await world.cli([command], noLedger);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('reconcile-day');
  });

  test.each([
    ['run', 'reconcile-day'],
    ['status', 'reconcile-day'],
    ['verify', 'reconcile-day'],
    ['checkpoint', 'reconcile-day'],
    ['dead-letters', 'list', 'reconcile-day'],
  ])('%s %s names the setting, exit 78', async (...command) => {
    const { code, stderr } = await world.cli(command, noLedger);
    expect(code).toBe(78);
    expect(stderr).toContain('LEDGER_DATABASE_URL is missing');
  });
});

test('a ledger in the main database is as good: one list of migrations does not mind the other', async () => {
  const one = await World.create(inject('servers'), { migrated: false });
  const both = { LEDGER_DATABASE_URL: String(one.settings.MAIN_DATABASE_URL) };
  expect((await one.cli(['migrate'], both)).code).toBe(0);
  expect((await one.cli(['migrate'], both)).stdout).toBe('nothing to do: all tables are there\n');
  expect((await one.cli(['migrate'])).stdout).toBe('nothing to do: all tables are there\n');
  expect(shardsOf(json(await one.cli(['status', '--json'], both)))).toEqual(
    expect.arrayContaining(['rollup-income', 'reconcile-day ledger']),
  );
  await one.destroy();
});
