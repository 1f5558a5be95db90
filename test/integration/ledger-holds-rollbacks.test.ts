/** What can be taken back: a charge or recharge by a rollback, and money that is held until it is confirmed or cancelled. */
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

describe('a rollback', () => {
  test('takes a charge back, once', async () => {
    const accountId = await world.account(500n);
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId, amount: 200n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 200n, balance: 500n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 200n, balance: 500n });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 500n, held: 0n });
  });

  test('of a recharge that is spent by now is refused with 3, and may be asked for again', async () => {
    const accountId = await world.account(0n);
    const billId = await ledger.nextBillId();
    await ledger.recharge({ billId, accountId, amount: 200n });
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 150n };
    await ledger.charge(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 3 });
    await ledger.rollback(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, balance: 0n });
  });

  test('of what was refused, or never asked for, has nothing to do it to', async () => {
    const accountId = await world.account(10n);
    const billId = await ledger.nextBillId();
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
    await ledger.charge({ billId, accountId, amount: 11n });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
  });

  test('of a charge that a crash left unprocessed closes it for good', async () => {
    const accountId = await world.account(100n);
    const billId = await ledger.nextBillId();
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'charge', ${accountId}, -60, 0, '')`,
    );
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.charge({ billId, accountId, amount: 60n })).toMatchObject({ code: 5 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 100n, held: 0n });
  });

  test('with the id of another account is a wrong argument', async () => {
    const [mine, theirs] = [await world.account(100n), await world.account(100n)];
    const billId = await ledger.nextBillId();
    await ledger.charge({ billId, accountId: theirs, amount: 60n });
    expect(await ledger.rollback({ billId, accountId: mine })).toMatchObject({ code: 6 });
  });

  test('is not for what another caller has begun, nor for corrections', async () => {
    const shop = await world.connect({ caller: 'shop' });
    const accountId = await world.account(100n);
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
    const accountId = await world.account(100n);
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
    const accountId = await world.account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n });
    expect(await ledger.confirm({ billId, accountId, amount: 71n })).toMatchObject({ code: 6 });
    expect(await ledger.confirm({ billId, accountId, amount: 45n })).toMatchObject({ code: 0, balance: 55n, held: 0n });
    expect(await ledger.confirm({ billId, accountId, amount: 45n })).toMatchObject({ code: 0, balance: 55n });
    expect(await ledger.confirm({ billId, accountId, amount: 46n })).toMatchObject({ code: 6 });
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, amount: 45n, balance: 100n });
  });

  test('has one end: what is cancelled cannot be confirmed, nor the other way round', async () => {
    const accountId = await world.account(100n);
    const [first, second] = [await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.hold({ billId: first, accountId, amount: 40n });
    await ledger.hold({ billId: second, accountId, amount: 40n });
    expect(await ledger.cancel({ billId: first, accountId })).toMatchObject({ code: 0, held: 40n });
    expect(await ledger.confirm({ billId: first, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.confirm({ billId: second, accountId })).toMatchObject({ code: 0, balance: 60n });
    expect(await ledger.cancel({ billId: second, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 60n, held: 0n });
  });

  test('is no charge: it is not rolled back, and a charge is not confirmed', async () => {
    const accountId = await world.account(100n);
    const [hold, charge] = [await ledger.nextBillId(), await ledger.nextBillId()];
    await ledger.hold({ billId: hold, accountId, amount: 40n });
    await ledger.charge({ billId: charge, accountId, amount: 40n });
    expect(await ledger.rollback({ billId: hold, accountId })).toMatchObject({ code: 6 });
    expect(await ledger.confirm({ billId: charge, accountId })).toMatchObject({ code: 6 });
    expect(await ledger.cancel({ billId: charge, accountId })).toMatchObject({ code: 6 });
  });

  test('whose time is over is released by whoever looks at the account next, and cannot be confirmed any more', async () => {
    const accountId = await world.account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n, expiresInSeconds: 60 });
    await world.session.write(`UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE bill_id = ${billId}`);
    expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 100n, held: 0n });
    expect((await ledger.bills(accountId)).find(({ channel }) => channel === 'cancel')).toMatchObject({
      result: 'success',
      operator: 'expiry',
    });
  });

  test('that was left alone is released for all accounts by one call; one without an end stays', async () => {
    const accountId = await world.account(100n);
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
