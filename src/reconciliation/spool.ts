/**
 * One side's entries, put aside in bounded memory until both sides are complete.
 *
 * Entries are dealt out by the first bits of their key's hash, so that equal keys of both sides lie in the share of the
 * same number, and the sides can be joined share by share. Each share has its room in memory, 4 MB together; when it is
 * full, it goes to a file which has no name: it is unlinked as soon as it is open, in a folder that only this user may
 * enter. So it vanishes with the process, however that ends, and nobody has to clear up after a crash.
 *
 * Limits: a side of n rows needs about 80 n bytes of disk, and a hundredth of that in memory when it is joined.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from './entry.ts';
import { hashOf, Records } from './record.ts';

const shareBits = 7;
export const shareCount = 2 ** shareBits;
const shareBytesMax = 32_768;

export class Spool {
  readonly #held: readonly Records[];
  /** Where in the file the pieces of each share are. */
  readonly #pieces: { position: number; length: number }[][] = Array.from({ length: shareCount }, () => []);
  #file: number | null = null;
  #fileBytes = 0;
  /** The share that was read last. */
  #share: Buffer = Buffer.alloc(0);
  entries = 0;

  constructor(bytesMax = shareBytesMax) {
    this.#held = Array.from({ length: shareCount }, () => new Records(bytesMax));
  }

  /** Whether anything had to go to the disk. */
  get spilled(): boolean {
    return this.#file !== null;
  }

  /** Entries of the day that is reconciled. */
  add(entries: Iterable<Entry>): void {
    this.#add(entries, false);
  }

  /** Entries of earlier days whose other half had not come: they are always told in full, also when they match. */
  addEarlier(entries: Iterable<Entry>): void {
    this.#add(entries, true);
  }

  #add(entries: Iterable<Entry>, earlier: boolean): void {
    for (const entry of entries) {
      const hash = hashOf(entry);
      const index = hash >>> (32 - shareBits);
      const records = this.#held[index] as Records;
      if (records.isFull) this.#spill(records, index);
      records.add(entry, hash, earlier);
      this.entries++;
    }
  }

  #spill(records: Records, index: number): void {
    this.#file ??= nameless();
    writeAll(this.#file, records.bytes, this.#fileBytes);
    this.#pieces[index]?.push({ position: this.#fileBytes, length: records.length });
    this.#fileBytes += records.length;
    records.clear();
  }

  /** All records of a share; valid until an entry is added, or another share is asked for. */
  share(index: number): Buffer {
    const held = (this.#held[index] as Records).bytes;
    const pieces = this.#pieces[index] ?? [];
    if (this.#file === null || pieces.length === 0) return held;
    const spilled = pieces.reduce((sum, { length }) => sum + length, 0);
    if (this.#share.length < spilled + held.length) this.#share = Buffer.alloc(this.#largestShare());
    const bytes = this.#share.subarray(0, spilled + held.length);
    let filled = 0;
    for (const { position, length } of pieces) {
      readAll(this.#file, bytes.subarray(filled, filled + length), position);
      filled += length;
    }
    held.copy(bytes, filled);
    return bytes;
  }

  #largestShare(): number {
    const sizes = this.#pieces.map((pieces, index) =>
      pieces.reduce((sum, { length }) => sum + length, (this.#held[index] as Records).length),
    );
    return Math.max(...sizes);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

/** A file that is gone as soon as it is closed. */
function nameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-spool-')); // mode 0700
  try {
    return openSync(join(folder, 'spool'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}

function readAll(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const read = readSync(file, bytes, done, bytes.length - done, position + done);
    if (read === 0) throw new Error('the spool file ends early');
    done += read;
  }
}
