/** The one clock of the process, and the ways to stop it from working: signals and a time limit. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from './zone.ts';

export interface Clock {
  now(): Instant;
  /** Resolves early, without an error, when the signal is given. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

/** A request to stop: no new window is begun after `soon`, and the one in hand is rolled back at the next step after `now`. */
export interface Halt {
  readonly soon: AbortSignal;
  readonly now: AbortSignal;
}

export const noHalt: Halt = { soon: new AbortController().signal, now: new AbortController().signal };
