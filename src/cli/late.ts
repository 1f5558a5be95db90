/**
 * Since when a job should have begun, and have come along: three of its scheduled starts and a quarter of an hour ago,
 * or what the job says. Instants, so that a schedule with holes is measured by its starts.
 */
import type { Job } from '../engine/job.ts';
import type { Instant, Zone } from '../engine/zone.ts';

const startsMax = 3;
const graceMs = 900_000;

export interface Deadlines {
  readonly start: Instant;
  readonly lag: Instant;
}

/** Null for a schedule that cannot be read: other commands complain of it. */
export async function deadlinesOf(job: Job, now: Instant, zone: Zone): Promise<Deadlines | null> {
  const { CronExpressionParser } = await import('cron-parser');
  try {
    const starts = CronExpressionParser.parse(job.schedule, { currentDate: new Date(now - graceMs), tz: zone.name });
    let start = now;
    for (let count = 0; count < startsMax; count++) start = starts.prev().getTime();
    return { start, lag: job.lagMaxSeconds === undefined ? start : now - job.lagMaxSeconds * 1000 };
  } catch {
    return null;
  }
}
