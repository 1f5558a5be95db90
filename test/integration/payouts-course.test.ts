/** The course of payouts: who has one, when it is looked at next, and what a person has to see. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { DueBook } from '../../src/payments/due.ts';
import type { Payout } from '../../src/payments/payout-record.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import { Session } from '../../src/platform/mysql.ts';
import { intercepted } from '../support/intercept.ts';
import { Bank } from '../support/payout-bank.ts';
import { PayoutWorld, wealth } from '../support/payout-world.ts';

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
const read = async ({ payoutId }: Payout) => (await payouts.payout(payoutId)) as Payout;
/** Seconds from now until it is looked at next. */
async function waitOf(payout: Payout): Promise<number | null> {
  const { nextAt, now } = await read(payout);
  return nextAt === null ? null : (nextAt - now) / 1000;
}
const balanceOf = async ({ accountId }: Payout) =>
  ((await world.ledger.balance(accountId)) as { balance: bigint }).balance;
const heldOf = async ({ accountId }: Payout) => ((await world.ledger.balance(accountId)) as { held: bigint }).held;

/** What is connected meanwhile fails at a statement. */
async function failing(at: RegExp, work: () => Promise<void>): Promise<void> {
  const open = Session.open.bind(Session);
  const spy = vi.spyOn(Session, 'open').mockImplementation(async (options) =>
    intercepted(await open(options), (sql) => {
      if (at.test(sql)) throw new Error('made by the test');
    }),
  );
  await work().finally(() => spy.mockRestore());
}

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
    expect(await book.take(payout.payoutId, 60_000)).toEqual({ nextAt: (await read(payout)).nextAt });
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
    expect((await book.due('alipay', 0, 1))[0]?.at).toBe((await read(second)).nextAt);
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
      waits.push((await waitOf(payout)) as number);
    }
    for (const [index, least] of [10, 10, 20, 40, 80].entries()) {
      expect(waits[index]).toBeGreaterThan(least - 1);
      expect(waits[index]).toBeLessThan(least * 1.1 + 1);
    }
  });

  test('is at 1 h, 1 d, 3 d, 7 d and 15 d behind a success, and then never', async () => {
    const payout = await world.held(payouts);
    await world.untilPeace(payouts);
    const waits: (number | null)[] = [await waitOf(payout)];
    for (const [from, to] of [
      [0, hour],
      [hour, day],
      [day, 3 * day],
      [3 * day, 7 * day],
      [7 * day, 15 * day],
    ] as const) {
      await world.pass(to - from);
      expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
      waits.push(await waitOf(payout));
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
    expect(await waitOf(payout)).toBeLessThanOrEqual(0);
    expect(await read(payout)).toMatchObject({ state: 'paid' });
    await payouts.noticed(5n);
  });

  test('stays what a notice made it that came while the provider was asked', async () => {
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    world.bank.onCall = async (call, place) => {
      if (call === 'query' && place === 'after') await payouts.noticed(payout.payoutId);
    };
    await book.look(payout.payoutId);
    expect(await waitOf(payout)).toBeLessThanOrEqual(0);
  });
});

