/** Orders as they are made: once, with what their buyer pays by, or not at all; as they are listed, and what their tables refuse. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { OrderRequest } from '../../src/payments/index.ts';
import { Switches } from '../../src/payments/switches.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { PaymentsWorld, paid } from '../support/payments-world.ts';

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

const asked = (more: Partial<OrderRequest> = {}): OrderRequest => ({
  merchantId: merchant,
  amount: 1000n,
  subject: 'tea',
  provider: 'alipay',
  expiresInSeconds: 900,
  ...more,
});

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

test('orders are listed by state, the latest first, from all tables', async () => {
  const ids = [];
  for (let index = 0; index < 6; index++) {
    const other = await world.merchant();
    ids.unshift(await world.order(other));
  }
  const listed = await world.payments.list('pending', 5);
  expect(listed.map((order) => order.orderId)).toEqual(ids.slice(0, 5));
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
