/**
 * The book of one shop: what it has asked for, written down before it asks, and what it was answered.
 *
 * A file to which lines are appended, so that it outlives the shop. A shop that begins again reads it, and knows what has
 * no final answer: it asks for that again, by the same key. A line that a kill has cut short was never acted on.
 */
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { PaymentRequest, ProviderName } from '../../src/payments/provider.ts';

interface Asked {
  /** The idempotency key: unique over all shops. */
  readonly key: string;
  readonly accountId: bigint;
  /** Fen: what the buyer pays; of a payout, before tax. */
  readonly amount: bigint;
  readonly provider: ProviderName;
}

export interface AskedOrder extends Asked {
  readonly kind: 'order';
  readonly expiresInSeconds: number;
}

export interface AskedPayout extends Asked {
  readonly kind: 'payout';
  readonly payee: string;
  readonly taxRule: 'none' | 'labour-cn';
}

/** What a shop has asked for, as it is asked each time. */
export type Errand = AskedOrder | AskedPayout;

/** What it was answered: `code` 0 with the id, above 0 refused, below 0 nobody knows. */
export interface Answer {
  readonly key: string;
  readonly code: number;
  /** Of the order or the payout; a refused payout has one, too. */
  readonly id: bigint | null;
  /** Of an order, how to pay it. */
  readonly request: PaymentRequest | null;
  /** For people. */
  readonly reason: string | null;
}

export type Entry = { readonly errand: Errand } | { readonly answer: Answer };

const toText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
const fromText = (_: string, value: unknown): unknown =>
  typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

/** The whole lines of a text; what was cut short, or is empty, is left out. */
export function entriesOf(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line, fromText) as Entry];
    } catch {
      return [];
    }
  });
}

/** None when there is no file. */
export const readBook = (path: string): Entry[] => (existsSync(path) ? entriesOf(readFileSync(path, 'utf8')) : []);

export class Book {
  readonly #file: number;
  readonly #errands = new Map<string, Errand>();
  /** Without a final answer. */
  readonly #open = new Set<string>();
  readonly #asked = { order: 0, payout: 0 };
  #entries = 0;

  constructor(path: string) {
    const entries = readBook(path);
    if (entries.length > 0) appendFileSync(path, '\n'); // behind a line that was cut short
    this.#file = openSync(path, 'a');
    for (const entry of entries) this.#note(entry);
  }

  /** How many entries there are: what is drawn next is drawn afresh. */
  get length(): number {
    return this.#entries;
  }

  /** How many errands there are of each kind. */
  get asked(): Readonly<Record<Errand['kind'], number>> {
    return this.#asked;
  }

  /** What nobody has answered for good, in order. */
  unanswered(): Errand[] {
    return [...this.#open].map((key) => this.#errands.get(key) as Errand);
  }

  /** Notes what is about to be asked. */
  ask(errand: Errand): void {
    this.#write({ errand });
  }

  answer(answer: Answer): void {
    this.#write({ answer });
  }

  #write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry, toText)}\n`);
    this.#note(entry);
  }

  #note(entry: Entry): void {
    this.#entries += 1;
    if ('errand' in entry) {
      this.#asked[entry.errand.kind] += 1;
      this.#errands.set(entry.errand.key, entry.errand);
      this.#open.add(entry.errand.key);
    } else if (entry.answer.code >= 0) this.#open.delete(entry.answer.key);
  }

  close(): void {
    closeSync(this.#file);
  }
}
