/** The five fields of a schedule: read strictly, as cron reads them, and asked for the times that they name. */
import { CronExpressionParser } from 'cron-parser';
import type { Instant } from '../engine/zone.ts';

/** The values that each field allows, in order. */
export interface Times {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: readonly number[];
  readonly months: readonly number[];
  /** 0 is Sunday. */
  readonly weekdays: readonly number[];
  /** Whether the field begins with a star: cron takes a day that either of two fields without one allows. */
  readonly anyDay: boolean;
  readonly anyWeekday: boolean;
}

/** A field that is none, with what is wrong about it. */
export class FieldError extends Error {}

const fields = ['minute', 'hour', 'day of the month', 'month', 'day of the week'] as const;
const allowed = ['0-59', '0-23', '1-31', '1-12 or jan-dec', '0-7 or sun-sat'] as const;
const nicknames: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

/** The five fields behind a nickname such as `@daily`; undefined when it is none. */
export const fieldsOfNickname = (word: string): string | undefined => nicknames[word.toLowerCase()];

/** @throws FieldError naming the first field that cron would not take */
export function readTimes(schedule: string): Times {
  const parts = schedule.trim().split(/\s+/);
  if (parts.length !== 5) throw new FieldError(`a schedule has five fields, this one ${parts.length}`);
  for (const [index, part] of parts.entries()) checkField(parts, index, part);
  try {
    const { minute, hour, dayOfMonth, month, dayOfWeek } = CronExpressionParser.parse(schedule).fields;
    return {
      minutes: numbers(minute.values),
      hours: numbers(hour.values),
      days: numbers(dayOfMonth.values),
      months: numbers(month.values),
      weekdays: numbers([...new Set(numbers(dayOfWeek.values).map((day) => day % 7))]).sort((a, b) => a - b),
      anyDay: parts[2]?.startsWith('*') === true,
      anyWeekday: parts[4]?.startsWith('*') === true,
    };
  } catch {
    throw new FieldError(`no month has a day ${parts[2]} that is in month ${parts[3]}: it would never run`);
  }
}

const numbers = (values: readonly (number | string)[]): number[] => values.map(Number);

/** By itself, so that the message can name it. */
function checkField(parts: readonly string[], index: number, part: string): void {
  const alone = parts.map((_, at) => (at === index ? part : '*')).join(' ');
  const name = fields[index];
  const expected = `the ${name} is "${part}": expected ${allowed[index]}, *, lists such as 1,2, ranges such as 1-5, steps such as */5`;
  if (!/^[\d*,/a-z-]+$/i.test(part) || (/[a-z]/i.test(part) && index < 3)) throw new FieldError(expected);
  try {
    CronExpressionParser.parse(alone);
  } catch {
    throw new FieldError(expected);
  }
  const [, from = '', step] = /^([^,]*)\/(\d+)$/.exec(part) ?? [];
  const span = [60, 24, 31, 12, 7][index] as number;
  if (from === '*' && Number(step) >= span)
    throw new FieldError(`the ${name} is "${part}": a step of ${span} or more is ${index < 2 ? 0 : 1} alone`);
}

/** The first time after an instant, in a zone. */
export const nextAfter = (schedule: string, instant: Instant, zone: string): Instant =>
  CronExpressionParser.parse(schedule, { tz: zone, currentDate: instant }).next().getTime();

/** The last time at or before an instant, in a zone. */
export const lastUpTo = (schedule: string, instant: Instant, zone: string): Instant =>
  CronExpressionParser.parse(schedule, { tz: zone, currentDate: Math.floor(instant / 1000) * 1000 + 1000 })
    .prev()
    .getTime();

/** Whether two schedules ever name the same minute. */
export function coincide(one: Times, other: Times): boolean {
  if (!common(one.minutes, other.minutes) || !common(one.hours, other.hours)) return false;
  // 28 years hold every day of the month on every day of the week.
  for (let day = Date.UTC(2024, 0, 1); day < Date.UTC(2052, 0, 1); day += 86_400_000) {
    const date = new Date(day);
    if (isDay(one, date) && isDay(other, date)) return true;
  }
  return false;
}

const common = (one: readonly number[], other: readonly number[]) => one.some((value) => other.includes(value));

/** Whether it names any time of this day. */
export function isDay(times: Times, date: Date): boolean {
  if (!times.months.includes(date.getUTCMonth() + 1)) return false;
  const day = times.days.includes(date.getUTCDate());
  const weekday = times.weekdays.includes(date.getUTCDay());
  return times.anyDay || times.anyWeekday ? day && weekday : day || weekday;
}
