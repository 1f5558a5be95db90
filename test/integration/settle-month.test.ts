/**
 * Months as they come out, to the fen: what is reckoned here was reckoned by hand. Runs see the ledger's clock where the
 * test has put it. A line is `account month: income adjustment tax credited carried-over why`.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { ShardResult } from '../../src/engine/run.ts';
import { SettlementBooks } from '../support/settlement-books.ts';

let books: SettlementBooks;
const start = async (settings: Record<string, string>) => {
  books = await SettlementBooks.create(inject('servers'), { settings });
};

async function settled(time: string, expected: Partial<ShardResult> = {}): Promise<ShardResult> {
  const result = await books.run(time);
  expect(result.error).toBeNull();
  expect(result).toMatchObject({ outcome: 'done', windows: 1, deadLetters: 0, ...expected });
  expect(await books.flaws()).toEqual({});
  return result;
}

const totals = (result: ShardResult) =>
  Object.fromEntries([...result.totals].map(([what, { fen }]) => [what, Number(fen)]));

/** January, February and March of ten accounts. */
async function january(): Promise<void> {
  await books.earn(1001, '2026-01-01 00:00:00', 30_000); // from the first hour
  await books.earn(1001, '2026-01-31 23:00:00', 20_000); // to the last
  await books.earn(1001, '2026-02-01 00:00:00', 7_777_00); // and not beyond
  await books.earn(1002, '2026-01-15 10:00:00', 9_999); // a fen below the minimum
  await books.earn(1003, '2026-01-15 10:00:00', -30_00); // more refunded than earned
  await books.open(1004, '2026-01-03 09:00');
  await books.freeze(1004, 'asked by the court');
  await books.earn(1004, '2026-01-20 10:00:00', 500_000);
  await books.open(1005, '2026-01-01 00:00', 'prepaid');
  await books.bill(1005, 'recharge', 100_000, '2026-01-01 00:00');
  await books.bill(1005, 'charge', -30_000, '2026-01-31 23:59:59');
  await books.bill(1005, 'charge', -1, '2026-02-01 00:00');
  await books.open(1006, '2026-01-10 12:00', 'prepaid');
  await books.bill(1006, 'recharge', 50, '2026-01-10 12:00');
  await books.earn(1006, '2026-01-31 12:00:00', 80_000_00);
  await books.open(1007, '2026-01-31 23:59'); // nothing ever
  await books.open(1008, '2026-02-01 00:00'); // not of January
  await books.earn(1009, '2026-01-08 08:00:00', 100_00);
  await books.earn(1009, '2026-01-08 09:00:00', -100_00); // comes to nothing
}

async function february(): Promise<void> {
  await books.earn(1001, '2026-01-31 23:00:00', -20_000); // refunded after its month was settled
  await books.earn(1002, '2026-02-28 23:00:00', 1); // the fen that was missing
  await books.earn(1003, '2026-02-02 10:00:00', 100_00 + 30_00); // pays the debt
  await books.earn(1006, '2026-01-31 12:00:00', -80_000_00); // all of it taken back
  await books.bill(1006, 'charge', -50, '2026-02-14 12:00');
  await books.earn(1010, '2026-01-05 10:00:00', 400_00); // comes late, and there is no account
}

async function march(): Promise<void> {
  await books.freeze(1004, null);
  await books.earn(1001, '2026-02-10 10:00:00', 5); // late in February
  await books.earn(1001, '2026-01-10 10:00:00', -5); // and once more in January
  await books.bill(1005, 'rollback', 30_000, '2026-03-31 23:59:59');
  await books.bill(1005, 'hold', 0, '2026-03-31 23:59:59', 20_000);
  await books.bill(1005, 'confirm', -20_000, '2026-03-31 23:59:59', -20_000);
  await books.bill(1005, 'correction', 1, '2026-03-31 23:59:59');
}

