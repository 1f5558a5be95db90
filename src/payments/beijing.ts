/**
 * Times as both providers write them: Beijing time, eight hours ahead of UTC, whatever the zone of this process or of the
 * business is. Neither provider has another one, and since 1991 its clocks have not changed.
 *
 * Instants are milliseconds since 1970; written times have whole seconds, rounded down.
 */

const aheadMs = 8 * 3_600_000;

/** `2026-11-20 10:00:00` */
export function beijingText(instant: number): string {
  return new Date(instant + aheadMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** `2026-11-20T10:00:00+08:00` */
export function beijingIso(instant: number): string {
  return `${beijingText(instant).replace(' ', 'T')}+08:00`;
}

/** Reads what Alipay writes, `2026-11-20 10:00:00`; null when it is no such time. */
export function instantOfBeijing(text: unknown): number | null {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,3})?$/.test(text)) return null;
  const instant = Date.parse(`${text.replace(' ', 'T')}+08:00`);
  return Number.isNaN(instant) ? null : instant;
}

/** Reads what WeChat writes, RFC 3339 with an offset; null when it is no such time. */
export function instantOfIso(text: unknown): number | null {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text))
    return null;
  const instant = Date.parse(text);
  return Number.isNaN(instant) ? null : instant;
}
