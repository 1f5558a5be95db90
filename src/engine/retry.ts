/**
 * Trying a whole transaction again, for failures that are known to pass: a lock wait, a deadlock, a lost connection.
 *
 * Never a part of it: a lock wait timeout rolls back its statement only, and after a deadlock the next statement would
 * commit by itself. Bounded, with jitter, and at once over when the run is asked to stop.
 */
import { UnavailableError } from '../platform/errors.ts';
import { failureOf } from '../platform/mysql-errors.ts';
import type { Clock, Halt } from './clock.ts';

const attemptsMax = 8;
const firstPauseMs = 100;
const longestPauseMs = 8000;

export interface RetryOptions {
  readonly clock: Clock;
  readonly halt: Halt;
  /** Makes the connections good again; where it fails, that is an attempt like any other. */
  readonly recover: () => Promise<void>;
  readonly random?: () => number;
}

export async function retry<Result>(work: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) await options.recover();
      return await work();
    } catch (error) {
      const failure = failureOf(error);
      const mayPass = failure === 'transient' || failure === 'connection' || error instanceof UnavailableError;
      if (!mayPass || attempt === attemptsMax || options.halt.soon.aborted) throw error;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1));
      await options.clock.sleep(pauseMs * (0.5 + (options.random ?? Math.random)() / 2), options.halt.soon);
      if (options.halt.soon.aborted) throw error;
    }
  }
}
