/**
 * A campaign: writers, runs and a fault together for some time, then peace until all is applied, then the checker.
 *
 * It passes when nothing is missing, doubled, left over or said that should not be, and every control was caught: a
 * campaign that lets what is known to be wrong go by proves nothing.
 */
import { setMaxListeners } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { check } from './checker.ts';
import { Rounds } from './closing/rounds.ts';
import { ControlCrew } from './control-crew.ts';
import { Crew } from './crew.ts';
import { countNaming, judgeDeadlocks, readDeadlocks } from './deadlocks.ts';
import type { Fault, Kind, Scene } from './fault.ts';
import { Callers } from './ledger/callers.ts';
import { checkLedger } from './ledger/checker.ts';
import { Random } from './random.ts';
import { Runs } from './runs.ts';
import { settle } from './settling.ts';
import { hotShards, Stage, sharedAccounts, sharedRows } from './stage.ts';
import { figuresOf, troublesOf, uncaught, type Verdict } from './verdict.ts';
import { type WriterReport, write } from './writers.ts';

export interface CampaignOptions {
  readonly kind: Kind;
  readonly seed: number;
  readonly seconds: number;
  /** Ends the load early; the verdict follows. */
  readonly signal?: AbortSignal;
  /** Is told about once a second how far things are. */
  readonly progress?: (line: string) => void;
}

const extensionMsMax = 60_000;

/** As many calls as leave the runs their share of two cores; starting a process is most of what they cost. */
const callersAtWork = { processes: 8, lanes: 2, pauseMs: 400, lifeMs: 10_000 };

export async function runCampaign(options: CampaignOptions): Promise<Verdict> {
  const stage = await Stage.raise();
  const log = createWriteStream(join(stage.servers.main.folder, 'campaign.log'));
  const note = (line: string) => log.write(`${new Date().toISOString()} ${line}\n`);
  try {
    const campaign = new Campaign(options, stage, note);
    const verdict = await campaign.run();
    log.end();
    if (verdict.failures.length === 0) return verdict;
    return { ...verdict, keptIn: await stage.keep(`tidemark-campaign-${options.kind.name}-${options.seed}`) };
  } finally {
    await stage.strike();
  }
}

