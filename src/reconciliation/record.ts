/**
 * Entries as bytes: an entry takes about 80 bytes here and three times as much as an object, and two of them are compared
 * without becoming objects.
 *
 * Numbers are little-endian: hash of the key (4 bytes) · bytes in all (2) · flags (1) · unused (1) · amount (8) · fee (8)
 * · line (4) · bytes of the reference (2) · bytes of the part (2) · time (19) · reference · part.
 */
import type { Direction, Entry, Status } from './entry.ts';

const at = {
  size: 4,
  flags: 6,
  amount: 8,
  fee: 16,
  line: 24,
  referenceBytes: 28,
  partBytes: 30,
  time: 32,
  reference: 51,
};
const flag = { out: 1, feeKnown: 2, success: 4, failed: 8, earlier: 16 };
const timeBytes = 19;

/** The longest that a record may be: reference and part have at most 128 characters each. */
const recordBytesMax = at.reference + 3 * 256;

/** Records one behind the other. */
export class Records {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  length = 0;

  constructor(bytesMax: number) {
    this.#bytes = Buffer.alloc(bytesMax);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, bytesMax);
  }

  /** The records so far; valid until the next one is added. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  get isFull(): boolean {
    return this.length + recordBytesMax > this.#bytes.length;
  }

  clear(): void {
    this.length = 0;
  }

  /** @param earlier the entry is of an earlier day, so that somebody waits for word of it: it never just matches */
  add(entry: Entry, hash: number, earlier: boolean): void {
    const start = this.length;
    const bytes = this.#bytes;
    const view = this.#view;
    const afterReference = write(bytes, start + at.reference, entry.reference);
    const end = write(bytes, afterReference, entry.part);
    if (write(bytes, start + at.time, entry.occurredAt) !== start + at.time + timeBytes)
      throw new RangeError(`a time of ${timeBytes} characters is expected: "${entry.occurredAt}"`);
    view.setUint32(start, hash, true);
    view.setUint16(start + at.size, end - start, true);
    bytes[start + at.flags] = flagsOf(entry) | (earlier ? flag.earlier : 0);
    view.setBigInt64(start + at.amount, entry.amount, true);
    view.setBigInt64(start + at.fee, entry.fee ?? 0n, true);
    view.setUint32(start + at.line, entry.line, true);
    view.setUint16(start + at.referenceBytes, afterReference - start - at.reference, true);
    view.setUint16(start + at.partBytes, end - afterReference, true);
    this.length = end;
  }
}

function flagsOf({ direction, fee, status }: Entry): number {
  return (
    (direction === 'out' ? flag.out : 0) |
    (fee === null ? 0 : flag.feeKnown) |
    (status === 'success' ? flag.success : status === 'failed' ? flag.failed : 0)
  );
}

/** Writes a text as UTF-8 and answers where it ends. Nearly all are short and ASCII, where this is the fastest way. */
function write(bytes: Buffer, start: number, text: string): number {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return start + bytes.write(text, start, 'utf8');
    bytes[start + index] = code;
  }
  return start + text.length;
}

/**
 * A hash of the key in 32 bits (FNV-1a, its bits mixed as in MurmurHash3). It only brings equal keys together; whether
 * they are equal is decided by the keys.
 */
export function hashOf({ reference, direction }: Entry): number {
  let hash = direction === 'out' ? 0x811c9dc4 : 0x811c9dc5;
  for (let index = 0; index < reference.length; index++)
    hash = Math.imul(hash ^ reference.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The records in some bytes, by where they start. */
export class RecordView {
  readonly #bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get end(): number {
    return this.#bytes.length;
  }

  hash(start: number): number {
    return this.#view.getUint32(start, true);
  }

  next(start: number): number {
    return start + this.#view.getUint16(start + at.size, true);
  }

  /** Whether this one and one of the other side, both of the day, agree: key, success, amount, fee where both know it. */
  matches(start: number, other: RecordView, otherStart: number): boolean {
    const flags = this.#bytes[start + at.flags] as number;
    const otherFlags = other.#bytes[otherStart + at.flags] as number;
    if ((flags & otherFlags & flag.success) === 0 || ((flags | otherFlags) & flag.earlier) !== 0) return false;
    if (((flags ^ otherFlags) & flag.out) !== 0) return false;
    if (!this.#sameNumber(start + at.amount, other, otherStart + at.amount)) return false;
    if ((flags & otherFlags & flag.feeKnown) !== 0 && !this.#sameNumber(start + at.fee, other, otherStart + at.fee))
      return false;
    const length = this.#view.getUint16(start + at.referenceBytes, true);
    if (length !== other.#view.getUint16(otherStart + at.referenceBytes, true)) return false;
    for (let index = at.reference; index < at.reference + length; index++)
      if (this.#bytes[start + index] !== other.#bytes[otherStart + index]) return false;
    return true;
  }

  #sameNumber(position: number, other: RecordView, otherPosition: number): boolean {
    return (
      this.#view.getInt32(position, true) === other.#view.getInt32(otherPosition, true) &&
      this.#view.getInt32(position + 4, true) === other.#view.getInt32(otherPosition + 4, true)
    );
  }

  entry(start: number): Entry {
    const view = this.#view;
    const flags = this.#bytes[start + at.flags] as number;
    const text = (from: number, length: number) => this.#bytes.toString('utf8', from, from + length);
    const referenceBytes = view.getUint16(start + at.referenceBytes, true);
    const afterReference = start + at.reference + referenceBytes;
    const direction: Direction = (flags & flag.out) === 0 ? 'in' : 'out';
    const status: Status =
      (flags & flag.success) !== 0 ? 'success' : (flags & flag.failed) !== 0 ? 'failed' : 'unprocessed';
    return {
      reference: text(start + at.reference, referenceBytes),
      direction,
      part: text(afterReference, view.getUint16(start + at.partBytes, true)),
      amount: view.getBigInt64(start + at.amount, true),
      fee: (flags & flag.feeKnown) === 0 ? null : view.getBigInt64(start + at.fee, true),
      status,
      occurredAt: text(start + at.time, timeBytes),
      line: view.getUint32(start + at.line, true),
    };
  }
}
