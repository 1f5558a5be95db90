/** The clocks of a zone, asked of the runtime and not of the code under test. */
import { readFileSync } from 'node:fs';
import type { Instant } from '../../src/engine/zone.ts';

const dayMs = 86_400_000;

/** All zones that the runtime knows, and their other names where the machine has a list of them. */
export function allZoneNames(): string[] {
  const names = new Set(Intl.supportedValuesOf('timeZone'));
  let list = '';
  try {
    list = readFileSync('/usr/share/zoneinfo/tzdata.zi', 'utf8');
  } catch {
    // The machine has no tz database of its own.
  }
  for (const line of list.split('\n')) {
    const name = /^(?:Z (\S+) |L \S+ (\S+)$)/.exec(line)?.slice(1).find(Boolean);
    if (name !== undefined && isKnown(name)) names.add(name);
  }
  return [...names].sort();
}

function isKnown(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export class Clocks {
  readonly #format: Intl.DateTimeFormat;

  constructor(name: string) {
    const digits = { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' } as const;
    this.#format = new Intl.DateTimeFormat('sv-SE', { timeZone: name, year: 'numeric', ...digits });
  }

  /** What a server in this zone writes for NOW(). */
  text(instant: Instant): string {
    return this.#format.format(instant);
  }

  /** Milliseconds east of UTC. */
  offset(instant: Instant): number {
    return Date.parse(`${this.text(instant).replace(' ', 'T')}Z`) - Math.floor(instant / 1000) * 1000;
  }

  /** The first instants after each change of the clocks. */
  changes(since: Instant, until: Instant): Instant[] {
    const changes: Instant[] = [];
    const step = 20 * dayMs; // no two changes are closer
    let before = this.offset(since);
    for (let from = since; from < until; from += step) {
      const after = this.offset(from + step);
      if (after !== before) changes.push(this.#bisect(from, from + step, before));
      before = after;
    }
    return changes;
  }

  #bisect(from: Instant, to: Instant, before: number): Instant {
    let [low, high] = [from, to];
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (this.offset(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }
}
