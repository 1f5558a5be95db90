/** Who waits for whom: callers that stop in the middle of a call, locks that others keep, connections that fall silent. */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/index.ts';
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
  ledger = await world.connect({ patienceMs: 5000 });
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

describe('an account that others keep locked', () => {
  async function whileLocked<Result>(accountId: bigint, work: () => Promise<Result>): Promise<Result> {
    await world.session.write('START TRANSACTION');
    await world.session.tuples(`SELECT account_id FROM account WHERE account_id = ${accountId} FOR UPDATE`);
    return work().finally(() => world.session.write('ROLLBACK'));
  }

  test('refuses with 5 when the patience is over; that bill has no effect, then or later', async () => {
    const impatient = await world.connect({ patienceMs: 1000 });
    const accountId = await account(100n);
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 60n };
    expect(await whileLocked(accountId, () => impatient.charge(charge))).toMatchObject({ code: 5 });
    expect(await impatient.charge(charge)).toMatchObject({ code: 5 });
    expect(await ledger.balance(accountId)).toMatchObject({ balance: 100n });
  });

  test('answers -1 to what follows a bill, which takes effect when it is asked for again', async () => {
    const impatient = await world.connect({ patienceMs: 1000 });
    const accountId = await account(100n);
    const hold = { billId: await ledger.nextBillId(), accountId, amount: 60n };
    await ledger.hold(hold);
    expect(await whileLocked(accountId, () => impatient.cancel(hold))).toMatchObject({ code: -1 });
    expect(await impatient.cancel(hold)).toMatchObject({ code: 0, balance: 100n, held: 0n });
  });
});

describe('a caller that stops', () => {
  test('ahead of its COMMIT loses the account at the stall timeout, and when it goes on its bill takes effect once', async () => {
    const accountId = await account(100n);
    const stop = stopping('ahead', /^COMMIT/);
    const stopper = await stop.with(() => world.connect({ stallTimeoutMs: 1000 }));
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 60n };
    const late = stopper.charge(charge);
    await stop.stopped;
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId, amount: 30n })).toMatchObject({
      code: 0,
      balance: 70n,
    });
    stop.goOn();
    expect(await late).toMatchObject({ code: 0, balance: 10n });
    expect(await ledger.charge(charge)).toMatchObject({ code: 0, balance: 10n });
  });

  test('while it takes bill ids keeps nobody else from them', async () => {
    const impatient = await world.connect({ patienceMs: 500 });
    const stop = stopping('behind', /bill_number/);
    const stopper = await stop.with(() => world.connect());
    const late = stopper.nextBillId();
    await stop.stopped;
    const next = await impatient.nextBillId();
    stop.goOn();
    expect(await late).not.toBe(next);
  });
});

describe('a connection that falls silent', () => {
  test('is given up when the patience is over, and the call answers below 0', async () => {
    const accountId = await account(100n);
    const url = new URL(world.url);
    const serverPort = Number(url.port);
    const sockets: net.Socket[] = [];
    let isSilent = false;
    const proxy = net.createServer((client) => {
      const server = net.connect(serverPort, url.hostname);
      sockets.push(client, server);
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const)
        from.on('error', () => undefined).on('data', (chunk) => isSilent || to.write(chunk));
    });
    await new Promise<void>((resolve) => proxy.listen(0, url.hostname, resolve));
    url.port = String((proxy.address() as net.AddressInfo).port);
    const silenced = await world.connect({ url: url.href, patienceMs: 1000 });
    const charge = { billId: await ledger.nextBillId(), accountId, amount: 60n };
    isSilent = true;
    const slow = await Promise.race([silenced.charge(charge), sleep(20_000, 'no answer')]);
    expect(slow).toMatchObject({ code: -1 });
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
});
