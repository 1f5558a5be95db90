/** Accounts that a settlement leaves out, by name, while the others go on; and how they come in later. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ShardResult } from '../../src/engine/run.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { SettlementBooks } from '../support/settlement-books.ts';

/** Servers of its own: a trigger, once opened, keeps every other job on a server from knowing how old a statement is. */
let servers: TestServers;
let books: SettlementBooks;
beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true });
  books = await SettlementBooks.create(servers.addresses);
});
afterAll(async () => {
  await books.destroy();
  await servers.stop();
});
beforeEach(() => books.clear());

const fine = async (running: Promise<ShardResult>) => {
  const result = await running;
  expect(result.error).toBeNull();
  return result;
};
const february = () => fine(books.run('2026-02-01 00:40:00'));
const march = () => fine(books.run('2026-03-01 00:40:00'));
const april = () => fine(books.run('2026-04-01 00:40:00'));
const repair = (time: string) => fine(books.run(time, { kind: 'repair' }));

const inJanuary = { id: '5', user_id: '1001', create_time: '2026-01-20 10:00:00' };
const held = (month: string, user: number) =>
  `${month}/${user}: commission of user ${user} in ${month} waits as a dead letter`;
const startsWith = (text: string) => expect.stringMatching(new RegExp(`^${text.replaceAll('/', '\\/')}`));

