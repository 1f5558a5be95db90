/**
 * The check: asks the providers about everything that is due, oldest first, until nothing is.
 *
 * Each provider has a lane of its own, with a queue, a limit and so many at once, so that a slow one holds up no other. The
 * tables' claim (DueBook.take) comes before each look, and so nothing is asked about twice at a time, by however many
 * processes. Killed or stopped anywhere: what was in hand is due again when its lease is over.
 *
 * What is stuck, and what a look fails of, becomes a dead letter; its letter is closed by the first look that is neither.
 * Where Redis or the database cannot be reached, the lane ends with that error, since there is no leave to ask.
 */
import pLimit, { type LimitFunction } from 'p-limit';
import { LockedError } from '../ledger/sessions.ts';
import { SetupError, UnavailableError } from '../platform/errors.ts';
import { explained } from '../platform/explain.ts';
import type { DueBook, Looked } from './due.ts';
import { type DueName, type DueQueue, dueName, nameOf } from './due-queue.ts';
import type { ProviderName } from './provider.ts';

/**
 * How long one is ours. A look asks three times at the most (is it paid, close it, is it paid), each time after half a
 * minute of waiting for leave at the worst, and for ten seconds; a process that has stopped meanwhile asks once too often,
 * which does no harm.
 */
const leaseMs = 120_000;
const atOnceMax = 80;
/** How many the queue is asked for at a time. */
const handful = 20;
/** How many a lane notes from each book when it fills its queue. */
const fillMax = 5000;
/** So many looks failed, with none that worked: the fault is not theirs. */
const failuresMax = 20;

/** What is kept for a person. */
interface Concern {
  readonly key: string;
  readonly content: Readonly<Record<string, string>>;
  readonly reason: string;
}

export interface Check {
  readonly books: readonly DueBook[];
  readonly queues: ReadonlyMap<ProviderName, DueQueue>;
  /** Nothing new is begun after this. */
  readonly stop: AbortSignal;
  /** Now, in milliseconds since 1970, by the clock of the database. */
  now(): Promise<number>;
  /** Keeps what a person must look at. */
  concern(concern: Concern): Promise<void>;
  /** Closes the letters of what is well by now. */
  settled(keys: readonly string[]): Promise<void>;
  looked(outcome: Looked['outcome']): void;
  warn(text: string): void;
}

/**
 * Works off what is due.
 *
 * @param letters keys of open letters: those whose matter has ended by another way are closed
 * @throws the first error that ended a lane, when all lanes have ended
 */
