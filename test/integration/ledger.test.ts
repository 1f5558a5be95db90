/** The ledger as an application sees it: every operation, its answers, and what stands in the tables then. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let ledger: Ledger;
let lastAccount = 1000n;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  ledger = await world.connect();
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
});

/** A new account with some money in it. */
async function account(fen: bigint, of: Ledger = ledger): Promise<bigint> {
  const accountId = ++lastAccount;
  expect(await of.openAccount(accountId)).toMatchObject({ code: 0, balance: 0n });
  if (fen > 0n)
    expect(await of.recharge({ billId: await of.nextBillId(), accountId, amount: fen })).toMatchObject({ code: 0 });
  return accountId;
}
const balanceOf = async (accountId: bigint) => {
  const answer = await ledger.balance(accountId);
  return answer.code === 0 ? [answer.balance, answer.held] : answer.code;
};
const billsOf = async (accountId: bigint) =>
  (await ledger.bills(accountId)).map(({ channel, amount, result, code }) => [channel, amount, result, code]).reverse();

describe('an account', () => {
  test('is opened once, empty; again with the same kind is a success, with another a wrong argument', async () => {
    expect(await ledger.openAccount(1n)).toEqual({ code: 0, balance: 0n, held: 0n, available: 0n, frozen: null });
    expect(await ledger.openAccount(1n)).toMatchObject({ code: 0 });
    expect(await ledger.openAccount(1n, { kind: 'commission' })).toMatchObject({ code: 6 });
    expect(await world.rows('SELECT what, reason FROM account_event WHERE account_id = 1')).toEqual([
      ['opened', 'as a prepaid account'],
    ]);
  });

  test('that nobody opened has no balance and takes no money', async () => {
    expect(await ledger.balance(99n)).toMatchObject({ code: 1 });
    const billId = await ledger.nextBillId();
    expect(await ledger.recharge({ billId, accountId: 99n, amount: 5n })).toMatchObject({ code: 1 });
    expect(await world.rows(`SELECT COUNT(*) FROM bill WHERE bill_id = ${billId}`)).toEqual([['0']]);
  });

  test('of commission is filled by settlements, not by recharges', async () => {
    await ledger.openAccount(2n, { kind: 'commission' });
    const billId = await ledger.nextBillId();
    expect(await ledger.recharge({ billId, accountId: 2n, amount: 5n })).toMatchObject({ code: 2 });
  });
});

describe('money', () => {
  test('goes in and out, and each bill says what the account was then', async () => {
    const accountId = await account(500n);
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
    const accountId = await account(100n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 101n };
    expect(await ledger.charge(charge)).toMatchObject({ code: 3 });
    await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: 900n });
    expect(await ledger.charge(charge)).toMatchObject({ code: 3 });
    expect(await balanceOf(accountId)).toEqual([1000n, 0n]);
    expect(await billsOf(accountId)).toContainEqual(['charge', -101n, 'failed', 3]);
  });

  test('asked for twice moves once, and the second answer is the first', async () => {
    const accountId = await account(500n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 200n };
    const first = await ledger.charge(charge);
    await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 50n });
    expect(await ledger.charge(charge)).toEqual(first);
    expect(await balanceOf(accountId)).toEqual([250n, 0n]);
  });

  test.each([
    ['another amount', { amount: 6n }],
    ['another account', { accountId: 1001n }],
  ])('asked for again with %s is a wrong argument, and nothing moves', async (_, other) => {
    const accountId = await account(500n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 5n };
    await ledger.charge(charge);
    expect(await ledger.charge({ ...charge, ...other })).toMatchObject({ code: 6 });
    expect(await balanceOf(accountId)).toEqual([495n, 0n]);
  });

  test('cannot be asked for with the id of another operation', async () => {
    const accountId = await account(500n);
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId, amount: 5n });
    expect(await ledger.recharge({ billId, accountId, amount: 5n })).toMatchObject({ code: 6 });
    expect(await ledger.hold({ billId, accountId, amount: 5n })).toMatchObject({ code: 6 });
  });

  test('around 2^53 and 2^63 is exact, and more than an account can hold is refused', async () => {
    const accountId = await account(2n ** 53n + 1n);
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
    const accountId = await account(500n);
    const before = await world.rows('SELECT COUNT(*) FROM bill');
    const request = { billId: await ledger.nextBillId(), accountId, ...wrong } as Parameters<Ledger['charge']>[0];
    expect(await ledger.charge(request)).toMatchObject({ code: 6 });
    expect(await world.rows('SELECT COUNT(*) FROM bill')).toEqual(before);
    expect(await balanceOf(accountId)).toEqual([500n, 0n]);
  });
});