describe('a person has to look', () => {
  test('at one that is not decided for 72 h; it is still asked for, rarely, and comes to its end', async () => {
    world.bank.plan({ unknown: 3 });
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    await world.pass(71 * hour);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'waiting' });
    await world.pass(2 * hour);
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('72 h'),
    });
    expect(await waitOf(payout)).toBeGreaterThan(hour - 5);
    await book.look(payout.payoutId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled', detail: 'paid: paid' });
  });

  test('at one that the provider does not take, after ten times; it is sent again, rarely, and comes to its end', async () => {
    world.bank.plan({ lost: 11, told: 'failure' });
    const payout = await world.held(payouts);
    for (let time = 1; time <= 10; time++)
      expect((await book.look(payout.payoutId)).outcome).toBe(time === 1 ? 'settled' : 'waiting');
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: 'sent 11 times, and the provider does not know it: failed',
    });
    expect(await waitOf(payout)).toBeGreaterThan(hour - 5);
    await book.look(payout.payoutId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled', detail: 'paid: paid' });
  });

  test('at one that was paid with another sum: nothing moves', async () => {
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    const entry = world.bank.book.get(payout.payoutId) as { transfer: object };
    entry.transfer = { ...entry.transfer, amount: 1n };
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('1 fen'),
    });
    expect(await read(payout)).toMatchObject({ state: 'sending' });
    expect(await heldOf(payout)).toBe(300_000n);
  });

  test('at one that failed, and then was paid: what was released is not taken again by itself', async () => {
    world.bank.plan({ fate: 'failed' });
    const payout = await world.held(payouts);
    await world.untilPeace(payouts);
    (world.bank.book.get(payout.payoutId) as { state: string }).state = 'paid';
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('failed'),
    });
    expect(await balanceOf(payout)).toBe(wealth);
  });

  test('at one of an account that was frozen before it was sent: nothing is sent until it is free', async () => {
    const payout = await world.held(payouts);
    await world.ledger.freeze(payout.accountId);
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('frozen'),
    });
    expect(world.bank.transfers).toEqual([]);
    await world.ledger.unfreeze(payout.accountId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
    expect(world.bank.transfers).toEqual([payout.payoutId]);
  });

  test('at one that was paid, of an account that was frozen meanwhile; the wallet is told when it is free', async () => {
    const payout = await world.held(payouts, { taxRule: 'labour-cn' });
    await book.look(payout.payoutId);
    await world.ledger.freeze(payout.accountId);
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('frozen'),
    });
    expect(await read(payout)).toMatchObject({ state: 'paid', takenAt: null });
    expect(await world.ledger.unprocessed()).toEqual([]);
    await world.ledger.unfreeze(payout.accountId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
    expect(await balanceOf(payout)).toBe(wealth - 300_000n);
  });

  test('at one whose tax was spent, because a person gave the confirm its effect by hand; it waits for money', async () => {
    const payout = await world.held(payouts, { amount: wealth, taxRule: 'labour-cn' });
    await book.look(payout.payoutId);
    await world.ledgers.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, provider, order_id)
       VALUES (${payout.billId}, 'confirm', ${payout.accountId}, ${-payout.net}, ${-payout.gross}, 'payments', 'alipay', '${payout.payoutId}')`,
    );
    await world.ledger.resolve({ billId: payout.billId, apply: true });
    const spend = { billId: await world.ledger.nextBillId(), accountId: payout.accountId, amount: payout.tax };
    await world.ledger.charge(spend);
    expect(await book.look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('too low'),
    });
    await world.ledger.rollback(spend);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
    expect(await balanceOf(payout)).toBe(0n);
  });

  test('at one whose provider is not set up here', async () => {
    const payout = await world.held(payouts);
    const other = await world.payouts(new Bank('wechat'));
    expect(await other.book().look(payout.payoutId)).toMatchObject({
      outcome: 'stuck',
      detail: expect.stringContaining('alipay'),
    });
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
    expect(await read(payout)).toMatchObject({ state: 'paid', takenAt: null });
    expect(await balanceOf(payout)).toBe(wealth);
    expect(await heldOf(payout)).toBe(300_000n);
    await book.look(payout.payoutId);
    expect(await balanceOf(payout)).toBe(wealth - 300_000n);
    expect(await heldOf(payout)).toBe(0n);
  });
});

describe('giving one up', () => {
  const who = { operator: 'ann', reason: 'the payee is gone' };

  test('releases what is held of one that was never sent, and keeps who and why', async () => {
    const payout = await world.held(payouts);
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({
      code: 0,
      state: 'failed',
      reason: 'given up by ann: the payee is gone',
    });
    expect(await heldOf(payout)).toBe(0n);
    await book.look(payout.payoutId);
    expect(world.bank.transfers).toEqual([]);
  });

  test('is done for one that the provider does not know, an hour behind its sending', async () => {
    world.bank.plan({ lost: 100 });
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    await world.pass(59 * 60);
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({ code: 2 });
    await world.pass(120);
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({ code: 0, state: 'failed' });
    expect(await heldOf(payout)).toBe(0n);
  });

  test.each([
    ['has paid', {}],
    ['is working on', { pending: 100 }],
    ['says nothing of', { unknown: 100 }],
  ])('is refused for one that the provider %s', async (_, plan) => {
    world.bank.plan(plan);
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    await world.pass(2 * hour);
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({ code: 2 });
    expect(await heldOf(payout)).toBe(300_000n);
  });

  test('is refused when somebody sends it again while the provider is asked', async () => {
    world.bank.plan({ lost: 1 });
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    await world.pass(2 * hour);
    const other = await world.payouts();
    world.bank.onCall = async (call, place) => {
      if (call !== 'query' || place !== 'after') return;
      world.bank.onCall = () => undefined;
      await other.book().look(payout.payoutId);
    };
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({ code: 2 });
    await world.untilPeace(payouts);
    expect(await read(payout)).toMatchObject({ state: 'paid' });
  });

  test('that was broken off behind the decision is ended by the next look', async () => {
    const payout = await world.held(payouts);
    await failing(/result = 'success'/, async () => {
      const broken = await world.payouts();
      expect(await broken.giveUp(payout.payoutId, who)).toMatchObject({ code: -3 });
    });
    expect(await read(payout)).toMatchObject({ state: 'failed', releasedAt: null });
    await book.look(payout.payoutId);
    expect(await heldOf(payout)).toBe(0n);
  });

  test('is found out when it was paid after all', async () => {
    world.bank.plan({ lost: 1 });
    const payout = await world.held(payouts);
    await book.look(payout.payoutId);
    await world.pass(2 * hour);
    await payouts.giveUp(payout.payoutId, who);
    const { payoutId, net: amount, payee, payeeName, title } = payout;
    await world.bank.transfer({ payoutId, amount, payee, payeeName, title }); // by a process that was stopped for hours
    await world.pass(2 * hour);
    expect(await book.look(payoutId)).toMatchObject({ outcome: 'stuck', detail: expect.stringContaining('paid') });
  });

  test('needs a payout, a name and a reason', async () => {
    expect(await payouts.giveUp(5n, who)).toMatchObject({ code: 1 });
    const { payoutId } = await world.held(payouts);
    expect(await payouts.giveUp(payoutId, { ...who, reason: '' })).toMatchObject({ code: 6 });
    expect(await payouts.giveUp(payoutId, { ...who, operator: '' })).toMatchObject({ code: 6 });
  });
});
