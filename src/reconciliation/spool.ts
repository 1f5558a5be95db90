/**
 * One side's entries, put aside in bounded memory until both sides are complete.
 *
 * Entries are dealt out by the first bits of their key's hash, so that equal keys of both sides lie in the share of the
 * same number, and the sides can be joined share by share. Up to 4 MB stay in memory; what is more goes to a file which
 * has no name: it is unlinked as soon as it is open, in a folder that only this user may enter. So it vanishes with the
 * process, however that ends, and nobody has to clear up after a crash.
 *
 * Limits: a side of n rows needs about 80 n bytes of disk, and a sixty-fourth of that in memory when it is joined.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Entry } from './entry.ts';
import { hashOf, Records } from './record.ts';

const shareBits = 6;
export const shareCount = 2 ** shareBits;
const heldBytesMax = 4 * 2 ** 20;

export class Spool {
  readonly #held = Array.from({ length: shareCount }, () => new Records());
  /** Where in the file the pieces of each share are. */
  readonly #pieces: { position: number; length: number }[][] = Array.from({ length: shareCount }, () => []);
  readonly #heldBytesMax: number;
  #heldBytes = 0;
  #file: number | null = null;
  #fileBytes = 0;
  /** The share that was read last. */
  #share: Buffer = Buffer.alloc(0);
  entries = 0;

  constructor(heldMax = heldBytesMax) {
    this.#heldBytesMax = heldMax;
  }

  /** Whether anything had to go to the disk. */
  get spilled(): boolean {
    return this.#file !== null;
  }

  /** Entries of the day that is reconciled. */
  add(entries: readonly Entry[]): void {
    this.#add(entries, false);
  }

  /** Entries of earlier days whose other half had not come: they are always told in full, also when they match. */
  addEarlier(entries: readonly Entry[]): void {
    this.#add(entries, true);
  }

  #add(entries: readonly Entry[], earlier: boolean): void {
    for (const entry of entries) {
      const hash = hashOf(entry);
      const share = this.#held[hash >>> (32 - shareBits)] as Records;
      const before = share.length;
      share.add(entry, hash, earlier);
      this.#heldBytes += share.length - before;
      if (this.#heldBytes > this.#heldBytesMax) this.#spill();
    }
    this.entries += entries.length;
  }

  #spill(): void {
    this.#file ??= nameless();
    for (const [index, records] of this.#held.entries()) {
      if (records.length === 0) continue;
      writeAll(this.#file, records.bytes, this.#fileBytes);
      this.#pieces[index]?.push({ position: this.#fileBytes, length: records.length });
      this.#fileBytes += records.length;
      records.clear();
    }
    this.#heldBytes = 0;
  }

  /** All records of a share; valid until an entry is added, or another share is asked for. */
  share(index: number): Buffer {
    const held = (this.#held[index] as Records).bytes;
    const pieces = this.#pieces[index] ?? [];
    if (this.#file === null || pieces.length === 0) return held;
    const spilled = pieces.reduce((sum, { length }) => sum + length, 0);
    if (this.#share.length < spilled + held.length) this.#share = Buffer.alloc(spilled + held.length);
    const bytes = this.#share.subarray(0, spilled + held.length);
    let filled = 0;
    for (const { position, length } of pieces) {
      readAll(this.#file, bytes.subarray(filled, filled + length), position);
      filled += length;
    }
    held.copy(bytes, filled);
    return bytes;
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
