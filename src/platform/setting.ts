/** What a setting is, and the kinds of values that several settings have. */
import * as v from 'valibot';

export interface Definition {
  readonly expects: string;
  readonly example: string;
  readonly fallback?: string;
  /** `password`: the one in an address; `whole`: all of it. Neither is ever shown. */
  readonly secret?: 'password' | 'whole';
  readonly schema: v.GenericSchema<string, unknown>;
}

const durationUnitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads a duration such as `10s`, `5m` or `2h`, in milliseconds; null when it is none. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text.trim());
  return match === null ? null : Number(match[1]) * durationUnitsMs[match[2] as keyof typeof durationUnitsMs];
}

export const isUrl = (text: string, protocols: readonly string[]): boolean => {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  try {
    decodeURIComponent(url.username + url.password + url.pathname);
  } catch {
    return false;
  }
  return protocols.includes(url.protocol) && url.hostname !== '';
};
export const duration = (leastMs: number) =>
  v.pipe(
    v.string(),
    v.transform((text) => parseDuration(text) ?? -1),
    v.minValue(leastMs),
  );
export const text = v.pipe(v.string(), v.nonEmpty());
export const webAddress = v.pipe(
  v.string(),
  v.check((value) => isUrl(value, ['http:', 'https:'])),
);
