/**
 * Compares a target table with the source tables that are copied into it, all shards together, while both are in use.
 *
 * Sums of digests find the stretches of keys that differ; only there are rows looked at, and only rows that differ are
 * looked at again, by key: source, target, source. A difference is one only if the source's version has stood still
 * meanwhile and is of a time that its shard has closed, or if no shard has the row at all. What is younger than the
 * checkpoint is on its way and no difference. Nothing is locked, nothing is written; memory holds the rows of one
 * stretch, and the differences.
 */

import type { Reader } from '../platform/mysql.ts';
import { identifier } from '../platform/mysql.ts';
import {
  type ComparedShard,
  digestsOfSource,
  digestsOfTarget,
  heldOf,
  keyAt,
  openSides,
  type Range,
  type Sides,
  type Sum,
  sumSource,
  sumTarget,
  type Version,
  versionsOf,
  youngest,
} from './sides.ts';

const chunkRows = 10_000;
const keysAtOnce = 500;

interface Difference {
  /** `undecided`: two shards hold equally young versions of the row, and the target holds neither. */
  readonly kind: 'missing in target' | 'different' | 'only in target' | 'undecided';
  /** The shard that holds the row; null when none does, or two do. */
  readonly shard: string | null;
  readonly key: string;
  /** The columns that differ, for `different`. */
  readonly columns: readonly string[];
}

export interface Compared {
  /** Rows of the source, of all shards. */
  rows: number;
  readonly differences: Difference[];
  /** Rows that differ, but changed while we looked, or wait for their window. */
  waiting: number;
  /** Rows that differ and have no time (NULL or zero): they are in no window. */
  timeless: number;
  /** Rows that differ and wait as dead letters. */
  deadLetters: number;
  /** Keys of which two shards hold equally young versions, and the target one of them. */
  readonly inTwoShards: string[];
  /** About columns that are compared in part, or not at all. */
  notes: readonly string[];
}

export interface Comparison {
  readonly source: Reader;
  readonly target: Reader;
  readonly shards: readonly ComparedShard[];
  /** Whether a row with this time should be in the target by now; `never` without a usable time. */
  due(shard: string, time: string): 'due' | 'later' | 'never';
  /** Only the rows with these keys; null for all. */
  readonly only: readonly string[] | null;
  /** Whether to stop early. */
  stopped(): boolean;
}

export async function compareTable(comparison: Comparison): Promise<Compared> {
  const sides = openSides(comparison.source, comparison.target, comparison.shards);
  const result: Compared = {
    rows: 0,
    differences: [],
    waiting: 0,
    timeless: 0,
    deadLetters: 0,
    inTwoShards: [],
    notes: sides.notes,
  };
  const judgeAll = async (keys: readonly string[]) => {
    for (let from = 0; from < keys.length && !comparison.stopped(); from += keysAtOnce)
      await judge(sides, comparison, keys.slice(from, from + keysAtOnce), result);
  };
  if (comparison.only !== null) await judgeAll(comparison.only);
  else
    for await (const range of differingRanges(sides, result, comparison))
      await judgeAll(await doubtfulKeys(sides, range));
  return result;
}

/** Stretches of keys whose sums differ, each of about as many rows as a chunk. */
async function* differingRanges(sides: Sides, result: Compared, { stopped }: Comparison): AsyncGenerator<Range> {
  let after: string | null = null;
  do {
    const upTo: string | null = await keyAt(
      sides.target,
      sides.targetTable,
      sides.key,
      { after, upTo: null },
      chunkRows,
    );
    yield* differing(sides, { after, upTo }, result);
    after = upTo;
  } while (after !== null && !stopped());
}

async function* differing(sides: Sides, range: Range, result: Compared): AsyncGenerator<Range> {
  const [inSource, inTarget] = await Promise.all([sumSource(sides, range), sumTarget(sides, range)]);
  const all = inSource.reduce((sum, part) => ({ rows: sum.rows + part.rows, digest: sum.digest ^ part.digest }));
  const equal = all.rows === inTarget.rows && all.digest === inTarget.digest;
  const pieces = equal ? [] : await piecesOf(sides, range, inSource);
  if (pieces.length > 1) {
    for (const piece of pieces) yield* differing(sides, piece, result);
    return;
  }
  result.rows += all.rows;
  if (!equal) yield range;
}

