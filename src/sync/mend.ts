/**
 * Applies differences that a comparison has found, in one transaction of the target.
 *
 * The target's rows are locked before the source is read, all shards in one statement: whoever writes one of these rows
 * comes before what we read, or after what we write, and a row that moves between shards is never taken for gone. What
 * has changed since the comparison is judged as it is now; nothing is written of another shard's row, of a row that
 * waits for its window, or over a younger version.
 */
import { identifier, type Reader } from '../platform/mysql.ts';
import { keyLiteral } from '../platform/table.ts';
import type { Counts } from './copy-rows.ts';
import type { CopyPlan } from './plan.ts';
import { type ComparedShard, openSides, versionsOf, youngest } from './sides.ts';
import type { CopyTarget, Image } from './target-rows.ts';

export interface Mending {
  readonly shard: string;
  readonly shards: readonly ComparedShard[];
  readonly source: Reader;
  readonly target: CopyTarget;
  /** Keys whose rows are to become what the source holds. */
  readonly copy: readonly string[];
  /** Keys whose rows no shard had. */
  readonly remove: readonly string[];
  due(shard: string, time: string): 'due' | 'later' | 'never';
  /** Applies rows of this shard as the source holds them now; `again` where the source is right even over a younger row. */
  apply(keys: readonly string[], mode: 'again' | 'repair'): Promise<Counts>;
}

export interface Mended extends Counts {
  deleted: number;
}

export async function mendRows(
  mending: Mending,
  observe: readonly string[],
  written: (target: CopyTarget, images: readonly Image[]) => Promise<void>,
): Promise<Mended> {
  const { shard, shards, source, target, copy, remove, due, apply } = mending;
  const plan = (shards[0] as ComparedShard).plan;
  const keys = [...copy, ...remove];
  const locked = await lockRows(plan, target, keys, observe);
  const versions = await versionsOf(openSides(source, target, shards), keys);
  const own = copy.filter((key) => {
    const version = youngest(versions.get(key) ?? []);
    return version !== null && version.shard === shard && due(shard, version.time) === 'due';
  });
  // A row that the target holds is locked, so the source is right about it. One that it lacks cannot be: while we write,
  // another shard may bring a younger version, and that one stays.
  const known = await apply(
    own.filter((key) => locked.has(key)),
    'again',
  );
  const fresh = await apply(
    own.filter((key) => !locked.has(key)),
    'repair',
  );
  // A key that the source spells otherwise, and its collation takes for the same, is a living row: then nothing is deleted.
  const asked = new Set(keys);
  const isSpelledOtherwise = [...versions.keys()].some((key) => !asked.has(key));
  const gone = isSpelledOtherwise ? [] : remove.filter((key) => locked.has(key) && !versions.has(key));
  await removeRows(plan, target, gone);
  if (gone.length > 0)
    await written(
      target,
      gone.map((key) => ({ before: locked.get(key) ?? null, after: null })),
    );
  return {
    read: known.read + fresh.read,
    inserted: known.inserted + fresh.inserted,
    updated: known.updated + fresh.updated,
    unchanged: known.unchanged + fresh.unchanged,
    deadLetters: known.deadLetters + fresh.deadLetters,
    deleted: gone.length,
  };
}

/** Locks what the target holds of these keys; answers the observed values of each row. */
async function lockRows(
  plan: CopyPlan,
  target: CopyTarget,
  keys: readonly string[],
  observe: readonly string[],
): Promise<Map<string, readonly (string | null)[]>> {
  const rows = await target.tuples(
    `SELECT ${[identifier(plan.key.name), ...observe].join(', ')} FROM ${identifier(plan.table.name)} WHERE ${inList(plan, keys)} FOR UPDATE`,
  );
  return new Map(
    rows.map(([key, ...values]) => [String(key), values.map((value) => (value === null ? null : String(value)))]),
  );
}

async function removeRows(plan: CopyPlan, target: CopyTarget, keys: readonly string[]): Promise<void> {
  if (keys.length > 0) await target.write(`DELETE FROM ${identifier(plan.table.name)} WHERE ${inList(plan, keys)}`);
}

const inList = (plan: CopyPlan, keys: readonly string[]): string =>
  `${identifier(plan.key.name)} IN (${keys.map((key) => keyLiteral(plan.key, key)).join(',')})`;