describe('three months without tax, and a minimum of 100 yuan', () => {
  beforeAll(() => start({ TIDEMARK_SETTLE_MINIMUM: '10000' }));
  afterAll(() => books.destroy());

  test('January: the whole month and nothing else', async () => {
    await january();
    const result = await settled('2026-02-01 00:40:00', { read: 8, inserted: 8, unchanged: 0 });
    expect(await books.settlements()).toEqual([
      '1001 2026-01: 50000 0 0 50000 0',
      '1002 2026-01: 9999 0 0 0 9999 minimum',
      '1003 2026-01: -3000 0 0 0 -3000 debt',
      '1004 2026-01: 500000 0 0 0 500000 frozen',
      '1005 2026-01: 0 0 0 0 0',
      '1006 2026-01: 8000000 0 0 8000000 0',
      '1007 2026-01: 0 0 0 0 0',
      '1009 2026-01: 0 0 0 0 0',
    ]);
    expect(totals(result)).toEqual({ income: 8_556_999, adjustment: 0, tax: 0, credited: 8_050_000, carried: 506_999 });
    expect(await books.statements('account_id IN (1005, 1006, 1007)')).toEqual([
      '1005 2026-01: 0 100000 -30000 0 0 0 0 70000',
      '1006 2026-01: 0 50 0 0 0 0 0 50',
      '1007 2026-01: 0 0 0 0 0 0 0 0',
    ]);
    expect(await books.balance(1006)).toBe('8000050');
    expect(
      await books.ledger.tuples(`SELECT account_id, frozen_reason FROM settlement WHERE reason = 'frozen'`),
    ).toEqual([['1004', 'asked by the court']]);
  });

  test('an account is opened where there was none, and says so', async () => {
    const events = await books.ledger.tuples(`SELECT e.account_id, kind, what, reason, operator
      FROM account_event e JOIN account a ON a.account_id = e.account_id ORDER BY 1`);
    const opened = ['commission', 'opened', 'settlement of 2026-01', 'settle-month'];
    expect(events).toEqual([1001, 1002, 1003, 1009].map((account) => [String(account), ...opened]));
  });

  test('a credit is a bill of its own, of the day on which it is made', async () => {
    const bills =
      await books.ledger.tuples(`SELECT account_id, amount, held_change, result, sequence, previous, balance_before,
      balance_after, info, caller, operator, done_at FROM bill WHERE channel = 'settlement' ORDER BY bill_id`);
    const about = ['settlement of 2026-01', '', 'settle-month', '2026-01-31 16:40:00'];
    expect(bills).toEqual([
      ['1001', '50000', '0', 'success', '1', null, '0', '50000', ...about],
      ['1006', '8000000', '0', 'success', '2', '1', '50', '8000050', ...about],
    ]);
  });

  test('February: refunds, a debt that is paid, a minimum that is reached, what came late', async () => {
    await february();
    const result = await settled('2026-03-01 00:40:00', { read: 10, inserted: 10 });
    expect(await books.settlements(`month = '2026-02'`)).toEqual([
      '1001 2026-02: 777700 -20000 0 757700 0',
      '1002 2026-02: 1 0 0 10000 0',
      '1003 2026-02: 13000 0 0 10000 0',
      '1004 2026-02: 0 0 0 0 500000 frozen',
      '1005 2026-02: 0 0 0 0 0',
      '1006 2026-02: 0 -8000000 0 0 -8000000 debt',
      '1007 2026-02: 0 0 0 0 0',
      '1008 2026-02: 0 0 0 0 0',
      '1009 2026-02: 0 0 0 0 0',
      '1010 2026-02: 0 40000 0 40000 0',
    ]);
    expect(await books.lines()).toEqual([
      '1001 2026-02 for 2026-01: -20000',
      '1006 2026-02 for 2026-01: -8000000',
      '1010 2026-02 for 2026-01: 40000',
    ]);
    expect(totals(result)).toEqual({
      income: 790_701,
      adjustment: -7_980_000,
      tax: 0,
      credited: 817_700,
      carried: -8_006_999,
    });
    expect(await books.statements(`month = '2026-02' AND account_id IN (1001, 1005, 1006)`)).toEqual([
      '1001 2026-02: 0 0 0 0 50000 0 0 50000',
      '1005 2026-02: 70000 0 -1 0 0 0 0 69999',
      '1006 2026-02: 50 0 -50 0 8000000 0 0 8000000',
    ]);
  });

  test('March: each change since is taken up once', async () => {
    await march();
    await settled('2026-04-01 00:40:00', { inserted: 10 });
    expect(await books.settlements(`month = '2026-03'`)).toEqual([
      '1001 2026-03: 0 0 0 0 0',
      '1002 2026-03: 0 0 0 0 0',
      '1003 2026-03: 0 0 0 0 0',
      '1004 2026-03: 0 0 0 500000 0',
      '1005 2026-03: 0 0 0 0 0',
      '1006 2026-03: 0 0 0 0 -8000000 debt',
      '1007 2026-03: 0 0 0 0 0',
      '1008 2026-03: 0 0 0 0 0',
      '1009 2026-03: 0 0 0 0 0',
      '1010 2026-03: 0 0 0 0 0',
    ]);
    expect((await books.lines()).filter((line) => line.startsWith('1001 2026-03'))).toEqual([
      '1001 2026-03 for 2026-01: -5',
      '1001 2026-03 for 2026-02: 5',
    ]);
    expect(await books.statements(`month = '2026-03' AND account_id = 1005`)).toEqual([
      '1005 2026-03: 69999 0 0 30000 0 -20000 1 80000',
    ]);
  });

  test('settled once more it stays as it is, and tells the same sums', async () => {
    const before = await books.all();
    const result = await books.run('2026-04-01 00:50:00', books.range('2026-01', '2026-04'));
    expect(result).toMatchObject({ error: null, read: 28, inserted: 0, unchanged: 28, deadLetters: 0 });
    expect(totals(result)).toEqual({
      income: 9_347_700,
      adjustment: -7_980_000,
      tax: 0,
      credited: 9_367_700,
      carried: -8_000_000,
    });
    expect(await books.all()).toBe(before);
  });
});

