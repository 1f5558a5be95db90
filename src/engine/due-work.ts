/**
 * What a job without windows does: it works off things that are due, each at a time of its own, which the job's own
 * tables keep. There is no checkpoint, no journal and no lock. Several runs, on several hosts, share the work; which of
 * them does a thing, the job's tables decide. A run that is killed leaves what it had in hand to the next.
 */

import type { Log } from '../platform/log.ts';
import type { SettingName, SettingValue } from '../platform/settings.ts';
import type { Halt } from './clock.ts';
import type { Refusal } from './dead-letters.ts';
import type { Instant, Zone } from './zone.ts';

/** Things of one kind that are due now. */
export interface DueThings {
  /** In the plural: `orders`. */
  readonly kind: string;
  readonly count: number;
  /** Since when the oldest is due; null when none is. */
  readonly oldest: Instant | null;
}

export interface DueContext {
  /** `due`: whatever is due; `repair`: what open dead letters name. */
  readonly mode: 'due' | 'repair';
  readonly halt: Halt;
  readonly zone: Zone;
  readonly log: Log;
  readonly runId: string;
  /** Keys of the open dead letters when the run began. */
  readonly letters: readonly string[];
  /** Now, by the clock of the target database. */
  now(): Promise<Instant>;
  /** Keeps what only a person can help. It is safe when this comes back. */
  deadLetter(refusal: Refusal): Promise<void>;
  /** Closes letters that were open when the run began, of what is done by now. */
  settled(keys: readonly string[]): Promise<void>;
  /** Adds to what the run tells: read is what was looked at, updated what came a step further. */
  count(what: 'read' | 'updated' | 'unchanged'): void;
  setting<Name extends SettingName>(name: Name): SettingValue<Name>;
}

export interface DueWork {
  /** What is due now, without touching it. */
  due(context: Pick<DueContext, 'setting'>): Promise<readonly DueThings[]>;
  /** Works until nothing is due, or the halt is given; what is in hand when `halt.now` is given may be left. */
  work(context: DueContext): Promise<void>;
}
