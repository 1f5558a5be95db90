/** Payouts as the check brings them to their end: its queue, its leases, its letters, through a gateway that goes wrong often. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { checkJob } from '../../jobs/check-pending-payments.ts';
import type { ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import { Ledger } from '../../src/ledger/index.ts';
import { limited } from '../../src/payments/limited.ts';
import { Payouts } from '../../src/payments/payouts.ts';
import { type GatewayWorld, gatewayWorld } from '../support/gateway.ts';
import { World } from '../support/world.ts';

let world: World;
let sandbox: GatewayWorld;
let url: string;
let lastId = 5_000_000_000_000_000_000n;
const nextId = async () => ++lastId;
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true, settings: { TIDEMARK_PROVIDER_RATE: '1000' } });
  url = String(world.settings.LEDGER_DATABASE_URL);
  const payouts = { fails: 0.2, returns: 0.2, settleMs: 10, returnMs: 10 };
  sandbox = await gatewayWorld({ seed: 3, faulty: 0.3, timeout: '200ms', payouts });
});
afterAll(async () => {
  await world.destroy();
  await sandbox.close();
});

const providers = () => [sandbox.provider('alipay'), sandbox.provider('wechat')];

async function check(): Promise<ShardResult> {
  const job = checkJob(async (_, limiter) => {
    const limitedOnes = providers().map((provider) => limited(provider, limiter));
    const payouts = await Payouts.connect({ url, providers: limitedOnes, nextId });
    return { books: [payouts.book()], close: () => payouts.close() };
  });
  const request = { kind: 'windows', range: null, dryRun: false, maxWindows: 1, waitForLock: false } as const;
  const setting = world.setting();
  const result = await runShard(job, '', crypto.randomUUID(), request, setting);
  await setting.copies.close();
  return result;
}

test('runs of the check, two at a time, bring every payout to the end that the gateway knows', async () => {
  const ledger = await Ledger.connect({ url });
  const payouts = await Payouts.connect({ url, providers: providers(), nextId });
  for (let account = 1n; account <= 60n; account++) {
    await ledger.openAccount(account);
    await ledger.recharge({ billId: await ledger.nextBillId(), accountId: account, amount: 1000n });
    const provider = account % 2n === 0n ? ('alipay' as const) : ('wechat' as const);
    const payee = provider === 'alipay' ? '2088101117955611' : 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
    const request = { accountId: account, amount: 900n, provider, payee, title: 'sales', idempotencyKey: 'first' };
    expect(await payouts.request(request)).toMatchObject({ code: 0 });
  }
  for (let round = 0; round < 40; round++) {
    for (const { error } of await Promise.all([check(), check()])) if (error !== null) throw error;
    const states = await world.ledger.tuples("SELECT 1 FROM payout WHERE state IN ('held', 'sending', 'paid')");
    if (states.length === 0) break;
    await world.ledger.write('UPDATE payout SET next_at = NOW(3) WHERE next_at IS NOT NULL');
    const paid = sandbox.gateway.book.payouts.filter(({ fate }) => fate === 'paid').length;
    if (states.length === paid && round > 10) break;
  }
  for (const { payoutId, fate } of sandbox.gateway.book.payouts)
    expect(await payouts.payout(BigInt(payoutId)), payoutId).toMatchObject({ state: fate });
  expect(sandbox.gateway.book.payouts).toHaveLength(60);
  const paid = BigInt(sandbox.gateway.book.payouts.filter(({ fate }) => fate === 'paid').length);
  expect(await world.ledger.tuples('SELECT SUM(balance), SUM(held) FROM account')).toEqual([
    [String(60_000n - 900n * paid), '0'],
  ]);
  expect(await world.ledger.tuples("SELECT reason FROM tidemark_dead_letter WHERE state = 'open'")).toEqual([]);
  await payouts.close();
  await ledger.close();
}, 120_000);
