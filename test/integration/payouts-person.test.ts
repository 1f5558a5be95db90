/** Payouts that wait for a person, and what a person may do about them. */
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
    expect(await waitOf(payouts, payout)).toBeGreaterThan(hour - 5);
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
    expect(await waitOf(payouts, payout)).toBeGreaterThan(hour - 5);
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
    expect(await read(payouts, payout)).toMatchObject({ state: 'sending' });
    expect(await world.wallet(payout.accountId)).toMatchObject({ held: 300_000n });
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
    expect(await world.wallet(payout.accountId)).toMatchObject({ balance: wealth });
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
    expect(await read(payouts, payout)).toMatchObject({ state: 'paid', takenAt: null });
    expect(await world.ledger.unprocessed()).toEqual([]);
    await world.ledger.unfreeze(payout.accountId);
    expect(await book.look(payout.payoutId)).toMatchObject({ outcome: 'settled' });
    expect(await world.wallet(payout.accountId)).toMatchObject({ balance: wealth - 300_000n });
  });

  test('at one whose tax was spent, because a person gave the confirm its effect by hand; it waits for money', async () => {
    const payout = await world.held(payouts, { amount: wealth, taxRule: 'labour-cn' });
    await book.look(payout.payoutId);
    await world.ledgers.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, provider, order_id)
       VALUES (${payout.billId}, 'confirm', ${payout.accountId}, ${-payout.net}, ${-payout.gross}, 'payments', 'alipay-payout', '${payout.payoutId}')`,
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
    expect(await world.wallet(payout.accountId)).toMatchObject({ balance: 0n });
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

describe('giving one up', () => {
  const who = { operator: 'ann', reason: 'the payee is gone' };

  test('releases what is held of one that was never sent, and keeps who and why', async () => {
    const payout = await world.held(payouts);
    expect(await payouts.giveUp(payout.payoutId, who)).toMatchObject({
      code: 0,
      state: 'failed',
      reason: 'given up by ann: the payee is gone',
    });
    expect(await world.wallet(payout.accountId)).toMatchObject({ held: 0n });
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
    expect(await world.wallet(payout.accountId)).toMatchObject({ held: 0n });
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
    expect(await world.wallet(payout.accountId)).toMatchObject({ held: 300_000n });
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
    expect(await read(payouts, payout)).toMatchObject({ state: 'paid' });
  });

  test('that was broken off behind the decision is ended by the next look', async () => {
    const payout = await world.held(payouts);
    await failing(/result = 'success'/, async () => {
      const broken = await world.payouts();
      expect(await broken.giveUp(payout.payoutId, who)).toMatchObject({ code: -3 });
    });
    expect(await read(payouts, payout)).toMatchObject({ state: 'failed', releasedAt: null });
    await book.look(payout.payoutId);
    expect(await world.wallet(payout.accountId)).toMatchObject({ held: 0n });
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
