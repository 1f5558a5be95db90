/**
 * A campaign of payments: shops, buyers, notices and runs of check-pending-payments, whose processes are killed all the
 * time, before providers of which many an answer is false; then peace, in which the providers tell the truth, until
 * nothing is open; then the checker.
 *
 * It passes when every wallet holds to the fen what the providers' own books say, and every control was caught.
 */
import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { ControlVerdict } from '../control-crew.ts';
import type { Fault } from '../fault.ts';
import { killing } from '../faults/kills.ts';
import { Random } from '../random.ts';
import { type Expectations, Runs } from '../runs.ts';
import { uncaught, type Verdict } from '../verdict.ts';
import { Buyers } from './buyers.ts';
import { Cast } from './cast.ts';
import { checkPayments, hasErred, judgeControl } from './checker.ts';
import { controls, everyControl } from './controls/list.ts';
import { Metronome } from './metronome.ts';
import { settle } from './peace.ts';
import { makePrograms } from './programs.ts';
import { controlDatabase, Stage } from './stage.ts';

export interface PaymentsOptions {
  readonly seed: number;
  readonly seconds: number;
  /** How many of each are made in that time. */
  readonly orders: number;
  readonly payouts: number;
  /** Ends the load early; the verdict follows. */
  readonly signal?: AbortSignal;
  readonly progress?: (line: string) => void;
}

/** Of a provider's answers, this share is false, late or missing. */
const faultShare = 0.3;
/** How much longer it may take to ask for all of it, on a busy machine: so long, or as long again. */
const extensionSecondsMax = 90;

/** Nothing here takes Redis away; on a machine that stands still its answer may come too late, and a check says so and ends. */
const redisTooLate = /^tidemark: check-pending-payments: Redis at \S+ cannot be reached: Command timed out[.]/m;