export async function checkDue(check: Check, letters: readonly string[]): Promise<void> {
  const lanes = [...check.queues].map(([provider, queue]) => new Lane(check, provider, queue).work());
  const all = await Promise.allSettled([review(check, letters, async () => undefined), ...lanes]);
  const failed = all.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

/** Looks once more at what open letters name, due or not. What somebody may have in hand is left to him. */
export async function recheck(check: Check, letters: readonly string[]): Promise<void> {
  await review(check, letters, async (book, name, nextAt) => {
    if (nextAt > (await check.now()) + leaseMs) await look(check, book, name, null);
  });
}

/** Closes the letters of what has ended without a look, by a notice or a person; looks at those that are due. */
async function review(
  check: Check,
  letters: readonly string[],
  notDue: (book: DueBook, name: DueName, nextAt: number) => Promise<void>,
): Promise<void> {
  const limit = pLimit(atOnceMax);
  const reviewOne = async (name: DueName) => {
    const book = bookOf(check, name);
    if (book === undefined || check.stop.aborted) return;
    const { isTaken, nextAt } = await takeAndLook(check, book, name);
    if (!isTaken && nextAt === null) await check.settled([nameOf(name)]);
    else if (!isTaken && typeof nextAt === 'number') await notDue(book, name, nextAt);
  };
  const names = letters.map(dueName).filter((name) => name !== null);
  await Promise.all(names.map((name) => limit(() => reviewOne(name))));
}

const bookOf = ({ books }: Check, { kind }: DueName): DueBook | undefined => books.find((book) => book.kind === kind);

/** What came of trying to ask about one. */
interface Asked {
  /** When it is due again; null: never; undefined: when its lease is over. */
  readonly nextAt: number | null | undefined;
  readonly isTaken: boolean;
  readonly failure: unknown;
}

async function takeAndLook(check: Check, book: DueBook, name: DueName): Promise<Asked> {
  try {
    const taken = await book.take(name.id, leaseMs);
    if ('nextAt' in taken) return { nextAt: taken.nextAt, isTaken: false, failure: null };
    return await look(check, book, name, taken.provider);
  } catch (failure) {
    if (!(failure instanceof LockedError)) throw failure;
    check.warn(`${nameOf(name)} was locked by others, and is left for later: ${failure.message}`);
    return { nextAt: undefined, isTaken: false, failure };
  }
}

/** One look, and what a person must know of it. */
async function look(check: Check, book: DueBook, name: DueName, provider: ProviderName | null): Promise<Asked> {
  const content = { [name.kind]: String(name.id), ...(provider === null ? {} : { provider }) };
  try {
    const { outcome, detail, nextAt } = await book.look(name.id);
    check.looked(outcome);
    if (outcome === 'stuck')
      await check.concern({ key: nameOf(name), content: { ...content, detail }, reason: detail });
    else await check.settled([nameOf(name)]);
    return { nextAt, isTaken: true, failure: null };
  } catch (raw) {
    const failure = explained(raw);
    if (failure instanceof UnavailableError || failure instanceof SetupError) throw failure;
    const detail = failure instanceof Error ? failure.message : String(failure);
    const reason = `looking at it failed: ${detail}`;
    await check.concern({ key: nameOf(name), content: { ...content, detail }, reason });
    return { nextAt: undefined, isTaken: true, failure };
  }
}

/** The work at one provider. */
class Lane {
  readonly #check: Check;
  readonly #provider: ProviderName;
  readonly #queue: DueQueue;
  readonly #limit: LimitFunction = pLimit(atOnceMax);
  readonly #inHand = new Set<Promise<void>>();
  /** What a look, or the queue, has failed of. */
  #failure: { readonly error: unknown } | null = null;
  #failuresInRow = 0;
  /** The tables were read, and nothing was taken since. */
  #isConfirmed = false;
  /** What the database's clock is ahead of ours by. */
  #aheadMs = 0;

  constructor(check: Check, provider: ProviderName, queue: DueQueue) {
    this.#check = check;
    this.#provider = provider;
    this.#queue = queue;
  }

  async work(): Promise<void> {
    try {
      await this.#setClock();
      while (!this.#check.stop.aborted && this.#failure === null) {
        await this.#room();
        if (!(await this.#beginSome())) break;
      }
    } finally {
      await Promise.all(this.#inHand);
    }
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** Begins what the queue hands out. Answers whether there may be more. */
  async #beginSome(): Promise<boolean> {
    const { names, rubbish, isStale } = await this.#queue.handOut(this.#now(), handful, leaseMs);
    for (const text of rubbish) this.#check.warn(`the queue of ${this.#provider} held what is no name: ${text}`);
    for (const name of names) this.#begin(name);
    if (isStale || (names.length === 0 && !this.#isConfirmed)) await this.#fill();
    else if (names.length === 0 && this.#inHand.size === 0) return false;
    else if (names.length === 0) await Promise.race(this.#inHand);
    return true;
  }

  #begin(name: DueName): void {
    const work = this.#limit(() => this.#one(name))
      .catch((error) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#inHand.delete(work));
    this.#inHand.add(work);
  }

  /** Waits until another handful will soon be wanted. */
  async #room(): Promise<void> {
    while (this.#inHand.size > atOnceMax) await Promise.race(this.#inHand);
  }

  async #one(name: DueName): Promise<void> {
    const book = bookOf(this.#check, name);
    if (book === undefined) return this.#queue.move(name, null);
    if (this.#failure !== null || this.#check.stop.aborted) return;
    const { isTaken, nextAt, failure } = await takeAndLook(this.#check, book, name);
    if (isTaken) this.#isConfirmed = false;
    this.#failuresInRow = failure === null ? 0 : this.#failuresInRow + 1;
    if (this.#failuresInRow >= failuresMax) throw failure;
    // A queue that is wrong about one is not asked about it again at once, whatever the table answers.
    if (!isTaken && typeof nextAt === 'number') return this.#queue.move(name, Math.max(nextAt, this.#now() + 1000));
    if (nextAt !== undefined) await this.#queue.move(name, nextAt);
  }

  /** Notes what the tables say is due, now or within a minute. */
  async #fill(): Promise<void> {
    await this.#setClock();
    this.#isConfirmed = true;
    for (const book of this.#check.books) {
      const due = await book.due(this.#provider, 60_000, fillMax);
      const named = due.map(({ id, at }) => ({ kind: book.kind, id, at }));
      await this.#queue.fill(this.#now(), named);
    }
  }

  async #setClock(): Promise<void> {
    const asked = performance.now();
    this.#aheadMs = (await this.#check.now()) - asked;
  }

  #now(): number {
    return Math.floor(performance.now() + this.#aheadMs);
  }
}
