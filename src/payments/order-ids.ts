/**
 * What an order id says: 19 digits, ascending with time.
 *
 * 41 bits of milliseconds since 2016 (up to 2085), 6 bits of a hash of the merchant's id, 10 bits of the node that made
 * it, 6 bits of a number within the millisecond. The table of an order follows from the hash, so that it is found from
 * the order's id or from the merchant's alone. Ids from mid 2023 on have 19 digits; all fit a signed BIGINT.
 */

const epoch = Date.UTC(2016, 0, 1);
const [hashBits, nodeBits, sequenceBits] = [6n, 10n, 6n];
const timeMax = 2 ** 41 - 1;
/** Ids that one node makes within a millisecond, of one hash. */
const sequences = 2 ** Number(sequenceBits);

export const nodes = 2 ** Number(nodeBits);

/** Orders can be spread over so many tables: as many as there are hashes. */
export const tablesMax = 2 ** Number(hashBits);

/** Where in the order of its node's ids one stands. */
export interface Place {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly hash: number;
  readonly sequence: number;
}

/** @throws RangeError when the time is none that ids can say */
export function idOf({ time, hash, sequence }: Place, node: number): bigint {
  const since = time - epoch;
  if (!Number.isInteger(since) || since < 0 || since > timeMax) throw new RangeError(`no order id can say ${time}`);
  return (
    (((((BigInt(since) << hashBits) | BigInt(hash)) << nodeBits) | BigInt(node)) << sequenceBits) | BigInt(sequence)
  );
}

/** The first place behind `last` (null: none was made) that is not before `time`: ids of one process ascend. */
export function placeBehind(last: Place | null, time: number, hash: number): Place {
  if (last === null || time > last.time || (time === last.time && hash > last.hash)) return { time, hash, sequence: 0 };
  if (hash > last.hash) return { time: last.time, hash, sequence: 0 };
  const sequence = last.sequence + 1;
  if (hash === last.hash && sequence < sequences) return { time: last.time, hash, sequence };
  return { time: last.time + 1, hash, sequence: 0 };
}

/**
 * 6 bits that spread merchants evenly, also where their ids are consecutive or multiples of something: Fibonacci hashing
 * (Knuth, The Art of Computer Programming, volume 3, 6.4), 2^64 divided by the golden ratio.
 */
export function hashOf(merchantId: bigint): number {
  return Number(BigInt.asUintN(64, merchantId * 0x9e3779b97f4a7c15n) >> (64n - hashBits));
}

const hashIn = (orderId: bigint): number => Number((orderId >> (nodeBits + sequenceBits)) & ((1n << hashBits) - 1n));

export const tableOfMerchant = (merchantId: bigint, tables: number): number => hashOf(merchantId) % tables;

export const tableOfOrder = (orderId: bigint, tables: number): number => hashIn(orderId) % tables;
