/** Payouts through both providers' own clients, to a gateway that goes wrong often: wallets and its book agree. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Payouts } from '../../src/payments/payouts.ts';
import type { Fate } from '../../src/sandbox/book.ts';
import { type GatewayWorld, gatewayWorld } from '../support/gateway.ts';
import { PayoutWorld, wealth } from '../support/payout-world.ts';

const count = Number(process.env.TIDEMARK_TEST_PAYOUTS ?? 60);

let world: PayoutWorld;
let sandbox: GatewayWorld;
let processes: Payouts[];
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
  sandbox = await gatewayWorld({ seed: 7, faulty: 0.3, timeout: '200ms', payouts });
  const providers = [sandbox.provider('alipay'), sandbox.provider('wechat')];
  processes = await Promise.all([1, 2, 3].map(() => world.payouts(world.bank, { providers })));
});
afterAll(async () => {
  await world.destroy();
  await sandbox.close();
});

const payouts = { fails: 0.2, returns: 0.2, settleMs: 30, returnMs: 100 };

/** All look at what has not ended, each at its own share and some of the others'. */
async function lookUntil(isOver: string): Promise<void> {
  for (let round = 0; round < 60; round++) {
    const open = await world.ledgers.rows(`SELECT payout_id FROM payout WHERE NOT (${isOver})`);
    if (open.length === 0) return;
    const looks = open.flatMap(([id], index) =>
      [0, index % 4 === 0 ? 1 : 0].map((more) =>
        (processes[(index + more) % 3] as Payouts).book().look(BigInt(String(id))),
      ),
    );
    await Promise.all(looks);
  }
  throw new Error('it does not come to an end');
}

test('each is paid, released or given back as the gateway knows it, to the fen, and none is sent twice', async () => {
  const wallets = new Map<bigint, bigint>();
  for (let index = 0; index < count; index++) {
    const provider = index % 2 === 0 ? ('alipay' as const) : ('wechat' as const);
    const payee = index % 2 === 0 ? '2088101117955611' : 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o';
    const taxRule = index % 3 === 0 ? ('labour-cn' as const) : ('none' as const);
    const { payoutId, accountId } = await world.held(processes[index % 3] as Payouts, { provider, payee, taxRule });
    wallets.set(payoutId, accountId);
  }
  await lookUntil("state IN ('paid', 'failed', 'returned')");
  const ended = (fate: Fate) =>
    sandbox.gateway.book.payouts.filter((one) => one.fate === fate).map((one) => one.payoutId);
  const returned = ['0', ...ended('returned')].join(', ');
  await lookUntil(`state IN ('paid', 'failed', 'returned') AND (state = 'returned') = (payout_id IN (${returned}))`);

  expect(sandbox.gateway.book.payouts.map(({ payoutId }) => payoutId).sort()).toEqual([...wallets.keys()].map(String));
  for (const { payoutId, amount, fate } of sandbox.gateway.book.payouts) {
    const payout = await processes[0]?.payout(BigInt(payoutId));
    expect(payout, payoutId).toMatchObject({ state: fate, net: amount });
    const accountId = wallets.get(BigInt(payoutId)) as bigint;
    const balance = fate === 'paid' ? wealth - (payout?.gross as bigint) : wealth;
    expect(await world.ledger.balance(accountId), payoutId).toMatchObject({ balance, held: 0n });
  }
  expect(await world.ledgers.flaws()).toEqual({});
}, 120_000);
