/** When a payout is looked at next. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backOff, nextWatch, watchesMs } from '../../src/payments/payout-schedule.ts';

const hourMs = 3_600_000;

test('waits 10 s twice, then twice as long each time, and never more than 10 minutes', () => {
  const seconds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 100_000].map((waits) => backOff(waits, 0) / 1000);
  expect(seconds).toEqual([10, 10, 20, 40, 80, 160, 320, 600, 600, 600]);
});

test('waits up to a tenth longer, so that those that began together part', () => {
  fc.assert(
    fc.property(fc.nat(40), fc.double({ min: 0, max: 1, noNaN: true }), (waits, chance) => {
      const [least, wait] = [backOff(waits, 0), backOff(waits, chance)];
      return wait >= least && wait <= least * 1.1 && Number.isInteger(wait);
    }),
  );
});

test('asks again 1 h, 1 d, 3 d, 7 d and 15 d behind the decision, and then no more', () => {
  const asked: number[] = [];
  for (let next = nextWatch(0); next !== null; next = nextWatch(next)) asked.push(next / hourMs);
  expect(asked).toEqual([1, 24, 72, 168, 360]);
});

test('the next one is always ahead', () => {
  fc.assert(
    fc.property(fc.nat(20 * 24 * hourMs), (since) => {
      const next = nextWatch(since);
      return next === null ? since >= (watchesMs.at(-1) as number) : next > since;
    }),
  );
});
