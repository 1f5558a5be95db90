/** The form of a line of the log: one JSON object for programs, one line for people; the same fields in both. */
import type { Mask } from './masking.ts';

export type Level = 'error' | 'warn' | 'info' | 'debug';
export type Fields = Readonly<Record<string, unknown>>;

/** A line: when, how grave, what; the run, job, shard and window that it concerns; and what else there is to know. */
export interface Entry {
  readonly timestamp: string;
  readonly level: Level;
  readonly message: string;
  readonly runId?: unknown;
  readonly job?: unknown;
  readonly shard?: unknown;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly [field: string]: unknown;
}

/** How many characters of a run's id tell it from others, nearly always: the millisecond in which it began. */
export const shortIdLength = 13;

export function entryOf(mask: Mask, level: Level, message: string, fields: Fields): Entry {
  const { runId, job, shard, from, to, ...rest } = mask.fields(fields);
  const known = { runId, job, shard: shard === '' ? undefined : shard, from, to };
  return { timestamp: new Date().toISOString(), level, message: mask.text(message), ...known, ...rest };
}

export const jsonLine = (entry: Entry): string => JSON.stringify(entry);

/**
 * `18:16:29 warn  sync-commission-log 3: the target refuses a row, key 17 (window … to …; run 01a1fd9b-879f)`
 *
 * @param time the time of day to show
 */
export function personLine({ level, message, runId, job, shard, from, to, ...entry }: Entry, time: string): string {
  const { timestamp: _, ...rest } = entry as Entry;
  const about = [job, shard].filter((part) => part !== undefined).join(' ');
  const more = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const window = from === undefined ? [] : [`window ${from} to ${to}`];
  const run = runId === undefined ? [] : [`run ${String(runId).slice(0, shortIdLength)}`];
  const where = [...window, ...run].join('; ');
  return [
    time,
    level.padEnd(5),
    `${about === '' ? '' : `${about}: `}${message}`,
    ...more,
    ...(where === '' ? [] : [`(${where})`]),
  ].join(' ');
}