/** Cuts a stretch where the source has far more rows than a chunk, by the keys of the shard that has most of them. */
async function piecesOf(sides: Sides, range: Range, sums: readonly Sum[]): Promise<readonly Range[]> {
  const rows = sums.reduce((sum, part) => sum + part.rows, 0);
  if (rows <= 2 * chunkRows) return [range];
  const most = sums.reduce((best, sum, index) => (sum.rows > (sums[best]?.rows ?? 0) ? index : best), 0);
  const table = identifier(sides.shards[most]?.table.name ?? '');
  const step = Math.ceil((sums[most]?.rows ?? 0) / Math.ceil(rows / chunkRows));
  const pieces: Range[] = [];
  let after = range.after;
  for (;;) {
    const upTo = await keyAt(sides.source, table, sides.key, { after, upTo: range.upTo }, step);
    if (upTo === null || upTo === range.upTo) return [...pieces, { after, upTo: range.upTo }];
    pieces.push({ after, upTo });
    after = upTo;
  }
}

/** Keys of a stretch whose rows are not the same on both sides, or are in several shards. */
async function doubtfulKeys(sides: Sides, range: Range): Promise<string[]> {
  const [inSource, inTarget] = await Promise.all([digestsOfSource(sides, range), digestsOfTarget(sides, range)]);
  const held = new Map(inTarget.map(([key, digest]) => [String(key), digest]));
  const seen = new Set<string>();
  const doubtful = new Set<string>();
  for (const [key, digest] of inSource) {
    const name = String(key);
    if (held.get(name) !== digest || seen.has(name)) doubtful.add(name);
    seen.add(name);
  }
  for (const name of held.keys()) if (!seen.has(name)) doubtful.add(name);
  return [...doubtful];
}

/** Looks at rows again, the source before and after the target. */
async function judge(sides: Sides, comparison: Comparison, keys: readonly string[], result: Compared): Promise<void> {
  const before = await versionsOf(sides, keys);
  const held = await heldOf(sides, keys);
  const after = await versionsOf(sides, keys);
  for (const key of keys) {
    const versions = before.get(key) ?? [];
    if (inWords(versions) !== inWords(after.get(key) ?? [])) result.waiting += 1;
    else judgeRow(sides, comparison, key, versions, held.get(key), result);
  }
}

const inWords = (versions: readonly Version[]): string =>
  versions.map(({ shard, time, digests }) => [shard, time, ...digests].join('\0')).join('\n');

function judgeRow(
  sides: Sides,
  { shards, due }: Comparison,
  key: string,
  versions: readonly Version[],
  held: readonly string[] | undefined,
  result: Compared,
): void {
  const { differences } = result;
  if (versions.length === 0) {
    if (held !== undefined) differences.push({ kind: 'only in target', shard: null, key, columns: [] });
    return;
  }
  const version = youngest(versions);
  if (version === null) {
    if (versions.some(({ digests }) => sameAs(digests, held))) result.inTwoShards.push(key);
    else differences.push({ kind: 'undecided', shard: null, key, columns: [] });
    return;
  }
  const { shard, time, digests } = version;
  if (sameAs(digests, held)) return;
  const when = due(shard, time);
  if (when === 'never') result.timeless += 1;
  else if (shards.find((one) => one.shard === shard)?.letters.has(key)) result.deadLetters += 1;
  else if (when === 'later') result.waiting += 1;
  else if (held === undefined) differences.push({ kind: 'missing in target', shard, key, columns: [] });
  else {
    const columns = sides.columns.filter((_, index) => digests[index] !== held[index]);
    differences.push({ kind: 'different', shard, key, columns });
  }
}

const sameAs = (digests: readonly string[], held: readonly string[] | undefined): boolean =>
  held !== undefined && digests.every((digest, index) => digest === held[index]);
