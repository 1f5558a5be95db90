import { describe, expect, test } from 'vitest';
import { monthAfter } from '../../src/settlement/month.ts';
import { type Base, type Chain, emptyChain, faultIn, noBase, statementOf } from '../../src/settlement/statement.ts';

/** Bill 3 before the month, 4 and 5 in it, 6 behind it; the last statement ended with bill 2 and 100 fen. */
const base: Base = { closing: 100n, lastSequence: 2n, end: '2026-02-28 16:00:00' };
const chain: Chain = {
  ...emptyChain,
  balance: 155n,
  sequence: 6n,
  first: 3n,
  firstBefore: 100n,
  earlier: { bills: 1n, moved: 10n, last: 3n },
  inMonth: { bills: 2n, moved: 40n, last: 5n },
  later: { bills: 1n, moved: 5n, last: 6n },
  sums: [50n, -10n, 0n, 0n, 0n, 0n],
};

test('a statement continues the last one', () => {
  expect(faultIn(base, chain)).toBeNull();
  expect(statementOf(base, chain)).toMatchObject({ opening: 110n, closing: 150n, bills: 2n, lastSequence: 5n });
});

test('an account without bills has a statement of nothing', () => {
  expect(faultIn(noBase, emptyChain)).toBeNull();
  expect(statementOf(noBase, emptyChain)).toMatchObject({ opening: 0n, closing: 0n, bills: 0n, lastSequence: 0n });
});

describe('it does not add up', () => {
  test.each<[name: string, wrong: Partial<Chain>, fault: RegExp]>([
    ['when a bill does not continue the one before', { broken: 1n }, /1 of its bills do not continue/],
    [
      'when the first begins with another balance than the last statement left',
      { firstBefore: 90n },
      /bill 3 begins with 90 fen, and 100 fen were there/,
    ],
    [
      'when the first bill is missing',
      { first: 4n, earlier: { bills: 0n, moved: 0n, last: null } },
      /3 to 6 are not all there/,
    ],
    [
      'when a bill in the middle is missing',
      { inMonth: { bills: 1n, moved: 40n, last: 5n } },
      /3 to 6 are not all there/,
    ],
    [
      'when a bill of the month has a higher number than one behind it',
      { inMonth: { bills: 2n, moved: 40n, last: 6n }, later: { bills: 1n, moved: 5n, last: 5n } },
      /another order/,
    ],
    [
      'when a bill before the month has a higher number than one in it',
      { earlier: { bills: 1n, moved: 10n, last: 4n } },
      /another order/,
    ],
    [
      'when a channel that moves nothing has moved the balance',
      { sums: [50n, -11n, 0n, 0n, 0n, 0n] },
      /moves no balance/,
    ],
    ['when the account has another balance', { balance: 154n }, /154 fen behind bill 6, and its bills make 155 fen/],
    ['when the account is behind its bills', { sequence: 5n }, /behind bill 5, .* behind bill 6/],
  ])('%s', (_, wrong, fault) => {
    expect(faultIn(base, { ...chain, ...wrong })).toMatch(fault);
  });
});

test('the month after December is the next January', () => {
  expect(['2026-01', '2026-09', '2026-12'].map(monthAfter)).toEqual(['2026-02', '2026-10', '2027-01']);
});
