/** What is concluded from a server's default zone and a youngest row, around the changes of the clocks of many zones. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Source } from '../../src/engine/source.ts';
import { checkSourceZone } from '../../src/engine/source-zone.ts';
import { type Instant, Zone } from '../../src/engine/zone.ts';
import { SetupError } from '../../src/platform/errors.ts';
import { type Log, silentLog } from '../../src/platform/log.ts';
import type { Cell, Reader } from '../../src/platform/mysql.ts';
import type { Table } from '../../src/platform/table.ts';
import { Clocks } from '../support/clocks.ts';

const names = [
  'UTC',
  'Asia/Shanghai',
  'Europe/Berlin',
  'Europe/Dublin',
  'America/New_York',
  'America/Havana',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
  'Asia/Kathmandu',
  'Africa/Casablanca',
];
const places = names.map((name) => ({ zone: new Zone(name), clocks: new Clocks(name) }));
const changes = places.flatMap(({ clocks }) => clocks.changes(Date.UTC(2024, 0, 1), Date.UTC(2027, 0, 1)));

const column = { name: 'update_time', type: 'datetime', nullable: true };
const table = { name: 'rows', columns: [column], indexes: [], averageRowBytes: 100 } as unknown as Table;

/** The answers of a server whose default zone is `clocks`, and what the check made of them. */
async function check(
  zone: Zone,
  clocks: Clocks,
  seen: { now: Instant; written: Instant | null; youngest: string | null },
) {
  const utc = (instant: Instant) => new Date(instant).toISOString().slice(0, 19).replace('T', ' ');
  const { now, written, youngest } = seen;
  const answer: Cell[] = [
    utc(now),
    clocks.text(now),
    written === null ? null : utc(written),
    written === null ? null : clocks.text(written),
    'its default',
    youngest,
  ];
  let statements = 0;
  const warnings: string[] = [];
  const log: Log = { ...silentLog, warn: (message) => warnings.push(message) };
  const reader: Reader = {
    rows: async () => [],
    tuples: async () => {
      statements += 1;
      return [statements === 1 ? answer : [1, null]];
    },
  };
  const source = new Source(table, { time: 'update_time', key: 'id' }, zone);
  const error = await checkSourceZone(reader, source, zone, log).catch((thrown: unknown) => thrown);
  return { error, warnings, statements };
}

/** A business zone, a server's default zone, and a row that is written near a change of somebody's clocks and seen up to three hours later. */
const spot = fc.record({
  business: fc.constantFrom(...places),
  server: fc.constantFrom(...places),
  written: fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -3 * 3600, max: 3 * 3600 }))
    .map(([change, seconds]) => change + seconds * 1000),
  later: fc.integer({ min: 0, max: 3 * 3600 }).map((seconds) => seconds * 1000),
});
type Spot = typeof spot extends fc.Arbitrary<infer Value> ? Value : never;

const always = (property: (spot: Spot) => Promise<void>) =>
  fc.assert(fc.asyncProperty(spot, property), { numRuns: 1500 });

describe('a server that stamps rows', () => {
  test('in the business zone is never complained of, whatever its default and whenever clocks change', () =>
    always(async ({ business, server, written, later }) => {
      const youngest = business.clocks.text(written);
      const found = await check(business.zone, server.clocks, { now: written + later, written, youngest });
      expect(found).toEqual({ error: undefined, warnings: [], statements: 1 });
    }));

  test('in its default zone is found whenever that shows another time than the business zone', () =>
    always(async ({ business, server, written }) => {
      const youngest = server.clocks.text(written);
      const { error } = await check(business.zone, server.clocks, { now: written, written, youngest });
      if (youngest === business.clocks.text(written)) expect(error).toBeUndefined();
      else if (youngest < business.zone.text(business.zone.borderAfter(written + 60_000)))
        expect(error).toBeInstanceOf(SetupError); // one that is ahead is looked up by a second statement
    }));

  test('with the business zone as its default has no default to warn of, whatever its rows say', () =>
    always(async ({ business, written, later }) => {
      const youngest = business.clocks.text(written - 86_400_000);
      for (const at of [null, written])
        expect(await check(business.zone, business.clocks, { now: written + later, written: at, youngest })).toEqual({
          error: undefined,
          warnings: [],
          statements: 1,
        });
    }));
});

test('rows that were just stamped are no future, in a repeated hour either', () =>
  always(async ({ business, written }) => {
    // The clocks may have shown this text already, and may go on to show it again.
    for (const shown of [written, written - 1_800_000, written - 3_600_000]) {
      const youngest = business.clocks.text(shown);
      const { warnings } = await check(business.zone, business.clocks, { now: written, written: null, youngest });
      expect(warnings).toEqual([]);
    }
  }));

test('a default that differs is warned of when the table is written and its rows do not tell', async () => {
  const [utc, shanghai] = [places[0], places[1]] as [(typeof places)[0], (typeof places)[0]];
  const now = Date.parse('2026-11-20T02:00:00Z');
  const { error, warnings } = await check(shanghai.zone, utc.clocks, {
    now,
    written: now,
    youngest: '2026-11-18 10:00:00',
  });
  expect(error).toBeUndefined();
  expect(warnings).toEqual([
    expect.stringMatching(/2026-11-20 02:00:00\) is not TIDEMARK_TIMEZONE \(Asia\/Shanghai: 2026-11-20 10:00:00\)/),
  ]);
});

test('a default that differs is no warning where the table has not been written since its server started', async () => {
  const [utc, shanghai] = [places[0], places[1]] as [(typeof places)[0], (typeof places)[0]];
  const now = Date.parse('2026-11-20T02:00:00Z');
  const found = await check(shanghai.zone, utc.clocks, { now, written: null, youngest: '2026-11-18 10:00:00' });
  expect(found).toMatchObject({ error: undefined, warnings: [] });
});

test('a default that differs is no warning where a row lies ahead of its clock, and was only changed without a new time', async () => {
  const [utc, shanghai] = [places[0], places[1]] as [(typeof places)[0], (typeof places)[0]];
  const now = Date.parse('2026-11-20T19:00:00Z');
  const found = await check(shanghai.zone, utc.clocks, {
    now,
    written: now - 60_000,
    youngest: shanghai.clocks.text(now - 3 * 3_600_000),
  });
  expect(found).toMatchObject({ error: undefined, warnings: [] });
});
