/**
 * What comes of comparing both sides of a key: the rules of a reconciliation, as a function of the entries.
 *
 * Each side is taken in all: the refunds of an order may be one entry here and three there. Only successes count, and an
 * attempt that failed is no difference to a side that never heard of it.
 *
 * A row near midnight may lie on the next day for the other side. Alone, it waits: `pending_cutoff`, for up to three days.
 * Entries of earlier days that found no other half take part again every day: when it comes, the earlier day's difference
 * is `resolved`, or becomes what the comparison then says; when the time is over, it is `local_only` or `channel_only`.
 */
import { type Direction, dayOf, type Entry, type Status } from './entry.ts';
import type { Pair } from './join.ts';

/** `matched` is never a difference; it has no row. */
export const outcomes = [
  'local_only',
  'channel_only',
  'amount',
  'fee',
  'status',
  'duplicate',
  'pending_cutoff',
  'resolved',
] as const;

export type Outcome = (typeof outcomes)[number];

/** What one side says of a key in all. */
export interface Side {
  /** In fen, of the successes. */
  readonly amount: bigint;
  /** In fen; null when it is not known of every success. */
  readonly fee: bigint | null;
  readonly status: Status;
  /** Of the last one, in the business zone. */
  readonly occurredAt: string;
  readonly entries: number;
  /** The refund, where it is one alone; otherwise empty. */
  readonly part: string;
}

export interface Difference {
  /** The business day to which it belongs: the one at hand, or that of the earlier entry which waited. */
  readonly day: string;
  readonly reference: string;
  readonly direction: Direction;
  readonly outcome: Outcome;
  readonly local: Side | null;
  readonly channel: Side | null;
}

export interface Rules {
  /** The business day at hand, `2026-11-20`. */
  readonly day: string;
  /** How near to midnight an entry must be to wait for its other half. */
  readonly cutoffMinutes: number;
  /** For how many days it waits. */
  readonly waitDays: number;
}

export const usualRules = { cutoffMinutes: 60, waitDays: 3 } as const;

type Sides = Pick<Pair, 'local' | 'channel'>;

/** The differences of a key: none when both sides agree and nothing had waited, one for each day that is concerned. */
export function judge(pair: Pair, rules: Rules): Difference[] {
  const verdict = compare(pair);
  const split = verdict === 'amount' ? splitOff(pair, rules) : null;
  if (split === null) return differencesOf(pair, pair, verdict, rules);
  const waiting = differencesOf(pair, split.alone, compare(split.alone), rules);
  const settled = differencesOf(pair, split.agreed, 'matched', rules);
  return [...settled.filter(({ day }) => waiting.every((other) => other.day !== day)), ...waiting];
}

type Verdict = 'matched' | 'local_only' | 'channel_only' | 'amount' | 'fee' | 'status' | 'duplicate';

function compare({ local, channel }: Sides): Verdict {
  if (hasTwice(local) || hasTwice(channel)) return 'duplicate';
  const ours = sideOf(local);
  const theirs = sideOf(channel);
  const paid = ours?.status === 'success';
  const paidThere = theirs?.status === 'success';
  if (!paid && !paidThere) return 'matched';
  if (ours === null) return 'channel_only';
  if (theirs === null) return 'local_only';
  if (paid !== paidThere) return 'status';
  if (ours.amount !== theirs.amount) return 'amount';
  if (ours.fee !== null && theirs.fee !== null && ours.fee !== theirs.fee) return 'fee';
  return 'matched';
}

function hasTwice(entries: readonly Entry[]): boolean {
  return entries.length > 1 && new Set(entries.map(({ part }) => part)).size < entries.length;
}

/** A side in all; null when it says nothing. */
function sideOf(entries: readonly Entry[]): Side | null {
  if (entries.length === 0) return null;
  const told = successesOf(entries);
  return {
    amount: told.reduce((sum, { amount }) => sum + amount, 0n),
    fee: told.reduce<bigint | null>((sum, { fee }) => (sum === null || fee === null ? null : sum + fee), 0n),
    status: (told[0] as Entry).status,
    occurredAt: told.map(({ occurredAt }) => occurredAt).reduce((last, each) => (each > last ? each : last)),
    entries: entries.length,
    part: entries.length === 1 ? (entries[0] as Entry).part : '',
  };
}

