/**
 * A matter: something that a person must know, found in what is there. The same matter has the same key for as long as
 * it stands, whoever finds it; so it is told once.
 *
 * A matter that follows from another (a shard is behind, because a transaction holds the watermark) names it as its
 * cause, and is told with it, not by itself.
 */
import { type ShardName, titleOf } from '../engine/checkpoint.ts';
import type { Instant, Zone } from '../engine/zone.ts';

/** `critical`: something stands still; `warning`: something waits for a person. */
export type Gravity = 'critical' | 'warning';

export interface Matter {
  /** `failing:sync-commission-log:3` */
  readonly key: string;
  readonly gravity: Gravity;
  /** Null where it concerns a server. */
  readonly of: ShardName | null;
  /** Null: since it was first seen. */
  readonly since: Instant | null;
  /** A sentence, without the name of the shard. */
  readonly what: string;
  /** The command or statement to type. */
  readonly next: string;
  /** The key of the matter that it follows from. */
  readonly cause: string | null;
  /** It is told only when it has stood for so long. */
  readonly patienceMs?: number;
}

export type Kind =
  | 'unreachable'
  | 'unseen'
  | 'held'
  | `failing${'' | '-full' | '-sweep' | '-repair'}`
  | 'missing'
  | 'stuck'
  | 'behind'
  | 'letters'
  | 'waiting'
  | 'redis'
  | 'paused';

export const keyOf = (kind: Kind, ...names: readonly string[]): string =>
  [kind, ...names.filter((name) => name !== '')].join(':');

export const shardKey = (kind: Kind, { job, shard }: ShardName): string => keyOf(kind, job, shard);

export const kindOf = (key: string): string => key.slice(0, key.indexOf(':'));

/** `sync-commission-log 0 1 2`; empty for a server. */
export function titleOfAll(names: readonly (ShardName | null)[]): string {
  const [first] = names;
  if (first === undefined || first === null) return '';
  const shards = names.map((name) => name?.shard ?? '').filter((shard) => shard !== '');
  return titleOf({ job: first.job, shard: shards.join(' ') });
}

/** `40 s`, `12 min`, `3 h`, `2 d` */
export function inWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

/** The time of day where that says enough, else with its date. */
export function timeText(at: Instant, now: Instant, zone: Zone): string {
  const text = zone.text(at);
  return text.slice(0, 10) === zone.text(now).slice(0, 10) ? text.slice(11) : text;
}
