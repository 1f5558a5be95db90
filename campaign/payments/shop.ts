/**
 * A shop, as a program: it makes orders and payouts, as many by now as the campaign wants by now, each written into its
 * book before it is asked for. It begins by asking again for what its book has no final answer to. Killed, it is started
 * again. Ends with 0 and says nothing, whatever it is answered: that stands in the book.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../random.ts';
import { Book, type Errand } from './book.ts';
import { type Counter, openCounter } from './counter.ts';
import { drawErrand } from './errands.ts';

const { SHOP_NAME, SHOP_BOOK, SHOP_SEED } = process.env;
const accounts = Number(process.env.SHOP_ACCOUNTS);
const lanes = Number(process.env.SHOP_LANES);
/** When the campaign began, how long it lasts, and how much of each this shop asks for in that time. */
const [beganAt, lastsMs] = [Number(process.env.SHOP_BEGAN_AT), Number(process.env.SHOP_LASTS_MS)];
const wanted = { order: Number(process.env.SHOP_ORDERS), payout: Number(process.env.SHOP_PAYOUTS) };
/** 0: only what has no answer is asked again, until all of it has one. */
const lifeMs = Number(process.env.SHOP_MS);
const settleMsMax = 90_000;
const timesMax = 3;

class Shop {
  readonly #counter: Counter;
  readonly #book: Book;
  readonly #random: Random;
  readonly #isOver: () => boolean;
  #made: Record<Errand['kind'], number>;

  constructor(counter: Counter, book: Book, random: Random, isOver: () => boolean) {
    this.#counter = counter;
    this.#book = book;
    this.#random = random;
    this.#isOver = isOver;
    this.#made = { ...book.asked };
  }

  async askAgain(): Promise<void> {
    for (const errand of this.#book.unanswered()) {
      if (this.#isOver()) return;
      await this.#ask(errand);
    }
  }

  async work(): Promise<void> {
    await Promise.all(Array.from({ length: lanes }, () => this.#lane()));
  }

  async #lane(): Promise<void> {
    while (!this.#isOver()) {
      const kind = this.#due();
      if (kind === null) {
        await sleep(20);
        continue;
      }
      const errand = drawErrand(this.#random, kind, `${SHOP_NAME}-${kind}-${this.#made[kind]}`, accounts);
      this.#made[kind] += 1;
      this.#book.ask(errand);
      // Now and then twice at once; and what was answered once must be answered the same again.
      await Promise.all(this.#random.chance(0.1) ? [this.#ask(errand), this.#ask(errand)] : [this.#ask(errand)]);
      if (this.#random.chance(0.03)) await this.#ask(errand);
    }
  }

  /** What there should be more of by now, as a share of what is wanted. The last tenth of the time is for what has been begun. */
  #due(): Errand['kind'] | null {
    const share = Math.min(1, (Date.now() - beganAt) / (0.9 * lastsMs));
    const made = (kind: Errand['kind']) => this.#made[kind] / Math.max(1, wanted[kind]);
    const kind = made('order') <= made('payout') ? 'order' : 'payout';
    return this.#made[kind] < Math.floor(wanted[kind] * share) ? kind : null;
  }

  /** Again at once where nobody knows; what is unknown then is asked for when the shop opens again. */
  async #ask(errand: Errand): Promise<void> {
    for (let times = 1; times <= timesMax; times++) {
      const answer = await this.#counter.serve(errand);
      this.#book.answer(answer);
      if (answer.code >= 0 || this.#isOver()) return;
    }
  }
}

async function main(): Promise<void> {
  let isTold = false;
  process.once('SIGTERM', () => {
    isTold = true;
  });
  const endAt = Date.now() + (lifeMs === 0 ? settleMsMax : lifeMs);
  const isOver = () => isTold || Date.now() > endAt;
  const counter = await openCounter();
  const book = new Book(String(SHOP_BOOK));
  const random = new Random(Number(SHOP_SEED)).fork(`${SHOP_NAME} ${book.length}`);
  const shop = new Shop(counter, book, random, isOver);
  do await shop.askAgain();
  while (lifeMs === 0 && book.unanswered().length > 0 && !isOver());
  if (lifeMs > 0) await shop.work();
  await counter.close();
  book.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
