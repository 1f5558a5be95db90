/**
 * The book of one caller of the ledger: what it has asked for, written down before it asks, and what it was answered.
 *
 * A file to which lines are appended, so that it outlives the caller. A caller that begins again reads it, and knows which
 * calls have no final answer: those without any, those below 0, and those refused for now. A line that a kill has cut short was never acted on.
 */
import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Booked, Answer as LedgerAnswer } from '../../src/ledger/index.ts';

type Origin = 'recharge' | 'charge' | 'hold';
type Following = 'confirm' | 'cancel' | 'rollback';

/** A call, as it is made each time it is asked. */
export interface Call {
  readonly channel: Origin | Following;
  readonly billId: bigint;
  readonly accountId: bigint;
  /** Fen, as the ledger is told; null where it is not. */
  readonly amount: bigint | null;
  /** Of a charge by the price list. */
  readonly items: Readonly<Record<string, bigint>> | null;
  /** Of a hold; null: it waits. */
  readonly expiresInSeconds: number | null;
  /** What its bill should change the balance by, in fen; null where its caller does not know. */
  readonly change: bigint | null;
  /** What its bill should change the held part by, in fen. */
  readonly heldChange: bigint;
}

export interface Answer {
  /** Place of the call in the book. */
  readonly number: number;
  readonly code: number;
  /** Fen: of an answer 0, what the balance changed by, and what both were after it. */
  readonly amount: bigint | null;
  readonly balance: bigint | null;
  readonly held: bigint | null;
  /** Of another, for people. */
  readonly reason: string | null;
}

/** `brokenOff`: a caller begins, again maybe, and so many of its calls got no answer at all. */
export type Entry = { readonly call: Call } | { readonly answer: Answer } | { readonly brokenOff: number };

/** Refused as long as the balance is too low: what follows another bill may be asked for again. */
const isForNow = ({ channel }: Call, { code }: Answer): boolean =>
  code === 3 && (channel === 'confirm' || channel === 'cancel' || channel === 'rollback');

/** The whole lines of a book; none when there is no file. */
export function readBook(path: string): Entry[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  const entries: Entry[] = [];
  for (const line of lines) {
    try {
      entries.push(JSON.parse(line, fromText) as Entry);
    } catch {
      // cut short, or empty
    }
  }
  return entries;
}

const toText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
const fromText = (_: string, value: unknown): unknown =>
  typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;

export class Book {
  readonly #file: number;
  readonly #calls: Call[] = [];
  /** Without a final answer. */
  readonly #open = new Set<number>();
  /** Of these, without any answer. */
  readonly #silent = new Set<number>();
  /** Of these, refused for now. */
  readonly #refused = new Set<number>();
  /** Bill ids of holds whose end was asked for. */
  readonly #ended = new Set<bigint>();
  /** Bill ids of what was asked to be rolled back. */
  readonly #takenBack = new Set<bigint>();
  /** Holds that succeeded, and whose end nobody has asked for yet. */
  readonly holds: Call[] = [];
  /** What succeeded and can be taken back. */
  readonly done: (Call & { readonly taken: bigint })[] = [];

  constructor(path: string) {
    const entries = readBook(path);
    if (entries.length > 0) appendFileSync(path, '\n'); // behind a line that was cut short
    this.#file = openSync(path, 'a');
    for (const entry of entries) this.#note(entry);
    this.#write({ brokenOff: this.#silent.size });
  }

  /** How many calls there are; the next one's number. */
  get length(): number {
    return this.#calls.length;
  }

  /** Calls of which nobody knows whether they were done, in order. */
  unanswered(): number[] {
    return [...this.#open].filter((number) => !this.#refused.has(number));
  }

  refusedForNow(): number[] {
    return [...this.#refused];
  }

  call(number: number): Call {
    return this.#calls[number] as Call;
  }

  /** Whether a call's bill has such an end already, or may have. */
  wasFollowed({ billId, channel }: Call): boolean {
    return (channel === 'rollback' ? this.#takenBack : this.#ended).has(billId);
  }

  /** Notes a call that is about to be made. @returns its number */
  ask(call: Call): number {
    this.#write({ call });
    return this.#calls.length - 1;
  }

  answer(number: number, answer: LedgerAnswer<Booked>): void {
    const { code } = answer;
    const booked = code === 0 ? answer : { amount: null, balance: null, held: null };
    const { amount, balance, held } = booked;
    this.#write({ answer: { number, code, amount, balance, held, reason: code === 0 ? null : answer.reason } });
  }

  #write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry, toText)}\n`);
    this.#note(entry);
  }

  #note(entry: Entry): void {
    if ('call' in entry) {
      this.#open.add(this.#calls.length);
      this.#silent.add(this.#calls.length);
      this.#calls.push(entry.call);
      this.#follow(entry.call);
    } else if ('answer' in entry) {
      const { number, code } = entry.answer;
      const isRefused = isForNow(this.call(number), entry.answer);
      this.#silent.delete(number);
      if (code >= 0 && !isRefused) this.#settle(entry.answer);
      else if (this.#open.has(number)) this.#refused[isRefused ? 'add' : 'delete'](number);
    }
  }

  /** What a call follows from is not followed again. */
  #follow({ channel, billId }: Call): void {
    if (channel === 'rollback') {
      this.#takenBack.add(billId);
      remove(this.done, billId);
    } else if (channel === 'confirm' || channel === 'cancel') {
      this.#ended.add(billId);
      remove(this.holds, billId);
    }
  }

  #settle({ number, code, amount }: Answer): void {
    this.#refused.delete(number);
    if (!this.#open.delete(number) || code !== 0) return;
    const call = this.call(number);
    const { channel, billId } = call;
    if (channel === 'hold') {
      if (!this.#ended.has(billId)) this.holds.push(call);
    } else if (channel !== 'cancel' && channel !== 'rollback' && !this.#takenBack.has(billId))
      this.done.push({ ...call, taken: amount as bigint });
  }

  close(): void {
    closeSync(this.#file);
  }
}

function remove(calls: Call[], billId: bigint): void {
  const index = calls.findIndex((call) => call.billId === billId);
  if (index >= 0) calls.splice(index, 1);
}
