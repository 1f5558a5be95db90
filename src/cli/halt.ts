/**
 * How a run is asked to stop: SIGINT, SIGTERM, a second signal, a time limit.
 *
 * The first signal, or the limit, gives the window in hand five seconds to finish. The second signal drops it at once:
 * the connections are cut, and the servers roll back. Should anything hang even then, the process ends all the same,
 * which harms no more than SIGKILL does.
 */
import type { Halt } from '../engine/clock.ts';
import { exitCodes } from '../platform/errors.ts';

/** How long the window in hand may take to finish before it is rolled back. */
const finishMs = 5000;
/** How long a run that was told to drop everything may still need. */
const dropMs = 3000;

/** The reason that a halt is given for; a signal gives none. */
const timeIsOver = 'time is over';

export const isOutOfTime = ({ soon }: Halt): boolean => soon.aborted && soon.reason === timeIsOver;

/** @returns the halt, the exit code that a signal asks for, and how to stop listening */
export function watchHalt(timeoutMs: number | undefined): {
  halt: Halt;
  exitCode: () => number | null;
  done: () => void;
} {
  const [soon, now] = [new AbortController(), new AbortController()];
  const limited = withLimit({ soon: soon.signal, now: now.signal }, timeoutMs);
  const timers: NodeJS.Timeout[] = [];
  let code: number | null = null;
  const signalled = (itsCode: number) => () => {
    code = itsCode;
    if (limited.halt.soon.aborted) {
      now.abort();
      timers.push(setTimeout(() => process.exit(itsCode), dropMs).unref());
    }
    soon.abort();
    timers.push(setTimeout(() => now.abort(), finishMs).unref());
  };
  const listeners = { SIGINT: signalled(exitCodes.interrupted), SIGTERM: signalled(exitCodes.terminated) };
  for (const [name, listener] of Object.entries(listeners)) process.on(name, listener);
  const done = () => {
    for (const [name, listener] of Object.entries(listeners)) process.off(name, listener);
    for (const timer of timers) clearTimeout(timer);
    limited.done();
  };
  return { halt: limited.halt, exitCode: () => code, done };
}

/** The same halt, given as well when a time is over; for what is done in that time, and then `done`. */
export function withLimit(halt: Halt, limitMs: number | undefined): { halt: Halt; done: () => void } {
  if (limitMs === undefined) return { halt, done: () => undefined };
  const [soon, now] = [new AbortController(), new AbortController()];
  const timers = [
    setTimeout(() => soon.abort(timeIsOver), limitMs).unref(),
    setTimeout(() => now.abort(timeIsOver), limitMs + finishMs).unref(),
  ];
  return {
    halt: { soon: AbortSignal.any([halt.soon, soon.signal]), now: AbortSignal.any([halt.now, now.signal]) },
    done: () => timers.forEach(clearTimeout),
  };
}
