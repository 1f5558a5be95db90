/** fetch-statements against the sandbox gateway, and reconcile-day on what it has fetched. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Request, ShardResult } from '../../src/engine/run.ts';
import type { ProviderName } from '../../src/payments/provider.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { type GatewayWorld, gatewayWorld, orderToPay } from '../support/gateway.ts';
import { addBills } from '../support/ledger-rows.ts';
import { World } from '../support/world.ts';

const day = '2026-11-10';
const next = '2026-11-11';
const noonOf = (date: string) => Date.parse(`${date}T12:00:00+08:00`);
const names: readonly ProviderName[] = ['alipay', 'wechat'];
const endings = { alipay: 'zip', wechat: 'csv.gz' } as const;

let gateway: GatewayWorld;
let world: World;
let folder: string;
let nextBill = 900_000_000_000n;

beforeAll(async () => {
  gateway = await gatewayWorld({ timeout: '2s' });
  folder = await mkdtemp(join(tmpdir(), 'tidemark-fetched-'));
  const settings = { ...gateway.settings, TIDEMARK_STATEMENTS: folder };
  world = await World.create(inject('servers'), { ledger: true, settings });
});
afterAll(async () => {
  await world.destroy();
  await gateway.close();
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await world.ledger.write('SET SESSION foreign_key_checks = 0');
  for (const table of [
    'difference',
    'reconciliation_day',
    'tidemark_checkpoint',
    'tidemark_window',
    'tidemark_run',
    'bill',
    'account',
  ])
    await world.ledger.write(`DELETE FROM ${table}`);
  await world.ledger.write('SET SESSION foreign_key_checks = 1');
  for (const key of await world.redis.keys(`${world.settings.TIDEMARK_REDIS_PREFIX}*`)) await world.redis.del(key);
  await rm(folder, { recursive: true });
  await mkdir(folder);
  gateway.gateway.faults.forget();
  gateway.gateway.bills.isHeld = false;
});

/** A payment that both sides know of; or the provider alone. */
async function paid(name: ProviderName, date: string, isBooked = true): Promise<bigint> {
  const order = orderToPay();
  gateway.gateway.opens((await gateway.provider(name).request(order)).content);
  gateway.gateway.pays(order.orderId, noonOf(date));
  if (isBooked) await booked(name, date, String(order.orderId));
  return order.orderId;
}

async function booked(name: ProviderName, date: string, orderId: string): Promise<void> {
  const doneAt = new Date(noonOf(date)).toISOString().slice(0, 19).replace('T', ' ');
  const bill = {
    billId: ++nextBill,
    amount: 9900n,
    doneAt,
    channel: 'recharge',
    accountId: 7n,
    result: 'success',
  } as const;
  await addBills(world.ledger, [{ ...bill, provider: name, orderId, fee: null }]);
}

/** Runs a shard as if it were this time in Shanghai. */
function runAt(
  time: string,
  shard: string,
  request: Partial<Request> = {},
  job = 'fetch-statements',
): Promise<ShardResult> {
  const now = world.zone.fromText(time) as number;
  const setting = world.setting();
  const at = async (opening: Promise<Session>) => {
    const session = await opening;
    await session.write(`SET timestamp = ${now / 1000}`);
    return session;
  };
  return world.runShard(job, shard, request, {
    clock: { ...setting.clock, now: () => now },
    openTarget: (of) => at(setting.openTarget(of)),
    openDatabase: (name) => at(setting.openDatabase(name)),
  });
}

function again(time: string, shard: string): Promise<ShardResult> {
  const start = world.zone.fromText(`${day} 00:00:00`) as number;
  return runAt(time, shard, { kind: 'range', range: { start, end: world.zone.nextPeriod('day', start) } });
}

const filesOf = (name: string) => readdir(join(folder, name)).catch(() => []);
const fileOf = (name: ProviderName) => join(folder, name, `${day}.${endings[name]}`);
const billRequests = () => gateway.gateway.log.filter(({ action }) => action === 'bill').length;

