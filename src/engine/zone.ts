/**
 * The business time zone: the only way from the text in DATETIME columns to instants and back.
 *
 * An instant is milliseconds since 1970 in UTC. A border is an instant on a whole second at which a window may start or
 * end: the local text of a border names it alone, and rows before and after it are told apart by their text alone.
 * Inside an hour that clocks repeat that cannot be, so no border lies there; the first of the two starts counts as one.
 */
import { DateTime, FixedOffsetZone, IANAZone, type Zone as LuxonZone } from 'luxon';

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Instant = number;

/** The periods of the calendar that jobs may take whole. */
export type Period = 'day' | 'month';

const textFormat = 'yyyy-MM-dd HH:mm:ss';
const dayMs = 86_400_000;
const quarterMs = 900_000;

export class Zone {
  readonly name: string;
  readonly #zone: LuxonZone;
  #lastQuarter = Number.NaN;
  #lastOffset = 0;
  #lastJump = Number.NaN;

  constructor(name: string) {
    this.name = name;
    this.#zone = IANAZone.create(name);
  }

  /** Minutes east of UTC. Remembered for a quarter of an hour at a time, unless the clocks change within it. */
  #offset(instant: Instant): number {
    const quarter = Math.floor(instant / quarterMs) * quarterMs;
    if (quarter === this.#lastQuarter) return this.#lastOffset;
    const offset = this.#zone.offset(instant);
    if (this.#zone.offset(quarter) === offset && this.#zone.offset(quarter + quarterMs - 1) === offset) {
      this.#lastQuarter = quarter;
      this.#lastOffset = offset;
    }
    return offset;
  }

