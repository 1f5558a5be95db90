/** Switches of the business functions: off means off from the moment that it is answered, and stops nothing under way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { addSwitch } from '../../src/cli/payment-switch.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import { offReason, Switches } from '../../src/payments/switches.ts';
import { runPayments } from '../support/payments-command.ts';
import { PayoutWorld } from '../support/payout-world.ts';
import { stopping } from '../support/stops.ts';

let world: PayoutWorld;
let payouts: Payouts;
let switches: Switches;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
  payouts = await world.payouts();
  switches = await Switches.connect({ url: world.ledgers.url });
});
afterAll(async () => {
  await switches.close();
  await world.destroy();
});

const off = { off: true, reason: 'the bank is closed', who: 'ann' };
const on = { off: false, who: 'ann' };
beforeEach(async () => {
  for (const name of ['orders', 'payouts'] as const) await switches.set(name, on);
});

describe('a switch that is off', () => {
  test('refuses new payouts with 2 and the reason, as a row, and holds nothing', async () => {
    await switches.set('payouts', off);
    const request = world.requestOf(await world.account());
    expect(await payouts.request(request)).toEqual({
      code: 2,
      reason: 'payouts are switched off: the bank is closed',
    });
    expect(await world.ledger.balance(request.accountId)).toMatchObject({ held: 0n });
    expect(await world.ledger.unprocessed()).toEqual([]);
  });

  test('lets those under way end, also one that was not sent so far', async () => {
    const { payoutId } = await world.held(payouts);
    await switches.set('payouts', off);
    await world.untilPeace(payouts);
    expect(await payouts.payout(payoutId)).toMatchObject({ state: 'paid' });
  });

  test('answers the key of one that was taken before as it did then', async () => {
    const request = world.requestOf(await world.account());
    await payouts.request(request);
    await switches.set('payouts', off);
    expect(await payouts.request(request)).toMatchObject({ code: 0 });
  });

  test('is no matter of the other one', async () => {
    await switches.set('orders', off);
    expect(await payouts.request(world.requestOf(await world.account()))).toMatchObject({ code: 0 });
    expect(await offReason(world.ledgers.session, 'orders')).toBe('the bank is closed');
    expect(await offReason(world.ledgers.session, 'payouts')).toBeNull();
  });

  test('keeps its first reason when it is turned off again; on again, all is as before', async () => {
    await switches.set('payouts', off);
    await switches.set('payouts', { ...off, reason: 'another' });
    expect(await switches.all()).toMatchObject([
      { name: 'orders', isOff: false },
      { name: 'payouts', isOff: true, reason: 'the bank is closed', who: 'ann' },
    ]);
    await switches.set('payouts', on);
    expect(await switches.isOff('payouts')).toBe(false);
    expect(await payouts.request(world.requestOf(await world.account()))).toMatchObject({ code: 0 });
  });

  test('is answered only when nobody who has seen it on can begin any more', async () => {
    const stop = stopping('ahead', /INSERT INTO payout \(/);
    const slow = await stop.with(() => world.payouts());
    const request = world.requestOf(await world.account());
    const asked = slow.request(request);
    await stop.stopped;
    let isAnswered = false;
    const turned = switches.set('payouts', off).then(() => {
      isAnswered = true;
    });
    await sleep(300);
    expect(isAnswered).toBe(false);
    stop.goOn();
    expect(await asked).toMatchObject({ code: 0 });
    await turned;
    expect(await payouts.request(world.requestOf(await world.account()))).toMatchObject({ code: 2 });
  });

  test.each([
    [{ off: true, who: 'ann' }, 'reason'],
    [{ off: true, who: 'ann', reason: '' }, 'reason'],
    [{ off: true, who: '', reason: 'why' }, 'who'],
  ])('is not turned so without name and reason: %o', async (turn, name) => {
    await expect(switches.set('payouts', turn)).rejects.toThrow(name);
  });
});

describe('tidemark payments switch', () => {
  const run = (...args: string[]) => runPayments(addSwitch, world.ledgers.url, ['switch', ...args]);

  test('turns one off and on, and keeps who and why', async () => {
    const turnedOff = await run('payouts', '--off', '--reason', 'closed', '--yes');
    expect(turnedOff.code).toBe(0);
    expect(await switches.all()).toMatchObject([
      {},
      { isOff: true, reason: 'closed', who: expect.stringContaining('tidemark payments switch') },
    ]);
    expect(turnedOff.told).toMatch(/payouts +off .* closed/);
    expect((await run('payouts', '--on', '--reason', 'open', '--yes')).code).toBe(0);
    expect(await switches.isOff('payouts')).toBe(false);
  });

  test('shows one or all, for people and scripts', async () => {
    expect((await run()).told).toMatch(/orders +on [\s\S]*payouts +on /);
    const { told } = await run('orders', '--json');
    expect(JSON.parse(told)).toMatchObject([{ name: 'orders', isOff: false }]);
  });

  test.each([
    [['payout', '--off', '--reason', 'x', '--yes'], 'there is no switch "payout"'],
    [['payouts', '--off', '--yes'], '--reason is missing'],
    [['payouts', '--off', '--on', '--reason', 'x', '--yes'], 'exclude'],
    [['payouts', '--off', '--reason', 'x'], 'no terminal'],
    [['--off', '--reason', 'x', '--yes'], 'which one'],
  ])('%j is wrong: %s', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });
});
