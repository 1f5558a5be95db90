/** Orders as what is due: found by the tables alone, taken by one, asked about at times that back off. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { PaymentsWorld } from '../support/payments-world.ts';
import { says } from '../support/scripted-provider.ts';

let world: PaymentsWorld;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  for (let table = 0; table < 4; table++)
    await world.world.session.write(`UPDATE pay_order_${table} SET next_at = NULL`);
});

/** An order of a new merchant, due at a number of seconds from now. */
async function dueIn(seconds: number): Promise<bigint> {
  const orderId = await world.order(await world.merchant());
  await world.change(orderId, `next_at = NOW(3) + INTERVAL ${seconds} SECOND`);
  return orderId;
}

describe('due', () => {
  test('tells what is due by now, of all tables, the oldest first', async () => {
    const [late, first, last] = [await dueIn(5), await dueIn(-30), await dueIn(-10)];
    const middle = await dueIn(-20);
    const book = world.payments.book();
    const found = await book.due('alipay', 0, 100);
    expect(found.map(({ id }) => id)).toEqual([first, middle, last]);
    expect(Math.abs((found[0]?.at ?? 0) + 30_000 - Date.now())).toBeLessThan(2000);
    expect((await book.due('alipay', 10_000, 100)).map(({ id }) => id)).toEqual([first, middle, last, late]);
    expect((await book.due('alipay', 10_000, 2)).map(({ id }) => id)).toEqual([first, middle]);
    expect(await book.due('wechat', 10_000, 100)).toEqual([]);
    expect(book.kind).toBe('order');
  });

  test('tells a new order within its first 10 s, and no order that is at its end', async () => {
    const orderId = await world.order(await world.merchant());
    expect(await world.payments.book().due('alipay', 0, 10)).toEqual([]);
    expect(await world.payments.book().due('alipay', 10_000, 10)).toMatchObject([{ id: orderId }]);
    world.alipay.script = () => says('paid', { amount: 1000n });
    await world.look(orderId);
    expect(await world.payments.book().due('alipay', 86_400_000, 10)).toEqual([]);
  });
});

describe('take', () => {
  test('gives what is due to one of many, and tells the others when to look again', async () => {
    const orderId = await dueIn(-1);
    const others = [world.payments, await world.connect(), await world.connect()];
    const takes = await Promise.all(
      Array.from({ length: 12 }, (_, index) => others[index % 3]?.book().take(orderId, 60_000)),
    );
    expect(takes.filter((taken) => taken !== undefined && 'provider' in taken)).toEqual([{ provider: 'alipay' }]);
    for (const taken of takes)
      if (taken !== undefined && 'nextAt' in taken)
        expect(Math.abs(Number(taken.nextAt) - Date.now() - 60_000)).toBeLessThan(2000);
    expect(await world.row(orderId, 'attempts')).toEqual([1]);
  });

  test('gives nothing before its time, nothing at its end, and nothing that is not there', async () => {
    const orderId = await dueIn(5);
    const book = world.payments.book();
    expect(await book.take(orderId, 1000)).toEqual({ nextAt: expect.any(Number) });
    await world.change(orderId, 'next_at = NULL');
    expect(await book.take(orderId, 1000)).toEqual({ nextAt: null });
    expect(await book.take(1n, 1000)).toEqual({ nextAt: null });
  });

  test('gives it to the next one when its time is over without a look: who took it was killed', async () => {
    const orderId = await dueIn(-1);
    const book = world.payments.book();
    expect(await book.take(orderId, 1)).toEqual({ provider: 'alipay' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await book.take(orderId, 1)).toEqual({ provider: 'alipay' });
  });
});

describe('look', () => {
  test('asks again after 10, 20, 40 s ... up to 10 minutes, a tenth more or less, as long as nothing is known', async () => {
    world.alipay.script = () => says('unknown');
    const orderId = await dueIn(-1);
    await world.change(orderId, 'expires_at = NOW(3) + INTERVAL 1 DAY');
    for (const seconds of [10, 20, 40, 80, 160, 320, 600, 600]) {
      const { nextAt } = await world.look(orderId);
      const pause = (Number(nextAt) - Date.now()) / 1000;
      expect(pause).toBeGreaterThan(seconds * 0.9 - 1);
      expect(pause).toBeLessThan(seconds * 1.1 + 1);
      const [at] = await world.row(orderId, 'CAST(UNIX_TIMESTAMP(next_at) * 1000 AS SIGNED)');
      expect(Number(at)).toBe(nextAt);
    }
  });

  test('asks at its expiry in any case', async () => {
    world.alipay.script = () => says('unknown');
    const orderId = await dueIn(-1);
    await world.change(orderId, 'expires_at = NOW(3) + INTERVAL 3 SECOND');
    const { nextAt } = await world.look(orderId);
    expect(Number(nextAt) - Date.now()).toBeLessThan(3100);
  });

  test('that was paused does not undo what has come since', async () => {
    const orderId = await dueIn(-1);
    const book = world.payments.book();
    await book.take(orderId, 60_000);
    world.alipay.script = async () => {
      world.alipay.script = () => says('paid', { amount: 1000n });
      await world.look(orderId);
      return says('pending', { known: false });
    };
    await world.change(orderId, 'expires_at = NOW(3) - INTERVAL 1 MINUTE');
    await book.look(orderId);
    expect(await world.row(orderId, 'state, credited')).toEqual(['paid', 1]);
  });

  test('at an order that is not there has nothing to do', async () => {
    expect(await world.payments.book().look(1n)).toMatchObject({ outcome: 'settled', nextAt: null });
  });
});
