import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coincide,
  FieldError,
  isDay,
  lastUpTo,
  nextAfter,
  readTimes,
  type Times,
} from '../../src/schedule/cron-times.ts';
import { compact, distanceChangesBy, minutesAhead, shiftSchedule } from '../../src/schedule/shift-times.ts';

const at = (iso: string) => Date.parse(iso);

describe('the fields of a schedule', () => {
  test.each([
    ['61 * * * *', 'the minute is "61"'],
    ['* 24 * * *', 'the hour is "24"'],
    ['* * 0 * *', 'the day of the month is "0"'],
    ['* * * 13 *', 'the month is "13"'],
    ['* * * * 8', 'the day of the week is "8"'],
    ['*/0 * * * *', 'the minute is "*/0"'],
    ['5-1 * * * *', 'the minute is "5-1"'],
    ['1, * * * *', 'the minute is "1,"'],
    ['? * * * *', 'the minute is "?"'],
    ['* * L * *', 'the day of the month is "L"'],
    ['*/90 * * * *', 'a step of 60 or more is 0 alone'],
    ['0 0 31 2 *', 'no month has a day 31'],
    ['* * * *', 'five fields, this one 4'],
    ['* * * * * *', 'five fields, this one 6'],
  ])('%s is refused, and the field named', (schedule, message) => {
    expect(() => readTimes(schedule)).toThrow(FieldError);
    expect(() => readTimes(schedule)).toThrow(message);
  });

  test.each(['*/2 * * * *', '35 * 1-5 * *', '0 0 * jan-mar mon,tue', '0 4 * * 7', '1-59/2 0-6,20 * * *', '0 0 29 2 *'])(
    '%s is taken',
    (schedule) => {
      expect(() => readTimes(schedule)).not.toThrow();
    },
  );

  test('the next time is after, the last one at or before an instant, in the zone asked for', () => {
    const three = at('2026-11-20T03:05:00+08:00');
    expect(nextAfter('5 3 * * *', three, 'Asia/Shanghai')).toBe(three + 86_400_000);
    expect(nextAfter('5 3 * * *', three - 1, 'Asia/Shanghai')).toBe(three);
    expect(lastUpTo('5 3 * * *', three, 'Asia/Shanghai')).toBe(three);
    expect(lastUpTo('5 3 * * *', three - 1, 'Asia/Shanghai')).toBe(three - 86_400_000);
  });

  test('times go on in order while clocks change', () => {
    for (const change of ['2026-03-29T00:00:00Z', '2026-10-25T00:00:00Z']) {
      let instant = at(change) - 7_200_000;
      const end = at(change) + 7_200_000;
      let steps = 0;
      for (; instant < end; steps++) {
        const next = nextAfter('*/10 * * * *', instant, 'Europe/Berlin');
        expect(next).toBeGreaterThan(instant);
        expect(next - instant).toBeLessThanOrEqual(600_000);
        instant = next;
      }
      expect(steps).toBe(24);
    }
  });
});

describe('two schedules', () => {
  test.each([
    ['*/2 * * * *', '*/4 * * * *', true],
    ['*/2 * * * *', '35 * * * *', false],
    ['0 3 1 * *', '0 3 * * 1', true],
    ['0 3 29 2 *', '0 3 * 2 mon', true],
    ['0 3 * 1 *', '0 3 * 2 *', false],
  ])('%s and %s ever name the same minute: %s', (one, other, expected) => {
    expect(coincide(readTimes(one), readTimes(other))).toBe(expected);
  });
});

describe('a schedule told in another zone', () => {
  /** Whether a schedule names a minute of the local clock, given as an instant in UTC. */
  const names = (times: Times, instant: number) => {
    const date = new Date(instant);
    return (
      times.minutes.includes(date.getUTCMinutes()) && times.hours.includes(date.getUTCHours()) && isDay(times, date)
    );
  };
  const field = (low: number, high: number) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant('*') },
      fc.integer({ min: low, max: high }).map(String),
      fc.uniqueArray(fc.integer({ min: low, max: high }), { minLength: 2, maxLength: 4 }).map((list) => list.join(',')),
      fc
        .tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
        .map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
    );
  const schedules = fc
    .tuple(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6))
    .map((fields) => fields.join(' '));
  const offsets = fc.constantFrom(-840, -720, -480, -345, -330, -60, -1, 0, 30, 60, 330, 525, 720, 840);
  const minutes = fc
    .integer({ min: 0, max: 527_040 * 2 })
    .map((minute) => at('2027-01-01T00:00:00Z') + minute * 60_000);

  test('names every time that it names, and no other where days and months are free', () => {
    fc.assert(
      fc.property(
        schedules,
        offsets,
        fc.array(minutes, { minLength: 20, maxLength: 20 }),
        (schedule, offset, sample) => {
          const { schedules: shifted, more } = shiftSchedule(schedule, offset);
          const lines = shifted.map(readTimes);
          const times = readTimes(schedule);
          // Times that it surely names, beside any.
          const named = [nextAfter(schedule, sample[0] as number, 'Etc/UTC')];
          for (const instant of [...sample, ...named]) {
            const there = lines.some((one) => names(one, instant + offset * 60_000));
            if (names(times, instant)) expect(there, `${schedule} ${offset} → ${shifted}`).toBe(true);
            else if (!more) expect(there, `${schedule} ${offset} → ${shifted}`).toBe(false);
          }
        },
      ),
      { numRuns: 300, endOnFailure: true },
    );
  });

  test.each([
    ['*/2 * * * *', -480, ['*/2 * * * *']],
    ['5 3 * * *', -480, ['5 19 * * *']],
    ['5 3 * * *', 330, ['35 8 * * *']],
    ['0 3 * * 1', -480, ['0 19 * * 0']],
    ['35 * 1-5 * *', -480, ['35 16-23 1-4,28-31 * *', '35 0-15 1-5 * *']],
  ])('%s, %i minutes ahead: %s', (schedule, offset, expected) => {
    expect(shiftSchedule(schedule, offset).schedules).toEqual(expected);
  });

  test('values are written as people write them', () => {
    expect(compact([0, 15, 30, 45], 0, 59)).toBe('*/15');
    expect(compact([1, 2, 3, 9, 10, 20], 1, 31)).toBe('1-3,9,10,20');
    expect(compact([5], 0, 6)).toBe('5');
  });

  test('the distance of two zones, and when it changes', () => {
    const [now, shanghai] = [at('2026-11-21'), 'Asia/Shanghai'];
    expect(minutesAhead({ here: 'Etc/UTC', there: shanghai }, now)).toBe(-480);
    expect(distanceChangesBy({ here: 'Etc/UTC', there: shanghai }, now)).toBe(null);
    expect(minutesAhead({ here: 'Europe/Berlin', there: shanghai }, now)).toBe(-420);
    const day = distanceChangesBy({ here: 'Europe/Berlin', there: shanghai }, now);
    expect(new Date(day ?? 0).toISOString().slice(0, 7)).toBe('2027-03');
  });
});