describe('the same months with tax on remuneration for labour services, and no minimum', () => {
  beforeAll(() => start({ TIDEMARK_SETTLE_TAX: 'labour-cn' }));
  afterAll(() => books.destroy());

  test('January', async () => {
    await january();
    const result = await settled('2026-02-01 00:40:00');
    expect(await books.settlements()).toEqual([
      '1001 2026-01: 50000 0 0 50000 0',
      '1002 2026-01: 9999 0 0 9999 0',
      '1003 2026-01: -3000 0 0 0 -3000 debt',
      '1004 2026-01: 500000 0 80000 0 420000 frozen', // 5,000 yuan: 4,000 taxable at 20 %
      '1005 2026-01: 0 0 0 0 0',
      '1006 2026-01: 8000000 0 1860000 6140000 0', // 80,000: 64,000 taxable at 40 % less 7,000
      '1007 2026-01: 0 0 0 0 0',
      '1009 2026-01: 0 0 0 0 0',
    ]);
    expect(totals(result)).toEqual({
      income: 8_556_999,
      adjustment: 0,
      tax: 1_940_000,
      credited: 6_199_999,
      carried: 417_000,
    });
  });

  test('February: the tax is that of the month and its adjustments together', async () => {
    await february();
    await settled('2026-03-01 00:40:00');
    expect(await books.settlements(`month = '2026-02' AND income + adjustment <> 0`)).toEqual([
      '1001 2026-02: 777700 -20000 121232 636468 0', // 7,577 yuan: 6,061.60 taxable at 20 %
      '1002 2026-02: 1 0 0 1 0',
      '1003 2026-02: 13000 0 0 10000 0',
      '1006 2026-02: 0 -8000000 0 0 -8000000 debt', // tax that was kept back does not come back by itself
      '1010 2026-02: 0 40000 0 40000 0',
    ]);
  });

  test('what was frozen is not taxed twice', async () => {
    await march();
    await settled('2026-04-01 00:40:00');
    expect(await books.settlements(`month = '2026-03' AND account_id = 1004`)).toEqual([
      '1004 2026-03: 0 0 0 420000 0',
    ]);
    expect((await books.ledger.tuples('SELECT tax_rule, COUNT(*) FROM settlement GROUP BY 1')).join()).toBe(
      'labour-cn,28',
    );
  });
});

