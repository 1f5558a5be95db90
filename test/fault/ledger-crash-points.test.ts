/**
 * Every statement of every ledger call, broken: the caller killed before or after it, the connection lost before or
 * after it, a deadlock, a lock wait. Then the same call once more: the books are as if nothing had happened.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { breaking, type Fault, faultsAt } from '../support/broken-statements.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let calm: Ledger;
let accounts = 0n;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  calm = await world.connect();
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
});
afterEach(() => vi.restoreAllMocks());

const wealth = 1000n;
type Call = (ledger: Ledger, billId: bigint, accountId: bigint) => Promise<{ code: number }>;

/** What is there before the call, and the call. */
const scenes: Readonly<Record<string, { before?: Call[]; call: Call }>> = {
  recharge: { call: (ledger, billId, accountId) => ledger.recharge({ billId, accountId, amount: 300n }) },
  charge: { call: (ledger, billId, accountId) => ledger.charge({ billId, accountId, amount: 300n }) },
  'charge by the price list': {
    before: [(ledger) => ledger.setPrice({ name: 'server', price: 100n })],
    call: (ledger, billId, accountId) => ledger.charge({ billId, accountId, items: { server: 3n } }),
  },
  'charge that is refused': {
    call: (ledger, billId, accountId) => ledger.charge({ billId, accountId, amount: 3000n }),
  },
  hold: {
    call: (ledger, billId, accountId) => ledger.hold({ billId, accountId, amount: 300n, expiresInSeconds: 600 }),
  },
  confirm: {
    before: [(ledger, billId, accountId) => ledger.hold({ billId, accountId, amount: 300n })],
    call: (ledger, billId, accountId) => ledger.confirm({ billId, accountId, amount: 200n }),
  },
  cancel: {
    before: [(ledger, billId, accountId) => ledger.hold({ billId, accountId, amount: 300n })],
    call: (ledger, billId, accountId) => ledger.cancel({ billId, accountId }),
  },
  rollback: {
    before: [(ledger, billId, accountId) => ledger.charge({ billId, accountId, amount: 300n })],
    call: (ledger, billId, accountId) => ledger.rollback({ billId, accountId }),
  },
  correct: {
    call: (ledger, billId, accountId) =>
      ledger.correct({ billId, accountId, amount: -5n, operator: 'ann', info: 'twice' }),
  },
  'balance that releases a hold': {
    before: [
      (ledger, billId, accountId) => ledger.hold({ billId, accountId, amount: 300n, expiresInSeconds: 600 }),
      async (_ledger, billId) => {
        await world.session.write(
          `UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE bill_id = ${billId}`,
        );
        return { code: 0 };
      },
    ],
    call: (ledger, _, accountId) => ledger.balance(accountId),
  },
  freeze: { call: (ledger, _, accountId) => ledger.freeze(accountId, { reason: 'fraud' }) },
  resolve: {
    before: [
      async (_, billId, accountId) => {
        await world.session.write(
          `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'recharge', ${accountId}, 5, 0, '')`,
        );
        return { code: 0 };
      },
    ],
    // Asked again, there is nothing left to resolve.
    call: async (ledger, billId) => {
      const { code } = await ledger.resolve({ billId, apply: true, operator: 'ann' });
      return { code: code === 1 ? 0 : code };
    },
  },
};

/** The scene on an account of its own, the call under a fault, and the call again by another process; what stands then. */
async function play({ before = [], call }: { before?: Call[]; call: Call }, nth: number, fault: Fault | null) {
  const accountId = ++accounts;
  await calm.openAccount(accountId);
  await calm.recharge({ billId: await calm.nextBillId(), accountId, amount: wealth });
  const billId = await calm.nextBillId();
  for (const step of before) expect(await step(calm, billId, accountId)).toMatchObject({ code: 0 });
  const sent = breaking(nth, fault);
  const broken = await Ledger.connect({ url: world.url, connections: 1, patienceMs: 2000 }).catch(() => null);
  if (broken !== null) await call(broken, billId, accountId);
  const statements = sent();
  vi.restoreAllMocks();
  const again = await call(calm, billId, accountId);
  await broken?.close();
  const of = `account_id = ${accountId}`;
  const state = {
    again: { ...again, billId: null },
    bills: await world.rows(
      `SELECT channel, amount, held_change, result, code, sequence, balance_after, held_after, prices FROM bill WHERE ${of} ORDER BY id`,
    ),
    account: await world.rows(`SELECT balance, held, sequence, frozen_reason FROM account WHERE ${of}`),
    holds: await world.rows(`SELECT amount FROM open_hold WHERE ${of}`),
    events: await world.rows(`SELECT what, operator FROM account_event WHERE ${of} ORDER BY id`),
  };
  return { statements, state };
}

describe.each(Object.entries(scenes))('%s', (_, scene) => {
  test('comes out the same wherever it is broken', async () => {
    const undisturbed = await play(scene, 0, null);
    expect(undisturbed.statements.length).toBeGreaterThan(4);
    for (let nth = 1; nth <= undisturbed.statements.length; nth++)
      for (const fault of faultsAt(nth, undisturbed.statements))
        expect((await play(scene, nth, fault)).state, `${fault} statement ${nth}`).toEqual(undisturbed.state);
  });
});
