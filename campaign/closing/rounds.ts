/**
 * Round after round, a ledger of three months and three days is closed: settle-month and reconcile-day in loops, several
 * processes at once, with reruns and repairs beside them, until nothing is due; then the checker looks, and the next
 * ledger is made. A round that the end of the load breaks off is played to its end in peace.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { UnavailableError } from '../../src/platform/errors.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { failureOf } from '../../src/platform/mysql-errors.ts';
import type { Fault } from '../fault.ts';
import type { Random } from '../random.ts';
import type { Runs } from '../runs.ts';
import type { Stage } from '../stage.ts';
import { BooksOfRound, cast, minimumFen, type Round } from './books.ts';
import { checkRound } from './checker.ts';

const program = fileURLToPath(new URL('../../bin/tidemark', import.meta.url));
const shards = ['ledger', 'initiator', 'alipay'] as const;
/** Between two runs of a loop, at the most. */
const pauseMsMax = 2500;
/** When commission of the first month changes, at the latest. */
const changeMsMax = 4000;
/** Of each loop, in a round: what is done is run again. */
const runsMin = 4;
const changeFen = 777;
const settleMsMax = 90_000;

export interface RoundsOptions {
  readonly runs: Runs;
  readonly random: Random;
  readonly stage: Stage;
  readonly stallTimeoutMs: number;
}

type Ports = Fault['ports'];

export class Rounds {
  readonly failures: string[] = [];
  readonly #options: RoundsOptions;
  readonly #random: Random;
  #begun = 0;
  #done = 0;
  #open: Round | null = null;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#random = options.random;
  }

  get figures(): Record<string, number> {
    return { 'ledgers closed': this.#done, 'runs that closed them': this.#options.runs.tallies.closing.started };
  }

  /** Until the signal is given. */
  async work(ports: Ports, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const round = await this.#begin(signal);
      if (round === null) return;
      this.#open = round;
      if (!(await this.#play(round, ports, signal))) return;
      await this.#close(round);
    }
  }

  /** Plays the last round to its end, in peace; there is always one. */
  async settle(): Promise<void> {
    const late = AbortSignal.timeout(settleMsMax);
    const round = this.#open ?? (await this.#begin(late));
    if (round !== null && (await this.#play(round, undefined, late))) await this.#close(round);
    else this.failures.push(`the last ledger was not closed within ${settleMsMax / 1000} s`);
  }

  /** Makes the books; as often as it takes while the server comes and goes. */
  async #begin(signal: AbortSignal): Promise<Round | null> {
    const { stage } = this.#options;
    while (!signal.aborted) {
      this.#begun += 1;
      const name = String(this.#begun);
      const books = new BooksOfRound(this.#random.fork(name), Date.now());
      const round = await whileUp(async () => {
        const root = await stage.open('main', 'mysql');
        const open = (database: string) => stage.open('main', database);
        return books.make(root, open, name, stage.servers.main.folder).finally(() => root.close());
      });
      if (round !== null) return round;
      await sleep(200);
    }
    return null;
  }

  /** @returns whether nothing is due any more */
  async #play(round: Round, ports: Ports, signal: AbortSignal): Promise<boolean> {
    const done = new AbortController();
    const isOver = () => signal.aborted || done.signal.aborted;
    const env = settingsOf(round, this.#options, ports);
    const loop = async (name: string) => {
      const random = this.#random.fork(`${round.ledgerDatabase} ${name}`);
      for (let count = 1; !isOver(); count++) {
        const args = await this.#next(random, round);
        const title = `${args[0]} ${args.find((word) => word.startsWith('--')) ?? ''}`.trim();
        const command = { title, program, args: ['run', ...args], env, usualMs: 500 };
        await this.#options.runs.start({ party: 'closing', ...command }).ended;
        if (count >= runsMin && (await this.#isDone(round))) done.abort();
        else await sleep(random.next() * pauseMsMax, undefined, { signal }).catch(() => undefined);
      }
    };
    await Promise.all([loop('one'), loop('two'), loop('three'), this.#changeIncome(round, isOver)]);
    return done.signal.aborted;
  }

  async #next(random: Random, round: Round): Promise<string[]> {
    if (random.chance(0.5)) return dayLine(random, round);
    return monthLine(random, round, await this.#isFirstMonthSettled(round));
  }

  /** Commission of the first month changes at some time: before it is settled, or after. */
  async #changeIncome({ mainDatabase, months }: Round, isOver: () => boolean): Promise<void> {
    const from = Date.now() + this.#random.next() * changeMsMax;
    for (let isDone: boolean | null = false; !isDone && !isOver(); await sleep(100))
      if (Date.now() >= from)
        isDone = await whileUp(() =>
          this.#inDatabase(mainDatabase, (main) => changeIncome(main, months[0] as string)).then(() => true),
        );
  }

  async #inDatabase<Result>(database: string, work: (session: Session) => Promise<Result>): Promise<Result> {
    const session = await this.#options.stage.open('main', database);
    return work(session).finally(() => session.close());
  }

  /** Whether both jobs are past what was due when the round began; not while the database is away. */
  async #isDone({ ledgerDatabase, today }: Round): Promise<boolean> {
    const past = await whileUp(() =>
      this.#inDatabase(ledgerDatabase, (ledger) =>
        ledger.tuples(
          `SELECT job, shard FROM tidemark_checkpoint WHERE checkpoint >= IF(job = 'settle-month', DATE_FORMAT(?, '%Y-%m-01'), ?)`,
          [today, today],
        ),
      ),
    );
    return past?.length === 1 + shards.length;
  }

  /** Only what was settled can be run again. */
  async #isFirstMonthSettled({ ledgerDatabase, months }: Round): Promise<boolean> {
    const past = await whileUp(() =>
      this.#inDatabase(ledgerDatabase, (ledger) =>
        ledger.tuples(`SELECT 1 FROM tidemark_checkpoint WHERE job = 'settle-month' AND checkpoint >= ?`, [
          `${months[1]}-01`,
        ]),
      ),
    );
    return past?.length === 1;
  }

  async #close(round: Round): Promise<void> {
    const found = await untilUp(() => this.#inDatabase(round.ledgerDatabase, (ledger) => checkRound(ledger, round)));
    this.failures.push(...found, ...(await wrongReports(round)));
    this.#done += 1;
    this.#open = null;
    if (this.failures.length > 0) return;
    await untilUp(() =>
      this.#inDatabase('mysql', async (root) => {
        for (const database of [round.mainDatabase, round.ledgerDatabase])
          await root.write(`DROP DATABASE IF EXISTS ${database}`);
      }),
    );
  }
}

