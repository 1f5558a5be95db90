import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AccountMonth, reckon, type Terms } from '../../src/settlement/reckoning.ts';
import { taxOf } from '../../src/settlement/tax.ts';

const money = fc.oneof(
  fc.bigInt({ min: -500n, max: 500n }),
  fc.bigInt({ min: -10_000_00n, max: 100_000_00n }),
  fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }),
);
const dues: fc.Arbitrary<AccountMonth> = fc.record({
  income: money,
  adjustment: fc.oneof(fc.constant(0n), money),
  carriedBefore: fc.oneof(fc.constant(0n), money),
  frozenReason: fc.constantFrom(null, null, null, 'asked by the court'),
});
const terms: fc.Arbitrary<Terms> = fc.record({
  rule: fc.constantFrom('none', 'labour-cn'),
  minimum: fc.constantFrom(0n, 1n, 100n, 10_000n),
});

const always = (holds: (month: AccountMonth, terms: Terms) => boolean) =>
  fc.assert(fc.property(dues, terms, holds), { numRuns: 2000 });

describe('an account`s month', () => {
  test('divides up: income and adjustment are credited, tax, or carried over', () => {
    always((month, by) => {
      const { tax, credited, carried } = reckon(month, by);
      return month.income + month.adjustment === credited + tax + carried;
    });
  });

  test('carries on what was carried over before, and what this month adds to it', () => {
    always((month, by) => {
      const { carried, carriedTotal } = reckon(month, by);
      return carriedTotal === month.carriedBefore + carried;
    });
  });

  test('is credited whole or not at all, and never less than the minimum', () => {
    always((month, by) => {
      const { credited, carriedTotal } = reckon(month, by);
      return credited === 0n || (carriedTotal === 0n && credited > 0n && credited >= by.minimum);
    });
  });

  test('says why exactly when something is carried over', () => {
    always((month, by) => {
      const { reason, carriedTotal } = reckon(month, by);
      return (reason !== null) === (carriedTotal !== 0n) && (reason !== 'debt' || carriedTotal < 0n);
    });
  });

  test('is taxed by what came in, whatever was carried over', () => {
    always((month, by) => reckon(month, by).tax === taxOf(by.rule, month.income + month.adjustment));
  });

  test('credits nothing to a frozen account', () => {
    always((month, by) => month.frozenReason === null || reckon(month, by).credited === 0n);
  });
});

describe('by example', () => {
  const plain: Terms = { rule: 'none', minimum: 100n };
  const nothing = { income: 0n, adjustment: 0n, carriedBefore: 0n, frozenReason: null };
  test.each<
    [name: string, month: Partial<AccountMonth>, credited: bigint, carriedTotal: bigint, reason: string | null]
  >([
    ['nothing at all', {}, 0n, 0n, null],
    ['a sum of exactly the minimum', { income: 100n }, 100n, 0n, null],
    ['a fen less', { income: 99n }, 0n, 99n, 'minimum'],
    ['what was too little, and now is enough', { income: 1n, carriedBefore: 99n }, 100n, 0n, null],
    ['a refund beyond what was earned', { income: -500n }, 0n, -500n, 'debt'],
    ['a debt that is paid in part', { income: 200n, carriedBefore: -500n }, 0n, -300n, 'debt'],
    ['a debt that is paid to the fen', { income: 500n, carriedBefore: -500n }, 0n, 0n, null],
    ['a debt that is paid, and more', { income: 700n, carriedBefore: -500n }, 200n, 0n, null],
    ['a frozen account', { income: 700n, frozenReason: 'x' }, 0n, 700n, 'frozen'],
    ['a frozen account without income', { frozenReason: 'x' }, 0n, 0n, null],
    ['an adjustment that takes the income away', { income: 700n, adjustment: -700n }, 0n, 0n, null],
  ])('%s', (_, month, credited, carriedTotal, reason) => {
    expect(reckon({ ...nothing, ...month }, plain)).toMatchObject({ credited, carriedTotal, reason });
  });

  test('a month without an end above zero is not taxed, and gives no tax back', () => {
    const by: Terms = { rule: 'labour-cn', minimum: 0n };
    const march = reckon({ ...nothing, income: 5_000_00n }, by);
    expect(march).toMatchObject({ tax: 800_00n, credited: 4_200_00n });
    const april = reckon({ ...nothing, adjustment: -5_000_00n }, by);
    expect(april).toMatchObject({ tax: 0n, credited: 0n, carriedTotal: -5_000_00n, reason: 'debt' });
  });
});
