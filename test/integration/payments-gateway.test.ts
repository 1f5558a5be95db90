/**
 * Orders against the sandbox gateway, with the client libraries as they are: its own book says what was paid, and every
 * account must have just that.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pLimit from 'p-limit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Payments } from '../../src/payments/index.ts';
import type { ProviderName } from '../../src/payments/provider.ts';
import { leftOf } from '../../src/sandbox/book.ts';
import { until } from '../support/cli-tools.ts';
import { type GatewayWorld, gatewayWorld } from '../support/gateway.ts';
import { PaymentsWorld } from '../support/payments-world.ts';

const names: readonly ProviderName[] = ['alipay', 'wechat'];
let world: PaymentsWorld;
let desk: GatewayWorld;
let payments: Payments;
let server: Server;
let merchant: bigint;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
  server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const name = names.find((one) => request.url?.endsWith(one)) as ProviderName;
    const reply = await payments.notice(name, { headers: request.headers, body: Buffer.concat(pieces) });
    response.writeHead(reply.status, reply.headers).end(reply.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const noticeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  desk = await gatewayWorld({ noticeUrl, timeout: '300ms', noticeDelaysMs: [0, 200, 400] });
  payments = await world.connect({ providers: names.map((name) => desk.provider(name)) });
});
afterAll(async () => {
  await desk.close();
  server.closeAllConnections();
  server.close();
  await world.destroy();
});
beforeEach(async () => {
  merchant = await world.merchant();
});
afterEach(async () => {
  desk.gateway.faults.share = 0;
  desk.gateway.faults.forget();
  expect(await world.flaws()).toEqual({});
});

/** An order, and its buyer at the cashier, unless they stay away. */
async function order(provider: ProviderName, { isOpened = true, amount = 1000n } = {}): Promise<bigint> {
  const key = `key ${Math.random()}`;
  for (;;) {
    const asked = {
      merchantId: merchant,
      amount,
      subject: '绿茶',
      provider,
      expiresInSeconds: 900,
      idempotencyKey: key,
    };
    const answer = await payments.createOrder(asked);
    if (answer.code < 0) continue; // the gateway kept silent: the same once more
    if (answer.code !== 0) throw new Error('reason' in answer ? answer.reason : 'refused');
    if (isOpened) expect(desk.gateway.opens(answer.request.content)).toBe(true);
    return answer.order.orderId;
  }
}

const look = (orderId: bigint) => world.look(orderId, payments);
const state = (orderId: bigint) => world.row(orderId);