  #at(instant: Instant): DateTime {
    return DateTime.fromMillis(instant, { zone: this.#zone });
  }

  /** The text of a DATETIME column for this instant: `2026-11-20 10:00:00`. */
  text(instant: Instant): string {
    const local = new Date(instant + this.#offset(instant) * 60_000);
    return local.toISOString().slice(0, 19).replace('T', ' ');
  }

  /** For people and --json: `2026-11-20T10:00:00+08:00`. */
  iso(instant: Instant): string {
    const at = this.#at(instant);
    return at.toISO({ suppressMilliseconds: true }) ?? at.toString();
  }

  /**
   * The instant of a DATETIME text, fractions of a second cut off; in a repeated hour the earlier one, in a skipped
   * hour the instant at which it was skipped. Null for NULL, zero dates and what is no time.
   */
  fromText(text: string | null): Instant | null {
    if (text === null) return null;
    const wanted = text.slice(0, 19);
    const asUtc = DateTime.fromFormat(wanted, textFormat, { zone: FixedOffsetZone.utcInstance }).toMillis();
    if (Number.isNaN(asUtc)) return null;
    // The offsets around that day: each gives one candidate, the earliest that reads back as the same text is meant.
    const candidates = [asUtc - dayMs, asUtc + dayMs]
      .map((near) => asUtc - this.#zone.offset(near) * 60_000)
      .sort((a, b) => a - b);
    return (
      candidates.find((candidate) => this.text(candidate) === wanted) ?? this.#skippedAt(candidates as [number, number])
    );
  }

  /** The jump of the clocks between two instants, to the second. The last one is remembered. */
  #skippedAt([low, high]: [Instant, Instant]): Instant {
    const before = this.#zone.offset(low - dayMs);
    const known = this.#lastJump;
    const mayBe = known > low - dayMs && known <= high + dayMs;
    if (mayBe && this.#zone.offset(known - 1000) === before && this.#zone.offset(known) !== before) return known;
    let from = low - dayMs;
    let to = high + dayMs;
    while (to - from > 1000) {
      const middle = Math.floor((from + to) / 2000) * 1000;
      if (this.#zone.offset(middle) === before) from = middle;
      else to = middle;
    }
    this.#lastJump = to;
    return to;
  }

  /** The latest border at or before an instant. */
  border(instant: Instant): Instant {
    const second = Math.floor(instant / 1000) * 1000;
    const repeated = this.#repeatedAround(second);
    return repeated === null ? second : repeated.start;
  }

  /** The earliest border after an instant. */
  borderAfter(instant: Instant): Instant {
    const second = Math.floor(instant / 1000) * 1000 + 1000;
    const repeated = this.#repeatedAround(second);
    return repeated === null ? second : repeated.end;
  }

  /** The stretch of instants, open at both ends, whose local texts are ambiguous around this instant. */
  #repeatedAround(instant: Instant): { start: Instant; end: Instant } | null {
    const before = this.#zone.offset(instant - dayMs);
    const after = this.#zone.offset(instant + dayMs);
    if (before <= after) return null;
    const backMs = (before - after) * 60_000;
    const jump = this.#skippedAt([instant, instant]);
    const start = jump - backMs;
    const end = jump + backMs;
    return instant > start && instant < end ? { start, end } : null;
  }

  /** The start of the local hour that contains a border: where clocks skip its beginning, the instant of the skip. */
  hour(instant: Instant): Instant {
    return this.fromText(this.hourText(instant)) ?? instant;
  }

  /**
   * The name of the local hour that contains an instant, `2026-11-20 10:00:00`: what rows are grouped by. A repeated
   * hour is one, and an hour of which the clocks skip the beginning has this name, although they never show it.
   */
  hourText(instant: Instant): string {
    return `${this.text(instant).slice(0, 13)}:00:00`;
  }

  /** The name of the local period that contains an instant: `2026-11-20` for a day, `2026-11` for a month. */
  periodName(unit: Period, instant: Instant): string {
    return this.#period(unit, instant).date.slice(0, unit === 'day' ? 10 : 7);
  }

  /**
   * The start of the local day or month that contains an instant, always a border. Days have 23 to 25 hours; where the
   * clocks skip midnight, a day begins at the instant of the skip; where midnight lies in an hour that they repeat, at
   * the first start of that hour.
   */
  periodStart(unit: Period, instant: Instant): Instant {
    return this.#period(unit, instant).start;
  }

  /** The start of the local day or month behind the one that contains an instant. */
  nextPeriod(unit: Period, instant: Instant): Instant {
    return this.#period(unit, instant).next;
  }

  #period(unit: Period, instant: Instant): { date: string; start: Instant; next: Instant } {
    const [year, month, day] = this.text(instant).slice(0, 10).split('-').map(Number) as [number, number, number];
    const ahead = (count: number): string =>
      new Date(Date.UTC(year, month - 1 + (unit === 'month' ? count : 0), unit === 'day' ? day + count : 1))
        .toISOString()
        .slice(0, 10);
    // The next one may have begun though the clocks show this date: they may go back over midnight (St John's, 00:01).
    let count = 0;
    while (this.#midnight(ahead(count + 1)) <= instant) count++;
    return { date: ahead(count), start: this.#midnight(ahead(count)), next: this.#midnight(ahead(count + 1)) };
  }

  /** The border at which a local date begins; for a date that the zone left out, the beginning of the one behind it. */
  #midnight(date: string): Instant {
    return this.border(this.fromText(`${date} 00:00:00`) as Instant);
  }

  /**
   * Reads a time that a person typed: ISO 8601, with an offset or in this zone.
   *
   * @returns null when it is no time, or one that never was (a skipped hour, 30 February)
   */
  parse(input: string): Instant | null {
    const iso = input.trim().toUpperCase().replace(' ', 'T').replace(/\s+/g, '');
    const form = /^\d{4}-\d\d(-\d\d)?(T\d\d:\d\d(:\d\d(\.\d{1,3}0*)?)?(?<offset>Z|[+-](0\d|1[0-4]):?[0-5]\d)?)?$/.exec(
      iso,
    );
    if (form === null) return null;
    // Read as UTC, also without an offset: luxon's own guess is wrong near some changes of the clocks.
    const parsed = DateTime.fromISO(iso, { zone: FixedOffsetZone.utcInstance });
    if (!parsed.isValid) return null;
    if (form.groups?.offset !== undefined) return parsed.toMillis();
    const wanted = parsed.toFormat(textFormat);
    const second = this.fromText(wanted);
    if (second === null || (iso.includes('T') && this.text(second) !== wanted)) return null;
    return second + parsed.millisecond;
  }
}
