/**
 * A caller of the ledger, as a program: some calls at once, over and over, for some time, each written into its book
 * before it is made. It begins by asking again for what its book has no final answer to. Killed, it is started again.
 *
 * Ends with 0 and says nothing, whatever the ledger answers: that stands in the book.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../src/ledger/index.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { Random } from '../random.ts';
import { Book, type Call } from './book.ts';
import { drawCalls, make, prices, withdrawing } from './calls.ts';

const { CALLER_LEDGER, CALLER_NAME, CALLER_BOOK, CALLER_SEED, CALLER_STALL_MS } = process.env;
const accounts = { count: Number(process.env.CALLER_ACCOUNTS), hotShare: Number(process.env.CALLER_HOT_SHARE) };
const lanes = Number(process.env.CALLER_LANES);
/** Between two calls of a lane, on average. */
const pauseMs = Number(process.env.CALLER_PAUSE_MS);
/** 0: only what has no answer is asked again, until all of it has one. */
const lifeMs = Number(process.env.CALLER_MS);
const settleMsMax = 60_000;
const patienceMs = 10_000;

class Caller {
  readonly #ledger: Ledger;
  readonly #book: Book;
  readonly #random: Random;
  readonly #isOver: () => boolean;

  constructor(ledger: Ledger, book: Book, random: Random, isOver: () => boolean) {
    this.#ledger = ledger;
    this.#book = book;
    this.#random = random;
    this.#isOver = isOver;
  }

  /** Asks again for what has no final answer; for some of it after asking that it be taken back. */
  async askAgain(): Promise<void> {
    for (const number of this.#book.unanswered()) {
      const back = this.#random.chance(0.15) ? withdrawing(this.#book.call(number)) : null;
      if (back !== null && !this.#book.wasFollowed(back)) await this.#ask(this.#book.ask(back));
      await this.#ask(number);
      if (this.#isOver()) return;
    }
    for (const number of this.#book.refusedForNow()) if (this.#random.chance(0.3)) await this.#ask(number);
  }

  async work(): Promise<void> {
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
  }

  async #lane(): Promise<void> {
    while (!this.#isOver()) {
      try {
        if (this.#random.chance(0.02)) await this.#changePrice();
        const calls: Call[] = [];
        for (const call of drawCalls(this.#random, this.#book, accounts))
          calls.push('billId' in call ? call : { ...call, billId: await this.#ledger.nextBillId() });
        const numbers = calls.map((call) => this.#book.ask(call));
        const codes = await Promise.all(numbers.map((number) => this.#ask(number)));
        // Done once, it must answer the same again.
        if (codes[0] === 0 && this.#random.chance(0.03)) await this.#ask(numbers[0] as number);
      } catch (error) {
        if (!isAway(error)) throw error;
      }
      await sleep(this.#random.next() * 2 * pauseMs);
    }
  }

  /** @returns the code of the answer */
  async #ask(number: number): Promise<number> {
    const answer = await make(this.#ledger, this.#book.call(number));
    this.#book.answer(number, answer);
    return answer.code;
  }

  async #changePrice(): Promise<void> {
    const name = this.#random.pick(Object.keys(prices));
    await this.#ledger.setPrice({ name, price: BigInt(1 + this.#random.below(90)) });
  }
}

/** No bill id was to be had: nothing was asked for, so nothing is open. */
const isAway = (error: unknown): boolean => error instanceof UnavailableError;

async function connect(isOver: () => boolean): Promise<Ledger | null> {
  const url = String(CALLER_LEDGER);
  while (!isOver()) {
    try {
      const stallTimeoutMs = Number(CALLER_STALL_MS);
      return await Ledger.connect({ url, caller: String(CALLER_NAME), connections: lanes, patienceMs, stallTimeoutMs });
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }
  return null;
}

async function main(): Promise<void> {
  let isTold = false;
  process.once('SIGTERM', () => {
    isTold = true;
  });
  const endAt = Date.now() + (lifeMs === 0 ? settleMsMax : lifeMs);
  const isOver = () => isTold || Date.now() > endAt;
  const ledger = await connect(isOver);
  if (ledger === null) return;
  const book = new Book(String(CALLER_BOOK));
  const random = new Random(Number(CALLER_SEED)).fork(`${CALLER_NAME} ${book.length}`);
  const caller = new Caller(ledger, book, random, isOver);
  do await caller.askAgain();
  while (lifeMs === 0 && book.unanswered().length > 0 && !isOver());
  if (lifeMs > 0) await caller.work();
  await ledger.close();
  book.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
