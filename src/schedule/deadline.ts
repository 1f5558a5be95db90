/**
 * How long a job may take to begin, and to come along: three times what lies between two starts, and a quarter of an
 * hour, or what the job says. Told as an instant before which nothing may be left, so that a schedule with holes (the
 * first days of a month) is measured by its starts and not by the clock.
 */
import type { Job } from '../engine/job.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import { SetupError } from '../platform/errors.ts';

const startsMax = 3;
const graceMs = 900_000;

export interface Deadlines {
  /** Whoever has not started since then is missed. */
  readonly start: Instant;
  /** What was due before then and is not done is late. */
  readonly lag: Instant;
}

/** @throws SetupError for a schedule that is none */
export async function deadlinesOf(job: Job, now: Instant, zone: Zone): Promise<Deadlines> {
  const start = await startsBack(job, now - graceMs, zone);
  return { start, lag: job.lagMaxSeconds === undefined ? start : now - job.lagMaxSeconds * 1000 };
}

/** The third of the scheduled starts before an instant. */
async function startsBack({ name, schedule }: Job, before: Instant, zone: Zone): Promise<Instant> {
  const { CronExpressionParser } = await import('cron-parser');
  try {
    const starts = CronExpressionParser.parse(schedule, { currentDate: new Date(before), tz: zone.name });
    let start = before;
    for (let count = 0; count < startsMax; count++) start = starts.prev().getTime();
    return start;
  } catch (error) {
    throw new SetupError(
      `the schedule of ${name}, "${schedule}", cannot be read: ${(error as Error).message}`,
      `correct it in jobs/${name}`,
      error,
    );
  }
}
