/**
 * An account that refuses what an order is to credit: locked by others for long, or frozen and freed over and over while
 * several processes try. A bill that was refused is dead, so another takes its place; one of them takes effect.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { Orders } from '../../src/payments/orders.ts';
import { PaymentsWorld } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';

let servers: TestServers;
let world: PaymentsWorld;
let merchant: bigint;
let orderId: bigint;
beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true }); // statements that wait would hold back other tests
  world = await PaymentsWorld.create(servers.addresses);
});
afterAll(async () => {
  await world.destroy();
  await servers.stop();
});
beforeEach(async () => {
  merchant = await world.merchant();
  orderId = await world.order(merchant);
  world.alipay.script = () => paid;
});

const paid = says('paid', { amount: 1000n });
const notice = () => noticeOf({ about: 'order', orderId, answer: paid, nonce: null });
const results = async () =>
  (await world.world.rows(`SELECT result FROM bill WHERE account_id = ${merchant} ORDER BY id`)).flat();

test('is locked: the notice is to be sent again, and the order is credited when the account is free', async () => {
  const impatient = await world.connect({ patienceMs: 1000 });
  const { session } = world.world;
  await session.write('START TRANSACTION');
  await session.tuples(`SELECT 1 FROM account WHERE account_id = ${merchant} FOR UPDATE`);
  expect(await impatient.notice('alipay', notice())).toMatchObject({ status: 500 });
  expect(await impatient.book().look(orderId)).toMatchObject({ outcome: 'waiting' });
  await session.write('ROLLBACK');
  expect(await world.row(orderId)).toEqual(['paid', 0, 0]);
  expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
  expect(await world.balance(merchant)).toBe(1000n);
  expect((await results()).filter((result) => result === 'success')).toHaveLength(1);
  expect(await world.flaws()).toEqual({});
});

test('is frozen and freed, over and over: credited once, whoever gets through', async () => {
  const processes = [world.payments, await world.connect(), await world.connect()];
  await world.payments.notice('alipay', notice());
  for (let round = 0; round < 15; round++) {
    merchant = await world.merchant();
    orderId = await world.order(merchant);
    const account = merchant;
    const flapping = (async () => {
      for (let time = 0; time < 6; time++) {
        await world.ledger.freeze(account);
        await world.ledger.unfreeze(account);
      }
    })();
    const tries = processes.flatMap((payments) => [
      payments.notice('alipay', notice()),
      payments.book().look(orderId),
      payments.notice('alipay', notice()),
    ]);
    await Promise.all([flapping, ...tries]);
    await world.look(orderId);
    expect(await world.row(orderId)).toEqual(['paid', 1, 0]);
    expect(await world.balance(account)).toBe(1000n);
    expect((await results()).filter((result) => result === 'success')).toHaveLength(1);
  }
  expect(await world.flaws()).toEqual({});
});

describe('a bill is replaced only where it can never take effect', () => {
  afterEach(() => vi.restoreAllMocks());
  const { recharge } = Ledger.prototype;

  test('one that took effect, although its caller heard a refusal, stays', async () => {
    vi.spyOn(Ledger.prototype, 'recharge').mockImplementationOnce(async function (this: Ledger, request) {
      await recharge.call(this, request);
      return { code: 5, reason: 'made by the test' };
    });
    await world.look(orderId);
    expect(await world.row(orderId)).toEqual(['paid', 0, 0]);
    await world.look(orderId);
    expect(await world.row(orderId)).toEqual(['paid', 1, 0]);
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('one that somebody has put in its place, and credited without a mark before being killed, stays', async () => {
    await world.ledger.freeze(merchant);
    vi.spyOn(Ledger.prototype, 'recharge').mockImplementationOnce(async function (this: Ledger, request) {
      const refusal = await recharge.call(this, request);
      await world.ledger.unfreeze(merchant);
      await world.look(orderId); // finds it refused, and replaces it
      vi.spyOn(Orders.prototype, 'markCredited').mockRejectedValueOnce(new Error('killed by the test'));
      await expect(world.look(orderId)).rejects.toThrow('killed');
      return refusal;
    });
    await world.payments.book().look(orderId);
    await world.look(orderId);
    expect(await world.row(orderId)).toEqual(['paid', 1, 0]);
    expect(await world.balance(merchant)).toBe(1000n);
    expect(await results()).toEqual(['failed', 'success']);
  });
});
