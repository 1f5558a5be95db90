/**
 * What doctor looks at, and what it finds.
 *
 * A check is one question to the surroundings of tidemark. It changes nothing, needs no other check, and has a limit of
 * time, so that doctor ends whatever hangs. What it needs and is not there leaves it out, and that is told.
 */

import type { Session } from '../platform/mysql.ts';
import type { RedisCopy } from '../platform/redis.ts';
import type { DatabaseName } from '../platform/settings.ts';

/** In the order in which they are shown. */
export const groups = ['settings', 'servers', 'privileges', 'tables', 'time', 'redis', 'host', 'work'] as const;
export type Group = (typeof groups)[number];

/** `broken`: a job cannot work, or not rightly. `doubtful`: it works, and a person should look. */
export type State = 'fine' | 'doubtful' | 'broken' | 'not-looked-at';

export interface Finding {
  readonly state: State;
  /** What was found, one sentence; of what was not looked at, what it was. */
  readonly says: string;
  /** Why it matters, one sentence, or why it was not looked at; null where that needs no word. */
  readonly why: string | null;
  /** The commands or SQL that mend it. */
  readonly next: readonly string[];
}

export interface Told extends Finding {
  readonly group: Group;
}

/** The ways to what a check looks at; each call opens a connection, which is closed behind the check. */
export interface Access {
  session(name: DatabaseName): Promise<Session>;
  redis(): Promise<RedisCopy>;
}

export interface Check {
  readonly group: Group;
  /** In words, for the line that says that it was left out. */
  readonly about: string;
  readonly needs: readonly (DatabaseName | 'redis')[];
  look(access: Access): Promise<readonly Finding[]>;
}

export const fine = (says: string): Finding => ({ state: 'fine', says, why: null, next: [] });

export const doubtful = (says: string, why: string, ...next: string[]): Finding => ({
  state: 'doubtful',
  says,
  why,
  next,
});

export const broken = (says: string, why: string | null, ...next: string[]): Finding => ({
  state: 'broken',
  says,
  why,
  next,
});

/** @param about what was left out, and why */
export const notLookedAt = (about: string, why: string): Finding => ({
  state: 'not-looked-at',
  says: about,
  why,
  next: [],
});