describe.each(names)('an order through %s', (provider) => {
  test('is credited by the notice, once, and confirmed by a query', async () => {
    const orderId = await order(provider);
    desk.gateway.pays(orderId);
    await until(async () => (await world.balance(merchant)) === 1000n);
    expect(await look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
    expect(await desk.gateway.notices.send(String(orderId))).toMatchObject({
      status: provider === 'alipay' ? 200 : 204,
    });
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test.each(['forged', ...(provider === 'wechat' ? (['replayed', 'old', 'wrong-serial'] as const) : [])] as const)(
    'is not moved by a notice that is %s',
    async (kind) => {
      const other = await order(provider);
      desk.gateway.book.pay(String(other), Date.now());
      await desk.gateway.notices.send(String(other));
      const orderId = await order(provider);
      desk.gateway.book.pay(String(orderId), Date.now());
      const message = desk.gateway.notices.message(String(orderId), kind);
      // Of Alipay's the last digit may be of the signature's padding: here it is the amount.
      const text = String(message.body).replace('total_amount=10.00', 'total_amount=20.00');
      const reply = await payments.notice(provider, { headers: message.headers, body: Buffer.from(text) });
      expect(reply.body).not.toBe('success');
      expect(reply.status).not.toBe(204);
      expect(await state(orderId)).toEqual(['pending', 0, 0]);
    },
  );

  test('whose notice is lost is credited by the query', async () => {
    const orderId = await order(provider);
    desk.gateway.book.pay(String(orderId), Date.now());
    expect(await look(orderId)).toMatchObject({ outcome: 'settled', detail: 'paid' });
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test.each([true, false])('that expires unpaid is given up; its buyer was at the cashier: %s', async (isOpened) => {
    const orderId = await order(provider, { isOpened });
    expect(await look(orderId)).toMatchObject({ outcome: 'waiting' });
    await world.expire(orderId);
    expect(await look(orderId)).toMatchObject({ outcome: 'settled', detail: 'closed' });
    expect(desk.gateway.pays(orderId)).toBe(false);
  });

  test('that is refunded in full goes back by the notice', async () => {
    const orderId = await order(provider);
    desk.gateway.pays(orderId);
    await until(async () => (await world.balance(merchant)) === 1000n);
    desk.gateway.refunds(orderId);
    await until(async () => (await state(orderId))[2] === 1);
    expect(await world.balance(merchant)).toBe(0n);
  });

  test('that is refunded in part is for a person', async () => {
    const orderId = await order(provider);
    desk.gateway.pays(orderId);
    await until(async () => (await world.balance(merchant)) === 1000n);
    desk.gateway.refunds(orderId, 300n);
    await until(async () => (await world.row(orderId, 'concern'))[0] !== null);
    expect(await world.balance(merchant)).toBe(1000n);
    expect(await look(orderId)).toMatchObject({ outcome: 'stuck' });
  });
});

test('200 orders with 30 % faulty answers and notices: each account has what the book says', async () => {
  const { gateway } = desk;
  gateway.faults.share = 0.3;
  const limit = pLimit(16);
  const random = (share: number) => Math.random() < share;
  const merchants = await Promise.all(Array.from({ length: 5 }, () => world.merchant()));
  const orders = new Map<bigint, { merchant: bigint; provider: ProviderName }>();
  for (let index = 0; index < 200; index++) {
    merchant = merchants[index % merchants.length] as bigint;
    const provider = names[index % 2] as ProviderName;
    const orderId = await order(provider, { isOpened: random(0.9), amount: BigInt(index + 1) });
    orders.set(orderId, { merchant, provider });
  }
  const buyer = async (orderId: bigint) => {
    if (random(0.7)) gateway.pays(orderId);
    if (random(0.2)) gateway.refunds(orderId);
  };
  const checker = async (orderId: bigint) => {
    for (let round = 0; round < 60; round++) {
      if (round === 3) await world.change(orderId, 'expires_at = NOW(3) - INTERVAL 60 SECOND');
      const [nextAt] = await world.row(orderId, 'next_at');
      if (nextAt === null) return;
      await look(orderId);
    }
  };
  const all = [...orders.keys()];
  await Promise.all([
    ...all.map((orderId) => limit(() => buyer(orderId))),
    ...all.map((orderId) => limit(() => checker(orderId))),
  ]);
  gateway.faults.share = 0;
  await new Promise((resolve) => setTimeout(resolve, 500)); // notices that are under way
  for (const orderId of all) if ((await world.row(orderId, 'next_at'))[0] !== null) await look(orderId);
  for (const account of merchants) {
    const mine = all.filter((orderId) => orders.get(orderId)?.merchant === account);
    const credits = await Promise.all(mine.map((orderId) => creditOf(orderId)));
    expect(await world.balance(account)).toBe(credits.reduce((sum, credit) => sum + credit, 0n));
  }
}, 240_000);

/** What the gateway's book says that an order's account should have; what is for a person, as its row says. */
async function creditOf(orderId: bigint): Promise<bigint> {
  const [concern, credited, returned, amount] = await world.row(orderId, 'concern, credited, returned, amount');
  const trade = desk.gateway.book.trade(String(orderId));
  if (concern === null) return trade === undefined || trade.paidAt === null ? 0n : leftOf(trade);
  expect(trade?.provider, 'WeChat alone does not tell how much was refunded').toBe('wechat');
  expect(trade?.refunds).not.toEqual([]);
  return credited === 1 && returned === 0 ? BigInt(String(amount)) : 0n;
}
