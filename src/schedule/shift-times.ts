/**
 * A schedule of one time zone told in another. Cron's fields cannot say everything: "the day before the 1st" becomes the
 * 28th to the 31st, so a shifted schedule may start a run more often than the one it stands for, and never less.
 */
import { IANAZone } from 'luxon';
import type { Instant } from '../engine/zone.ts';
import { readTimes, type Times } from './cron-times.ts';

/** @returns the schedules that together stand for it, and whether they name more times than it does */
export function shiftSchedule(
  schedule: string,
  minutes: number,
): { readonly schedules: string[]; readonly more: boolean } {
  const times = readTimes(schedule);
  const everyDay = times.anyDay && times.anyWeekday && isFull(times.days, 1, 31) && isFull(times.weekdays, 0, 6);
  const dateFree = everyDay && isFull(times.months, 1, 12);
  if (minutes === 0 || (minutes % 60 === 0 && dateFree && isFull(times.hours, 0, 23)))
    return { schedules: [schedule], more: false };
  const clocks = shiftClocks(times, minutes, dateFree);
  const schedules = clocks.map(
    (clock) => `${compact(clock.minutes, 0, 59)} ${compact(clock.hours, 0, 23)} ${daysShifted(times, clock.day)}`,
  );
  const exact = isFull(times.months, 1, 12) && isFull(times.days, 1, 31) && times.anyDay;
  return { schedules, more: !exact && clocks.some(({ day }) => day !== 0) };
}

/** Hours of one day that have the same minutes. */
interface Clock {
  /** How many days behind the schedule's; 0 where every day is alike. */
  readonly day: number;
  readonly hours: readonly number[];
  readonly minutes: readonly number[];
}

/** The times of day, so many minutes later, by what one line can say. */
export function shiftClocks(times: Pick<Times, 'hours' | 'minutes'>, by: number, everyDayIsAlike: boolean): Clock[] {
  const byDay = new Map<number, Map<number, number[]>>();
  for (const hour of times.hours)
    for (const minute of times.minutes) {
      const at = hour * 60 + minute + by;
      const day = everyDayIsAlike ? 0 : Math.floor(at / 1440);
      const clock = ((at % 1440) + 1440) % 1440;
      const hours = byDay.get(day) ?? new Map<number, number[]>();
      byDay.set(day, hours.set(Math.floor(clock / 60), [...(hours.get(Math.floor(clock / 60)) ?? []), clock % 60]));
    }
  return [...byDay].flatMap(([day, hours]) => clocksOf(day, hours));
}

function clocksOf(day: number, hours: ReadonlyMap<number, readonly number[]>): Clock[] {
  const byMinutes = new Map<string, { day: number; hours: number[]; minutes: readonly number[] }>();
  for (const [hour, minutes] of hours) {
    const text = compact(minutes, 0, 59);
    const alike = byMinutes.get(text);
    if (alike === undefined) byMinutes.set(text, { day, hours: [hour], minutes });
    else alike.hours.push(hour);
  }
  return [...byMinutes.values()];
}

/** The last three fields, a day earlier or later. */
function daysShifted(times: Times, by: number): string {
  const { anyDay, anyWeekday } = times;
  const weekdays = anyWeekday ? times.weekdays : times.weekdays.map((day) => (day + by + 7) % 7);
  const days = times.days.flatMap((day) => (by === 0 ? [day] : by < 0 ? dayBefore(day) : dayAfter(day)));
  const months =
    by === 0 || isFull(times.months, 1, 12)
      ? times.months
      : times.months.flatMap((month) => [month, ((month - 1 + by + 12) % 12) + 1]);
  return [
    anyDay ? compact(days, 1, 31) : starless(days, 1, 31),
    compact(months, 1, 12),
    anyWeekday ? compact(weekdays, 0, 6) : starless(weekdays, 0, 6),
  ].join(' ');
}

const dayBefore = (day: number): number[] => (day === 1 ? [28, 29, 30, 31] : [day - 1]);
const dayAfter = (day: number): number[] => [...(day < 31 ? [day + 1] : []), ...(day >= 28 ? [1] : [])];

export const isFull = (values: readonly number[], low: number, high: number) => values.length === high - low + 1;

/** Without a star, which would change how cron takes the two fields for days together. */
function starless(values: readonly number[], low: number, high: number): string {
  const text = compact(values, low, high);
  return text.startsWith('*') ? [...new Set(values)].sort((a, b) => a - b).join(',') : text;
}

/** A field that allows these values, as short as people write it. */
export function compact(values: readonly number[], low: number, high: number): string {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  if (isFull(sorted, low, high)) return '*';
  const step = (sorted[1] ?? 0) - (sorted[0] ?? 0);
  const whole = Math.ceil((high - low + 1) / step);
  if (
    sorted.length > 2 &&
    sorted[0] === low &&
    sorted.length === whole &&
    sorted.every((at, i) => at === low + i * step)
  )
    return `*/${step}`;
  const ranges: [number, number][] = [];
  for (const value of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === value - 1) last[1] = value;
    else ranges.push([value, value]);
  }
  return ranges
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`))
    .join(',');
}

/** Two zones: where we are, and the one that is asked about. */
export interface TwoZones {
  readonly here: string;
  readonly there: string;
}

/** Minutes that the clocks here are ahead of those there. */
export const minutesAhead = ({ here, there }: TwoZones, instant: Instant): number =>
  IANAZone.create(here).offset(instant) - IANAZone.create(there).offset(instant);

/** The day of the coming year by which the distance has changed; null if it does not. */
export function distanceChangesBy(zones: TwoZones, now: Instant): Instant | null {
  const minutes = minutesAhead(zones, now);
  for (let day = 1; day <= 366; day++) {
    const instant = now + day * 86_400_000;
    if (minutesAhead(zones, instant) !== minutes) return instant;
  }
  return null;
}
