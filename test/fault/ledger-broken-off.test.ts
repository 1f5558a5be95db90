/** What a call that was broken off has left behind, and what its caller may do about it other than to ask again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';
import { stopping } from '../support/stops.ts';

let world: LedgerWorld;
let ledger: Ledger;
let accounts = 0n;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  ledger = await world.connect();
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
});

async function account(fen: bigint): Promise<bigint> {
  const accountId = ++accounts;
  await ledger.openAccount(accountId);
  await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: fen });
  return accountId;
}

describe('a hold whose bill was written, and no more', () => {
  const hold = { amount: 60n, expiresInSeconds: 1 };

  async function leaveHold(accountId: bigint): Promise<bigint> {
    const billId = await ledger.nextBillId();
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, expires_at)
       VALUES (${billId}, 'hold', ${accountId}, 0, ${hold.amount}, '', NOW() + INTERVAL 1 SECOND)`,
    );
    return billId;
  }

  test.each(['cancel', 'confirm'] as const)('never takes effect once its caller has gone on to %s it', async (end) => {
    const accountId = await account(100n);
    const billId = await leaveHold(accountId);
    expect(await ledger[end]({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.hold({ billId, accountId, ...hold })).toMatchObject({ code: 5 });
    expect(await ledger[end]({ billId, accountId })).toMatchObject({ code: 1 });
    expect(await ledger.unprocessed()).toEqual([]);
  });

  test('leaves the account usable, also when its time is over', async () => {
    const accountId = await account(100n);
    const billId = await leaveHold(accountId);
    await ledger.cancel({ billId, accountId });
    await ledger.hold({ billId, accountId, ...hold });
    await sleep(1500);
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 100n })).toMatchObject({
      code: 0,
      balance: 0n,
    });
  });
});

describe('a charge by the price list that is on its way when its caller asks again', () => {
  test('answers the same both times, though the price has changed in between', async () => {
    const accountId = await account(1000n);
    await ledger.setPrice({ name: 'server', price: 100n });
    const charge = { billId: await ledger.nextBillId(), accountId, items: { server: 3n } };
    const [first, again] = [stopping('ahead', /INTO bill \(/), stopping('ahead', /INTO bill \(/)];
    const [late, now] = [await first.with(() => world.connect()), await again.with(() => world.connect())];
    const answered = late.charge(charge);
    await first.stopped;
    await ledger.setPrice({ name: 'server', price: 120n });
    const answeredNow = now.charge(charge);
    await again.stopped;
    first.goOn();
    expect(await answered).toMatchObject({ code: 0, amount: -300n, balance: 700n });
    again.goOn();
    expect(await answeredNow).toEqual(await answered);
  });
});
