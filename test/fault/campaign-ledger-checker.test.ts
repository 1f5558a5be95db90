/** The ledger's checker must be able to fail: each flaw that it looks for is made once, in a transaction that is rolled back. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Book, type Call } from '../../campaign/ledger/book.ts';
import { make } from '../../campaign/ledger/calls.ts';
import { bringBooks, checkLedger, findFlaws } from '../../campaign/ledger/checker.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

const caller = 'caller 0';
const first = 100_000_001n;
const call = { accountId: 1n, amount: null, items: null, expiresInSeconds: null, heldChange: 0n };

/** 1000 fen, of which 300 are charged, 50 for two servers, 200 are held and 150 of them taken; the charge is taken back. */
const calls: readonly Call[] = [
  { ...call, channel: 'recharge', billId: first, amount: 1000n, change: 1000n },
  { ...call, channel: 'charge', billId: first + 1n, amount: 300n, change: -300n },
  { ...call, channel: 'charge', billId: first + 2n, items: { server: 2n }, change: null },
  { ...call, channel: 'hold', billId: first + 3n, amount: 200n, change: 0n, heldChange: 200n },
  { ...call, channel: 'confirm', billId: first + 3n, amount: 150n, change: -150n, heldChange: -200n },
  { ...call, channel: 'rollback', billId: first + 1n, change: 300n },
  { ...call, channel: 'charge', billId: first + 4n, amount: 5000n, change: -5000n },
  { ...call, channel: 'hold', billId: first + 5n, amount: 10n, expiresInSeconds: 1, change: 0n, heldChange: 10n },
];