/** How long things are held. A short campaign has short holds, and a shorter lag for the control that goes by one. */
function scaleOf(seconds: number) {
  const lagSeconds = seconds < 60 ? 2 : 10;
  return { lagSeconds, holdMsMax: seconds < 60 ? 3000 : 5000, longHoldMs: (lagSeconds + 2) * 1000 };
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #stage: Stage;
  readonly #note: (line: string) => void;
  readonly #random: Random;
  readonly #runs: Runs;
  readonly #rounds: Rounds;
  /** Given when the load is over: faults, writers and loops end. */
  readonly #over = new AbortController();
  #fault: Fault | null = null;
  #faultFigures: Readonly<Record<string, number>> = {};
  readonly #startedAt = Date.now();

  constructor(options: CampaignOptions, stage: Stage, note: (line: string) => void) {
    this.#options = options;
    this.#stage = stage;
    this.#note = note;
    this.#random = new Random(options.seed);
    setMaxListeners(0, this.#over.signal); // each pause of each writer is one
    this.#runs = new Runs(options.kind, (running) => this.#fault?.meet?.(running), note);
    const { stallTimeoutMs } = options.kind;
    this.#rounds = new Rounds({ runs: this.#runs, random: this.#random.fork('rounds'), stage, stallTimeoutMs });
  }

  async run(): Promise<Verdict> {
    const { kind, seconds } = this.#options;
    const { lagSeconds } = scaleOf(seconds);
    const controls = await ControlCrew.make(kind.controls, this.#runs, this.#stage, lagSeconds);
    const calm = this.#crew('calm');
    await this.#firstRuns(calm);
    const callers = await this.#hireCallers();
    const report = await this.#load(controls, callers);
    this.#tell('waiting until all is applied');
    const callersPeace = callers.settle(this.#stage.url('caller', 'ledger'));
    const peace = [controls.settle(), callersPeace, this.#rounds.settle()];
    const [unsettled] = await Promise.all([settle(calm, this.#stage), ...peace]);
    return this.#judge(report, controls, callers, unsettled);
  }

  async #judge(
    report: WriterReport,
    controls: ControlCrew,
    callers: Callers,
    unsettled: readonly string[],
  ): Promise<Verdict> {
    const { kind, seed, seconds } = this.#options;
    const [source, main] = [await this.#stage.open('source'), await this.#stage.open('main')];
    const ledger = await this.#stage.open('main', 'ledger');
    try {
      for (const database of ['plus', 'campaign'] as const) await this.#stage.bringOver(database, main);
      const findings = await check(main, source);
      const judged = await controls.judge(main);
      const deadlocks = await this.#judgeDeadlocks(report);
      const books = await checkLedger(ledger, callers.books, kind.unknownAnswers);
      const failures = [
        ...unsettled,
        ...troublesOf(this.#runs, report),
        ...(this.#isInterrupted ? [] : uncaught(judged)),
        ...deadlocks.failures,
        ...findings.failures,
        ...books.failures,
        ...this.#rounds.failures,
      ];
      return {
        kind: kind.name,
        seed,
        seconds,
        passed: failures.length === 0 && !this.#isInterrupted,
        interrupted: this.#isInterrupted,
        gaps: findings.gaps,
        repeats: findings.repeats,
        figures: {
          ...figuresOf(this.#runs, this.#faultFigures, report),
          ...findings.figures,
          ...deadlocks.figures,
          ...books.figures,
          ...this.#rounds.figures,
        },
        codes: Object.fromEntries([...this.#runs.tallies.run.codes].sort(([a], [b]) => a - b)),
        controls: judged,
        failures,
        keptIn: null,
      };
    } finally {
      await Promise.all([source, main, ledger].map((session) => session.close()));
    }
  }

  async #judgeDeadlocks({ deadlocks }: WriterReport) {
    const { source, main } = this.#stage.servers;
    const { amongWriters, failures } = judgeDeadlocks(await readDeadlocks(source.mariadbLog), deadlocks);
    const inMain = await readDeadlocks(main.mariadbLog);
    const figures = {
      'deadlocks among writers alone': amongWriters,
      'deadlocks in the target': countNaming(inMain, 'runner'),
      'deadlocks in the ledger, tried again': countNaming(inMain, 'caller'),
    };
    return { figures, failures };
  }

  get #isInterrupted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #crew(name: string, ports?: Fault['ports']): Crew {
    return new Crew(this.#runs, this.#random.fork(name), this.#stage, this.#settings(ports), this.#over.signal);
  }

  #settings(ports?: Fault['ports']): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      SOURCE_DATABASE_URL: this.#stage.url('runner', 'plus', ports?.source),
      MAIN_DATABASE_URL: this.#stage.url('runner', 'mia', ports?.main),
      REDIS_URL: this.#stage.redisUrl(ports?.redis),
      TIDEMARK_TIMEZONE: 'Asia/Shanghai',
      TIDEMARK_STALL_TIMEOUT: `${this.#options.kind.stallTimeoutMs}ms`,
      TIDEMARK_WINDOW_ROWS: '200',
    };
  }

  #hireCallers(): Promise<Callers> {
    return Callers.make({
      runs: this.#runs,
      seed: this.#options.seed,
      folder: this.#stage.servers.main.folder,
      accounts: { count: sharedAccounts, hotShare: 0.2 },
      ...callersAtWork,
      stallTimeoutMs: this.#options.kind.stallTimeoutMs,
    });
  }

  /** Reruns need a checkpoint, and Redis must not know one that the database has not. */
  async #firstRuns(calm: Crew): Promise<void> {
    for (const job of ['sync-commission-log', 'rollup-income'])
      if (!(await calm.run([job]))) throw new Error(`the first run failed: ${this.#runs.complaints.join('\n')}`);
  }

  /** Everything at once, until the time is over; then the faults end, and every process and transaction. */
  async #load(controls: ControlCrew, callers: Callers): Promise<WriterReport> {
    const over = this.#over.signal;
    const fault = await this.#options.kind.begin(this.#scene());
    this.#fault = fault;
    const crew = this.#crew('crew', fault.ports);
    const writers = this.#write();
    const all = Promise.all([
      crew.work(this.#options.kind.loops),
      controls.work(fault.ports, over),
      callers.work(this.#stage.url('caller', 'ledger', fault.ports?.main), over),
      this.#rounds.work(fault.ports, over),
      fault.wreak?.(),
    ]);
    const timer = setTimeout(() => this.#endWhenShown(controls), this.#options.seconds * 1000);
    this.#options.signal?.addEventListener('abort', () => this.#over.abort());
    const ticker = setInterval(() => this.#tick(Date.now()), 1000);
    try {
      const ended = over.aborted
        ? Promise.resolve()
        : new Promise((resolve) => over.addEventListener('abort', resolve));
      // A failure of any part ends the campaign at once.
      await Promise.race([ended, all, writers]);
    } finally {
      this.#over.abort();
      clearTimeout(timer);
      clearInterval(ticker);
    }
    await fault.end();
    await all;
    await this.#runs.settle();
    this.#faultFigures = fault.figures();
    this.#fault = null;
    return writers;
  }

  #scene(): Scene {
    const { signal } = this.#over;
    return {
      stage: this.#stage,
      random: this.#random.fork('fault'),
      runs: this.#runs,
      signal,
      note: this.#note,
      pause: (ms) => sleep(ms, undefined, { signal }).catch(() => undefined),
    };
  }

  #write(): Promise<WriterReport> {
    const { longHoldMs, holdMsMax } = scaleOf(this.#options.seconds);
    return write(
      {
        url: this.#stage.url('writer', 'plus'),
        random: this.#random.fork('writers'),
        shards: hotShards,
        sharedRows,
        writers: 22,
        holdMsMax,
        longHoldMs,
        tableLockMsMax: holdMsMax / 2,
      },
      this.#over.signal,
    );
  }

  /** Ends the load as soon as the controls are caught, on a busy machine a little later than asked for. */
  async #endWhenShown(controls: ControlCrew): Promise<void> {
    const endAt = Date.now() + extensionMsMax;
    while (!this.#over.signal.aborted && Date.now() < endAt && !(await controls.allShown())) await sleep(500);
    this.#over.abort();
  }

  #tick(now: number): void {
    const { headline } = this.#options.kind;
    const done = Math.round((now - this.#startedAt) / 1000);
    const count = this.#fault?.figures()[headline] ?? 0;
    this.#tell(`${done} s of ${this.#options.seconds} s, ${this.#runs.tallies.run.started} runs, ${count} ${headline}`);
  }

  #tell(line: string): void {
    this.#options.progress?.(`campaign ${this.#options.kind.name}: ${line}`);
  }
}
