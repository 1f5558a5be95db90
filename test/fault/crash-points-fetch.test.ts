/** Runs of fetch-statements, broken at every statement and every Redis command: the day is taken once, and its file is whole. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { describeScenes } from '../support/crash-scenes.ts';
import { gatewayWorld, orderToPay } from '../support/gateway.ts';
import { addBills } from '../support/ledger-rows.ts';
import type { World } from '../support/world.ts';

const job = 'fetch-statements';
const [monday, tuesday] = ['2026-01-05', '2026-01-06'];
const folder = await mkdtemp(join(tmpdir(), 'tidemark-crash-'));
const gateway = await gatewayWorld({ timeout: '10s' });
afterAll(async () => {
  await gateway.close();
  await rm(folder, { recursive: true });
});

const order = orderToPay();
await gateway.provider('wechat').request(order);
gateway.gateway.pays(order.orderId, Date.parse(`${monday}T12:00:00+08:00`));

const paid = (world: World) =>
  addBills(world.ledger, [
    {
      billId: 71n,
      amount: 9900n,
      doneAt: `${monday} 04:00:00`,
      channel: 'recharge',
      accountId: 7n,
      result: 'success',
      provider: 'wechat',
      orderId: String(order.orderId),
      fee: null,
    },
  ]);

const usual = {
  job,
  ledger: true,
  shard: 'wechat',
  clock: `${tuesday} 10:15:00`,
  settings: { ...gateway.settings, TIDEMARK_STATEMENTS: folder },
  prepare: paid,
  commits: 2,
  pointsMin: 20,
} as const;

describeScenes([
  {
    ...usual,
    name: 'a day that is due, whose file is left by a run that was broken',
    request: {},
    journalCounts: `CONCAT('read ', rows_read)`,
    leaves: [/^tidemark_window: .*2026-01-05/],
  },
  {
    ...usual,
    name: 'a day once more, with --from and --to',
    request: {
      kind: 'range',
      range: { start: Date.parse(`${monday}T00:00:00+08:00`), end: Date.parse(`${tuesday}T00:00:00+08:00`) },
    },
    commits: 1,
    leaves: [],
  },
]);

test('of all these runs one file is left, and it is whole', () => {
  expect(readdirSync(join(folder, 'wechat'))).toEqual([`${monday}.csv.gz`]);
  const text = gunzipSync(readFileSync(join(folder, 'wechat', `${monday}.csv.gz`))).toString();
  expect(text).toContain(`\`${order.orderId}`);
});
