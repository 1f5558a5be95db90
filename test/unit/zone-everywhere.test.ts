/** What the business zone promises, in every zone of the tz database and around every change of its clocks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instant, Zone } from '../../src/engine/zone.ts';

const since = Date.UTC(1970, 0, 3);
const until = Date.UTC(2040, 0, 1);
const dayMs = 86_400_000;

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
const every = process.env.EVERY_ZONE ? Intl.supportedValuesOf('timeZone') : [];

/** The time on the clocks, asked of the runtime and not of the code under test. */
class Clocks {
  readonly #format: Intl.DateTimeFormat;
  #changes: Instant[] | undefined;

  constructor(name: string) {
    const digits = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
    this.#format = new Intl.DateTimeFormat('sv-SE', { timeZone: name, year: 'numeric', ...digits });
  }

  text(instant: Instant): string {
    return this.#format.format(instant);
  }

  #offset(instant: Instant): number {
    return Date.parse(`${this.text(instant).replace(' ', 'T')}Z`) - Math.floor(instant / 1000) * 1000;
  }

  /** The first instants after each change of the clocks. */
  changes(): readonly Instant[] {
    if (this.#changes !== undefined) return this.#changes;
    this.#changes = [];
    const step = 20 * dayMs; // no two changes are closer
    for (let from = since; from < until; from += step) {
      const before = this.#offset(from);
      if (this.#offset(from + step) !== before) this.#changes.push(this.#bisect(from, from + step, before));
    }
    return this.#changes;
  }

  #bisect(low: Instant, high: Instant, before: number): Instant {
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (this.#offset(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }
}

const known = new Map<string, { zone: Zone; clocks: Clocks }>();
function place(name: string) {
  const found = known.get(name) ?? { zone: new Zone(name), clocks: new Clocks(name) };
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

/** A zone and an instant, mostly near a change of its clocks. */
const spot = fc
  .tuple(
    fc.oneof(fc.constantFrom(...odd), fc.constantFrom(...Intl.supportedValuesOf('timeZone').slice(0, 0), ...sample())),
    fc.nat(),
    distance,
    anywhere,
    fc.constantFrom(true, true, true, false),
  )
  .map(([name, index, off, instant, near]) => {
    const { zone, clocks } = place(name);
    const changes = clocks.changes();
    const change = changes[index % Math.max(1, changes.length)];
    return { name, zone, clocks, instant: near && change !== undefined ? change + off : instant };
  });
