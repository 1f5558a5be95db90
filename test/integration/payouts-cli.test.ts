/** Payouts for the person at night: looked at, and given up. */
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { addPayouts } from '../../src/cli/payment-payouts.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import { runPayments } from '../support/payments-command.ts';
import { Bank } from '../support/payout-bank.ts';
import { PayoutWorld } from '../support/payout-world.ts';

let world: PayoutWorld;
let payouts: Payouts;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(() => world.destroy());

beforeEach(async () => {
  world.bank = new Bank();
  payouts = await world.payouts();
});

const run = (...args: string[]) =>
  runPayments((payments, done) => addPayouts(payments, done, async () => [world.bank]), world.ledgers.url, args);

test('one is shown with its sums, its state and what the provider said last', async () => {
  const { payoutId } = await world.held(payouts, { amount: 500_000n, taxRule: 'labour-cn' });
  await world.untilPeace(payouts);
  const { code, told } = await run('payout', String(payoutId));
  expect(code).toBe(0);
  expect(told).toContain(`payout ${payoutId} of account`);
  expect(told).toMatch(/gross +5,000\.00 yuan\n +tax +800\.00 +\(labour-cn\)\n +net +4,200\.00/);
  expect(told).toContain("sent once; the provider: paid\n  the provider's number: P1");
});

test('scripts get the same, fen as text', async () => {
  const { payoutId } = await world.held(payouts);
  const { told } = await run('payout', String(payoutId), '--json');
  expect(JSON.parse(told)).toMatchObject({ payoutId: String(payoutId), state: 'held', gross: '300000', tax: '0' });
});

test('those of an account are listed, the latest first, with why one was refused', async () => {
  const accountId = await world.account();
  await payouts.request(world.requestOf(accountId));
  await payouts.request(world.requestOf(accountId));
  const { told } = await run('payouts', String(accountId));
  expect(told).toMatch(/refused \(2\) +never +account \d+ has asked[\s\S]*held/);
  const { told: json } = await run('payouts', String(accountId), '--json', '--limit', '1');
  expect(JSON.parse(json)).toMatchObject([{ state: 'refused', refusal: 2 }]);
  expect((await run('payouts', '999999')).told).toBe('no payouts\n');
});

test('one that was never sent is given up, and who and why is kept', async () => {
  const { payoutId, accountId } = await world.held(payouts);
  const { code, told } = await run('give-up', String(payoutId), '--reason', 'closed', '--yes');
  expect(code).toBe(0);
  expect(told).toMatch(/: failed[\s\S]*given up by .*tidemark payments.*: closed/);
  expect(await world.ledger.balance(accountId)).toMatchObject({ held: 0n });
});

test('one that was paid is not given up', async () => {
  const { payoutId } = await world.held(payouts);
  await world.untilPeace(payouts);
  await expect(run('give-up', String(payoutId), '--reason', 'closed', '--yes')).rejects.toThrow('is paid');
});

test.each([
  [['payout', 'x'], 'is no id'],
  [['payout', '5'], 'there is no payout 5'],
  [['give-up', '5', '--yes'], '--reason is missing'],
  [['give-up', '5', '--reason', 'x'], 'no terminal'],
])('%j is wrong: %s', async (args, message) => {
  await expect(run(...args)).rejects.toThrow(message);
});
