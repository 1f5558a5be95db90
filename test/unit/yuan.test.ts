import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimal, roundToFen, units } from '../../src/reconciliation/yuan.ts';

const anyFen = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

describe('an amount of yuan', () => {
  test.each([
    ['0.01', 1n],
    ['-0.01', -1n],
    ['12', 1200n],
    ['12.3', 1230n],
    ['12.30', 1230n],
    ['0', 0n],
    ['-0.00', 0n],
    ['00012.34', 1234n],
    ['90071992547409.93', 9007199254740993n],
    ['92233720368547758.07', 9223372036854775807n],
    ['-92233720368547758.08', -9223372036854775808n],
  ])('%s is %s fen', (text, fen) => expect(units(text, 2)).toBe(fen));

  test.each([
    '',
    '-',
    '.',
    '.5',
    '5.',
    '1.234',
    '1,234.00',
    ' 1.00',
    '1.00 ',
    '+1.00',
    '1e2',
    '１.00',
    '0x10',
    '--1',
    '1-',
    '1.2.3',
    '1.-2',
  ])('%j is none', (text) => expect(units(text, 2)).toBeNull());

  test('comes back from its text, whatever its size', () => {
    fc.assert(
      fc.property(anyFen, (fen) => {
        expect(units(decimal(fen, 2), 2)).toBe(fen);
      }),
    );
  });

  test('is read as its digits say, with any number of decimals', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.bigInt(0n, 10n ** 13n),
        fc.bigInt(0n, 99_999n),
        fc.integer({ min: 1, max: 5 }),
        (less, whole, rest, places) => {
          const fraction = rest.toString().padStart(5, '0').slice(0, places);
          const magnitude = whole * 100_000n + BigInt(fraction.padEnd(5, '0'));
          expect(units(`${less ? '-' : ''}${whole}.${fraction}`, 5)).toBe(less ? -magnitude : magnitude);
        },
      ),
    );
  });
});

describe('a fee of five decimals', () => {
  test.each([
    [499n, 0n],
    [500n, 1n],
    [1499n, 1n],
    [1500n, 2n],
    [-499n, 0n],
    [-500n, -1n],
    [7_790_000n, 7790n],
  ])('%s hundred-thousandths of a yuan are %s fen', (value, fen) => expect(roundToFen(value)).toBe(fen));

  test('and its return round to the same fen', () => {
    fc.assert(
      fc.property(anyFen, (value) => {
        expect(roundToFen(-value)).toBe(-roundToFen(value));
      }),
    );
  });

  test('is off by half a fen at most', () => {
    fc.assert(
      fc.property(anyFen, (value) => {
        const off = roundToFen(value) * 1000n - value;
        expect(off >= -500n && off <= 500n).toBe(true);
      }),
    );
  });
});
