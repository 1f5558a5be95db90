/** Money in and out: the answers, the bills that stay, prices, and what a crash left unprocessed. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let ledger: Ledger;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  ledger = await world.connect();
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
});

describe('money', () => {
  test('goes in and out, and each bill says what the account was then', async () => {
    const accountId = await world.account(500n);
    const billId = await ledger.nextBillId();
    expect(
      await ledger.charge({ billId, accountId, amount: 120n, operator: 'ann', clientAddress: '10.0.0.7' }),
    ).toEqual({
      code: 0,
      billId,
      amount: -120n,
      balance: 380n,
      held: 0n,
    });
    const [bill] = await ledger.bills(accountId, { limit: 1 });
    expect(bill).toMatchObject({
      balanceBefore: 500n,
      balanceAfter: 380n,
      sequence: 2n,
      operator: 'ann',
      clientAddress: '10.0.0.7',
    });
  });

  test('that is not there is refused with 3; the bill stays as failed, and a repeat is refused again, with money there', async () => {
    const accountId = await world.account(100n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 101n };
    expect(await ledger.charge(charge)).toMatchObject({ code: 3 });
    await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: 900n });
    expect(await ledger.charge(charge)).toMatchObject({ code: 3 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 1000n, held: 0n });
    expect(await ledger.bills(accountId)).toContainEqual(
      expect.objectContaining({ channel: 'charge', amount: -101n, result: 'failed', code: 3 }),
    );
  });

  test('asked for twice moves once, and the second answer is the first', async () => {
    const accountId = await world.account(500n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 200n };
    const first = await ledger.charge(charge);
    await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 50n });
    expect(await ledger.charge(charge)).toEqual(first);
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 250n, held: 0n });
  });

  test.each([
    ['another amount', { amount: 6n }],
    ['another account', { accountId: 1001n }], // the first that was opened here
  ])('asked for again with %s is a wrong argument, and nothing moves', async (_, other) => {
    const accountId = await world.account(500n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 5n };
    await ledger.charge(charge);
    expect(await ledger.charge({ ...charge, ...other })).toMatchObject({ code: 6 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 495n, held: 0n });
  });

  test('cannot be asked for with the id of another operation', async () => {
    const accountId = await world.account(500n);
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId, amount: 5n });
    expect(await ledger.recharge({ billId, accountId, amount: 5n })).toMatchObject({ code: 6 });
    expect(await ledger.hold({ billId, accountId, amount: 5n })).toMatchObject({ code: 6 });
  });

  test('around 2^53 and 2^63 is exact, and more than an account can hold is refused', async () => {
    const accountId = await world.account(2n ** 53n + 1n);
    const rest = 2n ** 63n - 1n - (2n ** 53n + 1n);
    expect(await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: rest })).toMatchObject({
      code: 0,
      balance: 2n ** 63n - 1n,
    });
    expect(await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: 1n })).toMatchObject({
      code: 6,
    });
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 2n ** 63n - 1n })).toMatchObject(
      {
        code: 0,
        balance: 0n,
      },
    );
  });

  test.each([
    ['a negative amount', { amount: -5n }],
    ['no fen at all', { amount: 0n }],
    ['a fraction', { amount: 1.5 }],
    ['a number', { amount: 5 }],
    ['text', { amount: '5' }],
    ['more than a BIGINT', { amount: 2n ** 63n }],
    ['a bill id that was not handed out', { amount: 5n, billId: 2n ** 62n }],
    ['a bill id below the first', { amount: 5n, billId: 7n }],
    ['an account id that is none', { amount: 5n, accountId: -1n }],
    ['an operator of 200 characters', { amount: 5n, operator: 'x'.repeat(200) }],
  ])('is refused with 6 for %s, and nothing is written', async (_, wrong) => {
    const accountId = await world.account(500n);
    const before = await world.rows('SELECT COUNT(*) FROM bill');
    const request = { billId: await ledger.nextBillId(), accountId, ...wrong } as Parameters<Ledger['charge']>[0];
    expect(await ledger.charge(request)).toMatchObject({ code: 6 });
    expect(await world.rows('SELECT COUNT(*) FROM bill')).toEqual(before);
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 500n, held: 0n });
  });
});

describe('prices', () => {
  test('of the moment stand on the bill, and a repeat after a change is the same charge', async () => {
    const accountId = await world.account(10_000n);
    await ledger.setPrice({ name: 'web server', price: 300n, info: '4 cores' });
    await ledger.setPrice({ name: 'database', price: 1000n });
    const charge = { billId: await ledger.nextBillId(), accountId, items: { 'web server': 3n, database: 2n } };
    const first = await ledger.charge(charge);
    expect(first).toMatchObject({ code: 0, amount: -2900n });
    await ledger.setPrice({ name: 'database', price: 9n });
    expect(await ledger.charge(charge)).toEqual(first);
    const [bill] = await ledger.bills(accountId, { limit: 1 });
    expect(bill?.items).toEqual([
      { name: 'database', quantity: 2n, price: 1000n },
      { name: 'web server', quantity: 3n, price: 300n },
    ]);
    expect(await ledger.prices()).toContainEqual({ name: 'database', price: 9n, info: '' });
  });

  test.each([
    ['an unknown name', { items: { moon: 1n } }, 1],
    ['a quantity of 0', { items: { 'web server': 0n } }, 6],
    ['a quantity that is no bigint', { items: { 'web server': 1 } }, 6],
    ['no items', { items: {} }, 6],
    ['neither items nor amount', {}, 6],
    ['items that do not come to the amount', { items: { 'web server': 1n }, amount: 299n }, 6],
  ])('are refused for %s', async (_, wrong, code) => {
    const accountId = await world.account(1000n);
    const charge = { billId: await ledger.nextBillId(), accountId, ...wrong } as Parameters<Ledger['charge']>[0];
    expect(await ledger.charge(charge)).toMatchObject({ code });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 1000n, held: 0n });
  });
});

describe('a bill that a crash left unprocessed', () => {
  const leave = async (accountId: bigint, channel: string, amount: bigint, heldChange = 0n) => {
    const billId = await ledger.nextBillId();
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, created_at)
       VALUES (${billId}, '${channel}', ${accountId}, ${amount}, ${heldChange}, '', NOW() - INTERVAL 1 DAY)`,
    );
    return billId;
  };

  test('is found by its age, and ended by the same call again', async () => {
    const accountId = await world.account(100n);
    const billId = await leave(accountId, 'charge', -60n);
    expect((await ledger.unprocessed({ olderThanSeconds: 3600 })).map((bill) => bill.billId)).toContain(billId);
    expect(await ledger.charge({ billId, accountId, amount: 60n })).toMatchObject({ code: 0, balance: 40n });
    expect(await ledger.unprocessed()).toEqual([]);
  });

  test('is closed by a person, and then stays refused', async () => {
    const accountId = await world.account(100n);
    const billId = await leave(accountId, 'charge', -60n);
    expect(await ledger.resolve({ billId, operator: 'ann', reason: 'never delivered' })).toMatchObject({
      code: 0,
      bills: [{ result: 'failed', code: 5 }],
    });
    expect(await ledger.charge({ billId, accountId, amount: 60n })).toMatchObject({ code: 5 });
    expect(await ledger.resolve({ billId })).toMatchObject({ code: 1 });
    expect(
      await world.rows(
        `SELECT reason, operator FROM account_event WHERE account_id = ${accountId} AND what = 'resolved'`,
      ),
    ).toEqual([[`bill ${billId} (charge): failed; never delivered`, 'ann']]);
  });

  test('is given its effect by a person who says so', async () => {
    const accountId = await world.account(100n);
    const billId = await leave(accountId, 'recharge', 60n);
    expect(await ledger.resolve({ billId, apply: true })).toMatchObject({ code: 0, bills: [{ result: 'success' }] });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 160n, held: 0n });
  });

  test('that follows from another is never closed: its end could not be asked for again', async () => {
    const accountId = await world.account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n });
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'cancel', ${accountId}, 0, -70, '')`,
    );
    expect(await ledger.resolve({ billId })).toMatchObject({
      code: 0,
      bills: [{ channel: 'cancel', result: 'success' }],
    });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 100n, held: 0n });
  });
});

test('bill ids are handed out once, over several processes', async () => {
  const others = [ledger, await world.connect(), await world.connect()];
  const ids = (
    await Promise.all(others.map((one) => Promise.all(Array.from({ length: 250 }, () => one.nextBillId()))))
  ).flat();
  expect(new Set(ids).size).toBe(750);
});
