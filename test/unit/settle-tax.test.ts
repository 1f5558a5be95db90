import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TaxRule, taxOf } from '../../src/settlement/tax.ts';

const rules: readonly TaxRule[] = ['none', 'labour-cn'];
const fen = fc.oneof(
  fc.bigInt({ min: 0n, max: 100_000_00n }),
  fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  fc
    .constantFrom(800_00n, 4_000_00n, 25_000_00n, 62_500_00n)
    .chain((edge) => fc.bigInt({ min: edge - 9n, max: edge + 9n })),
);

describe.each(rules)('the tax rule %s', (rule) => {
  test('never takes more than there is', () => {
    fc.assert(fc.property(fen, (base) => taxOf(rule, base) >= 0n && taxOf(rule, base) <= base));
  });

  test('takes no less of more, and leaves no less of it', () => {
    fc.assert(
      fc.property(fen, fc.bigInt({ min: 0n, max: 1000n }), (base, more) => {
        const tax = taxOf(rule, base + more) - taxOf(rule, base);
        return tax >= 0n && tax <= more;
      }),
    );
  });

  test('takes nothing of nothing, and nothing of a debt', () => {
    fc.assert(fc.property(fen, (base) => taxOf(rule, -base) === 0n));
  });
});

describe('remuneration for labour services', () => {
  /** Yuan, and the tax in yuan as the tables of the tax office give it. */
  test.each([
    ['0.01', '0'],
    ['800.00', '0'],
    ['800.01', '0'],
    ['800.03', '0.01'],
    ['1000', '40'],
    ['4000', '640'],
    ['4000.01', '640'],
    ['4000.04', '640.01'],
    ['5000', '800'],
    ['25000', '4000'],
    ['25000.02', '4000'],
    ['25000.03', '4000.01'],
    ['30000', '5200'],
    ['62500', '13000'],
    ['62500.01', '13000'],
    ['62500.02', '13000.01'],
    ['100000', '25000'],
  ])('of %s yuan the tax is %s yuan', (base, tax) => {
    expect(taxOf('labour-cn', inFen(base))).toBe(inFen(tax));
  });

  test('is the sum of the rule, rounded to the nearest fen', () => {
    fc.assert(
      fc.property(fen, (base) => {
        // In 1/500 fen everything is whole.
        const taxable = base <= 4_000_00n ? (base - 800_00n) * 500n : base * 400n;
        const at = (rate: bigint, less: bigint) => (taxable * rate) / 100n - less * 500n;
        const due =
          taxable <= 0n ? 0n : [at(20n, 0n), at(30n, 2_000_00n), at(40n, 7_000_00n)].reduce((a, b) => (b > a ? b : a));
        return taxOf('labour-cn', base) === (due * 2n + 500n) / 1000n;
      }),
    );
  });
});

function inFen(yuan: string): bigint {
  const [whole, part = ''] = yuan.split('.');
  return BigInt(`${whole}${part.padEnd(2, '0')}`);
}
