/**
 * Proof from the journal alone that nothing was left out and nothing done twice, without a look at the data.
 *
 * A shard's windows tile time: sorted, each begins where those before it ended, and the last ends at the checkpoint.
 * Where the first one begins is nobody's claim: at the oldest row, or at a checkpoint that was adopted.
 */
import type { Reader } from '../platform/mysql.ts';
import { type ShardName, titleOf } from './checkpoint.ts';
import type { Instant, Zone } from './zone.ts';

/** A stretch of time that no window covers, or that two do. */
export interface Flaw extends ShardName {
  readonly from: Instant;
  readonly to: Instant;
  /** The command that mends it. */
  readonly next: string;
}

/** The journal and the checkpoint of a shard do not tell the same end. Null: there is no journal, or no checkpoint. */
export interface Disagreement extends ShardName {
  readonly journalEnd: Instant | null;
  readonly checkpoint: Instant | null;
  readonly next: string;
}

export interface Proof {
  /** Windows looked at. */
  readonly checked: number;
  readonly journalEnd: Instant | null;
  readonly gaps: readonly Flaw[];
  readonly overlaps: readonly Flaw[];
  /** The time between journal and checkpoint stands among the gaps or overlaps, too. */
  readonly disagreement: Disagreement | null;
}

/**
 * Proves that a shard's windows tile time up to its checkpoint.
 *
 * A gap is time that no window covers, between two windows or before the checkpoint; an overlap is time that two cover,
 * or that a window covers beyond the checkpoint.
 */
export async function proveTiling(
  reader: Reader,
  name: ShardName,
  checkpoint: Instant | null,
  zone: Zone,
): Promise<Proof> {
  const [total] = await reader.tuples(
    'SELECT COUNT(*), MIN(window_start), MAX(window_end) FROM tidemark_window WHERE job = ? AND shard = ?',
    [name.job, name.shard],
  );
  const [count, first, last] = total ?? [];
  const checked = Number(count ?? 0);
  const { gaps, overlaps } = await flawsBetween(reader, name, zone);
  const journalEnd = checked === 0 ? null : instantOf(last, zone);
  const disagreement = await disagreementOf(reader, name, journalEnd, checkpoint, zone);
  if (disagreement !== null && journalEnd !== null) {
    const { next } = disagreement;
    const at = checkpoint ?? instantOf(first, zone);
    if (journalEnd < at) gaps.push({ ...name, from: journalEnd, to: at, next });
    else overlaps.push({ ...name, from: at, to: journalEnd, next });
  }
  return { checked, journalEnd, gaps, overlaps, disagreement };
}

const instantOf = (text: unknown, zone: Zone): Instant => zone.fromText(String(text)) ?? Number.NaN;

/** What does not fit between the windows: each is compared with the latest end of all that begin before it. */
async function flawsBetween(reader: Reader, name: ShardName, zone: Zone): Promise<{ gaps: Flaw[]; overlaps: Flaw[] }> {
  const rows = await reader.tuples(
    `SELECT window_start, covered_to, LEAST(window_end, covered_to) FROM (
       SELECT window_start, window_end, MAX(window_end) OVER (
                ORDER BY window_start, window_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) covered_to
         FROM tidemark_window WHERE job = ? AND shard = ?) windows
      WHERE covered_to <> window_start ORDER BY window_start`,
    [name.job, name.shard],
  );
  const gaps: Flaw[] = [];
  const overlaps: Flaw[] = [];
  for (const [startText, coveredText, sharedText] of rows) {
    const start = instantOf(startText, zone);
    const covered = instantOf(coveredText, zone);
    if (covered < start) gaps.push({ ...name, from: covered, to: start, next: again(name, covered, zone) });
    else overlaps.push({ ...name, from: start, to: instantOf(sharedText, zone), next: again(name, start, zone) });
  }
  return { gaps, overlaps };
}

async function disagreementOf(
  reader: Reader,
  name: ShardName,
  journalEnd: Instant | null,
  checkpoint: Instant | null,
  zone: Zone,
): Promise<Disagreement | null> {
  if (journalEnd === checkpoint) return null;
  const found = { ...name, journalEnd, checkpoint };
  if (journalEnd === null)
    return (await mayLackJournal(reader, name)) ? null : { ...found, next: adopt(name, checkpoint as Instant, zone) };
  if (checkpoint === null)
    return { ...found, next: `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(journalEnd)}` };
  if (journalEnd < checkpoint) return { ...found, next: again(name, journalEnd, zone) };
  return { ...found, next: `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(checkpoint)}` };
}

/** Taken back to an instant, the journal forgets what follows it, and the next run applies that once more. */
const again = (name: ShardName, from: Instant, zone: Zone): string =>
  `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(from)}, then tidemark run ${titleOf(name)}`;

const adopt = (name: ShardName, at: Instant, zone: Zone): string =>
  `tidemark verify ${name.job} --data; if that finds all applied, tidemark checkpoint ${titleOf(name)} --set ${zone.iso(at)}`;

/**
 * Whether a checkpoint without a journal is as it should be: a person has set it, or a first run without data, and no
 * window has been applied since.
 */
async function mayLackJournal(reader: Reader, { job, shard }: ShardName): Promise<boolean> {
  const [row] = await reader.tuples(
    `SELECT COUNT(*), IFNULL(SUM(IF(kind = 'windows', windows, 0)), 0) FROM tidemark_run
      WHERE job = ? AND shard = ? AND kind IN ('windows', 'full', 'checkpoint') AND sequence >= IFNULL(
            (SELECT MAX(sequence) FROM tidemark_run WHERE job = ? AND shard = ? AND kind = 'checkpoint'), 0)`,
    [job, shard, job, shard],
  );
  return Number(row?.[0] ?? 0) > 0 && Number(row?.[1] ?? 0) === 0;
}

/** Shards that the tables know and their job does not declare (any more): nobody takes their windows. */
export async function findUndeclared(
  reader: Reader,
  job: string,
  declared: readonly string[],
): Promise<readonly string[]> {
  const known = await reader.tuples(
    'SELECT shard FROM tidemark_checkpoint WHERE job = ? UNION SELECT DISTINCT shard FROM tidemark_window WHERE job = ? ORDER BY 1',
    [job, job],
  );
  return known.map(([shard]) => String(shard)).filter((shard) => !declared.includes(shard));
}
