/** What a call that was broken off has left behind, and what its caller may do about it other than to ask again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Ledger } from '../../src/ledger/index.ts';
import { Session } from '../../src/platform/mysql.ts';
import { intercepted } from '../support/intercept.ts';
import { LedgerWorld } from '../support/ledger-world.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { stopping } from '../support/stops.ts';

let servers: TestServers;
let world: LedgerWorld;
let ledger: Ledger;
let accounts = 0n;
beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true }); // statements that wait would hold back other tests
  world = await LedgerWorld.create(servers.addresses);
  ledger = await world.connect();
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
  await servers.stop();
});

async function account(fen: bigint): Promise<bigint> {
  const accountId = ++accounts;
  await ledger.openAccount(accountId);
  await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: fen });
  return accountId;
}

/** Counts the transactions of a ledger that is opened meanwhile. */
function counting() {
  let begun = 0;
  const open = Session.open.bind(Session);
  const of = async (connect: () => Promise<Ledger>) => {
    const spy = vi.spyOn(Session, 'open').mockImplementation(async (options) =>
      intercepted(await open(options), (sql) => {
        if (sql === 'START TRANSACTION') begun += 1;
      }),
    );
    const other = await connect().finally(() => spy.mockRestore());
    return other;
  };
  return { transactions: () => begun, of };
}

describe('a hold whose bill was written, and no more', () => {
  const hold = { amount: 60n, expiresInSeconds: 1 };

  async function leaveHold(accountId: bigint): Promise<bigint> {
    const billId = await ledger.nextBillId();
    await world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, hold_seconds)
       VALUES (${billId}, 'hold', ${accountId}, 0, ${hold.amount}, '', ${hold.expiresInSeconds})`,
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

describe('what follows a bill, written and no more', () => {
  const leave = (billId: bigint, channel: string, accountId: bigint, amount: bigint, heldChange: bigint) =>
    world.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, '${channel}', ${accountId}, ${amount}, ${heldChange}, '')`,
    );

  test('is refused while the account is frozen, by a repeat and by a person, and done when it is free', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n });
    await leave(billId, 'confirm', accountId, -70n, -70n);
    await ledger.freeze(accountId);
    expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 4 });
    expect(await ledger.resolve({ billId })).toMatchObject({ code: 4 });
    await ledger.unfreeze(accountId);
    expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 0, balance: 30n });
  });

  test('is refused while the money is spent, and done when there is money again', async () => {
    const accountId = await account(1n);
    const billId = await ledger.nextBillId();
    await ledger.recharge({ billId, accountId, amount: 50n });
    await leave(billId, 'rollback', accountId, -50n, 0n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 51n };
    await ledger.charge(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 3 });
    await ledger.rollback(charge);
    expect(await ledger.rollback({ billId, accountId })).toMatchObject({ code: 0, balance: 1n });
  });

  test('keeps a hold from expiring: its money may have left', async () => {
    const accountId = await account(100n);
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId, amount: 70n, expiresInSeconds: 60 });
    await leave(billId, 'confirm', accountId, -70n, -70n);
    await world.session.write(`UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE bill_id = ${billId}`);
    await ledger.expireHolds();
    expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 0, balance: 30n });
  });
});

test('a hold that waited for its effect has all its time from then on', async () => {
  const accountId = await account(100n);
  const billId = await ledger.nextBillId();
  await world.session.write(
    `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, hold_seconds, created_at)
     VALUES (${billId}, 'hold', ${accountId}, 0, 60, '', 3600, NOW() - INTERVAL 1 DAY)`,
  );
  await ledger.hold({ billId, accountId, amount: 60n, expiresInSeconds: 3600 });
  expect(await ledger.confirm({ billId, accountId })).toMatchObject({ code: 0, balance: 40n });
});

test('hundreds of holds whose time is over do not keep an account from its callers', async () => {
  const accountId = await account(1000n);
  for (let hold = 0; hold < 120; hold++)
    await ledger.hold({ billId: await ledger.nextBillId(), accountId, amount: 1n, expiresInSeconds: 60 });
  await world.session.write(
    `UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE account_id = ${accountId}`,
  );
  const { transactions, of } = counting();
  const other = await of(() => world.connect());
  expect(await other.charge({ billId: await other.nextBillId(), accountId, amount: 1000n })).toMatchObject({ code: 0 });
  expect(transactions()).toBeGreaterThanOrEqual(3);
});

test('calls on one locked account leave the others their connections, and closing waits for all answers', async () => {
  const [locked, free] = [await account(100n), await account(100n)];
  const other = await world.connect({ connections: 2, patienceMs: 1500 });
  const ids = await Promise.all(Array.from({ length: 13 }, () => other.nextBillId()));
  await world.session.write('START TRANSACTION');
  await world.session.rows(`SELECT * FROM account WHERE account_id = ${locked} FOR UPDATE`);
  const stuck = ids.slice(1).map((billId) => other.charge({ billId, accountId: locked, amount: 1n }));
  expect(await other.charge({ billId: ids[0] as bigint, accountId: free, amount: 1n })).toMatchObject({ code: 0 });
  await other.close();
  expect((await Promise.all(stuck)).map(({ code }) => code)).toEqual(stuck.map(() => 5));
  await world.session.write('COMMIT');
  expect(await other.charge({ billId: ids[0] as bigint, accountId: free, amount: 1n })).toMatchObject({ code: -1 });
});

test('releasing holds passes over an account that others keep locked, and says so', async () => {
  const [locked, free] = [await account(100n), await account(100n)];
  const other = await world.connect({ patienceMs: 1000 });
  for (const accountId of [locked, free])
    await other.hold({ billId: await other.nextBillId(), accountId, amount: 5n, expiresInSeconds: 60 });
  await world.session.write(
    `UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE account_id IN (${locked}, ${free})`,
  );
  await world.session.write('START TRANSACTION');
  await world.session.rows(`SELECT * FROM account WHERE account_id = ${locked} FOR UPDATE`);
  expect(await other.expireHolds()).toEqual({ accounts: 1, locked: 1 });
  await world.session.write('COMMIT');
  expect(await other.expireHolds()).toEqual({ accounts: 1, locked: 0 });
});

test('a server whose clock was once far ahead does not leave an account there', async () => {
  const accountId = await account(100n);
  await world.session.write(`UPDATE account SET changed_at = NOW() + INTERVAL 40 DAY WHERE account_id = ${accountId}`);
  await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 1n });
  expect(
    await world.rows(
      `SELECT ABS(TIMESTAMPDIFF(SECOND, done_at, NOW())) < 60 FROM bill WHERE account_id = ${accountId} ORDER BY id DESC LIMIT 1`,
    ),
  ).toEqual([[1]]);
});