describe.each(names)('the bill of a day at %s', (name) => {
  test('is fetched from ten on the next morning, and the checkpoint passes the day', async () => {
    await paid(name, day);
    expect(await runAt(`${next} 09:59:00`, name)).toMatchObject({ error: null, outcome: 'held-back' });
    expect(await filesOf(name)).toEqual([]);
    const result = await runAt(`${next} 10:00:00`, name);
    expect(result).toMatchObject({ error: null, outcome: 'done', windows: 1, inserted: 1 });
    expect(await filesOf(name)).toEqual([`${day}.${endings[name]}`]);
  });

  test('is read by reconcile-day, which finds both sides equal', async () => {
    const orders = [await paid(name, day), await paid(name, day)];
    const unknown = await paid(name, day, false);
    await runAt(`${next} 10:15:00`, name);
    const result = await runAt(`${next} 10:30:00`, name, {}, 'reconcile-day');
    expect(result).toMatchObject({ error: null, outcome: 'done', unchanged: 2 });
    const found = await world.ledger.tuples('SELECT outcome FROM difference WHERE reference IN (?)', [
      orders.map(String),
    ]);
    expect(found).toEqual([]);
    const other = await world.ledger.tuples('SELECT outcome FROM difference WHERE reference = ?', [String(unknown)]);
    expect(other).toEqual([['channel_only']]);
  });

  test('that is not made yet holds the day back, and says so', async () => {
    await paid(name, day);
    gateway.gateway.bills.isHeld = true;
    const result = await runAt(`${next} 12:00:00`, name);
    expect(result).toMatchObject({ error: null, outcome: 'held-back', windows: 0 });
    expect(result.heldBackBy?.detail).toBe(`${name} has no bill of ${day} yet`);
    gateway.gateway.bills.isHeld = false;
    expect(await runAt(`${next} 13:00:00`, name)).toMatchObject({ outcome: 'done', windows: 1 });
  });

  test('that does not come, though we know of payments, is a matter for a person', async () => {
    await paid(name, day);
    gateway.gateway.bills.isHeld = true;
    const result = await runAt(`2026-11-12 06:00:00`, name);
    expect(result.outcome).toBe('failed');
    expect(result.error).toMatchObject({
      message: `${name} has no bill of ${day}, and there are payments of that day in the ledger`,
      exitCode: 1,
    });
  });

  test('of a day on which nothing happened is noted as none, and reconcile-day takes the note', async () => {
    const empty = '2026-10-02';
    await booked(name, '2026-10-01', '1');
    const start = world.zone.fromText(`${empty} 00:00:00`) as number;
    const range = { start, end: world.zone.nextPeriod('day', start) };
    expect(await runAt('2026-10-03 12:00:00', name, { kind: 'range', range })).toMatchObject({ outcome: 'failed' });
    expect(await runAt('2026-10-04 06:00:00', name, { kind: 'range', range })).toMatchObject({
      error: null,
      outcome: 'done',
    });
    expect(await filesOf(name)).toEqual([`${empty}.none`]);
    const reconciled = await runAt('2026-10-04 06:30:00', name, { kind: 'range', range }, 'reconcile-day');
    expect(reconciled).toMatchObject({ error: null, outcome: 'done', inserted: 0 });
  });

  test('that cannot be had now fails the run, and leaves no file; the next run gets it', async () => {
    await paid(name, day);
    gateway.gateway.faults.next('late-address', 100, 'bill');
    const result = await runAt(`${next} 11:00:00`, name);
    expect(result).toMatchObject({ outcome: 'failed', windows: 0, error: { exitCode: 69 } });
    expect(await filesOf(name)).toEqual([]);
    gateway.gateway.faults.forget();
    expect(await runAt(`${next} 11:00:00`, name)).toMatchObject({ outcome: 'done', windows: 1 });
  });

  test('whose address was too late, or whose file was damaged, is asked for again', async () => {
    await paid(name, day);
    const before = billRequests();
    gateway.gateway.faults.next(name === 'alipay' ? 'late-address' : 'damaged-bill', 1, 'bill');
    expect(await runAt(`${next} 11:00:00`, name)).toMatchObject({ outcome: 'done', inserted: 1 });
    expect(billRequests() - before).toBe(2);
  });

  test('that is there already stays as it is, and nobody is asked', async () => {
    await paid(name, day);
    await mkdir(join(folder, name));
    await writeFile(fileOf(name), 'brought by a person');
    const before = billRequests();
    expect(await runAt(`${next} 11:00:00`, name)).toMatchObject({
      outcome: 'done',
      windows: 1,
      inserted: 0,
      unchanged: 1,
    });
    expect(await readFile(fileOf(name), 'utf8')).toBe('brought by a person');
    expect(billRequests()).toBe(before);
  });

  test('is fetched again with --from and --to', async () => {
    await paid(name, day);
    await runAt(`${next} 11:00:00`, name);
    const first = await readFile(fileOf(name));
    await paid(name, day);
    expect(await again(`${next} 12:00:00`, name)).toMatchObject({ error: null, outcome: 'done', updated: 1 });
    expect((await readFile(fileOf(name))).equals(first)).toBe(false);
    expect(await filesOf(name)).toEqual([`${day}.${endings[name]}`]);
  });

  test('does not come beside another file of that day', async () => {
    await paid(name, day);
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, `${day}.txt`), 'brought by a person');
    const { error } = await again(`${next} 12:00:00`, name);
    expect(error).toMatchObject({ message: `there is already ${join(folder, name, `${day}.txt`)}`, exitCode: 1 });
    expect(await filesOf(name)).toEqual([`${day}.txt`]);
  });

  test('is not written by a dry run', async () => {
    await paid(name, day);
    expect(await runAt(`${next} 11:00:00`, name, { dryRun: true })).toMatchObject({ error: null, inserted: 1 });
    expect(await filesOf(name)).toEqual([]);
  });

  test('that was renamed before the run was killed is the bill of the next run', async () => {
    await paid(name, day);
    await runAt(`${next} 11:00:00`, name);
    const { mtimeMs } = await stat(fileOf(name));
    for (const table of ['tidemark_checkpoint', 'tidemark_window']) await world.ledger.write(`DELETE FROM ${table}`);
    await world.redis.del(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:fetch-statements:${name}`);
    expect(await runAt(`${next} 11:15:00`, name)).toMatchObject({ error: null, outcome: 'done', unchanged: 1 });
    expect((await stat(fileOf(name))).mtimeMs).toBe(mtimeMs);
  });
});

test.each(names)('the program that is installed fetches from %s', async (name) => {
  const date = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
  await paid(name, date);
  const { code, stderr } = await world.cli(['run', 'fetch-statements', name]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(await filesOf(name)).toContain(`${date}.${endings[name]}`);
});

describe('settings', () => {
  test('of a provider that are missing are told by name, where the ledger has payments of it: exit 78', async () => {
    await booked('wechat', day, '1');
    const cli = await world.cli(['run', 'fetch-statements', 'wechat'], {
      TIDEMARK_WECHAT_SECRET: '',
      TIDEMARK_WECHAT_APP_ID: '',
    });
    expect(cli.code).toBe(78);
    expect(cli.stderr).toContain(
      'WeChat Pay cannot be asked: TIDEMARK_WECHAT_APP_ID, TIDEMARK_WECHAT_SECRET are missing',
    );
  });

  test('of no provider: nothing is due', async () => {
    const none = Object.fromEntries(Object.keys(gateway.settings).map((name) => [name, '']));
    expect(await world.cli(['run', 'fetch-statements'], none)).toMatchObject({ code: 0, stderr: '' });
  });

  test('without a folder: exit 78', async () => {
    await paid('alipay', day);
    const cli = await world.cli(['run', 'fetch-statements', 'alipay'], { TIDEMARK_STATEMENTS: '' });
    expect(cli).toMatchObject({ code: 78, stderr: expect.stringContaining('TIDEMARK_STATEMENTS is missing') });
  });
});
