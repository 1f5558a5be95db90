/** Days and months of the business zone tile time, in every zone of the tz database, whatever its clocks did. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Period, Zone } from '../../src/engine/zone.ts';

const hourMs = 3_600_000;
const zones = Intl.supportedValuesOf('timeZone').map((name) => new Zone(name));
const instants = fc.integer({ min: Date.UTC(1980, 0, 3), max: Date.UTC(2040, 0, 1) });
const shanghai = new Zone('Asia/Shanghai');
const at = (zone: Zone, text: string) => zone.fromText(text) as number;

describe.each<Period>(['day', 'month'])('a %s', (unit) => {
  test('contains the instant it was asked for, is as long as a calendar allows, and the next one follows at once', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, instant) => {
        const start = zone.periodStart(unit, instant);
        const next = zone.nextPeriod(unit, instant);
        expect(start).toBeLessThanOrEqual(instant);
        expect(next).toBeGreaterThan(instant);
        expect(zone.nextPeriod(unit, start)).toBe(next);
        expect(zone.periodStart(unit, next)).toBe(next);
        expect(zone.periodStart(unit, next - 1000)).toBe(start);
        expect(zone.border(start)).toBe(start);
        const hours = (next - start) / hourMs;
        const [least, most] = unit === 'day' ? [20, 28] : [27 * 24, 32 * 24];
        expect(hours).toBeGreaterThanOrEqual(least);
        expect(hours).toBeLessThanOrEqual(most);
      }),
      { numRuns: 600 },
    );
  });
});

test.each([
  ['Europe/Berlin', '2026-03-29', 23],
  ['Europe/Berlin', '2026-10-25', 25],
  ['Australia/Lord_Howe', '2026-10-04', 23.5],
  ['America/Sao_Paulo', '2018-11-04', 23], // midnight was skipped
  ['America/Sao_Paulo', '2018-02-17', 25], // the last hour came twice
  ['America/Havana', '2025-11-02', 25], // the first hour came twice
  ['Asia/Shanghai', '2026-11-20', 24],
])('in %s the day %s has %f hours', (name, day, hours) => {
  const zone = new Zone(name);
  const noon = at(zone, `${day} 12:00:00`);
  expect(zone.periodName('day', noon)).toBe(day);
  expect((zone.nextPeriod('day', noon) - zone.periodStart('day', noon)) / hourMs).toBe(hours);
});

test.each(['America/St_Johns', 'America/Goose_Bay'])(
  'in %s, where clocks went back over midnight, the new day begins with the hour that came twice, and only once',
  (name) => {
    const zone = new Zone(name);
    const first = at(zone, '2004-10-30 23:01:00');
    const start = zone.nextPeriod('day', first - 1000);
    expect(start).toBe(first);
    for (const minutes of [0, 58, 59, 60, 61, 119, 120, 600]) {
      expect(zone.periodName('day', first + minutes * 60_000)).toBe('2004-10-31');
      expect(zone.periodStart('day', first + minutes * 60_000)).toBe(first);
    }
  },
);

test('a day that a zone left out is no day: the one before it is followed by the one behind it', () => {
  const samoa = new Zone('Pacific/Apia');
  const before = at(samoa, '2011-12-29 12:00:00');
  const next = samoa.nextPeriod('day', before);
  expect(samoa.periodName('day', next)).toBe('2011-12-31');
  expect(next - samoa.periodStart('day', before)).toBe(24 * hourMs);
});

test('months have their names, and December is followed by January', () => {
  const noon = at(shanghai, '2025-12-31 23:59:59');
  expect(shanghai.periodName('month', noon)).toBe('2025-12');
  expect(shanghai.text(shanghai.nextPeriod('month', noon))).toBe('2026-01-01 00:00:00');
  expect(shanghai.text(shanghai.periodStart('month', noon))).toBe('2025-12-01 00:00:00');
});
