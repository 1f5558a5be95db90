/** The course of payouts: who has one, when it is looked at next, and what commits together. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { DueBook } from '../../src/payments/due.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import { Bank } from '../support/payout-bank.ts';
import { PayoutWorld, read, waitOf, wealth } from '../support/payout-world.ts';
import { failing } from '../support/stops.ts';

let world: PayoutWorld;
let payouts: Payouts;
let book: DueBook;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  world.bank = new Bank();
  payouts = await world.payouts();
  book = payouts.book();
});

const hour = 3600;
const day = 24 * hour;

describe('taking one that is due', () => {
  test('gives it to one of several, and to the next when the lease is over', async () => {
    const { payoutId } = await world.held(payouts);
    const others = await Promise.all([world.payouts(), world.payouts()]);
    const taken = await Promise.all([payouts, ...others].map((one) => one.book().take(payoutId, 60_000)));
    expect(taken.filter((one) => 'provider' in one)).toEqual([{ provider: 'alipay' }]);
    expect(taken.filter((one) => 'nextAt' in one)).toHaveLength(2);
    await world.pass(61);
    expect(await book.take(payoutId, 60_000)).toEqual({ provider: 'alipay' });
  });

  test('is refused before its time, and says when that is', async () => {
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    expect(await book.take(payout.payoutId, 60_000)).toEqual({ nextAt: (await read(payouts, payout)).nextAt });
  });

  test('is refused for ever where there is none, or it is over', async () => {
    expect(await book.take(5n, 60_000)).toEqual({ nextAt: null });
    const payout = await world.held(payouts);
    world.bank.plan({ returnsAfter: 0 });
    await world.untilPeace(payouts);
    await book.look(payout.payoutId);
    expect(await book.take(payout.payoutId, 60_000)).toEqual({ nextAt: null });
  });

  test('is told of the oldest first, with their times', async () => {
    await world.held(payouts);
    const first = await world.held(payouts);
    const second = await world.held(payouts);
    await world.ledgers.session.write('UPDATE payout SET next_at = NOW(3) + INTERVAL 1 HOUR WHERE next_at IS NOT NULL');
    for (const [{ payoutId }, seconds] of [
      [second, 300],
      [first, 100],
    ] as const)
      await world.ledgers.session.write(
        `UPDATE payout SET next_at = NOW(3) - INTERVAL ${seconds} SECOND WHERE payout_id = ${payoutId}`,
      );
    expect((await book.due('alipay', 0, 10)).map(({ id }) => id)).toEqual([second.payoutId, first.payoutId]);
    expect((await book.due('alipay', 0, 1)).map(({ id }) => id)).toEqual([second.payoutId]);
    expect((await book.due('alipay', 0, 1))[0]?.at).toBe((await read(payouts, second)).nextAt);
    expect(await book.due('wechat', 2 * hour * 1000, 1000)).toEqual([]);
    expect((await book.due('alipay', 2 * hour * 1000, 1000)).length).toBeGreaterThan(2);
  });
});

describe('the next look', () => {
  test('is 10 s behind the sending, then backs off while the provider has no answer', async () => {
    world.bank.plan({ unknown: 100 });
    const payout = await world.held(payouts);
    const waits: number[] = [];
    for (let look = 0; look < 5; look++) {
      expect((await book.look(payout.payoutId)).outcome).toBe(look === 0 ? 'settled' : 'waiting');
      waits.push((await waitOf(payouts, payout)) as number);
    }
    for (const [index, least] of [10, 10, 20, 40, 80].entries()) {
      expect(waits[index]).toBeGreaterThan(least - 1);
      expect(waits[index]).toBeLessThan(least * 1.1 + 1);
    }
  });

  test('is at 1 h, 1 d, 3 d, 7 d and 15 d behind a success, and then never', async () => {
    const payout = await world.held(payouts);
    await world.untilPeace(payouts);
    const waits: (number | null)[] = [await waitOf(payouts, payout)];
    for (const [from, to] of [
      [0, hour],
      [hour, day],
      [day, 3 * day],
      [3 * day, 7 * day],
      [7 * day, 15 * day],
    ] as const) {
      await world.pass(to - from);
      expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
      waits.push(await waitOf(payouts, payout));
    }
    const rounded = waits.map((wait) => (wait === null ? null : Math.round(wait / hour)));
    expect(rounded).toEqual([1, 23, 48, 96, 192, null]);
  });

  test('of one that came back is never', async () => {
    const payout = await world.held(payouts);
    await world.untilPeace(payouts);
    world.bank.returns(payout.payoutId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled', nextAt: null });
  });

  test('is now when a notice comes, also when it was never; the notice decides nothing', async () => {
    const payout = await world.held(payouts);
    await world.untilPeace(payouts);
    await world.ledgers.session.write(`UPDATE payout SET next_at = NULL WHERE payout_id = ${payout.payoutId}`);
    await payouts.noticed(payout.payoutId);
    expect(await waitOf(payouts, payout)).toBeLessThanOrEqual(0);
    expect(await read(payouts, payout)).toMatchObject({ state: 'paid' });
    await payouts.noticed(5n);
  });

  test('stays what a notice made it that came while the provider was asked', async () => {
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    world.bank.onCall = async (call, place) => {
      if (call === 'query' && place === 'after') await payouts.noticed(payout.payoutId);
    };
    await book.look(payout.payoutId);
    expect(await waitOf(payouts, payout)).toBeLessThanOrEqual(0);
  });
});

describe('a bill and what the row says of it', () => {
  test('commit together, or neither: the hold and the payout', async () => {
    const request = world.requestOf(await world.account());
    await failing(/INSERT INTO payout \(/, async () => {
      const broken = await world.payouts();
      expect(await broken.request(request)).toMatchObject({ code: -3 });
    });
    expect(await world.ledger.balance(request.accountId)).toMatchObject({ held: 0n });
    expect(await world.ledger.unprocessed()).toMatchObject([{ channel: 'hold', accountId: request.accountId }]);
    expect(await payouts.request(request)).toMatchObject({ code: 0 });
    expect(await world.ledger.balance(request.accountId)).toMatchObject({ held: 300_000n });
  });

  test('commit together, or neither: confirm, tax, and that it was taken', async () => {
    const payout = await world.held(payouts, { taxRule: 'labour-cn' });
    await book.look(payout.payoutId);
    await failing(/SET taken_at/, async () => {
      const broken = await world.payouts();
      await expect(broken.book().look(payout.payoutId)).rejects.toThrow('made by the test');
    });
    expect(await read(payouts, payout)).toMatchObject({ state: 'paid', takenAt: null });
    expect(await world.wallet(payout.accountId)).toEqual({ balance: wealth, held: 300_000n });
    await book.look(payout.payoutId);
    expect(await world.wallet(payout.accountId)).toEqual({ balance: wealth - 300_000n, held: 0n });
  });
});