describe('a user whose commission of the month was refused', () => {
  beforeEach(async () => {
    await books.earn(1001, '2026-01-10 10:00:00', 100);
    await books.earn(1002, '2026-01-10 10:00:00', 200);
  });

  test('is held back by name, the others are settled', async () => {
    await books.letter('5', inJanuary);
    const result = await february();
    expect(result).toMatchObject({ outcome: 'dead-letters', read: 2, inserted: 1, deadLetters: 1 });
    expect(result.totals.get('credited')).toEqual({ fen: 200n });
    expect(await books.waiting()).toEqual([startsWith(held('2026-01', 1001))]);
    expect(await books.settlements()).toEqual(['1002 2026-01: 200 0 0 200 0']);
    expect(await books.ledger.tuples('SELECT account_id FROM account')).toEqual([['1002']]);
    const [letter] = await books.ledger.tuples('SELECT content FROM tidemark_dead_letter');
    expect(JSON.parse(String(letter?.[0]))).toEqual({ account_id: '1001', month: '2026-01', income: '100' });
  });

  test('is held back as well when nothing but the refused row is known of them', async () => {
    await books.letter('6', { ...inJanuary, user_id: '1003' }, '3');
    expect(await february()).toMatchObject({ inserted: 2, deadLetters: 1 });
    expect(await books.waiting()).toEqual([startsWith(held('2026-01', 1003))]);
  });

  test('is not held back by a letter about another month, or one without a time', async () => {
    await books.letter('5', { ...inJanuary, create_time: '2025-12-31 23:59:59' });
    await books.letter('6', { ...inJanuary, create_time: null });
    await books.letter('7', { ...inJanuary, create_time: '0000-00-00 00:00:00' });
    expect(await february()).toMatchObject({ outcome: 'done', inserted: 2, deadLetters: 0 });
  });

  test('is held back by a row that was to be moved away from them', async () => {
    await books.main.write(`INSERT INTO plus_commission_log (id, user_id, order_sn, amount, type, status, create_time, update_time)
      VALUES (5, 1002, 'SN', 200, 1, 1, '2026-01-10 10:00:00', '2026-01-10 10:00:00')`);
    await books.letter('5', { ...inJanuary, create_time: '2026-02-02 10:00:00' });
    await february();
    expect(await books.waiting()).toEqual([startsWith(held('2026-01', 1002))]);
  });

  test('is held back, with all users of the shard, by a letter that cannot be read', async () => {
    await books.earn(2001, '2026-01-10 10:00:00', 300);
    await books.letter('5', { id: '5' });
    expect(await february()).toMatchObject({ inserted: 1, deadLetters: 2 });
    expect(await books.waiting()).toEqual([startsWith(held('2026-01', 1001)), startsWith(held('2026-01', 2001))]);
  });

  test('is held back in every month by a letter that does not tell its time', async () => {
    await books.letter('5', { id: '5', user_id: '1001', create_time: 'x' });
    await february();
    expect(await books.waiting()).toEqual([startsWith(held('2026-01', 1001))]);
  });

  test('is settled by a repair, with what the month is by then', async () => {
    await books.letter('5', inJanuary);
    await february();
    expect(await repair('2026-02-02 10:00:00')).toMatchObject({ inserted: 0, deadLetters: 1, lettersWaiting: 1 });
    await books.resolveLetters();
    await books.earn(1001, '2026-01-20 10:00:00', 11);
    const result = await repair('2026-02-03 10:00:00');
    expect(result).toMatchObject({ outcome: 'done', inserted: 1, deadLetters: 0, lettersWaiting: 0 });
    expect(result.totals.get('credited')).toEqual({ fen: 111n });
    expect(await books.settlements()).toEqual(['1001 2026-01: 111 0 0 111 0', '1002 2026-01: 200 0 0 200 0']);
    expect(await books.waiting()).toEqual([]);
    expect(await march()).toMatchObject({ outcome: 'done', inserted: 2 });
    expect(await books.lines()).toEqual([]);
    expect(await books.flaws()).toEqual({});
  });

  test('is settled by a run over that month, as well', async () => {
    await books.letter('5', inJanuary);
    await february();
    await books.resolveLetters();
    const result = await fine(books.run('2026-02-03 10:00:00', books.range('2026-01', '2026-02')));
    expect(result).toMatchObject({ outcome: 'done', inserted: 1, unchanged: 1, lettersWaiting: 0 });
    expect(await books.settlements('account_id = 1001')).toEqual(['1001 2026-01: 100 0 0 100 0']);
  });

  test('gets an adjustment of a later month, once that one is settled', async () => {
    await books.letter('5', inJanuary);
    await february();
    await books.earn(1001, '2026-02-10 10:00:00', 40);
    expect(await march()).toMatchObject({ outcome: 'dead-letters', inserted: 2, deadLetters: 0, lettersWaiting: 1 });
    expect(await books.settlements('account_id = 1001')).toEqual(['1001 2026-02: 40 0 0 40 0']);
    await books.resolveLetters();
    expect(await repair('2026-03-03 10:00:00')).toMatchObject({ inserted: 0, lettersWaiting: 0 });
    await april();
    expect(await books.settlements('account_id = 1001')).toEqual([
      '1001 2026-02: 40 0 0 40 0',
      '1001 2026-03: 0 100 0 100 0',
    ]);
    expect(await books.lines()).toEqual(['1001 2026-03 for 2026-01: 100']);
    expect(await books.flaws()).toEqual({});
  });

  test('a repair that can do nothing for it, and refuses nothing, counts all the same', async () => {
    await books.letter('5', inJanuary);
    await february();
    await books.earn(1001, '2026-02-10 10:00:00', 40);
    await march();
    expect(await repair('2026-03-02 10:00:00')).toMatchObject({ inserted: 0, deadLetters: 0, lettersWaiting: 1 });
    expect(await repair('2026-03-03 10:00:00')).toMatchObject({ lettersWaiting: 1 });
    const letters = await books.ledger.tuples('SELECT row_key, attempts, repairs FROM tidemark_dead_letter');
    expect(letters).toEqual([['2026-01/1001', 1, 2]]);
  });

  test('gets it with the next month, when the letter is done by then, and waits no more', async () => {
    await books.letter('5', inJanuary);
    await february();
    await books.resolveLetters();
    expect(await march()).toMatchObject({ outcome: 'done', lettersWaiting: 0 });
    expect(await books.settlements('account_id = 1001')).toEqual(['1001 2026-02: 0 100 0 100 0']);
  });

  test('waits for two months, and gets both by one repair, the earlier one first', async () => {
    await books.letter('5', inJanuary);
    await books.letter('6', { ...inJanuary, id: '6', create_time: '2026-02-20 10:00:00' });
    await books.earn(1001, '2026-02-10 10:00:00', 40);
    await february();
    expect(await march()).toMatchObject({ lettersWaiting: 2 });
    await books.resolveLetters();
    const dry = await fine(books.run('2026-03-02 10:00:00', { kind: 'repair', dryRun: true }));
    expect(dry).toMatchObject({ inserted: 1 });
    expect(await books.settlements('account_id = 1001')).toEqual([]);
    expect(await repair('2026-03-03 10:00:00')).toMatchObject({ inserted: 2, lettersWaiting: 0 });
    expect(await books.settlements('account_id = 1001')).toEqual([
      '1001 2026-01: 100 0 0 100 0',
      '1001 2026-02: 40 0 0 40 0',
    ]);
    expect(await books.flaws()).toEqual({});
  });

  test('waits no more when there is nothing left to settle', async () => {
    await books.letter('6', { ...inJanuary, user_id: '1003' }, '3');
    await february();
    await books.resolveLetters();
    expect(await repair('2026-02-03 10:00:00')).toMatchObject({ inserted: 0, lettersWaiting: 0 });
    expect(await books.settlements('account_id = 1003')).toEqual([]);
  });
});