describe("the ledger's checker", () => {
  let world: LedgerWorld;
  let folder: string;
  const run = (sql: string) => world.session.write(sql);
  const book = () => ({ caller, path: join(folder, 'book') });

  beforeAll(async () => {
    world = await LedgerWorld.create(inject('servers'));
    folder = await mkdtemp(join(tmpdir(), 'tidemark-book-'));
    const ledger = await world.connect({ caller });
    await ledger.openAccount(1n);
    await ledger.openAccount(2n);
    await ledger.setPrice({ name: 'server', price: 25n });
    await ledger.nextBillId();
    const written = new Book(book().path);
    for (const one of calls) {
      const number = written.ask(one);
      written.answer(number, await make(ledger, one));
    }
    written.close();
    await run('UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND');
    await ledger.expireHolds();
    await run(`UPDATE bill SET done_at = done_at + INTERVAL 1 SECOND WHERE operator = 'expiry'`);
    await bringBooks(world.session, [book()]);
  });
  afterAll(async () => {
    await world.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  /** The tables themselves would refuse most of it. */
  async function failuresAfter(statements: readonly string[], unknownAnswers = false): Promise<readonly string[]> {
    await run('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
    await run('START TRANSACTION');
    try {
      for (const statement of statements) await run(statement);
      return await findFlaws(world.session, unknownAnswers);
    } finally {
      await run('ROLLBACK');
    }
  }

  test('finds nothing where all is well, and counts it', async () => {
    const { failures, figures } = await checkLedger(world.session, [book()], false);
    expect(failures).toEqual([]);
    expect(figures).toMatchObject({
      'ledger calls': 8,
      'answered 0': 7,
      'holds that expired': 1,
      'calls broken off': 0,
    });
  });

  const bill = (channel: string, number: bigint) => `channel = '${channel}' AND bill_id = ${first + number}`;
  test.each([
    {
      flaw: 'a call without an answer',
      sql: ['DELETE FROM answered WHERE number = 3'],
      found: /^ledger: 1 × calls have no final answer: caller 0 3 hold/,
    },
    {
      flaw: 'a call that was answered in two ways',
      sql: [
        `INSERT INTO answered SELECT NULL, caller, number, code, amount, balance + 1, held, reason FROM answered WHERE number = 1`,
      ],
      found: /^ledger: 1 × calls were answered in two ways: caller 0 1/,
    },
    {
      flaw: 'an answer 0 whose bill is not there',
      sql: [`UPDATE bill SET result = 'unprocessed' WHERE ${bill('charge', 1n)}`],
      found: /^ledger: 1 × calls were answered 0, and their bill is not there as they were told: caller 0 1/,
    },
    {
      flaw: 'an answer 0 whose bill has another amount',
      sql: [`UPDATE bill SET amount = amount - 1 WHERE ${bill('charge', 1n)}`],
      found: /^ledger: 1 × calls were answered 0, and their bill is not there as they were told/,
    },
    {
      flaw: 'a balance after it that the caller was told otherwise',
      sql: ['UPDATE answered SET balance = balance - 1 WHERE number = 4'],
      found: /^ledger: 1 × calls were answered 0, and their bill is not there as they were told: caller 0 4 confirm/,
    },
    {
      flaw: 'a refusal that had an effect',
      sql: [`UPDATE bill SET result = 'success', code = NULL WHERE ${bill('charge', 4n)}`],
      found: /^ledger: 1 × calls were refused, and had an effect/,
    },
    {
      flaw: 'a refusal that its bill tells otherwise',
      sql: [`UPDATE bill SET code = 5 WHERE ${bill('charge', 4n)}`],
      found: /^ledger: 1 × calls were refused, and had an effect, or their bill tells another reason: .* 3 failed 5/,
    },
    {
      flaw: 'a bill that nobody asked for',
      sql: [`DELETE FROM asked WHERE number = 1`],
      found: /^ledger: 1 × bills were asked for by nobody: 100000002 charge/,
    },
    {
      flaw: 'a hold that was released before its time',
      sql: ['UPDATE asked SET expires_in = 3600 WHERE number = 7'],
      found: /^ledger: 1 × holds were released before their time/,
    },
    {
      flaw: 'a hold that was released though it had no time',
      sql: ['UPDATE asked SET expires_in = NULL WHERE number = 7'],
      found: /^ledger: 1 × holds were released before their time, or had none/,
    },
    {
      flaw: 'a fen that no caller was told of',
      sql: ['UPDATE account SET balance = balance + 1 WHERE account_id = 1'],
      found: /^ledger: 1 × accounts do not hold what their callers were told: 1 801 800/,
    },
    {
      flaw: 'a fen on an account that nobody has used',
      sql: ['UPDATE account SET balance = 1 WHERE account_id = 2'],
      found: /^ledger: 1 × accounts do not hold what their callers were told: 2 1 0/,
    },
    {
      flaw: 'a fen that is held for nobody',
      sql: ['UPDATE account SET held = held + 1 WHERE account_id = 1'],
      found: /^ledger: 1 × accounts do not keep for their callers what these hold: 1 1 0/,
    },
    {
      flaw: 'prices that do not add up',
      sql: [`UPDATE bill SET prices = REPLACE(prices, '"25"', '"26"') WHERE ${bill('charge', 2n)}`],
      found: /^ledger: 1 × charges by the price list do not add up/,
    },
    {
      flaw: 'a charge for other things than were asked for',
      sql: [`UPDATE asked SET items = 'server 1' WHERE number = 2`],
      found: /^ledger: 1 × charges by the price list do not add up, or are for something else/,
    },
    {
      flaw: 'a bill that was left unprocessed',
      sql: [`UPDATE bill SET result = 'unprocessed' WHERE ${bill('charge', 4n)}`],
      found: /^ledger: 1 × bills are unprocessed: 100000005 charge/,
    },
    {
      flaw: 'a hole in the chain',
      sql: [`UPDATE bill SET sequence = sequence + 10 WHERE ${bill('rollback', 1n)}`],
      found: /^ledger: 1 × the account is not where its last bill left it/,
    },
    {
      flaw: 'a bill that does not continue the one before',
      sql: [`UPDATE bill SET balance_before = balance_before + 1 WHERE ${bill('rollback', 1n)}`],
      found: /^ledger: 1 × a bill does not continue the one before/,
    },
    {
      flaw: 'an open hold that nothing is held for',
      sql: [`INSERT INTO open_hold VALUES (${first + 5n}, 1, 10, NULL)`],
      found: /^ledger: 1 × held is not the sum of the open holds/,
    },
    {
      flaw: 'a deadlock that a caller was told of',
      sql: [
        `INSERT INTO answered VALUES (NULL, '${caller}', 1, -3, NULL, NULL, NULL, 'Deadlock found when trying to get lock')`,
      ],
      found: /^ledger: 1 × callers were told of deadlocks: caller 0 1/,
    },
    {
      flaw: 'an answer below 0 where the server could be reached',
      sql: [`INSERT INTO answered VALUES (NULL, '${caller}', 1, -1, NULL, NULL, NULL, 'busy')`],
      found: /^ledger: 1 × callers were told that nobody knows: caller 0 1 -1 busy/,
    },
  ])('finds $flaw', async ({ sql, found }) => {
    expect(await failuresAfter(sql)).toEqual(expect.arrayContaining([expect.stringMatching(found)]));
  });

  test('allows an answer below 0 where the server may be away, when the last word is another', async () => {
    const unknown = `INSERT INTO answered VALUES (NULL, '${caller}', 1, -1, NULL, NULL, NULL, 'busy')`;
    expect(await failuresAfter([unknown], true)).toEqual([]);
  });

  test('allows a rollback that stays unprocessed as long as the balance is too low for it', async () => {
    const refused = [
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${first}, 'rollback', 1, -1000, 0, '${caller}')`,
      `INSERT INTO asked VALUES ('${caller}', 8, 'rollback', ${first}, 1, -1000, 0, NULL, NULL)`,
      `INSERT INTO answered VALUES (NULL, '${caller}', 8, 3, NULL, NULL, NULL, 'too low')`,
    ];
    expect(await failuresAfter(refused)).toEqual([]);
  });

  test('allows that a hold expires whose cancel was refused before there was any', async () => {
    const refused = [
      `INSERT INTO asked VALUES ('${caller}', 8, 'cancel', ${first + 5n}, 1, 0, -10, NULL, NULL)`,
      `INSERT INTO answered VALUES (NULL, '${caller}', 8, 1, NULL, NULL, NULL, 'there is no bill')`,
    ];
    expect(await failuresAfter(refused)).toEqual([]);
  });
});

describe("a caller's book", () => {
  test('is read up to a line that a kill has cut short, and goes on behind it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-book-'));
    const path = join(folder, 'book');
    const [recharge, charge] = calls as [Call, Call];
    const cut = new Book(path);
    cut.ask(recharge);
    cut.close();
    await writeFile(path, '{"call":{"channel":"char', { flag: 'a' });
    const again = new Book(path);
    expect(again.unanswered()).toEqual([0]);
    expect(again.ask(charge)).toBe(1);
    again.answer(1, { code: -1, reason: 'busy' });
    again.answer(0, { code: 0, billId: first, amount: 1000n, balance: 1000n, held: 0n });
    again.close();
    const third = new Book(path);
    expect(third.unanswered().map((number) => third.call(number))).toEqual([charge]);
    expect(third.done.map(({ billId }) => billId)).toEqual([first]);
    third.close();
    await rm(folder, { recursive: true });
  });
});