describe('a rollback', () => {
  test('takes a charge back, once', async () => {
    const accountId = await account(500n);
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId, amount: 200n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 200n, balance: 500n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 200n, balance: 500n });
    expect(await balanceOf(accountId)).toEqual([500n, 0n]);
  });

  test('of a recharge that is spent by now is refused with 3, and may be asked for again', async () => {
    const accountId = await account(0n);
    const billId = await ledger.nextBillId();
    await ledger.recharge({ billId, accountId, amount: 200n });
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 150n };
    await ledger.charge(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 3 });
    await ledger.rollback(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, balance: 0n });
  });

  test('of what was refused, or never asked for, has nothing to do it to', async () => {
    const accountId = await account(10n);
    const billId = await ledger.nextBillId();
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
    await ledger.charge({ billId, accountId, amount: 11n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
  });

  test('of a charge that a crash left unprocessed closes it for good', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'charge', ${accountId}, -60, 0, '')`,
    );
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.charge({ billId, accountId, amount: 60n })).toMatchObject({ code: 5 });
    expect(await balanceOf(accountId)).toEqual([100n, 0n]);
  });

  test('with the id of another account is a wrong argument', async () => {
    const [mine, theirs] = [await account(100n), await account(100n)];
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId: theirs, amount: 60n });
    expect(await ledger.rollback({ billId, accountId: mine })).toMatchObject({ code: 6 });
  });

  test('is not for what another caller has begun, nor for corrections', async () => {
    const shop = await world.connect({ caller: 'shop' });
    const accountId = await account(100n);
    const billId = await shop.nextBillId();
    await shop.charge({ billId, accountId, amount: 60n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 2 });
    const correction = {
      billId: await ledger.nextBillId(),
      accountId,
      amount: -5n,
      operator: 'ann',
      info: 'paid twice',
    };
    expect(await ledger.correct(correction)).toMatchObject({ code: 0, balance: 35n });
    expect(await ledger.rollback(correction)).toMatchObject({ code: 2 });
  });
});

describe('a hold', () => {
  test('leaves the balance, and what it holds cannot be spent', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    expect(await ledger.hold({ billId, accountId, amount: 70n })).toMatchObject({ code: 0, balance: 100n, held: 70n });
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 31n })).toMatchObject({
      code: 3,
    });
    expect(await ledger.hold({ billId: await ledger.nextBillId(), accountId, amount: 31n })).toMatchObject({ code: 3 });
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 30n })).toMatchObject({
      code: 0,
    });
  });

  test('is confirmed in part: the part is taken, the rest released', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n });
    expect(await ledger.confirm({ billId, accountId, amount: 71n })).toMatchObject({ code: 6 });
    expect(await ledger.confirm({ billId, accountId, amount: 45n })).toMatchObject({ code: 0, balance: 55n, held: 0n });
    expect(await ledger.confirm({ billId, accountId, amount: 45n })).toMatchObject({ code: 0, balance: 55n });
    expect(await ledger.confirm({ billId, accountId, amount: 46n })).toMatchObject({ code: 6 });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 45n, balance: 100n });
  });

  test('has one end: what is cancelled cannot be confirmed, nor the other way round', async () => {
    const accountId = await account(100n);
    const [first, second] = [await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.hold({ billId: first, accountId, amount: 40n });
    await ledger.hold({ billId: second, accountId, amount: 40n });
    expect(await ledger.cancel({ billId: first, accountId })).toMatchObject({ code: 0, held: 40n });
    expect(await ledger.confirm({ billId: first, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.confirm({ billId: second, accountId })).toMatchObject({ code: 0, balance: 60n });
    expect(await ledger.cancel({ billId: second, accountId })).toMatchObject({ code: 1 });
    expect(await balanceOf(accountId)).toEqual([60n, 0n]);
  });

  test('is no charge: it is not rolled back, and a charge is not confirmed', async () => {
    const accountId = await account(100n);
    const [hold, charge] = [await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.hold({ billId: hold, accountId, amount: 40n });
    await ledger.charge({ billId: charge, accountId, amount: 40n });
    expect(await ledger.rollback({ billId: hold, accountId })).toMatchObject({ code: 6 });
    expect(await ledger.confirm({ billId: charge, accountId })).toMatchObject({ code: 6 });
    expect(await ledger.cancel({ billId: charge, accountId })).toMatchObject({ code: 6 });
  });

  test('whose time is over is released by whoever looks at the account next, and cannot be confirmed any more', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n, expiresInSeconds: 60 });
    await world.session.write(`UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE bill_id = ${billId}`);
    expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await balanceOf(accountId)).toEqual([100n, 0n]);
    expect((await ledger.bills(accountId)).find(({ channel }) => channel === 'cancel')).toMatchObject({
      result: 'success',
      operator: 'expiry',
    });
  });

  test('that was left alone is released for all accounts by one call; one without an end stays', async () => {
    const accountId = await account(100n);
    const [left, stays] = [await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.hold({ billId: left, accountId, amount: 30n, expiresInSeconds: 60 });
    await ledger.hold({ billId: stays, accountId, amount: 20n });
    await world.session.write(
      'UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE expires_at IS NOT NULL',
    );
    await ledger.expireHolds();
    expect(await world.rows(`SELECT held FROM account WHERE account_id = ${accountId}`)).toEqual([['20']]);
  });
});

describe('a frozen account', () => {
  test('takes nothing new and gives nothing away; what gives back goes through', async () => {
    const accountId = await account(100n);
    const [charge, hold, other] = [await ledger.nextBillId(), await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.charge({ billId: charge, accountId, amount: 10n });
    await ledger.hold({ billId: hold, accountId, amount: 20n });
    await ledger.hold({ billId: other, accountId, amount: 30n });
    expect(await ledger.freeze(accountId, { reason: 'fraud', operator: 'ann' })).toMatchObject({
      code: 0,
      frozen: 'fraud',
    });
    const id = () => ledger.nextBillId();
    expect(await ledger.charge({ billId: await id(), accountId, amount: 1n })).toMatchObject({ code: 4 });
    expect(await ledger.recharge({ billId: await id(), accountId, amount: 1n })).toMatchObject({ code: 4 });
    expect(await ledger.hold({ billId: await id(), accountId, amount: 1n })).toMatchObject({ code: 4 });
    expect(await ledger.confirm({ billId: hold, accountId })).toMatchObject({ code: 4 });
    expect(await ledger.rollback({ billId: charge, accountId })).toMatchObject({ code: 0 });
    expect(await ledger.cancel({ billId: other, accountId })).toMatchObject({ code: 0 });
    expect(await ledger.unfreeze(accountId, { reason: 'cleared', operator: 'bob' })).toMatchObject({
      code: 0,
      frozen: null,
    });
    expect(await ledger.confirm({ billId: hold, accountId })).toMatchObject({ code: 0, balance: 80n });
    expect(
      await world.rows(`SELECT what, reason, operator FROM account_event WHERE account_id = ${accountId} ORDER BY id`),
    ).toEqual([
      ['opened', 'as a prepaid account', null],
      ['frozen', 'fraud', 'ann'],
      ['unfrozen', 'cleared', 'bob'],
    ]);
  });

  test('frozen again keeps its first reason; an unknown one is no data', async () => {
    const accountId = await account(0n);
    await ledger.freeze(accountId, { reason: 'first' });
    expect(await ledger.freeze(accountId, { reason: 'second' })).toMatchObject({ code: 0, frozen: 'first' });
    expect(await ledger.freeze(424242n)).toMatchObject({ code: 1 });
  });
});

describe('prices', () => {
  test('of the moment stand on the bill, and a repeat after a change is the same charge', async () => {
    const accountId = await account(10_000n);
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
    const accountId = await account(1000n);
    const charge = { billId: await ledger.nextBillId(), accountId, ...wrong } as Parameters<Ledger['charge']>[0];
    expect(await ledger.charge(charge)).toMatchObject({ code });
    expect(await balanceOf(accountId)).toEqual([1000n, 0n]);
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
    const accountId = await account(100n);
    const billId = await leave(accountId, 'charge', -60n);
    expect((await ledger.unprocessed({ olderThanSeconds: 3600 })).map((bill) => bill.billId)).toContain(billId);
    expect(await ledger.charge({ billId, accountId, amount: 60n })).toMatchObject({ code: 0, balance: 40n });
    expect(await ledger.unprocessed()).toEqual([]);
  });

  test('is closed by a person, and then stays refused', async () => {
    const accountId = await account(100n);
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
    const accountId = await account(100n);
    const billId = await leave(accountId, 'recharge', 60n);
    expect(await ledger.resolve({ billId, apply: true })).toMatchObject({ code: 0, bills: [{ result: 'success' }] });
    expect(await balanceOf(accountId)).toEqual([160n, 0n]);
  });

  test('that follows from another is never closed: its end could not be asked for again', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n });
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'cancel', ${accountId}, 0, -70, '')`,
    );
    expect(await ledger.resolve({ billId })).toMatchObject({
      code: 0,
      bills: [{ channel: 'cancel', result: 'success' }],
    });
    expect(await balanceOf(accountId)).toEqual([100n, 0n]);
  });
});

