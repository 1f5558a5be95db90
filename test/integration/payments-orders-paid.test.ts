/** Orders that are paid, and refunded: what is credited and given back, once, by what a provider says. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { PaymentsWorld, paid, refunded } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';

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

describe('an order that is paid', () => {
  test('is credited once a query says so, and asked about no more', async () => {
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toEqual({ outcome: 'settled', detail: 'paid', nextAt: null });
    expect(await world.balance(merchant)).toBe(1000n);
    expect(await world.payments.order(orderId)).toMatchObject({
      order: {
        state: 'paid',
        isCredited: true,
        nextAt: null,
        providerId: 'A17',
        word: 'TRADE_SUCCESS',
        paidAt: Date.UTC(2026, 10, 20),
      },
    });
    expect(
      await world.world.rows(`SELECT provider, order_id, caller FROM bill WHERE account_id = ${merchant}`),
    ).toEqual([['alipay', String(orderId), 'payments']]);
  });

  test('of another amount moves nothing: a person must look', async () => {
    world.alipay.script = () => says('paid', { amount: 999n });
    await world.expire(orderId);
    const looked = await world.look(orderId);
    expect(looked).toMatchObject({ outcome: 'stuck', detail: 'PAID: 999 fen were paid, and the order is of 1000' });
    expect(await world.row(orderId)).toEqual(['pending', 0, 0]);
    expect(await world.balance(merchant)).toBe(0n);
    expect(Number(looked.nextAt) - Date.now()).toBeGreaterThan(5 * 3_600_000);
  });

  test('of an amount that is not told moves nothing, and is asked about again', async () => {
    world.alipay.script = () => says('paid');
    expect(await world.look(orderId)).toMatchObject({ outcome: 'waiting' });
    expect(await world.balance(merchant)).toBe(0n);
  });

  test('after it was given up is credited all the same, and asked about once more', async () => {
    world.alipay.script = () => says('closed');
    await world.expire(orderId);
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'closed' });
    await world.payments.notice('alipay', noticeOf({ about: 'order', orderId, answer: paid, nonce: null }));
    expect(await world.balance(merchant)).toBe(1000n);
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
  });

  test('is credited once by ten at once, from three processes, by notice and query', async () => {
    const others = [world.payments, await world.connect(), await world.connect()];
    world.alipay.script = () => paid;
    await world.makeDue(orderId);
    const notice = () => noticeOf({ about: 'order', orderId, answer: paid, nonce: null });
    await Promise.all(
      others.flatMap((payments) => [
        payments.book().look(orderId),
        payments.notice('alipay', notice()),
        payments.notice('alipay', notice()),
        payments.resolve({ orderId, as: 'paid', operator: 'ann', reason: 'seen' }),
      ]),
    );
    expect(await world.row(orderId)).toEqual(['paid', 1, 0]);
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('waits for a person while its account is frozen, and is credited when it is free', async () => {
    world.alipay.script = () => paid;
    await world.ledger.freeze(merchant);
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail: 'the account: the account is frozen' });
    expect(await world.row(orderId)).toEqual(['paid', 0, 0]);
    await world.ledger.unfreeze(merchant);
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled' });
    expect(await world.balance(merchant)).toBe(1000n);
  });
});

describe('an order that is refunded', () => {
  test.each([
    ['a full refund', refunded],
    ["Alipay's TRADE_CLOSED", says('closed', { word: 'TRADE_CLOSED' })],
  ])('after it was paid goes back from the wallet: %s', async (_, answer) => {
    world.alipay.script = () => paid;
    await world.look(orderId);
    world.alipay.script = () => answer;
    expect(await world.look(orderId)).toEqual({ outcome: 'settled', detail: 'refunded', nextAt: null });
    expect(await world.row(orderId)).toEqual(['refunded', 1, 1]);
    expect(await world.balance(merchant)).toBe(0n);
  });

  test('before anybody knew that it was paid is credited and goes back, so that both sides are booked', async () => {
    world.alipay.script = () => refunded;
    await world.look(orderId);
    expect(await world.row(orderId)).toEqual(['refunded', 1, 1]);
    expect(
      await world.world.rows(`SELECT channel, amount FROM bill WHERE account_id = ${merchant} ORDER BY id`),
    ).toEqual([
      ['recharge', '1000'],
      ['rollback', '-1000'],
    ]);
  });

  test('when the money is spent waits for a person, and goes back when it is there', async () => {
    world.alipay.script = () => paid;
    await world.look(orderId);
    const charge = await world.ledger.nextBillId();
    await world.ledger.charge({ billId: charge, accountId: merchant, amount: 1n });
    world.alipay.script = () => refunded;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail: expect.stringContaining('too low') });
    expect(await world.row(orderId)).toEqual(['refunded', 1, 0]);
    await world.ledger.rollback({ billId: charge, accountId: merchant });
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled' });
    expect(await world.balance(merchant)).toBe(0n);
  });

  test.each([
    [
      'in part',
      says('refunded', { amount: 1000n, refunded: 300n }),
      'REFUNDED: 300 of 1000 fen went back to the buyer',
    ],
    ['of unknown size', says('refunded', { amount: 1000n }), 'REFUNDED: an unknown part went back to the buyer'],
  ])('%s moves nothing: a person must look, until they have, or all of it went back', async (_, answer, detail) => {
    world.alipay.script = () => paid;
    await world.look(orderId);
    world.alipay.script = () => answer;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail });
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail });
    expect(await world.balance(merchant)).toBe(1000n);
    world.alipay.script = () => refunded;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'refunded' });
  });

  test('of WeChat that says CLOSED of what was paid is for a person', async () => {
    const id = await world.order(merchant, { provider: 'wechat' });
    world.wechat.script = () => paid;
    await world.look(id);
    world.wechat.script = () => says('closed');
    expect(await world.look(id)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('although it was paid'),
    });
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('stays refunded, whatever comes late', async () => {
    world.alipay.script = () => refunded;
    await world.look(orderId);
    for (const answer of [paid, says('closed'), says('unknown'), refunded, says('failed')])
      await world.payments.notice('alipay', noticeOf({ about: 'order', orderId, answer, nonce: null }));
    expect(await world.row(orderId)).toEqual(['refunded', 1, 1]);
    expect(await world.balance(merchant)).toBe(0n);
  });
});
