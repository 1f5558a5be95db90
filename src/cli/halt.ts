/** How a run is asked to stop: SIGINT, SIGTERM, a second signal, a time limit. */
import type { Halt } from '../engine/clock.ts';
import { exitCodes } from '../platform/errors.ts';

/** How long the window in hand may take to finish before it is rolled back. */
const finishMs = 5000;

/** @returns the halt, the exit code that a signal asks for, and how to stop listening */
export function watchHalt(timeoutMs: number | undefined): {
  halt: Halt;
  exitCode: () => number | null;
  done: () => void;
} {
  const soon = new AbortController();
  const now = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let code: number | null = null;
  const stop = () => {
    if (soon.signal.aborted) now.abort();
    soon.abort();
    timers.push(setTimeout(() => now.abort(), finishMs).unref());
  };
  const interrupted = () => {
    code = exitCodes.interrupted;
    stop();
  };
  const terminated = () => {
    code = exitCodes.terminated;
    stop();
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', terminated);
  if (timeoutMs !== undefined) timers.push(setTimeout(stop, timeoutMs).unref());
  const done = () => {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', terminated);
    for (const timer of timers) clearTimeout(timer);
  };
  return { halt: { soon: soon.signal, now: now.signal }, exitCode: () => code, done };
}