describe('what is special', () => {
  beforeAll(() => start({}));
  afterAll(() => books.destroy());
  beforeEach(() => books.clear());

  test('February of a leap year has its 29th', async () => {
    await books.open(7, '2028-02-01 00:00', 'prepaid');
    await books.bill(7, 'recharge', 5, '2028-02-29 23:59:59');
    await books.bill(7, 'recharge', 6, '2028-03-01 00:00:00');
    await books.earn(8, '2028-02-29 23:00:00', 9);
    await settled('2028-03-01 00:40:00', { inserted: 2 });
    expect(await books.statements()).toEqual(['7 2028-02: 0 5 0 0 0 0 0 5', '8 2028-02: 0 0 0 0 0 0 0 0']);
    expect(await books.settlements('account_id = 8')).toEqual(['8 2028-02: 9 0 0 9 0']);
  });

  test('several months that are due are settled one after another, each with its own income', async () => {
    await books.earn(8, '2026-01-10 10:00:00', 1);
    await books.earn(8, '2026-02-10 10:00:00', 2);
    await books.earn(8, '2026-03-10 10:00:00', 3);
    await settled('2026-04-01 00:40:00', { windows: 3, inserted: 3 });
    expect(await books.settlements()).toEqual(['8 2026-01: 1 0 0 1 0', '8 2026-02: 2 0 0 2 0', '8 2026-03: 3 0 0 3 0']);
    expect(await books.statements(`month = '2026-03'`)).toEqual(['8 2026-03: 0 0 0 0 0 0 0 0']); // all was credited in April
  });

  test('months from before an adoption are nobody`s, whatever they come to', async () => {
    await books.earn(8, '2026-01-10 10:00:00', 100);
    await books.rolledUpTo('2026-03-01 00:00:00');
    await books.world.cli(['checkpoint', 'settle-month', '--set', '2026-03-01T00:00:00+08:00', '--yes']);
    await books.earn(8, '2026-01-10 11:00:00', 100);
    await books.earn(8, '2026-03-10 10:00:00', 3);
    await settled('2026-04-01 00:40:00', { inserted: 1 });
    expect(await books.settlements()).toEqual(['8 2026-03: 3 0 0 3 0']);
    expect(await books.run('2026-04-01 00:50:00', { kind: 'full' })).toMatchObject({
      error: null,
      inserted: 0,
      unchanged: 1,
    });
  });

  test('an older month that somebody asks for goes to accounts without a later one, and is no adjustment for the others', async () => {
    await books.earn(8, '2026-01-10 10:00:00', 100);
    await books.earn(9, '2026-01-10 10:00:00', 100);
    await books.earn(9, '2026-03-10 10:00:00', 5);
    await books.world.cli(['checkpoint', 'settle-month', '--set', '2026-03-01T00:00:00+08:00', '--yes']);
    await settled('2026-04-01 00:40:00', { inserted: 1 });
    const range = await books.run('2026-04-02 00:40:00', books.range('2026-01', '2026-02'));
    expect(range).toMatchObject({ error: null, inserted: 1, unchanged: 0 });
    await settled('2026-05-01 00:40:00', { inserted: 2 });
    expect(await books.settlements('income + adjustment <> 0')).toEqual([
      '8 2026-01: 100 0 0 100 0',
      '9 2026-03: 5 0 0 5 0',
    ]);
  });

  test('amounts around the limits of numbers are exact', async () => {
    await books.earn(1, '2026-01-10 10:00:00', 2n ** 53n + 1n);
    await books.open(2, '2026-01-10 10:00');
    await books.bill(2, 'recharge', 2n ** 62n, '2026-01-10 10:00');
    await books.earn(2, '2026-01-10 10:00:00', 2n ** 62n - 1n);
    await settled('2026-02-01 00:40:00');
    expect(await books.balance(1)).toBe('9007199254740993');
    expect(await books.balance(2)).toBe('9223372036854775807');
  });

  test('a sum that no account can hold is a dead letter, and the others are settled', async () => {
    await books.open(2, '2026-01-10 10:00');
    await books.bill(2, 'recharge', 2n ** 62n, '2026-01-10 10:00');
    await books.earn(2, '2026-01-10 10:00:00', 2n ** 62n);
    await books.earn(3, '2026-01-10 10:00:00', 7);
    const result = await books.run('2026-02-01 00:40:00');
    expect(result).toMatchObject({ error: null, outcome: 'dead-letters', inserted: 1, deadLetters: 1 });
    expect(await books.waiting()).toEqual([expect.stringMatching(/^2026-01\/2: .*larger than the ledger can hold/)]);
    expect(await books.settlements()).toEqual(['3 2026-01: 7 0 0 7 0']);
  });

  test('the rule of a month is that of its beginning', async () => {
    await books.earn(1, '2026-01-10 10:00:00', 1_000_00);
    await books.letter('55', { id: '55', user_id: '2', create_time: '2026-01-11 10:00:00' });
    await books.earn(2, '2026-01-10 10:00:00', 1_000_00);
    expect(await books.run('2026-02-01 00:40:00')).toMatchObject({ error: null, inserted: 1, deadLetters: 1 });
    await books.resolveLetters();
    const settingOf = ((name: string) => (name === 'TIDEMARK_SETTLE_TAX' ? 'labour-cn' : 0n)) as never;
    expect(await books.run('2026-02-02 00:40:00', { kind: 'repair' }, { settingOf })).toMatchObject({
      error: null,
      inserted: 1,
    });
    await books.earn(1, '2026-02-10 10:00:00', 1_000_00);
    expect(await books.run('2026-03-01 00:40:00', {}, { settingOf })).toMatchObject({ error: null, inserted: 2 });
    expect(await books.settlements('income > 0')).toEqual([
      '1 2026-01: 100000 0 0 100000 0',
      '2 2026-01: 100000 0 0 100000 0',
      '1 2026-02: 100000 0 4000 96000 0',
    ]);
  });
});
