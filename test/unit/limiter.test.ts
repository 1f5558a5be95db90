/** The arithmetic of the limiter. Its work in Redis: test/fault/check-limiter.test.ts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slackMs } from '../../src/payments/limiter.ts';
import { mostInASecond } from '../support/seconds.ts';

/** Grants at these times at the earliest, never more than the rate within a second and the slack. */
function grantsOf(rate: number, wishes: readonly number[]): number[] {
  const grants: number[] = [];
  for (const wish of [...wishes].sort((a, b) => a - b))
    grants.push(Math.max(wish, (grants.at(-rate) ?? Number.NEGATIVE_INFINITY) + 1000 + slackMs));
  return grants;
}

test('however late requests are on their way, within the slack, no second sees more than the rate', () => {
  const wish = fc.record({
    at: fc.nat(5000),
    late: fc.double({ min: 0, max: slackMs, maxExcluded: true, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.array(wish, { maxLength: 300 }), (rate, wishes) => {
      const grants = grantsOf(
        rate,
        wishes.map(({ at }) => at),
      );
      const arrivals = grants.map((at, index) => at + (wishes[index]?.late ?? 0));
      expect(mostInASecond(arrivals)).toBeLessThanOrEqual(rate);
    }),
  );
});

test('the count of a second knows a burst that lies across two', () => {
  expect(mostInASecond([0, 900, 950, 999, 1001, 1100, 1850, 2500])).toBe(6);
});