describe('an account that does not add up', () => {
  /** Bills 1 to 4 of an account: two in January, two in February. */
  beforeEach(async () => {
    await books.open(7, '2026-01-01 09:00', 'prepaid');
    await books.bill(7, 'recharge', 1000, '2026-01-05 09:00');
    await books.bill(7, 'charge', -100, '2026-01-06 09:00');
    await books.bill(7, 'charge', -200, '2026-02-06 09:00');
    await books.bill(7, 'charge', -300, '2026-02-07 09:00');
    await books.earn(7, '2026-01-10 10:00:00', 5);
    await books.earn(8, '2026-01-10 10:00:00', 6);
  });

  /** What no program can do any more: the tables would refuse it. */
  const tamper = async (sql: string) => {
    await books.ledger.write('SET foreign_key_checks = 0, check_constraint_checks = 0');
    await books.ledger.write(sql);
    await books.ledger.write('SET foreign_key_checks = 1, check_constraint_checks = 1');
  };

  test.each([
    [
      'another balance',
      'UPDATE account SET balance = balance + 1 WHERE account_id = 7',
      /stands at 401 fen behind bill 4, and its bills make 400 fen/,
    ],
    ['a bill that is missing', 'DELETE FROM bill WHERE account_id = 7 AND sequence = 2', /bills do not continue/],
    [
      'its first bill missing',
      'DELETE FROM bill WHERE account_id = 7 AND sequence = 1',
      /bill 2 begins with 1000 fen, and 0 fen were there/,
    ],
    [
      'its last bill missing',
      'DELETE FROM bill WHERE account_id = 7 AND sequence = 4',
      /behind bill 4, and its bills make 700 fen behind bill 3/,
    ],
    [
      'a bill with another amount',
      'UPDATE bill SET amount = -101 WHERE account_id = 7 AND sequence = 2',
      /1 of its bills do not continue/,
    ],
    [
      'a bill without a hole that moves nothing',
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, sequence, previous, balance_before, balance_after, held_before, held_after, caller, done_at)
        SELECT 5, 'charge', 7, 0, 0, 'success', 6, 5, 400, 400, 0, 0, '', '2026-02-08 00:00:00'`,
      /are not all there/,
    ],
    [
      'a bill that came to its end too early',
      `UPDATE bill SET done_at = '2026-01-07 00:00:00' WHERE account_id = 7 AND sequence = 4`,
      /another order/,
    ],
  ])('by %s gets no row and no credit, and is told with its figures', async (_, sql, reason) => {
    await tamper(sql);
    const result = await february();
    expect(result).toMatchObject({ outcome: 'dead-letters', inserted: 1, deadLetters: 1 });
    expect(await books.waiting()).toEqual([startsWith('2026-01/7: account 7 does not add up in 2026-01: ')]);
    expect(await books.waiting()).toEqual([expect.stringMatching(reason)]);
    expect(await books.settlements()).toEqual(['8 2026-01: 6 0 0 6 0']);
    expect((await books.ledger.tuples(`SELECT COUNT(*) FROM bill WHERE channel = 'settlement'`))[0]).toEqual(['1']);
    const [letter] = await books.ledger.tuples('SELECT content FROM tidemark_dead_letter');
    expect(JSON.parse(String(letter?.[0]))).toMatchObject({ account_id: '7', month: '2026-01', income: '5' });
  });

  test('is not settled for later months either, as long as it does not', async () => {
    await tamper('UPDATE bill SET amount = -101 WHERE account_id = 7 AND sequence = 2');
    await february();
    await books.earn(7, '2026-02-10 10:00:00', 50);
    expect(await march()).toMatchObject({ inserted: 1, deadLetters: 1, lettersWaiting: 2 });
  });

  test('is settled by a repair when it does again, month by month', async () => {
    await tamper('UPDATE account SET balance = balance + 1 WHERE account_id = 7');
    await february();
    await march();
    await tamper('UPDATE account SET balance = balance - 1 WHERE account_id = 7');
    expect(await repair('2026-03-03 10:00:00')).toMatchObject({ inserted: 2, lettersWaiting: 0 });
    expect(await books.statements('account_id = 7')).toEqual([
      '7 2026-01: 0 1000 -100 0 0 0 0 900',
      '7 2026-02: 900 0 -500 0 0 0 0 400',
    ]);
    expect(await books.balance(7)).toBe('405');
    expect(await books.flaws()).toEqual({});
  });

  test('since a stored statement: the next one does not continue it', async () => {
    await february();
    await tamper('UPDATE settlement SET closing = 901, corrections = 1 WHERE account_id = 7');
    expect(await march()).toMatchObject({ inserted: 1, deadLetters: 1 });
    expect(await books.waiting()).toEqual([
      expect.stringMatching(/bill 3 begins with 900 fen, and 901 fen were there/),
    ]);
  });
});

test('what was stored otherwise than it was reckoned is rolled back, and named', async () => {
  await books.earn(1001, '2026-01-10 10:00:00', 100);
  await books.earn(1002, '2026-01-10 10:00:00', 100);
  await books.ledger.write(`CREATE TRIGGER meddling BEFORE INSERT ON settlement FOR EACH ROW
    IF NEW.account_id = 1002 THEN SET NEW.income = NEW.income + 1, NEW.adjustment = NEW.adjustment - 1; END IF`);
  const { error, outcome } = await books.run('2026-02-01 00:40:00');
  await books.ledger.write('DROP TRIGGER meddling');
  expect(outcome).toBe('failed');
  expect(error).toMatchObject({
    exitCode: 1,
    message: expect.stringMatching(/settlement of account 1002 for 2026-01 was stored otherwise/),
  });
  expect(await books.settlements()).toEqual([]);
  expect(await books.ledger.tuples('SELECT * FROM account')).toEqual([]);
});

describe('the tables refuse', () => {
  beforeEach(async () => {
    await books.earn(1001, '2026-01-10 10:00:00', 100);
    await february();
  });
  test.each([
    ['a second row of a month', 'INSERT INTO settlement SELECT * FROM settlement', /Duplicate entry/],
    ['a sum that does not divide up', 'UPDATE settlement SET tax = 1', /settlement_divides_up/],
    ['a statement that does not add up', 'UPDATE settlement SET closing = 1', /settlement_statement_adds_up/],
    ['a credit without a bill', 'UPDATE settlement SET bill_id = NULL', /settlement_credit_has_a_bill/],
    ['a bill that is not there', 'UPDATE settlement SET bill_id = 7', /settlement_credit/],
    [
      'something carried over without a reason',
      'UPDATE settlement SET credited = 0, bill_id = NULL, carried = 100, carried_total = 100',
      /settlement_says_why/,
    ],
    [
      'a negative credit',
      'UPDATE settlement SET credited = -1, bill_id = NULL, carried = 101',
      /settlement_takes_nothing_back/,
    ],
    ['another rule than the month`s', `UPDATE settlement SET tax_rule = 'labour-cn'`, /settlement_by_the_rule/],
    [
      'an adjustment without a settlement',
      `INSERT INTO settlement_adjustment VALUES (1001, '2026-02', '2026-01', 5)`,
      /settlement_adjustment_of_settlement/,
    ],
    [
      'an adjustment for its own month',
      `INSERT INTO settlement_adjustment VALUES (1001, '2026-01', '2026-01', 5)`,
      /settlement_adjustment_is_later/,
    ],
    [
      'a month that is none',
      `INSERT INTO settlement_month (month, tax_rule, minimum, whole) VALUES ('2026-13', 'none', 0, 1)`,
      /settlement_month_is_one/,
    ],
  ])('%s', async (_, sql, refusal) => {
    await expect(books.ledger.write(sql)).rejects.toThrow(refusal);
  });
});
