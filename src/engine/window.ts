/** A stretch of time, half-open: its start belongs to it, its end to the next. Both are borders of the business zone. */
import type { Instant } from './zone.ts';

export interface Window {
  readonly start: Instant;
  readonly end: Instant;
}

/**
 * The window that a job takes next, or null when nothing is due.
 *
 * `cut` is the border behind which lie more rows than one transaction should carry; it never makes a window empty.
 */
export function nextWindow(checkpoint: Instant, watermark: Instant, cut: Instant | null): Window | null {
  if (watermark <= checkpoint) return null;
  const end = cut !== null && cut > checkpoint && cut < watermark ? cut : watermark;
  return { start: checkpoint, end };
}
