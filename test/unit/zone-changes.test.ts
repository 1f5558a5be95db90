/**
 * Every zone of the tz database, under each of its names, through every change of its clocks from 2000 to 2030: what a
 * server there can stamp falls into one window, and hours, days and months tile time.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Instant, Zone } from '../../src/engine/zone.ts';
import { allZoneNames, Clocks } from '../support/clocks.ts';

const since = Date.UTC(2000, 0, 1);
const until = Date.UTC(2031, 0, 1);
const [secondMs, minuteMs, hourMs, dayMs] = [1000, 60_000, 3_600_000, 86_400_000];

/** A change of the clocks: by how much, in ms, and what the clocks show around it. */
interface Change {
  readonly zone: Zone;
  readonly clocks: Clocks;
  readonly at: Instant;
  readonly by: number;
  /** Instants in order, close together where the clocks are strange, each with the text that they show. */
  readonly shown: readonly Shown[];
  /** The starts of the windows around it, were each as short as can be. */
  readonly borders: readonly Instant[];
}

interface Shown {
  readonly instant: Instant;
  readonly text: string;
  readonly border: Instant;
  readonly borderAfter: Instant;
}

const names = allZoneNames();
const zones = names.map((name) => ({ name, zone: new Zone(name), clocks: new Clocks(name) }));
/**
 * One change of each shape (by how much, from which offset, at which time of the day), however many zones and years share
 * it; with EVERY_ZONE=1 each year's. That each zone has all its changes is a test of its own.
 */
const changes = new Map<string, Change>();
const byZone = new Map<string, { readonly at: Instant; readonly by: number }[]>();

beforeAll(() => {
  for (const { name, zone, clocks } of zones) {
    const own = clocks
      .changes(since, until)
      .map((at) => ({ at, by: clocks.offset(at) - clocks.offset(at - secondMs) }));
    byZone.set(name, own);
    for (const { at, by } of own) {
      const year = process.env.EVERY_ZONE === '1' ? at : '';
      const key = `${by} ${clocks.offset(at)} ${clocks.text(at).slice(11)} ${year}`;
      if (changes.has(key)) continue;
      const shown = instantsAround(at, Math.abs(by)).map((instant) => ({
        instant,
        text: clocks.text(instant),
        border: zone.border(instant),
        borderAfter: zone.borderAfter(instant),
      }));
      const borders = [...new Set(shown.flatMap(({ border, borderAfter }) => [border, borderAfter]))];
      changes.set(key, { zone, clocks, at, by, shown, borders: borders.sort((a, b) => a - b) });
    }
  }
});

function instantsAround(at: Instant, by: number): Instant[] {
  const instants = new Set<Instant>();
  for (const edge of [at - by, at, at + by])
    for (const off of [-minuteMs, -secondMs, 0, secondMs, minuteMs]) instants.add(edge + off);
  for (let off = -by - hourMs; off <= by + hourMs; off += Math.max(10 * minuteMs, by / 6)) instants.add(at + off);
  return [...instants].sort((a, b) => a - b);
}

/** Asks of every change; what fails is told with its zone and time. */
function everywhere(text: string, holds: (change: Change) => void): void {
  test(text, () => {
    const failures: string[] = [];
    for (const change of changes.values()) {
      try {
        holds(change);
      } catch (error) {
        const where = `${change.zone.name} at ${new Date(change.at).toISOString()} by ${change.by / minuteMs} min`;
        failures.push(`${where}: ${(error as Error).message}`);
      }
    }
    expect(failures).toEqual([]);
  });
}

