/** check-pending-payments over orders, from the command line, the sandbox gateway at the other end. */
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { Payments } from '../../src/payments/index.ts';
import { json } from '../support/cli-tools.ts';
import { type GatewayWorld, gatewayWorld } from '../support/gateway.ts';
import { World } from '../support/world.ts';

let world: World;
let desk: GatewayWorld;
let ledger: Ledger;
let payments: Payments;
beforeAll(async () => {
  desk = await gatewayWorld();
  world = await World.create(inject('servers'), { ledger: true, settings: desk.settings });
  expect((await world.cli(['migrate'])).code).toBe(0);
  const url = String(world.settings.LEDGER_DATABASE_URL);
  ledger = await Ledger.connect({ url });
  payments = await Payments.connect({ url, providers: [desk.provider('alipay'), desk.provider('wechat')] });
});
afterAll(async () => {
  await payments.close();
  await ledger.close();
  await world.destroy();
  await desk.close();
});

const change = async (assignments: string) => {
  for (let table = 0; table < 4; table++) await world.ledger.write(`UPDATE pay_order_${table} SET ${assignments}`);
};
const run = (...more: string[]) => world.cli(['run', 'check-pending-payments', '--json', ...more]);

test('credits what is paid, keeps what is for a person as a letter, and settles it when a person has decided', async () => {
  const ids: bigint[] = [];
  for (const [account, provider] of [
    [1n, 'alipay'],
    [2n, 'wechat'],
    [3n, 'wechat'],
  ] as const) {
    await ledger.openAccount(account);
    const asked = { merchantId: account, amount: 500n, subject: 'tea', provider, expiresInSeconds: 900 };
    const answer = await payments.createOrder(asked);
    if (answer.code !== 0) throw new Error('reason' in answer ? answer.reason : '');
    desk.gateway.opens(answer.request.content);
    desk.gateway.book.pay(String(answer.order.orderId), Date.now());
    ids.push(answer.order.orderId);
  }
  desk.gateway.book.refund(String(ids[2]), 100n, Date.now());
  expect((await run()).code).toBe(0);
  expect(await ledger.balance(1n)).toMatchObject({ balance: 0n });
  await change('next_at = NOW(3)');
  const { code, stdout } = await run();
  expect(code, stdout).toBe(65);
  expect(await ledger.balance(1n)).toMatchObject({ balance: 500n });
  expect(await ledger.balance(2n)).toMatchObject({ balance: 500n });
  expect(await ledger.balance(3n)).toMatchObject({ balance: 0n });
  const letters = json<{ key: string }[]>(await world.cli(['dead-letters', 'list', '--json']));
  expect(letters).toMatchObject([{ key: `order:${ids[2]}` }]);
  const resolve = ['payments', 'resolve', String(ids[2]), '--as', 'paid', '--reason', 'case 12', '--yes'];
  expect((await world.cli(resolve)).code).toBe(0);
  expect((await run('--repair')).code).toBe(0);
  expect(await ledger.balance(3n)).toMatchObject({ balance: 500n });
});