/** What comes back to a buyer in part, or when nobody can say how much, waits for a person; 143: it was told to end. */
const ofRuns: Expectations = {
  codes: [0, 65, 143],
  excused: { code: 69, saying: redisTooLate },
  sayings: [
    redisTooLate,
    /^tidemark: check-pending-payments: .*wait/,
    /^\{.*"level":"warn","message":"[\w ]+: .* back to the buyer",.*"job":"check-pending-payments","key":"order:\d+"/,
  ],
};

export async function runPaymentsCampaign(options: PaymentsOptions): Promise<Verdict> {
  const stage = await Stage.raise({ seed: options.seed, faultShare });
  const log = createWriteStream(join(stage.servers.folder, 'campaign.log'));
  try {
    const campaign = new Campaign(options, stage, (line) => log.write(`${new Date().toISOString()} ${line}\n`));
    const verdict = await campaign.run();
    log.end();
    if (verdict.failures.length === 0) return verdict;
    return { ...verdict, keptIn: await stage.keep(`tidemark-campaign-payments-${options.seed}`) };
  } finally {
    await stage.strike();
  }
}

class Campaign {
  readonly #options: PaymentsOptions;
  readonly #stage: Stage;
  readonly #note: (line: string) => void;
  readonly #random: Random;
  readonly #runs: Runs;
  readonly #metronome = new Metronome();
  /** Given when the load is over. */
  readonly #over = new AbortController();
  #fault: Fault | null = null;
  #flushes = 0;

  constructor(options: PaymentsOptions, stage: Stage, note: (line: string) => void) {
    this.#options = options;
    this.#stage = stage;
    this.#note = note;
    this.#random = new Random(options.seed);
    setMaxListeners(0, this.#over.signal);
    this.#runs = new Runs(ofRuns, (running) => this.#fault?.meet?.(running), note);
  }

  async run(): Promise<Verdict> {
    const { seed, seconds, orders, payouts } = this.#options;
    const { folder } = this.#stage.servers;
    const programs = await makePrograms(folder);
    const random = this.#random.fork('cast');
    const cast = new Cast({ runs: this.#runs, stage: this.#stage, seed, seconds, orders, payouts, programs, random });
    const buyers = new Buyers({
      books: cast.books,
      gateway: this.#stage.gateway,
      random: this.#random.fork('buyers'),
    });
    await this.#load(cast, buyers);
    const kills = this.#fault?.figures() ?? {};
    this.#fault = null;
    const short = this.#options.orders + this.#options.payouts - buyers.asked;
    this.#tell('waiting until nothing is open');
    const unsettled = await settle(this.#stage, cast, (line) => this.#tell(line));
    if (short > 0 && this.#options.signal?.aborted !== true)
      unsettled.push(`${short} orders and payouts were not asked for within ${this.#latest} s`);
    return this.#judge(cast, unsettled, { ...kills, ...buyers.figures });
  }

  /** When the load ends at the latest, in seconds from its beginning. */
  get #latest(): number {
    const { seconds } = this.#options;
    return seconds + Math.max(seconds, extensionSecondsMax);
  }

  /** Everything at once, until the time is over and all is asked for; then every process ends. */
  async #load(cast: Cast, buyers: Buyers): Promise<void> {
    const { signal } = this.#over;
    const { seconds, orders, payouts } = this.#options;
    this.#fault = killing({ random: this.#random.fork('kills'), runs: this.#runs, signal });
    const beganAt = Date.now();
    const all = Promise.all([cast.work(signal), buyers.work(signal), this.#flush()]);
    const end = () => this.#over.abort();
    this.#options.signal?.addEventListener('abort', end, { once: true });
    if (this.#options.signal?.aborted === true) end();
    const ticker = setInterval(() => {
      const { started } = this.#runs.tallies.run;
      const passed = (Date.now() - beganAt) / 1000;
      const paid = buyers.figures['paid by buyers'];
      this.#tell(`${Math.round(passed)} s of ${seconds} s, ${started} runs, ${paid} orders paid`);
    }, 1000);
    const done = this.#untilDone(() => buyers.asked >= orders + payouts).finally(end);
    try {
      await Promise.all([all, done]); // a failure of any part ends the campaign at once
    } finally {
      end();
      clearInterval(ticker);
    }
    await this.#runs.settle();
  }

  /** Until the time is over, all is asked for and every control has erred: on a busy machine that takes longer. */
  async #untilDone(isAllAsked: () => boolean): Promise<void> {
    const { signal } = this.#over;
    const { seconds } = this.#options;
    await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined);
    const endAt = Date.now() + (this.#latest - seconds) * 1000;
    while (!signal.aborted && Date.now() < endAt && !(isAllAsked() && (await this.#haveAllErred()))) await sleep(500);
  }

  async #haveAllErred(): Promise<boolean> {
    const book = await this.#stage.controlGateway.book();
    for (const name of everyControl) {
      const session = await this.#stage.open(controlDatabase(name));
      if (!(await hasErred(session, book, name === 'calls-inside').finally(() => session.close()))) return false;
    }
    return true;
  }

  /** FLUSHALL, at least twice, at instants of its own. */
  async #flush(): Promise<void> {
    const random = this.#random.fork('flushes');
    const { signal } = this.#over;
    const { seconds } = this.#options;
    const redis = new Redis(this.#stage.redisUrl);
    const pauseMs = Math.min(60_000, (seconds * 1000) / 3);
    while (!signal.aborted) {
      await sleep(pauseMs * random.between(0.5, 1), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) break;
      this.#note('FLUSHALL');
      await redis.flushall();
      this.#flushes += 1;
    }
    redis.disconnect();
  }

  async #judge(cast: Cast, unsettled: readonly string[], figures: Record<string, number>): Promise<Verdict> {
    const { seed, seconds, signal } = this.#options;
    const interrupted = signal?.aborted === true;
    this.#metronome.stop();
    const findings = await checkPayments(this.#stage, cast.books, this.#metronome.stalls);
    const judged = await this.#judgeControls();
    const troubles =
      this.#runs.complained === 0
        ? []
        : [
            `${this.#runs.complained} times a process ended or spoke as it should not: ${this.#runs.complaints.join(' | ')}`,
          ];
    const failures = [...unsettled, ...troubles, ...findings.failures, ...(interrupted ? [] : uncaught(judged))];
    return {
      kind: 'payments',
      seed,
      seconds,
      passed: failures.length === 0 && !interrupted,
      interrupted,
      gaps: findings.gaps,
      repeats: findings.repeats,
      figures: {
        runs: this.#runs.tallies.run.started,
        'kills of runs': figures.kills ?? 0,
        'kills of shops and receivers': figures['kills of callers'] ?? 0,
        flushes: this.#flushes,
        ...Object.fromEntries(Object.entries(figures).filter(([name]) => !name.startsWith('kills'))),
        ...findings.figures,
      },
      codes: Object.fromEntries([...this.#runs.tallies.run.codes].sort(([a], [b]) => a - b)),
      controls: judged,
      failures,
      keptIn: null,
    };
  }

  async #judgeControls(): Promise<ControlVerdict[]> {
    const book = await this.#stage.controlGateway.book();
    const verdicts: ControlVerdict[] = [];
    for (const name of everyControl) {
      const session = await this.#stage.open(controlDatabase(name));
      const found = await judgeControl(session, book).finally(() => session.close());
      verdicts.push({ name, mistake: controls[name], evidence: 'wrong wallets', found });
    }
    return verdicts;
  }

  #tell(line: string): void {
    this.#options.progress?.(`campaign payments: ${line}`);
  }
}
