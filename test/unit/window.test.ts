import { describe, expect, test } from 'vitest';
import { nextWindow, type Window } from '../../src/engine/window.ts';

const small = [-1, 0, 1, 2, 3, 4, 5];
const cuts = [null, ...small, 6, 7];
const cases = small.flatMap((checkpoint) =>
  small.flatMap((watermark) => cuts.map((cut) => ({ checkpoint, watermark, cut }))),
);

describe('the next window, for every small checkpoint, watermark and cut', () => {
  test.each([
    ['up to the watermark when nothing cuts it', 1, 4, null, { start: 1, end: 4 }],
    ['up to the cut', 1, 4, 2, { start: 1, end: 2 }],
    ['whole when the cut lies at its start', 1, 4, 1, { start: 1, end: 4 }],
    ['whole when the cut lies before it', 1, 4, 0, { start: 1, end: 4 }],
    ['whole when the cut lies at the watermark', 1, 4, 4, { start: 1, end: 4 }],
    ['whole when the cut lies beyond the watermark', 1, 4, 5, { start: 1, end: 4 }],
    ['none when the watermark has not moved', 4, 4, null, null],
    ['none when the watermark lies behind the checkpoint', 4, 3, null, null],
    ['none when only the cut lies ahead', 4, 4, 5, null],
  ])('is %s', (_, checkpoint, watermark, cut, expected) => {
    expect(nextWindow(checkpoint, watermark, cut)).toEqual(expected);
  });

  test('there is one exactly when the watermark lies ahead of the checkpoint', () => {
    for (const { checkpoint, watermark, cut } of cases)
      expect(nextWindow(checkpoint, watermark, cut) !== null).toBe(watermark > checkpoint);
  });

  test('it begins at the checkpoint, is never empty and never reaches beyond the watermark', () => {
    for (const { checkpoint, watermark, cut } of cases) {
      const window = nextWindow(checkpoint, watermark, cut);
      if (window === null) continue;
      expect(window.start).toBe(checkpoint);
      expect(window.end).toBeGreaterThan(window.start);
      expect(window.end).toBeLessThanOrEqual(watermark);
    }
  });

  test('it ends at a cut that lies inside, and at the watermark otherwise', () => {
    for (const { checkpoint, watermark, cut } of cases) {
      const window = nextWindow(checkpoint, watermark, cut);
      if (window === null) continue;
      const inside = cut !== null && checkpoint < cut && cut < watermark;
      expect(window.end).toBe(inside ? cut : watermark);
    }
  });

  test('one after the other they tile the time up to the watermark: every instant lies in exactly one', () => {
    for (const { checkpoint, watermark, cut } of cases) {
      const windows: Window[] = [];
      let position = checkpoint;
      for (let next = nextWindow(position, watermark, cut); next !== null && windows.length < 10; ) {
        windows.push(next);
        position = next.end;
        next = nextWindow(position, watermark, cut);
      }
      expect(position).toBe(Math.max(checkpoint, watermark));
      for (let instant = -2; instant <= 7; instant++) {
        const holders = windows.filter(({ start, end }) => start <= instant && instant < end);
        expect(holders.length).toBe(instant >= checkpoint && instant < watermark ? 1 : 0);
      }
    }
  });
});
