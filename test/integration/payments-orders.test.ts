/** Orders: made, paid, refunded, given up; each rule once, by what a provider says. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { OrderRequest } from '../../src/payments/index.ts';
import { Switches } from '../../src/payments/switches.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { PaymentsWorld } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';

let world: PaymentsWorld;
let merchant: bigint;
let orderId: bigint;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  merchant = await world.merchant();
  orderId = await world.order(merchant);
});
afterEach(async () => {
  world.alipay.script = () => says('pending');
  world.wechat.script = () => says('pending');
  world.alipay.onRequest = () => undefined;
  expect(await world.flaws()).toEqual({});
});

const asked = (more: Partial<OrderRequest> = {}): OrderRequest => ({
  merchantId: merchant,
  amount: 1000n,
  subject: 'tea',
  provider: 'alipay',
  expiresInSeconds: 900,
  ...more,
});
const paid = says('paid', { amount: 1000n, paidAt: Date.UTC(2026, 10, 20), providerId: 'A17', word: 'TRADE_SUCCESS' });
const refunded = says('refunded', { amount: 1000n, refunded: 1000n, word: 'REFUND' });

describe('a new order', () => {
  test('is durable with its bill id before its buyer can pay, and due in 10 s', async () => {
    const answer = await world.payments.createOrder(asked({ clientAddress: '10.0.0.1' }));
    expect(answer).toMatchObject({
      code: 0,
      request: { provider: 'alipay', kind: 'address' },
      order: { state: 'pending', isCredited: false, amount: 1000n, subject: 'tea', clientAddress: '10.0.0.1' },
    });
    if (answer.code !== 0) return;
    const { readAt, nextAt, expiresAt, createdAt } = answer.order;
    expect(Number(nextAt) - createdAt).toBeGreaterThanOrEqual(9990);
    expect(Number(nextAt) - readAt).toBeLessThanOrEqual(10_000);
    expect(Math.abs(expiresAt - createdAt - 900_000)).toBeLessThan(1000);
    expect(answer.request.content).toContain(String(answer.order.orderId));
    expect(await world.payments.order(answer.order.orderId)).toMatchObject({
      code: 0,
      order: { merchantId: merchant },
    });
  });

  test('stays when its request cannot be had, which can be asked for again', async () => {
    world.alipay.onRequest = () => {
      throw new UnavailableError('the provider is away');
    };
    const answer = await world.payments.createOrder(asked());
    expect(answer).toMatchObject({ code: -1, reason: 'the provider is away', orderId: expect.any(BigInt) });
    world.alipay.onRequest = () => undefined;
    const { orderId: id } = answer as { orderId: bigint };
    expect(await world.payments.request(id)).toMatchObject({ code: 0, order: { orderId: id } });
  });

  test('is the same order for the same idempotency key, also at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => world.payments.createOrder(asked({ idempotencyKey: 'cart 1' }))),
    );
    const ids = answers.map((answer) => (answer.code === 0 ? answer.order.orderId : answer));
    expect(new Set(ids).size).toBe(1);
    expect(await world.payments.createOrder(asked({ idempotencyKey: 'cart 2' }))).not.toMatchObject({
      order: { orderId: ids[0] },
    });
  });

  test('is refused for the same key with other content', async () => {
    await world.payments.createOrder(asked({ idempotencyKey: 'cart 1' }));
    expect(await world.payments.createOrder(asked({ idempotencyKey: 'cart 1', amount: 1n }))).toMatchObject({
      code: 6,
    });
  });

  test('of another merchant may have the same key', async () => {
    await world.payments.createOrder(asked({ idempotencyKey: 'cart 1' }));
    const other = await world.merchant();
    const answer = await world.payments.createOrder(asked({ idempotencyKey: 'cart 1', merchantId: other }));
    expect(answer).toMatchObject({ code: 0, order: { merchantId: other } });
  });

  test.each<[string, Record<string, unknown>, number]>([
    ['an account that does not exist', { merchantId: 999_999n }, 1],
    ['a number for an amount', { amount: 5 }, 6],
    ['nothing', { amount: 0n }, 6],
    ['no subject', { subject: '' }, 6],
    ['a subject of 128 characters', { subject: 'x'.repeat(128) }, 6],
    ['a provider that is not set up', { provider: 'cash' }, 6],
    ['no time', { expiresInSeconds: 0 }, 6],
    ['more than 15 days', { expiresInSeconds: 15 * 86_400 + 1 }, 6],
    ['an empty key', { idempotencyKey: '' }, 6],
  ])('is refused for %s', async (_, more, code) => {
    expect(await world.payments.createOrder({ ...asked(), ...more } as OrderRequest)).toMatchObject({ code });
  });

  test('is refused for a commission account, and for a frozen one', async () => {
    const commission = 900_001n;
    await world.ledger.openAccount(commission, { kind: 'commission' });
    expect(await world.payments.createOrder(asked({ merchantId: commission }))).toMatchObject({ code: 2 });
    await world.ledger.freeze(merchant);
    expect(await world.payments.createOrder(asked())).toMatchObject({ code: 4 });
  });

  test('is refused while orders are switched off, which those under way are not', async () => {
    const switches = await Switches.connect({ url: world.world.url });
    await switches.set('orders', { off: true, reason: 'audit', who: 'ann' });
    expect(await world.payments.createOrder(asked())).toMatchObject({
      code: 2,
      reason: 'orders are switched off: audit',
    });
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
    await switches.set('orders', { off: false, who: 'ann' });
    expect(await world.payments.createOrder(asked())).toMatchObject({ code: 0 });
    await switches.close();
  });

  test('has no request any more when it is paid, or has expired', async () => {
    const other = await world.order(merchant);
    await world.expire(other);
    expect(await world.payments.request(other)).toMatchObject({ code: 2, reason: expect.stringContaining('expired') });
    world.alipay.script = () => paid;
    await world.look(orderId);
    expect(await world.payments.request(orderId)).toMatchObject({
      code: 2,
      reason: expect.stringContaining('is paid'),
    });
    expect(await world.payments.request(1n)).toMatchObject({ code: 1 });
  });
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

test.each([
  ['credited, but not paid', 'credited = 1', 4025],
  ['returned, but not credited', "state = 'refunded', returned = 1", 4025],
  ['returned, but not refunded', "state = 'paid', credited = 1, returned = 1", 4025],
  ['given up, but credited', "state = 'closed', credited = 1", 4025],
  ['of no money', 'amount = 0', 4025],
])('no row can be %s', async (_, assignments, errno) => {
  await expect(world.change(orderId, assignments)).rejects.toMatchObject({ errno });
});

test('no two orders of a table can have one bill', async () => {
  const other = await world.order(merchant);
  const [bill] = await world.row(other, 'bill_id');
  await expect(world.change(orderId, `bill_id = ${bill}`)).rejects.toMatchObject({ errno: 1062 });
});

test('orders are listed by state, the latest first, from all tables', async () => {
  const ids = [];
  for (let index = 0; index < 6; index++) {
    const other = await world.merchant();
    ids.unshift(await world.order(other));
  }
  const listed = await world.payments.list('pending', 5);
  expect(listed.map((order) => order.orderId)).toEqual(ids.slice(0, 5));
});
