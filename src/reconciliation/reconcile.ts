/**
 * The reconciliation of a business day with one counterpart: both sides are put aside, joined, judged, and what was
 * found is kept.
 *
 * Nothing is kept before the statement was read to its last line. What is on one side only is looked up in the ledger
 * once more: a bill that failed, or that succeeded on another day, is told as that.
 *
 * Memory: a few megabytes a side, whatever the day's size (spool.ts).
 */
import type { Reader } from '../platform/mysql.ts';
import { billsByKey, billsOf, type LocalTime, type Stretch } from './bills.ts';
import { type DifferenceBook, entriesAlone, type Found } from './differences.ts';
import { type Counterpart, dayOf, type Entry, keyOf } from './entry.ts';
import { join, type Pair } from './join.ts';
import { judge, usualRules } from './outcome.ts';
import { inSnapshot } from './snapshot.ts';
import { Spool } from './spool.ts';
import { explained, type Statement } from './statement-files.ts';

interface Day {
  readonly counterpart: Counterpart;
  /** `2026-11-20`, and the same as a stretch of UTC. */
  readonly day: string;
  readonly stretch: Stretch;
  readonly localTime: LocalTime;
}

export interface Reconciled {
  readonly localEntries: number;
  readonly channelEntries: number;
  readonly matched: number;
}

interface Tools {
  /** Reads our bills: a connection of its own, as they are read in a snapshot. */
  readonly upstream: Reader;
  /** Reads what was kept before, in the transaction that keeps what is found now. */
  readonly target: Reader;
  /** Null when the counterpart is not in use. */
  readonly statement: Statement | null;
  readonly book: DifferenceBook;
}

export async function reconcile(
  day: Day,
  { upstream, target, statement, book }: Tools,
  progress: (entries: number) => void,
): Promise<Reconciled> {
  const local = new Spool();
  const channel = new Spool();
  try {
    await both(
      inSnapshot(upstream, () => fill(local, billsOf(upstream, day.counterpart, day.stretch, day.localTime), progress)),
      statement === null ? Promise.resolve() : fill(channel, statement.entries(), progress),
    );
    const sizes = { localEntries: local.entries, channelEntries: channel.entries };
    for await (const alone of entriesAlone(target, day.counterpart, day.day)) {
      local.addEarlier(alone.local);
      channel.addEarlier(alone.channel);
    }
    let matched = 0;
    for (const share of join(local, channel)) {
      const judged = await judgeAll(day, target, share.pairs);
      await book.keep(judged.found);
      matched += share.matched + judged.matched;
    }
    await book.forgetOthers();
    return { ...sizes, matched };
  } finally {
    local.close();
    channel.close();
  }
}

/** Both at once; when one fails, the other has still come to its end. */
async function both(one: Promise<unknown>, other: Promise<unknown>): Promise<void> {
  for (const ended of await Promise.allSettled([one, other])) if (ended.status === 'rejected') throw ended.reason;
}

async function fill(
  spool: Spool,
  pieces: AsyncIterable<Iterable<Entry>>,
  progress: (entries: number) => void,
): Promise<void> {
  try {
    for await (const entries of pieces) {
      const before = spool.entries;
      spool.add(entries);
      progress(spool.entries - before);
    }
  } catch (error) {
    throw explained(error);
  }
}

async function judgeAll(day: Day, kept: Reader, pairs: readonly Pair[]): Promise<{ found: Found[]; matched: number }> {
  const rules = { day: day.day, ...usualRules };
  const found: Found[] = [];
  const missed: Pair[] = [];
  let matched = 0;
  for (const pair of pairs) {
    const differences = judge(pair, rules);
    if (differences.length === 0) matched++;
    else if (pair.local.length === 0) missed.push(pair);
    else found.push(...differences);
  }
  return { found: [...found, ...(await lookUp(day, kept, missed))], matched };
}

/** What became of references that only the other side has. */
async function lookUp(day: Day, kept: Reader, missed: readonly Pair[]): Promise<Found[]> {
  const rules = { day: day.day, ...usualRules };
  const bills = await billsByKey(
    kept,
    day.counterpart,
    missed.map(({ reference }) => reference),
    day.localTime,
  );
  const found: Found[] = [];
  for (const pair of missed) {
    const local = bills.get(keyOf(pair));
    const [first] = local ?? [];
    if (local === undefined || first === undefined) found.push(...judge(pair, rules));
    else if (first.status !== 'success') found.push(...judge({ ...pair, local }, rules));
    else found.push(...(await ofAnotherDay(day, kept, { ...pair, local }, dayOf(first))));
  }
  return found;
}

/**
 * Both sides have it, on different days. Where the bill's day comes later, it will bring the two together; this day says
 * already what comes of it. Where it was earlier and missed nothing, it had its other half: then this is one too many.
 */
async function ofAnotherDay({ counterpart, day }: Day, kept: Reader, pair: Pair, other: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const alone of judge({ ...pair, local: [] }, { day, ...usualRules })) {
    const channel = pair.channel.filter((entry) => dayOf(entry) === alone.day);
    const last = other > alone.day ? other : alone.day;
    const [together] = judge({ ...pair, channel }, { ...usualRules, day: last });
    if (together === undefined || (other < alone.day && (await wasMissed(kept, counterpart, other, pair))))
      found.push(alone);
    else if (other < alone.day && (await wasReconciled(kept, counterpart, other)))
      found.push({ ...alone, outcome: 'duplicate', local: together.local, alone: 'channel' });
    else found.push({ ...together, day: alone.day, alone: 'channel', otherHalfDay: other });
  }
  return found;
}

async function wasReconciled(kept: Reader, counterpart: string, day: string): Promise<boolean> {
  const rows = await kept.tuples('SELECT 1 FROM reconciliation_day WHERE counterpart = ? AND day = ?', [
    counterpart,
    day,
  ]);
  return rows.length > 0;
}

async function wasMissed(
  kept: Reader,
  counterpart: string,
  day: string,
  { reference, direction }: Pair,
): Promise<boolean> {
  const rows = await kept.tuples(
    'SELECT 1 FROM difference WHERE counterpart = ? AND day = ? AND reference = ? AND direction = ?',
    [counterpart, day, reference, direction],
  );
  return rows.length > 0;
}