/** The settings of runs on the books of a round. */
export function settingsOf(
  { mainDatabase, ledgerDatabase, statements }: Round,
  { stage, stallTimeoutMs }: Pick<RoundsOptions, 'stage' | 'stallTimeoutMs'>,
  ports?: Ports,
): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
    SOURCE_DATABASE_URL: stage.url('runner', 'plus', ports?.source),
    MAIN_DATABASE_URL: stage.url('runner', mainDatabase, ports?.main),
    LEDGER_DATABASE_URL: stage.url('runner', ledgerDatabase, ports?.main),
    REDIS_URL: stage.redisUrl(ports?.redis),
    TIDEMARK_REDIS_PREFIX: `${ledgerDatabase}:`,
    TIDEMARK_TIMEZONE: 'Asia/Shanghai',
    TIDEMARK_STALL_TIMEOUT: `${stallTimeoutMs}ms`,
    TIDEMARK_LOG_LEVEL: 'error', // what was planted would be told again and again
    TIDEMARK_WINDOW_ROWS: '25',
    TIDEMARK_SETTLE_MINIMUM: String(minimumFen),
    TIDEMARK_STATEMENTS: statements,
  };
}

/** What a person or a rare cron line would start, now and then; otherwise what is due. */
function monthLine(random: Random, { months }: Round, isFirstSettled: boolean): string[] {
  const drawn = random.next();
  if (drawn < 0.7) return ['settle-month'];
  if (drawn < 0.8) return ['settle-month', '--repair', '--if-locked', 'wait'];
  if (drawn < 0.9 || !isFirstSettled) return ['settle-month', '--dry-run'];
  return ['settle-month', '--from', `${months[0]}-01`, '--to', `${months[1]}-01`, '--if-locked', 'wait'];
}

function dayLine(random: Random, { days, today }: Round): string[] {
  const drawn = random.next();
  const some = random.some(shards);
  if (drawn < 0.5) return ['reconcile-day', ...shards];
  if (drawn < 0.8) return ['reconcile-day', ...some, '--concurrency', '2'];
  const from = random.below(days.length);
  const range = ['--from', days[from] as string, '--to', days[from + 1] ?? today];
  return ['reconcile-day', ...some, ...range, '--if-locked', 'wait'];
}

/** In one transaction with the note that says so; done once, however often it is tried. */
async function changeIncome(main: Session, month: string): Promise<void> {
  if ((await main.tuples('SELECT 1 FROM planted_change')).length > 0) return;
  await main.write('START TRANSACTION');
  await main.write('INSERT INTO planted_change VALUES ?', [cast.changed.map((user) => [user, month, changeFen])]);
  await main.write('UPDATE user_income_hour SET amount = amount + ? WHERE hour = ? AND user_id IN (?)', [
    changeFen,
    `${month}-01 00:00:00`,
    cast.changed,
  ]);
  await main.write('COMMIT');
}

/** Pages that a round should have left beside its statements. */
async function wrongReports({ days, statements }: Round): Promise<string[]> {
  const there = await readdir(join(statements, 'reports'));
  const due = days.flatMap((day) =>
    ['initiator', 'alipay'].flatMap((one) => [`${day}-${one}.csv`, `${day}-${one}.html`]),
  );
  return due.filter((name) => !there.includes(name)).map((name) => `the report ${name} is missing in ${statements}`);
}

/** Null when the database was away, or went. */
async function whileUp<Result>(work: () => Promise<Result>): Promise<Result | null> {
  try {
    return await work();
  } catch (error) {
    if (failureOf(error) === 'connection' || error instanceof UnavailableError) return null;
    throw error;
  }
}

async function untilUp<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    const result = await whileUp(work);
    if (result !== null) return result;
    await sleep(100);
  }
}