describe('the tables refuse', () => {
  test.each([
    ['a balance without a bill', (id: bigint) => `UPDATE account SET balance = balance + 1 WHERE account_id = ${id}`],
    ['a balance below zero', (id: bigint) => `UPDATE account SET balance = -1 WHERE account_id = ${id}`],
    ['more held than there is', (id: bigint) => `UPDATE account SET held = balance + 1 WHERE account_id = ${id}`],
    ['a changed amount', (id: bigint) => `UPDATE bill SET amount = amount + 1 WHERE account_id = ${id}`],
    ['a bill taken away', (id: bigint) => `DELETE FROM bill WHERE account_id = ${id}`],
    [
      'a success that does not continue the chain',
      (id: bigint) =>
        `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, result, done_at, sequence, previous, balance_before, balance_after, held_before, held_after)
         VALUES (1, 'recharge', ${id}, 5, 0, '', 'success', NOW(), 2, 1, 99, 104, 0, 0)`,
    ],
    [
      'a success without its place',
      (id: bigint) =>
        `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, result, done_at) VALUES (1, 'recharge', ${id}, 5, 0, '', 'success', NOW())`,
    ],
    [
      'a bill of an unknown account',
      () =>
        `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (1, 'recharge', 31337, 5, 0, '')`,
    ],
    [
      'a charge that puts money in',
      (id: bigint) =>
        `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (1, 'charge', ${id}, 5, 0, '')`,
    ],
  ])('%s', async (_, sql) => {
    const accountId = await account(100n);
    await expect(world.session.write(sql(accountId))).rejects.toThrow(/constraint|foreign key/i);
  });
});

test('bill ids are handed out once, over several processes', async () => {
  const others = [ledger, await world.connect(), await world.connect()];
  const ids = (
    await Promise.all(others.map((one) => Promise.all(Array.from({ length: 250 }, () => one.nextBillId()))))
  ).flat();
  expect(new Set(ids).size).toBe(750);
});

test('a server that is gone is busy, and a database without the tables is told with the command that makes them', async () => {
  const { Ledger: Class } = await import('../../src/ledger/index.ts');
  await expect(Class.connect({ url: world.url.replace(/\/ledger_\w+$/, '/mysql') })).rejects.toThrow(
    /lacks its tables/,
  );
  await expect(Class.connect({ url: 'mysql://a:b@127.0.0.1:1/x', patienceMs: 50 })).rejects.toThrow(
    /cannot be reached/,
  );
});
