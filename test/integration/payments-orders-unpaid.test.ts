/** Orders that nobody has paid so far: asked about again, closed, given up; and those that a person decides. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { PaymentsWorld, paid, refunded } from '../support/payments-world.ts';
import { says } from '../support/scripted-provider.ts';

let world: PaymentsWorld;
let merchant: bigint;
let orderId: bigint;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  world.reset();
  merchant = await world.merchant();
  orderId = await world.order(merchant);
});
afterEach(async () => {
  expect(await world.flaws()).toEqual({});
});

describe('an order that is not paid', () => {
  test.each([
    ['closed, before its time', says('closed')],
    ['pending', says('pending')],
    ['unknown', says('unknown')],
    ['failed', says('failed')],
    ['not known there', says('pending', { known: false })],
  ])('is asked about again: %s', async (_, answer) => {
    world.alipay.script = () => answer;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'waiting', detail: answer.word });
    expect(await world.row(orderId)).toEqual(['pending', 0, 0]);
    expect(world.alipay.closed).not.toContain(orderId);
  });

  test.each([
    ['closed', says('closed')],
    ['not known there', says('pending', { known: false })],
  ])('is given up when it has expired and is %s', async (_, answer) => {
    await world.expire(orderId);
    world.alipay.script = () => answer;
    expect(await world.look(orderId)).toEqual({ outcome: 'settled', detail: 'closed', nextAt: null });
    expect(await world.row(orderId, 'state, next_at')).toEqual(['closed', null]);
  });

  test.each(['pending', 'failed'] as const)(
    'is closed at the provider when it has expired and is %s, and then asked about again',
    async (state) => {
      await world.expire(orderId);
      world.alipay.script = (_, isClosed) => says(isClosed ? 'closed' : state);
      expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'closed' });
      expect(world.alipay.closed).toContain(orderId);
    },
  );

  test('but at the last moment, while it was being closed, is credited', async () => {
    await world.expire(orderId);
    world.alipay.script = (_, isClosed) => (isClosed ? paid : says('pending'));
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('and not known there a moment behind its expiry is asked about once more', async () => {
    world.alipay.script = () => says('pending', { known: false });
    await world.change(orderId, 'expires_at = NOW(3) - INTERVAL 1 SECOND');
    const looked = await world.look(orderId);
    expect(looked.outcome).toBe('waiting');
    expect(Number(looked.nextAt) - Date.now()).toBeLessThan(9500);
  });

  test('of which nobody can say anything is never given up; 24 h behind its expiry a person must look', async () => {
    world.alipay.script = () => says('unknown', { word: 'timeout' });
    await world.change(orderId, 'expires_at = NOW(3) - INTERVAL 23 HOUR');
    expect(await world.look(orderId)).toMatchObject({ outcome: 'waiting' });
    await world.change(orderId, 'expires_at = NOW(3) - INTERVAL 25 HOUR');
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail: 'timeout' });
    expect(await world.row(orderId)).toEqual(['pending', 0, 0]);
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
  });

  test('of a provider that is not set up here waits', async () => {
    const payments = await world.connect({ providers: [] });
    expect(await world.look(orderId, payments)).toMatchObject({ outcome: 'waiting', detail: 'alipay is not set up' });
  });
});

describe('what a person decides', () => {
  const by = { operator: 'ann', reason: 'seen in the console' };
  const concerns = async () => (await world.payments.list('concern')).map((order) => order.orderId);

  test('is kept with the reason: paid, and credited at once', async () => {
    const answer = await world.payments.resolve({ orderId, as: 'paid', ...by });
    expect(answer).toMatchObject({ code: 0, order: { state: 'paid', isCredited: true, nextAt: null } });
    expect(await world.balance(merchant)).toBe(1000n);
    expect(
      await world.world.rows(
        `SELECT state_before, resolved_as, operator, reason FROM order_resolution WHERE order_id = ${orderId}`,
      ),
    ).toEqual([['pending', 'paid', 'ann', 'seen in the console']]);
    expect(await world.payments.book().look(orderId)).toEqual({ outcome: 'settled', detail: 'paid', nextAt: null });
  });

  test('settles what they had to look at', async () => {
    world.alipay.script = () => says('paid', { amount: 1n });
    await world.look(orderId);
    expect(await concerns()).toContain(orderId);
    await world.payments.resolve({ orderId, as: 'closed', ...by });
    expect(await world.row(orderId, 'state, concern, next_at')).toEqual(['closed', null, null]);
    expect(await concerns()).not.toContain(orderId);
  });

  test('is refused where money has moved: a paid order is not closed, a refunded one is decided', async () => {
    world.alipay.script = () => paid;
    await world.look(orderId);
    expect(await world.payments.resolve({ orderId, as: 'closed', ...by })).toMatchObject({ code: 2 });
    world.alipay.script = () => refunded;
    await world.look(orderId);
    expect(await world.payments.resolve({ orderId, as: 'paid', ...by })).toMatchObject({ code: 2 });
    expect(await world.balance(merchant)).toBe(0n);
  });

  test('needs a name and a reason', async () => {
    expect(await world.payments.resolve({ orderId, as: 'paid', operator: '', reason: 'x' })).toMatchObject({ code: 6 });
    expect(await world.payments.resolve({ orderId, as: 'paid', operator: 'x', reason: ' ' })).toMatchObject({
      code: 6,
    });
    expect(await world.payments.resolve({ orderId: 1n, as: 'paid', ...by })).toMatchObject({ code: 1 });
  });
});