/** What counts: the successes, or everything where there is none. */
function successesOf(entries: readonly Entry[]): readonly Entry[] {
  const paid = entries.filter(({ status }) => status === 'success');
  return paid.length > 0 ? paid : entries;
}

/** Refunds that only one side knows as yet, apart from those on which both agree. */
interface Split {
  readonly agreed: Sides;
  readonly alone: Sides;
}

/**
 * Splits off the parts that only one side has, when both agree on all the others and those may still find their other
 * half: a refund near midnight must not make a difference of the refunds before it.
 */
function splitOff({ local, channel }: Pair, rules: Rules): Split | null {
  const known = (entries: readonly Entry[], others: readonly Entry[]) => {
    const parts = new Set(others.map(({ part }) => part));
    return {
      common: entries.filter(({ part }) => parts.has(part)),
      alone: entries.filter(({ part }) => !parts.has(part)),
    };
  };
  const ours = known(local, channel);
  const theirs = known(channel, local);
  const agreed = { local: ours.common, channel: theirs.common };
  const alone = { local: ours.alone, channel: theirs.alone };
  if (agreed.local.length === 0 || compare(agreed) !== 'matched') return null;
  if (alone.local.length > 0 && alone.channel.length > 0) return null;
  const mayCome = [...alone.local, ...alone.channel].every((entry) => isEarlier(entry, rules) || waits(entry, rules));
  return mayCome ? { agreed, alone } : null;
}

/**
 * One for each earlier day that waited; where none did, one for the day at hand, if there is a difference. Where the
 * other half has not come, each day has its own entries; where it has, it is the same for all.
 */
function differencesOf(pair: Pair, sides: Sides, verdict: Verdict, rules: Rules): Difference[] {
  const told = successesOf([...sides.local, ...sides.channel]);
  const days = [...new Set(told.map(dayOf))].sort();
  if (verdict === 'local_only' || verdict === 'channel_only')
    return days.map((day) => differenceOf(pair, entriesOf(sides, day), verdict, day, rules));
  const earlier = days.filter((day) => day < rules.day);
  const concerned = earlier.length > 0 || verdict === 'matched' ? earlier : [rules.day];
  return concerned.map((day) => differenceOf(pair, sides, verdict, day, rules));
}

const entriesOf = ({ local, channel }: Sides, day: string): Sides => ({
  local: local.filter((entry) => dayOf(entry) === day),
  channel: channel.filter((entry) => dayOf(entry) === day),
});

function differenceOf(
  { reference, direction }: Pair,
  { local, channel }: Sides,
  verdict: Verdict,
  day: string,
  rules: Rules,
): Difference {
  const outcome = outcomeOf(verdict, successesOf([...local, ...channel]), rules);
  return { day, reference, direction, outcome, local: sideOf(local), channel: sideOf(channel) };
}

function outcomeOf(verdict: Verdict, told: readonly Entry[], rules: Rules): Outcome {
  if (verdict === 'matched') return 'resolved';
  if (verdict !== 'local_only' && verdict !== 'channel_only') return verdict;
  return told.every((entry) => waits(entry, rules)) ? 'pending_cutoff' : verdict;
}

const isEarlier = (entry: Entry, { day }: Rules) => dayOf(entry) < day;

/** Whether an entry without its other half may still wait for it. */
function waits(entry: Entry, { day, cutoffMinutes, waitDays }: Rules): boolean {
  const [hours, minutes] = [Number(entry.occurredAt.slice(11, 13)), Number(entry.occurredAt.slice(14, 16))];
  const sinceMidnight = hours * 60 + minutes;
  const near = sinceMidnight < cutoffMinutes || sinceMidnight >= 1440 - cutoffMinutes;
  const waited = (Date.parse(`${day}T00:00:00Z`) - Date.parse(`${dayOf(entry)}T00:00:00Z`)) / 86_400_000;
  return near && waited < waitDays;
}
