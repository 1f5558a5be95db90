/** Accounts as an application sees them: opened, frozen, guarded by the tables themselves; and a ledger that cannot be had. */
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

describe('a frozen account', () => {
  test('takes nothing new and gives nothing away; what gives back goes through', async () => {
    const accountId = await world.account(100n);
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
    const accountId = await world.account(0n);
    await ledger.freeze(accountId, { reason: 'first' });
    expect(await ledger.freeze(accountId, { reason: 'second' })).toMatchObject({ code: 0, frozen: 'first' });
    expect(await ledger.freeze(424242n)).toMatchObject({ code: 1 });
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
    const accountId = await world.account(100n);
    await expect(world.session.write(sql(accountId))).rejects.toThrow(/constraint|foreign key/i);
  });
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
