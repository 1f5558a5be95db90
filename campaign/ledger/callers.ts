/** The callers of a ledger: made into a program of their own, several processes of it, started again whenever they end. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Session } from '../../src/platform/mysql.ts';
import type { Command, Runs } from '../runs.ts';
import { type Accounts, prices } from './calls.ts';
import type { CallerBook } from './checker.ts';

export interface CallersOptions {
  readonly runs: Runs;
  readonly seed: number;
  /** Where the program and the books go. */
  readonly folder: string;
  readonly accounts: Accounts;
  readonly processes: number;
  /** Calls of a process at once. */
  readonly lanes: number;
  /** Between two calls of a lane, on average. */
  readonly pauseMs: number;
  /** How long a process goes on that nobody kills. */
  readonly lifeMs: number;
  readonly stallTimeoutMs: number;
}

export class Callers {
  readonly books: readonly CallerBook[];
  readonly #options: CallersOptions;
  readonly #program: string;

  private constructor(options: CallersOptions) {
    this.#options = options;
    this.#program = join(options.folder, 'caller.cjs');
    this.books = Array.from({ length: options.processes }, (_, number) => {
      const caller = `caller ${number}`;
      return { caller, path: join(options.folder, `${caller.replace(' ', '-')}.book`) };
    });
  }

  static async make(options: CallersOptions): Promise<Callers> {
    const callers = new Callers(options);
    await build({
      entryPoints: [fileURLToPath(new URL('caller.ts', import.meta.url))],
      outfile: callers.#program,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      logLevel: 'warning',
    });
    return callers;
  }

  /** Works until the signal is given; then those that are under way end their calls. */
  async work(url: string, signal: AbortSignal): Promise<void> {
    const { runs, lifeMs } = this.#options;
    await Promise.all(
      this.books.map(async (book) => {
        while (!signal.aborted) {
          const running = runs.start(this.#command(url, book, lifeMs));
          const end = () => runs.end(running);
          signal.addEventListener('abort', end, { once: true });
          await running.ended;
          signal.removeEventListener('abort', end);
        }
      }),
    );
  }

  /** Once more each, in peace, to ask again for what has no answer. */
  async settle(url: string): Promise<void> {
    await Promise.all(this.books.map((book) => this.#options.runs.start(this.#command(url, book, 0)).ended));
  }

  #command(url: string, { caller, path }: CallerBook, lifeMs: number): Command {
    const { seed, accounts, lanes, pauseMs, stallTimeoutMs } = this.#options;
    const env = {
      PATH: process.env.PATH ?? '',
      CALLER_LEDGER: url,
      CALLER_NAME: caller,
      CALLER_BOOK: path,
      CALLER_SEED: String(seed),
      CALLER_ACCOUNTS: String(accounts.count),
      CALLER_HOT_SHARE: String(accounts.hotShare),
      CALLER_LANES: String(lanes),
      CALLER_PAUSE_MS: String(pauseMs),
      CALLER_STALL_MS: String(stallTimeoutMs),
      CALLER_MS: String(lifeMs),
    };
    const { lifeMs: usualMs } = this.#options;
    return { party: 'caller', title: caller, program: process.execPath, args: [this.#program], env, usualMs };
  }
}

/** What a ledger must have that callers are let loose on: accounts, with the ids from 1 on, and the price list. */
export async function openAccounts(session: Session, count: number): Promise<void> {
  await session.write(`INSERT INTO account (account_id, kind) SELECT seq, 'prepaid' FROM seq_1_to_${count}`);
  await session.write('INSERT INTO price (name, price) VALUES ?', [Object.entries(prices)]);
}
