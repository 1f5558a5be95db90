/**
 * What the business zone promises, in many zones of the tz database and around every change of their clocks.
 * Instants are drawn at random; zone-changes.test.ts goes through every change of every zone since 2000. With
 * EVERY_ZONE=1 all zones are drawn from, and more often; that takes half a minute.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instant, Zone } from '../../src/engine/zone.ts';
import { Clocks } from '../support/clocks.ts';

const since = Date.UTC(1970, 0, 3);
const until = Date.UTC(2040, 0, 1);

/** Zones whose clocks did odd things: by half an hour, two hours, a day, at midnight, at a minute past, by seconds. */
const odd = [
  'Asia/Shanghai',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'America/St_Johns',
  'America/Goose_Bay',
  'America/Sao_Paulo',
  'Antarctica/Casey',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'Africa/Monrovia',
  'Asia/Gaza',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Pacific/Guam',
  'Pacific/Kwajalein',
];
const all = Intl.supportedValuesOf('timeZone');
const thorough = process.env.EVERY_ZONE === '1';
const others = thorough ? all : all.filter((_, index) => index % 20 === 0);

/** The clocks of a zone, with their changes found once. */
class Changing extends Clocks {
  #changes: readonly Instant[] | undefined;

  override changes(): Instant[] {
    this.#changes ??= super.changes(since, until);
    return [...this.#changes];
  }
}

const known = new Map<string, { zone: Zone; clocks: Changing }>();
function place(name: string) {
  const found = known.get(name) ?? { zone: new Zone(name), clocks: new Changing(name) };
  known.set(name, found);
  return found;
}

/** Distances from a change of the clocks where something may go wrong, and any others within a day and a bit. */
const distance = fc.oneof(
  fc.constantFrom(...[-7200, -3600, -1800, -60, -1, 0, 1, 60, 1800, 3600, 7200].map((seconds) => seconds * 1000)),
  fc.integer({ min: -3 * 3_600_000, max: 3 * 3_600_000 }),
  fc.integer({ min: -26 * 3_600_000, max: 26 * 3_600_000 }),
);
const anywhere = fc.integer({ min: since, max: until });

/** A zone, and two instants in order, mostly near a change of its clocks. */
const spot = fc
  .record({
    name: fc.oneof(fc.constantFrom(...odd), fc.constantFrom(...others)),
    index: fc.nat(),
    distances: fc.tuple(distance, distance),
    instants: fc.tuple(anywhere, anywhere),
    near: fc.constantFrom(true, true, true, false),
  })
  .map(({ name, index, distances, instants, near }) => {
    const { zone, clocks } = place(name);
    const changes = clocks.changes();
    const change = changes[index % Math.max(1, changes.length)];
    const pair = near && change !== undefined ? distances.map((off) => change + off) : instants;
    const [instant, later] = pair.toSorted((a, b) => a - b) as [Instant, Instant];
    return { name, zone, clocks, instant, later, when: new Date(instant).toISOString() };
  });

type Spot = typeof spot extends fc.Arbitrary<infer Value> ? Value : never;

const runs = { numRuns: thorough ? 3000 : 200 };
const holds = (text: string, property: (spot: Spot) => void) =>
  test(text, () => fc.assert(fc.property(spot, property), runs));

describe('in every zone and around every change of its clocks', () => {
  holds('the text of an instant is what the clocks show', ({ zone, clocks, instant }) => {
    expect(zone.text(instant)).toBe(clocks.text(instant));
  });

  holds('a text names the earliest instant at which the clocks show it', ({ zone, clocks, instant }) => {
    const text = clocks.text(instant);
    const named = zone.fromText(text) as Instant;
    expect(clocks.text(named)).toBe(text);
    expect(named).toBeLessThanOrEqual(instant);
    const changes = clocks.changes().map((change) => change - 1000);
    for (const earlier of [
      named - 3_600_000,
      named - 7_200_000,
      ...changes.filter((change) => change < named).slice(-1),
    ])
      expect(clocks.text(earlier)).not.toBe(text);
  });

  holds('an instant lies between its border and the next', ({ zone, instant }) => {
    expect(zone.border(instant)).toBeLessThanOrEqual(instant);
    expect(zone.borderAfter(instant)).toBeGreaterThan(instant);
  });

  holds('borders are whole seconds and stay where they are', ({ zone, instant }) => {
    for (const border of [zone.border(instant), zone.borderAfter(instant)]) {
      expect(border % 1000).toBe(0);
      expect(zone.border(border)).toBe(border);
    }
  });

  holds('there is no border between two that follow each other', ({ zone, instant }) => {
    const [border, next] = [zone.border(instant), zone.borderAfter(instant)];
    expect(zone.borderAfter(border)).toBe(next);
    expect(zone.border(next - 1)).toBe(border);
    if (next - border > 1000) expect(zone.fromText(zone.text(next - 1000))).toBeGreaterThanOrEqual(border);
  });

  holds('the text of a border names it', ({ zone, instant }) => {
    for (const border of [zone.border(instant), zone.borderAfter(instant)])
      expect(zone.fromText(zone.text(border))).toBe(border);
  });

  holds('a border parts instants as its text parts their texts', ({ zone, instant, later }) => {
    for (const border of [zone.border(later), zone.borderAfter(instant)])
      for (const other of [instant, later]) expect(zone.text(other) < zone.text(border)).toBe(other < border);
  });

  holds('borders keep the order of instants', ({ zone, instant, later }) => {
    expect(zone.border(instant)).toBeLessThanOrEqual(zone.border(later));
    expect(zone.borderAfter(instant)).toBeLessThanOrEqual(zone.borderAfter(later));
  });

  holds('the hour of a border is the first instant that the clocks show that hour', ({ zone, clocks, instant }) => {
    const border = zone.border(instant);
    const hour = zone.hour(border);
    expect(hour).toBeLessThanOrEqual(border);
    expect(clocks.text(hour).slice(0, 13)).toBe(clocks.text(border).slice(0, 13));
    expect(clocks.text(hour - 1000) < clocks.text(hour)).toBe(true);
    expect(zone.hour(hour)).toBe(hour);
  });

  holds('what is printed for people is read back', ({ name, zone, instant }) => {
    if (name === 'Africa/Monrovia') return; // its offset had seconds, which ISO 8601 cannot say
    expect(zone.parse(zone.iso(instant))).toBe(instant);
    expect(zone.parse(zone.text(zone.border(instant)))).toBe(zone.border(instant));
  });
});
