/**
 * Who plays: shops, a receiver of notices, processes of check-pending-payments, and the controls; each started again
 * whenever it ends or was killed.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Random } from '../random.ts';
import type { Command, Running, Runs } from '../runs.ts';
import { type ControlName, everyControl } from './controls/list.ts';
import type { ProgramName } from './programs.ts';
import { accounts, controlAccounts, controlDatabase, type Stage } from './stage.ts';

const tidemark = fileURLToPath(new URL('../../bin/tidemark', import.meta.url));
const job = 'check-pending-payments';
const shops = 4;
const lanes = 8;
const checkers = 3;
/** How long a process goes on that nobody kills, in a short campaign. */
const shortLifeMs = { shop: 8000, receiver: 8000, control: 8000, checker: 6000 } as const;
/** In one of a minute and more they live longer, since starting them is most of what they cost; and controls rest longer. */
const longLife = 2.5;
const controlPauseMs = { short: 100, long: 1500 } as const;

export interface CastOptions {
  readonly runs: Runs;
  readonly stage: Stage;
  readonly seed: number;
  readonly random: Random;
  readonly programs: Readonly<Record<ProgramName, string>>;
  readonly seconds: number;
  /** How many there are to be in all. */
  readonly orders: number;
  readonly payouts: number;
}

export class Cast {
  /** One of each shop. */
  readonly books: readonly string[];
  readonly #options: CastOptions;
  readonly #lifeMs: Readonly<Record<keyof typeof shortLifeMs, number>>;
  readonly #isShort: boolean;
  readonly #beganAt = Date.now();

  constructor(options: CastOptions) {
    this.#options = options;
    this.#isShort = options.seconds < 60;
    const times = this.#isShort ? 1 : longLife;
    const { shop, receiver, control, checker } = shortLifeMs;
    this.#lifeMs = {
      shop: shop * times,
      receiver: receiver * times,
      control: control * times,
      checker: checker * times,
    };
    this.books = Array.from({ length: shops }, (_, number) =>
      join(options.stage.servers.folder, `shop-${number}.book`),
    );
  }

  /** Until the signal is given: then those that can be told end their work, and are waited for. */
  async work(signal: AbortSignal): Promise<void> {
    await Promise.all([
      ...this.books.map((_, number) => this.#again(signal, () => this.#shop(number, this.#lifeMs.shop))),
      this.#again(signal, () => this.#receiver(this.#lifeMs.receiver)),
      ...Array.from({ length: checkers }, (_, number) => this.#checkers(number, signal)),
      ...everyControl.map((name) => this.#again(signal, () => this.#control(name, this.#lifeMs.control))),
    ]);
  }

  /** In peace: the shops ask for what has no answer, the controls bring to its end what they have begun. */
  async settle(): Promise<void> {
    const { runs } = this.#options;
    const commands = [
      ...this.books.map((_, number) => this.#shop(number, 0)),
      ...everyControl.map((name) => this.#control(name, 0)),
    ];
    await Promise.all(commands.map((command) => runs.start(command).ended));
  }

  /** One run of the job, to the end of what is due. */
  check(): Promise<void> {
    return this.#options.runs.start(this.#checker([])).ended;
  }

  /** A receiver that nobody kills, until the signal is given. */
  receive(signal: AbortSignal): Promise<void> {
    return this.#again(signal, () => this.#receiver(600_000));
  }

  async #checkers(number: number, signal: AbortSignal): Promise<void> {
    const random = this.#options.random.fork(`checker ${number}`);
    await this.#again(signal, () => {
      const seconds = Math.round((this.#lifeMs.checker / 1000) * random.between(0.5, 1.5));
      return this.#checker(['--every', '1s', '--for', `${seconds}s`]);
    });
  }

  async #again(signal: AbortSignal, command: () => Command): Promise<void> {
    while (!signal.aborted) {
      const running: Running = this.#options.runs.start(command());
      const end = () => this.#options.runs.end(running);
      signal.addEventListener('abort', end, { once: true });
      await running.ended;
      signal.removeEventListener('abort', end);
      await sleep(50);
    }
  }

  #checker(args: readonly string[]): Command {
    const env = this.#options.stage.settings;
    const usualMs = args.length === 0 ? 2000 : this.#lifeMs.checker;
    return { party: 'run', title: job, program: tidemark, args: ['run', job, ...args], env, usualMs };
  }

  #shop(number: number, ms: number): Command {
    const { stage, seed, seconds, orders, payouts, programs } = this.#options;
    const share = (count: number) => String(Math.floor(count / shops) + (number < count % shops ? 1 : 0));
    const env = {
      ...stage.settings,
      SHOP_NAME: `shop-${number}`,
      SHOP_BOOK: this.books[number] as string,
      SHOP_SEED: String(seed),
      SHOP_ACCOUNTS: String(accounts),
      SHOP_LANES: String(lanes),
      SHOP_BEGAN_AT: String(this.#beganAt),
      SHOP_LASTS_MS: String(seconds * 1000),
      SHOP_ORDERS: share(orders),
      SHOP_PAYOUTS: share(payouts),
      SHOP_MS: String(ms),
    };
    return this.#program('caller', `shop ${number}`, programs.shop, [], env, this.#lifeMs.shop);
  }

  #receiver(ms: number): Command {
    const { stage, programs } = this.#options;
    const env = { ...stage.settings, RECEIVER_PORT: String(stage.noticePort), RECEIVER_MS: String(ms) };
    return this.#program('caller', 'receiver', programs.receiver, [], env, this.#lifeMs.receiver);
  }

  #control(name: ControlName, ms: number): Command {
    const { stage, programs } = this.#options;
    const env = {
      PATH: process.env.PATH ?? '',
      ...stage.controlGateway.settings,
      TIDEMARK_PROVIDER_TIMEOUT: '500ms',
      CONTROL_TARGET: stage.url(controlDatabase(name)),
      CONTROL_ACCOUNTS: String(controlAccounts),
      CONTROL_PAUSE_MS: String(this.#isShort ? controlPauseMs.short : controlPauseMs.long),
      CONTROL_MS: String(ms),
    };
    return this.#program('control', `control ${name}`, programs.control, [name], env, this.#lifeMs.control);
  }

  #program(
    party: Command['party'],
    title: string,
    path: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    usualMs: number,
  ): Command {
    return { party, title, program: process.execPath, args: [path, ...args], env, usualMs };
  }
}
