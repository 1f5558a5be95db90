/**
 * The merge-join of both sides: brings the entries of one key together, and passes over those that say the same.
 *
 * Share by share, both sides are sorted by the hash of the key and walked in step. Only a key that has one entry on each
 * side, both of this day, with the same reference, amount, fee (where both know it) and success, is counted as matched
 * right here; every other key is told in full. Equal hashes of different keys are parted by the keys, so nothing is ever missed or
 * confused. The order in which keys are told is that of their hashes: always the same, but of no use to people.
 */
import { type Direction, type Entry, keyOf } from './entry.ts';
import { RecordView } from './record.ts';
import { type Spool, shareCount } from './spool.ts';

/** What both sides say of one key. */
export interface Pair {
  readonly reference: string;
  readonly direction: Direction;
  readonly local: readonly Entry[];
  readonly channel: readonly Entry[];
}

/** A share of the join. */
export interface Joined {
  /** Keys on which both sides agree. */
  readonly matched: number;
  readonly pairs: readonly Pair[];
}

/** Joins two sides, both complete. Memory: a share of both. */
export function* join(local: Spool, channel: Spool): Generator<Joined> {
  for (let share = 0; share < shareCount; share++)
    yield joinShare(new Sorted(local.share(share)), new Sorted(channel.share(share)));
}

/** A hash (less the bits that a share has in common) and the place of its record, in one number of 53 bits. */
const places = 2 ** 28;
const hashesInShare = 2 ** 32 / shareCount;

/** The records of a share in order of their hashes. */
class Sorted {
  readonly #records: RecordView;
  readonly #order: Float64Array;

  constructor(bytes: Buffer) {
    if (bytes.length > places)
      throw new RangeError(`a side of more than ${shareCount * places} bytes cannot be joined`);
    const records = new RecordView(bytes);
    let count = 0;
    for (let start = 0; start < records.end; start = records.next(start)) count++;
    const order = new Float64Array(count);
    for (let start = 0, index = 0; start < records.end; start = records.next(start))
      order[index++] = (records.hash(start) % hashesInShare) * places + start;
    this.#records = records;
    this.#order = order.sort();
  }

  /** The hash of the record at this index; infinite behind the last. */
  hash(index: number): number {
    const packed = this.#order[index];
    return packed === undefined ? Number.POSITIVE_INFINITY : Math.floor(packed / places);
  }

  /** The index after the last record of this hash. */
  after(index: number, hash: number): number {
    let next = index;
    while (this.hash(next) === hash) next++;
    return next;
  }

  entry(index: number): Entry {
    return this.#records.entry(this.#start(index));
  }

  matches(index: number, other: Sorted, otherIndex: number): boolean {
    return this.#records.matches(this.#start(index), other.#records, other.#start(otherIndex));
  }

  #start(index: number): number {
    return (this.#order[index] as number) % places;
  }
}

function joinShare(local: Sorted, channel: Sorted): Joined {
  const pairs: Pair[] = [];
  let matched = 0;
  for (let at = 0, channelAt = 0; ; ) {
    const hash = Math.min(local.hash(at), channel.hash(channelAt));
    if (hash === Number.POSITIVE_INFINITY) return { matched, pairs };
    const end = local.after(at, hash);
    const channelEnd = channel.after(channelAt, hash);
    if (end - at === 1 && channelEnd - channelAt === 1 && local.matches(at, channel, channelAt)) matched++;
    else pairs.push(...parted(entries(local, at, end), entries(channel, channelAt, channelEnd)));
    at = end;
    channelAt = channelEnd;
  }
}

function entries(side: Sorted, from: number, to: number): Entry[] {
  return Array.from({ length: to - from }, (_, index) => side.entry(from + index));
}

/** Entries of one hash, by their keys. */
function parted(local: readonly Entry[], channel: readonly Entry[]): Iterable<Pair> {
  const pairs = new Map<string, { reference: string; direction: Direction; local: Entry[]; channel: Entry[] }>();
  const pairOf = (entry: Entry) => {
    const { reference, direction } = entry;
    const pair = pairs.get(keyOf(entry)) ?? { reference, direction, local: [], channel: [] };
    pairs.set(keyOf(entry), pair);
    return pair;
  };
  for (const entry of local) pairOf(entry).local.push(entry);
  for (const entry of channel) pairOf(entry).channel.push(entry);
  return pairs.values();
}
