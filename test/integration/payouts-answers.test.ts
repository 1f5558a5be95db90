/** What a provider makes of a payout, and what the wallet and the provider's statement are told of it. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Payouts } from '../../src/payments/payouts.ts';
import { billsOf, stretchOf } from '../../src/reconciliation/bills.ts';
import type { Entry } from '../../src/reconciliation/entry.ts';
import { Bank } from '../support/payout-bank.ts';
import { disagreements, PayoutWorld, wealth } from '../support/payout-world.ts';

let world: PayoutWorld;
let payouts: Payouts;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(async () => {
  expect(await world.ledgers.flaws()).toEqual({});
  await world.destroy();
});
beforeEach(async () => {
  world.bank = new Bank();
  payouts = await world.payouts();
});

describe('what the provider makes of it', () => {
  test('paid: the net sum is taken with the provider and the payout id, the tax beside it', async () => {
    const { payoutId, accountId, billId, taxBillId } = await world.held(payouts, {
      amount: 500_000n,
      taxRule: 'labour-cn',
    });
    await world.untilPeace(payouts);
    expect(await payouts.payout(payoutId)).toMatchObject({ state: 'paid', attempts: 1, providerId: 'P1' });
    expect(await world.wallet(accountId)).toEqual({ balance: wealth - 500_000n, held: 0n });
    expect(
      await world.ledgers.rows(
        `SELECT bill_id, channel, amount, provider, order_id FROM bill WHERE bill_id IN (${billId}, ${taxBillId}) AND amount <> 0 ORDER BY bill_id`,
      ),
    ).toEqual([
      [String(billId), 'confirm', '-420000', 'alipay-payout', String(payoutId)],
      [String(taxBillId), 'charge', '-80000', 'tax', String(payoutId)],
    ]);
    expect(world.bank.book.get(payoutId)?.transfer).toEqual({
      payoutId,
      amount: 420_000n,
      payee: 'ann',
      payeeName: null,
      title: 'sales',
    });
  });

  test('failed: the hold is released, tax and all', async () => {
    world.bank.plan({ fate: 'failed' });
    const { payoutId, accountId } = await world.held(payouts, { taxRule: 'labour-cn' });
    await world.untilPeace(payouts);
    expect(await payouts.payout(payoutId)).toMatchObject({ state: 'failed' });
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 0n });
  });

  test.each([
    ['success, and it failed', { told: 'success', fate: 'failed' } as const],
    ['failure, and it was paid', { told: 'failure', fate: 'paid' } as const],
    ['nothing, and it was paid', { told: 'nothing', fate: 'paid' } as const],
    ['nothing, and it failed', { told: 'nothing', fate: 'failed' } as const],
    ['nothing, and it never arrived', { told: 'nothing', lost: 2 } as const],
    ['success, and it never arrived', { told: 'success', lost: 2 } as const],
    ['failure, and it never arrived', { told: 'failure', lost: 1 } as const],
    ['nothing for long', { told: 'nothing', unknown: 3, pending: 3 } as const],
    ['success, and it came back before anybody asked', { told: 'success', returnsAfter: 0 } as const],
  ])('told of the transfer: %s; the query decides', async (_, plan) => {
    world.bank.plan(plan);
    const { payoutId, accountId } = await world.held(payouts);
    await world.untilPeace(payouts);
    const state = world.bank.book.get(payoutId)?.state;
    expect(await payouts.payout(payoutId)).toMatchObject({ state });
    expect(await world.wallet(accountId)).toEqual({ balance: state === 'paid' ? wealth - 300_000n : wealth, held: 0n });
    expect(world.bank.complaints).toEqual([]);
  });

  test('returned after it was paid: what was taken is given back by bills, the tax as well', async () => {
    const { payoutId, accountId } = await world.held(payouts, { amount: 500_000n, taxRule: 'labour-cn' });
    await world.untilPeace(payouts);
    world.bank.returns(payoutId);
    expect(await payouts.book().look(payoutId)).toMatchObject({ outcome: 'settled', nextAt: null });
    expect(await payouts.payout(payoutId)).toMatchObject({ state: 'returned' });
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 0n });
    expect(
      await world.ledgers.rows(
        `SELECT channel, amount, provider FROM bill WHERE account_id = ${accountId} AND channel = 'rollback' AND result = 'success' ORDER BY amount`,
      ),
    ).toEqual([
      ['rollback', '80000', 'tax'],
      ['rollback', '420000', 'alipay-payout'],
    ]);
  });

  test('is compared with no bill of trades, and not with what the applications say: it stands in neither', async () => {
    const request = { amount: 500_000n, taxRule: 'labour-cn' as const };
    const { payoutId, billId } = await world.held(payouts, request);
    await world.untilPeace(payouts);
    world.bank.returns(payoutId);
    await payouts.book().look(payoutId);
    const today = stretchOf(Date.now() - 3_600_000, Date.now() + 3_600_000);
    const told: Entry[] = [];
    for (const counterpart of ['alipay', 'wechat', 'initiator'] as const)
      for await (const page of billsOf(world.ledgers.session, counterpart, today, (utc) => utc)) told.push(...page);
    expect(told.filter(({ reference }) => reference === String(payoutId) || reference === String(billId))).toEqual([]);
  });

  test('is what wallets and payouts say to the fen, when all of these have ended', async () => {
    const one = await PayoutWorld.create(inject('servers'));
    const its = await one.payouts();
    const plans = [{}, { fate: 'failed' }, { returnsAfter: 1 }, { told: 'failure' }, { lost: 2 }] as const;
    for (const plan of plans) {
      const { payoutId } = await one.held(its, { taxRule: 'labour-cn' });
      one.bank.plan(plan, payoutId);
    }
    await one.untilPeace(its);
    for (const id of one.bank.book.keys()) await its.book().look(id);
    expect(await disagreements(one, one.bank)).toEqual([]);
    await one.destroy();
  });
});