function assert(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

test('all zones are there, with the strange ones among them, and their changes are', () => {
  expect(names.length).toBeGreaterThan(400);
  const changed = new Set([...byZone].flatMap(([name, own]) => own.map(({ by }) => `${name} ${by / minuteMs}`)));
  for (const strange of [
    'Australia/Lord_Howe 30',
    'Australia/Lord_Howe -30',
    'Pacific/Apia 1440',
    'America/Sao_Paulo -60',
    'America/Havana -60',
    'Asia/Beirut 60',
    'Europe/Dublin -60',
    'Antarctica/Troll 120',
    'Asia/Pyongyang -30',
    'America/Caracas 30',
  ])
    expect(changed).toContain(strange);
});

test('every zone has all its changes, under each of its names, and its windows keep out of what they repeat', () => {
  for (const { name, zone, clocks } of zones) {
    for (const { at, by } of byZone.get(name) ?? []) {
      for (const instant of [at - Math.abs(by), at - secondMs, at, at + Math.abs(by)])
        assert(zone.text(instant) === clocks.text(instant), `${name} at ${instant}: ${zone.text(instant)}`);
      assert(zone.border(at) === at + Math.min(0, by), `${name} at ${at}: a border is elsewhere`);
      assert(zone.borderAfter(at) === at + Math.max(secondMs, -by), `${name} at ${at}: the next border is elsewhere`);
    }
  }
});

describe('around every change of the clocks of every zone since 2000', () => {
  everywhere('borders ascend, in time and in text alike', ({ zone, borders }) => {
    const texts = borders.map((border) => zone.text(border));
    assert(
      texts.every((text, index) => index === 0 || text > (texts[index - 1] as string)),
      `${texts}`,
    );
  });

  everywhere('a text that the clocks show falls into exactly one window, the one in which it is shown', (change) => {
    const { zone, shown, borders } = change;
    const texts = borders.map((border) => zone.text(border));
    for (const { text, border, borderAfter } of shown) {
      const windows = texts.slice(1).filter((end, index) => text >= (texts[index] as string) && text < end);
      assert(windows.length === 1, `${text} is in ${windows.length} windows`);
      assert(text >= zone.text(border) && text < zone.text(borderAfter), `${text} is not between its borders`);
    }
  });

  everywhere('a text is read as an instant at which it is shown, in the same window', ({ zone, clocks, shown }) => {
    for (const { instant, text, border, borderAfter } of shown) {
      assert(zone.text(instant) === text, `${zone.text(instant)} instead of ${text}`);
      const named = zone.fromText(text) as Instant;
      assert(clocks.text(named) === text, `${text} was read as ${clocks.text(named)}`);
      assert(border <= named && named < borderAfter, `${text} has left its window`);
      assert(zone.parse(zone.iso(instant)) === instant, `${zone.iso(instant)} is not read back`);
    }
  });

  everywhere('what the clocks skip is read as the instant at which they skip it', ({ zone, clocks, at, by }) => {
    if (by <= 0) return;
    const before = at + clocks.offset(at - secondMs);
    for (const off of [0, secondMs, by / 2, by - secondMs]) {
      const skipped = new Date(before + off).toISOString().slice(0, 19).replace('T', ' ');
      assert(zone.fromText(skipped) === at, `${skipped} was read as another instant`);
      assert(zone.parse(skipped) === null, `${skipped} was accepted as a time`);
    }
  });

  everywhere('no border lies inside what the clocks repeat, and it is as long as twice the change', (change) => {
    const { zone, at, by } = change;
    if (by >= 0) return;
    for (const inside of [at + by + secondMs, at - secondMs, at, at - by - secondMs]) {
      assert(zone.border(inside) === at + by, 'it does not begin where the clocks show its first text');
      assert(zone.borderAfter(inside) === at - by, 'it does not end where its last text was shown');
    }
  });

  everywhere('hours tile time: each border is in one, and its text is of that hour', (change) => {
    const { zone, clocks, by, borders } = change;
    let previous = Number.NEGATIVE_INFINITY;
    for (const border of borders) {
      const hour = zone.hour(border);
      assert(hour <= border && zone.hour(hour) === hour, 'an hour does not begin at its start');
      assert(hour >= previous, 'an hour begins before the one that came earlier');
      // In Chatham, 02:45 to 03:45 comes twice, and with it the start of an hour.
      const isRepeated = clocks.text(hour - by) === zone.text(hour);
      assert(isRepeated || zone.border(hour) === hour, 'an hour does not begin at a border');
      assert(
        zone.text(hour).slice(0, 13) === zone.text(border).slice(0, 13),
        'a border is in the hour of another text',
      );
      assert(
        hour === previous || hour === border || zone.hourText(border) <= zone.text(hour),
        'an hour has another text',
      );
      previous = hour;
    }
  });

  everywhere('hours tile days, and days months', ({ zone, at }) => {
    const dates = [...new Set([-2, -1, 0, 1, 2].map((days) => zone.text(at + days * dayMs).slice(0, 10)))];
    const starts = dates.map((date) => zone.parse(date) as Instant);
    for (const [index, start] of starts.entries()) {
      assert(zone.hour(start) === start, `${dates[index]} does not begin with an hour`);
      assert(zone.text(start - secondMs) < `${dates[index]}`, `${dates[index]} begins too late`);
      if (index > 0) assert(start > (starts[index - 1] as Instant), `${dates[index]} begins before the day before it`);
    }
    const date = zone.text(at).slice(0, 7);
    assert(zone.parse(date) === zone.parse(`${date}-01`), `${date} does not begin with its first day`);
  });
});

test('days have the length that their clocks give them', () => {
  const length = (name: string, day: string, next: string) => {
    const zone = new Zone(name);
    return ((zone.parse(next) as Instant) - (zone.parse(day) as Instant)) / hourMs;
  };
  expect(length('Europe/Berlin', '2026-03-29', '2026-03-30')).toBe(23);
  expect(length('Europe/Berlin', '2026-10-25', '2026-10-26')).toBe(25);
  expect(length('Europe/Dublin', '2026-10-25', '2026-10-26')).toBe(25);
  expect(length('Australia/Lord_Howe', '2026-10-04', '2026-10-05')).toBe(23.5);
  expect(length('Australia/Lord_Howe', '2026-04-05', '2026-04-06')).toBe(24.5);
  expect(length('America/Havana', '2026-11-01', '2026-11-02')).toBe(25);
  expect(length('America/Sao_Paulo', '2018-11-04', '2018-11-05')).toBe(23);
  expect(length('Pacific/Apia', '2011-12-29', '2011-12-31')).toBe(24);
});
