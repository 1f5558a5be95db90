/** Whatever a program hands in, also one without types: an answer, and nothing is written. */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let ledger: Ledger;
const accountId = 1n;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  ledger = await world.connect();
  await ledger.openAccount(accountId);
  await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: 1000n });
});
afterAll(() => world.destroy());

const bills = () => world.rows('SELECT COUNT(*) FROM bill');
const untyped = () => ledger as unknown as Record<string, (...parameters: unknown[]) => Promise<{ code: number }>>;
const call = (name: string, ...parameters: unknown[]) =>
  (untyped()[name] as never as typeof Ledger.prototype.view).apply(ledger, parameters as never);

describe('nothing at all', () => {
  test.each(['recharge', 'charge', 'hold', 'confirm', 'cancel', 'rollback', 'correct', 'resolve', 'setPrice'])(
    'handed to %s is a wrong argument',
    async (name) => {
      const before = await bills();
      for (const nothing of [undefined, null, 7, 'x']) expect(await call(name, nothing)).toMatchObject({ code: 6 });
      expect(await bills()).toEqual(before);
    },
  );

  test('handed to freeze beside the account freezes it without a reason', async () => {
    await ledger.openAccount(2n);
    expect(await call('freeze', 2n, null)).toMatchObject({ code: 0, frozen: 'no reason given' });
  });
});

test.each([
  ['a symbol', { amount: Symbol('x') }],
  ['an object without a prototype', { amount: Object.create(null) }],
  ['items that are null', { items: null }],
  ['items and an amount of which one is null', { items: null, amount: 5n }],
  ['items that are a list of numbers', { items: [1, 2] }],
  ['too many items', { items: Object.fromEntries(Array.from({ length: 101 }, (_, nth) => [`item ${nth}`, 1n])) }],
  ['half of a character', { amount: 5n, operator: '\ud83d' }],
])('a charge with %s is a wrong argument', async (_, wrong) => {
  const before = await bills();
  const request = { billId: await ledger.nextBillId(), accountId, ...wrong };
  expect(await call('charge', request)).toMatchObject({ code: 6 });
  expect(await bills()).toEqual(before);
});

test('a hold beyond a year is a wrong argument', async () => {
  const hold = { billId: await ledger.nextBillId(), accountId, amount: 1n, expiresInSeconds: 400_000_000 };
  expect(await ledger.hold(hold)).toMatchObject({ code: 6 });
});

test('texts are as long as the column says, in characters', async () => {
  const charge = { billId: await ledger.nextBillId(), accountId, amount: 1n, info: '😀'.repeat(1000) };
  expect(await ledger.charge(charge)).toMatchObject({ code: 0 });
  expect(await ledger.charge({ ...charge, info: '😀'.repeat(1001) })).toMatchObject({ code: 6 });
});

describe('the same bill id with other content', () => {
  test('is refused for other items of the same sum, and for the sum alone', async () => {
    await ledger.setPrice({ name: 'server', price: 10n });
    await ledger.setPrice({ name: 'database', price: 10n });
    const charge = { billId: await ledger.nextBillId(), accountId, items: { server: 1n } };
    expect(await ledger.charge(charge)).toMatchObject({ code: 0 });
    expect(await ledger.charge({ ...charge, items: { database: 1n } })).toMatchObject({ code: 6 });
    expect(await ledger.charge({ billId: charge.billId, accountId, amount: 10n })).toMatchObject({ code: 6 });
  });

  test('is refused for a hold with another time', async () => {
    const hold = { billId: await ledger.nextBillId(), accountId, amount: 1n, expiresInSeconds: 60 };
    expect(await ledger.hold(hold)).toMatchObject({ code: 0 });
    expect(await ledger.hold({ ...hold, expiresInSeconds: 61 })).toMatchObject({ code: 6 });
    expect(await ledger.hold({ billId: hold.billId, accountId, amount: 1n })).toMatchObject({ code: 6 });
  });
});

test('a price whose name has blanks around it is refused: the server would take it for another', async () => {
  expect(await ledger.setPrice({ name: 'server ', price: 1n })).toMatchObject({ code: 6 });
  expect(await call('setPrice', { name: 'server', price: 10n, info: undefined })).toMatchObject({ code: 0 });
});

describe('looking', () => {
  test('takes no SQL for an id', async () => {
    await expect(call('bills', 999n, { before: '0 OR account_id = 1' })).rejects.toThrow();
    expect(await call('bills', '1 OR 1 = 1')).toEqual([]);
    expect(await call('view', '1abc')).toBeNull();
  });

  test.each([{ limit: -1 }, { limit: Number.NaN }, { olderThanSeconds: -5 }])('refuses %o', async (options) => {
    await expect((async () => ledger.unprocessed(options))()).rejects.toThrow(/whole number of 0 or more/);
  });
});

test.each([
  ['no address', { url: '' }],
  ['an address of something else', { url: 'redis://127.0.0.1/0' }],
  ['no connections', { connections: 0 }],
  ['a patience without end', { patienceMs: Number.POSITIVE_INFINITY }],
  ['a patience that is none', { patienceMs: Number.NaN }],
])('connect refuses %s, and leaves no connection', async (_, wrong) => {
  await expect(Ledger.connect({ url: world.url, ...wrong })).rejects.toMatchObject({ exitCode: 78 });
});
