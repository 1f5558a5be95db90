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
import { check, type Findings } from './checker.ts';
import { ControlCrew, type ControlVerdict } from './control-crew.ts';
import { Crew } from './crew.ts';
import { judgeDeadlocks, readDeadlocks } from './deadlocks.ts';
import type { Fault, Kind, Scene } from './fault.ts';
import { Random } from './random.ts';
import { Runs } from './runs.ts';
import { settle } from './settling.ts';
import { hotShards, Stage, sharedRows } from './stage.ts';
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

export interface Verdict {
  readonly kind: string;
  readonly seed: number;
  readonly seconds: number;
  readonly passed: boolean;
  /** Somebody ended the load early: nothing is proven, though nothing may have been found. */
  readonly interrupted: boolean;
  readonly gaps: number;
  readonly repeats: number;
  readonly figures: Readonly<Record<string, number>>;
  /** How often undisturbed runs ended with which code. */
  readonly codes: Readonly<Record<string, number>>;
  readonly controls: readonly ControlVerdict[];
  readonly failures: readonly string[];
  /** Where the servers' data and the log of the campaign are, after a failure. */
  readonly keptIn: string | null;
}

const extensionMsMax = 60_000;

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
  }

  async run(): Promise<Verdict> {
    const { kind, seconds } = this.#options;
    const { lagSeconds } = scaleOf(seconds);
    const controls = await ControlCrew.make(kind.controls, this.#runs, this.#stage, lagSeconds);
    const calm = this.#crew('calm');
    await this.#firstRuns(calm);
    const report = await this.#load(controls);
    this.#tell('waiting until all is applied');
    const settled = await Promise.all([settle(calm, this.#stage), controls.settle()]);
    return this.#judge(report, controls, settled[0]);
  }

  async #judge(report: WriterReport, controls: ControlCrew, unsettled: readonly string[]): Promise<Verdict> {
    const { kind, seed, seconds } = this.#options;
    const [source, main] = [await this.#stage.open('source'), await this.#stage.open('main')];
    try {
      for (const database of ['plus', 'campaign'] as const) await this.#stage.bringOver(database, main);
      const findings = await check(main, source);
      const judged = await controls.judge(main);
      const deadlocks = await this.#judgeDeadlocks(report);
      const failures = [...unsettled, ...this.#failures(report, judged), ...deadlocks.failures, ...findings.failures];
      return {
        kind: kind.name,
        seed,
        seconds,
        passed: failures.length === 0 && !this.#isInterrupted,
        interrupted: this.#isInterrupted,
        gaps: findings.gaps,
        repeats: findings.repeats,
        figures: { ...this.#figures(report, findings), ...deadlocks.figures },
        codes: Object.fromEntries([...this.#runs.codes].sort(([a], [b]) => a - b)),
        controls: judged,
        failures,
        keptIn: null,
      };
    } finally {
      await Promise.all([source.close(), main.close()]);
    }
  }

  async #judgeDeadlocks({ deadlocks }: WriterReport) {
    const { source, main } = this.#stage.servers;
    const { amongWriters, failures } = judgeDeadlocks(await readDeadlocks(source.mariadbLog), deadlocks);
    const figures = {
      'deadlocks among writers alone': amongWriters,
      'deadlocks in the target': (await readDeadlocks(main.mariadbLog)).length,
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
      TIDEMARK_STALL_TIMEOUT: this.#options.kind.stallTimeout,
      TIDEMARK_WINDOW_ROWS: '200',
    };
  }

  /** Reruns need a checkpoint, and Redis must not know one that the database has not. */
  async #firstRuns(calm: Crew): Promise<void> {
    for (const job of ['sync-commission-log', 'rollup-income'])
      if (!(await calm.run([job]))) throw new Error(`the first run failed: ${this.#runs.complaints.join('\n')}`);
  }

  /** Everything at once, until the time is over; then the faults end, and every process and transaction. */
  async #load(controls: ControlCrew): Promise<WriterReport> {
    const over = this.#over.signal;
    const fault = await this.#options.kind.begin(this.#scene());
    this.#fault = fault;
    const crew = this.#crew('crew', fault.ports);
    const writers = this.#write();
    const all = Promise.all([crew.work(this.#options.kind.loops), controls.work(fault.ports, over), fault.wreak?.()]);
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
    this.#tell(`${done} s of ${this.#options.seconds} s, ${this.#runs.started} runs, ${count} ${headline}`);
  }

  #tell(line: string): void {
    this.#options.progress?.(`campaign ${this.#options.kind.name}: ${line}`);
  }

  #failures(report: WriterReport, controls: readonly ControlVerdict[]): string[] {
    const failures: string[] = [];
    if (this.#runs.complained > 0)
      failures.push(
        `${this.#runs.complained} times a run ended or spoke as it should not: ${this.#runs.complaints.join(' | ')}`,
      );
    for (const [code, count] of report.errors) failures.push(`${count} errors ${code} of writers`);
    // Who stops a campaign early has not given it the time.
    for (const { name, mistake, found, evidence } of controls)
      if (found === 0 && !this.#isInterrupted)
        failures.push(`the control ${name} (${mistake}) was not caught: no ${evidence} found`);
    return failures;
  }

  #figures(report: WriterReport, findings: Findings): Record<string, number> {
    const { errors: _, transactions, rolledBack, statements, moves, tableLocks, connectionsLost } = report;
    return {
      runs: this.#runs.started,
      'seconds of the longest run': Math.round(this.#runs.longestMs / 1000),
      ...this.#faultFigures,
      transactions,
      'rolled back': rolledBack,
      'single statements': statements,
      'rows moved between shards': moves,
      'table locks': tableLocks,
      'connections that writers lost': connectionsLost,
      ...findings.figures,
    };
  }
}
