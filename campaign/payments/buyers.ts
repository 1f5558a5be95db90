/**
 * The buyers, who are not ours to kill: they read in the shops' books which orders there are, and pay at the provider:
 * at once, late, at the last second, or never. Some want their money back, all of it or a part.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type { Random } from '../random.ts';
import { type AskedOrder, type Entry, entriesOf } from './book.ts';
import type { Gateway } from './gateway.ts';

/** How often the books are read. */
const readingMs = 100;
const chunkBytes = 65_536;

export interface BuyersOptions {
  readonly books: readonly string[];
  readonly gateway: Gateway;
  readonly random: Random;
}

type Plan = 'at once' | 'late' | 'at the last second' | 'never';

export class Buyers {
  readonly figures = { 'paid by buyers': 0, 'paid too late': 0, 'refunded whole': 0, 'refunded in part': 0 };
  readonly #options: BuyersOptions;
  readonly #readers: readonly BookReader[];
  readonly #errands = new Map<string, AskedOrder>();
  #asked = 0;
  readonly #met = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  constructor(options: BuyersOptions) {
    this.#options = options;
    this.#readers = options.books.map((path) => new BookReader(path));
  }

  /** Until the signal is given; who would pay or complain later does not. */
  async work(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const reading = setInterval(() => {
      for (const reader of this.#readers) for (const entry of reader.more()) this.#read(entry);
    }, readingMs);
    if (!signal.aborted) await ended;
    clearInterval(reading);
    for (const reader of this.#readers) reader.close();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#underWay);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** How many orders and payouts shops have asked for by now. */
  get asked(): number {
    return this.#asked;
  }

  #read(entry: Entry): void {
    if ('errand' in entry) {
      this.#asked += 1;
      if (entry.errand.kind === 'order') this.#errands.set(entry.errand.key, entry.errand);
      return;
    }
    const { key, id, request } = entry.answer;
    const errand = this.#errands.get(key);
    if (errand === undefined || id === null || request === null || this.#met.has(key)) return;
    this.#met.add(key);
    const random = this.#options.random.fork(key);
    const drawn = random.next();
    const plan: Plan = drawn < 0.6 ? 'at once' : drawn < 0.75 ? 'late' : drawn < 0.88 ? 'at the last second' : 'never';
    if (plan === 'never') return;
    this.#later(waitMs(plan, errand.expiresInSeconds * 1000, random), () =>
      this.#pay(id, errand, request.content, random),
    );
  }

  async #pay(orderId: bigint, { amount }: AskedOrder, content: string, random: Random): Promise<void> {
    const { gateway } = this.#options;
    const isTaken = await gateway.pay(orderId, content);
    this.figures[isTaken ? 'paid by buyers' : 'paid too late'] += 1;
    const drawn = random.next();
    if (!isTaken || drawn > 0.12) return;
    const isWhole = drawn < 0.1 || amount === 1n;
    this.#later(random.between(0, 4000), async () => {
      await gateway.refund(orderId, isWhole ? amount : 1n + amount / 3n);
      this.figures[isWhole ? 'refunded whole' : 'refunded in part'] += 1;
    });
  }

  #later(ms: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const done = work().catch((error: unknown) => void this.#failures.push(error));
      this.#underWay.add(done);
      done.then(() => this.#underWay.delete(done));
    }, ms);
    this.#timers.add(timer);
  }
}

function waitMs(plan: Plan, expiresInMs: number, random: Random): number {
  if (plan === 'at once') return random.between(0, 1500);
  if (plan === 'late') return expiresInMs * random.between(0.5, 0.95);
  return expiresInMs - random.between(-300, 700);
}

/** Reads what was appended since the last time. */
class BookReader {
  readonly #path: string;
  #file: number | null = null;
  #offset = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  more(): Entry[] {
    if (this.#file === null && !existsSync(this.#path)) return [];
    this.#file ??= openSync(this.#path, 'r');
    const chunk = Buffer.alloc(chunkBytes);
    const length = readSync(this.#file, chunk, 0, chunkBytes, this.#offset);
    this.#offset += length;
    const lines = (this.#rest + chunk.toString('latin1', 0, length)).split('\n');
    this.#rest = lines.pop() as string;
    return entriesOf(lines.join('\n'));
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}
