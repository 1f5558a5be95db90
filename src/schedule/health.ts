/** Whether a daemon is alive, and what is late: for /healthz, and for people. */
import type { Instant, Zone } from '../engine/zone.ts';
import type { Post } from './scheduler.ts';

export interface Health {
  /** `late`: alive, but something is owed; `stuck`: no times are told any more; `stopping`. */
  readonly status: 'ok' | 'late' | 'stuck' | 'stopping';
  readonly startedAt: string;
  readonly lastTick: string;
  readonly running: readonly { readonly name: string; readonly since: string }[];
  /** What should have been started and could not be, or has failed for want of a server. */
  readonly late: readonly { readonly name: string; readonly due: string; readonly failures: number }[];
  readonly next: { readonly name: string; readonly at: string } | null;
}

/** node-cron is heard of every ten seconds. */
const silenceMsMax = 60_000;

export function healthOf(
  posts: readonly Post[],
  times: { readonly startedAt: Instant; readonly lastTick: Instant; readonly now: Instant },
  isStopping: boolean,
  zone: Zone,
): Health {
  const running = posts.flatMap(({ name, runningSince }) =>
    runningSince === null ? [] : [{ name, since: zone.iso(runningSince) }],
  );
  // What is at work, and did not fail before, is told as running: it has only left out a start of its own.
  const late = posts.flatMap(({ name, owed, failures, runningSince }) =>
    owed === null || (runningSince !== null && failures === 0) ? [] : [{ name, due: zone.iso(owed), failures }],
  );
  const [next] = [...posts].sort((a, b) => a.nextDue - b.nextDue);
  const isStuck = times.now - times.lastTick > silenceMsMax;
  return {
    status: isStopping ? 'stopping' : isStuck ? 'stuck' : late.length > 0 ? 'late' : 'ok',
    startedAt: zone.iso(times.startedAt),
    lastTick: zone.iso(times.lastTick),
    running,
    late,
    next: next === undefined ? null : { name: next.name, at: zone.iso(next.nextDue) },
  };
}

/** Something late is no reason to start the daemon anew: it goes on trying by itself. */
export const isAlive = ({ status }: Health): boolean => status === 'ok' || status === 'late';
