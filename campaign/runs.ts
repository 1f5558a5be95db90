/**
 * Processes of a campaign: tidemark's, the ledger's callers, the controls. Faults see each as it starts; how it ended is
 * judged here.
 *
 * A process that a fault has killed may say and leave what it likes. Every other run of tidemark must end with an exit
 * code that the kind of campaign allows, and say only what the kind knows; a caller ends with 0, and is silent.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** Whose process it is. `run` and `closing` are tidemark's, the latter closing months and days. A control may end as it likes. */
export type Party = 'run' | 'caller' | 'closing' | 'control';

export interface Running {
  /** What people call it: `sync-commission-log`, `rollup-income --full`, `control now`. */
  readonly title: string;
  readonly child: ChildProcess;
  readonly party: Party;
  readonly startedAt: number;
  /** Resolves when the process is gone, never rejects. */
  readonly ended: Promise<void>;
  /** A fault has killed it while it lived. */
  killed: boolean;
  /** It was asked to end, maybe before it could listen. */
  isTold: boolean;
  isOver: boolean;
}

export interface Expectations {
  readonly codes: readonly number[];
  /** What a line may be; a run that has nothing to tell is silent. */
  readonly sayings: readonly RegExp[];
  /** A code that is right only together with these words. */
  readonly excused?: { readonly code: number; readonly saying: RegExp };
}

export interface Command {
  readonly party: Party;
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How long it is thought to take, until some have ended. */
  readonly usualMs: number;
}

const ofCaller: Expectations = { codes: [0], sayings: [] };

const dryRunOutOfDate = /^tidemark: settle-month: a run moved the checkpoint while this dry run was adding up/m;

/** In every ledger that is closed something waits for a person: it was planted. A dry run tells its sums, or why not. */
const ofClosing = ({ codes, sayings }: Expectations): Expectations => ({
  codes: [...codes, 65],
  excused: { code: 1, saying: dryRunOutOfDate },
  sayings: [
    ...sayings,
    /^tidemark: reconcile-day \w+: \d+ differences? (is|are) open:/,
    /^tidemark: settle-month: .*\d+ rows? waits? as (a )?dead letters?/,
    /^(SHARD +TOTAL|- +(income|adjustment|tax|credited|carried)) /,
    dryRunOutOfDate,
  ],
});

/** How many there were of a party, and how they ended. */
class Tally {
  started = 0;
  /** Killed by a fault while they lived. */
  killed = 0;
  longestMs = 0;
  /** How often those that nobody killed ended with which code. */
  readonly codes = new Map<number, number>();
}

const toldMax = 12;
/** Longer than a run waits for one answer: on a connection that is half open, the limit of a statement and a bit, 330 s. */
const lifeMsMax = 400_000;

export class Runs {
  readonly alive = new Set<Running>();
  readonly tallies: Readonly<Record<Party, Tally>> = {
    run: new Tally(),
    caller: new Tally(),
    closing: new Tally(),
    control: new Tally(),
  };
  /** What should not have been, the first few. */
  readonly complaints: string[] = [];
  complained = 0;
  readonly #expect: Readonly<Record<Party, Expectations | null>>;
  readonly #observe: (running: Running) => void;
  readonly #note: (line: string) => void;
  readonly #usualMs = new Map<string, number>();

  /** @param ofRun what runs of tidemark may do and say */
  constructor(ofRun: Expectations, observe: (running: Running) => void, note: (line: string) => void) {
    this.#expect = { run: ofRun, caller: ofCaller, closing: ofClosing(ofRun), control: null };
    this.#observe = observe;
    this.#note = note;
  }

  /** How long such a process takes when nobody kills it. */
  usualMs({ title }: Running): number {
    return this.#usualMs.get(title) as number;
  }

  start({ party, title, program, args, env, usualMs }: Command): Running {
    if (!this.#usualMs.has(title)) this.#usualMs.set(title, usualMs);
    const child = spawn(program, [...args], { cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        if (said.length < 100_000) said += text;
      });
    const guard = setTimeout(() => {
      this.#complain(`${title} ${args.join(' ')} did not end within ${lifeMsMax / 1000} s`);
      child.kill('SIGKILL');
    }, lifeMsMax);
    const ended = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        this.#complain(`${title}: ${error.message}`);
        resolve();
      });
      child.once('close', (code, signal) => {
        clearTimeout(guard);
        running.isOver = true;
        this.alive.delete(running);
        this.#note(`pid ${child.pid} ${title} ended ${code ?? signal}${said === '' ? '' : ` ${JSON.stringify(said)}`}`);
        if (!running.killed) this.#remember(running);
        this.#judge(running, code, said);
        resolve();
      });
    });
    const started = { startedAt: Date.now(), killed: false, isTold: false, isOver: false };
    const running: Running = { party, title, child, ended, ...started };
    this.alive.add(running);
    this.tallies[party].started += 1;
    this.#note(`pid ${child.pid} ${title} started ${args.join(' ')}`);
    this.#observe(running);
    return running;
  }

  /** SIGKILL, unless it has ended by itself. Answers whether it still lived. */
  kill(running: Running): boolean {
    if (running.isOver || running.child.exitCode !== null || running.child.signalCode !== null) return false;
    running.killed = true;
    this.#note(`pid ${running.child.pid} ${running.title} killed`);
    return running.child.kill('SIGKILL');
  }

  /** SIGTERM. */
  end(running: Running): void {
    running.isTold = true;
    running.child.kill('SIGTERM');
  }

  #remember({ title, startedAt }: Running): void {
    const usual = this.#usualMs.get(title) as number;
    this.#usualMs.set(title, usual * 0.9 + (Date.now() - startedAt) * 0.1);
  }

  #judge({ party, title, killed, isTold, startedAt }: Running, code: number | null, said: string): void {
    const tally = this.tallies[party];
    const expect = this.#expect[party];
    if (killed && code === null) tally.killed += 1;
    if (killed || (isTold && code === null)) return;
    tally.longestMs = Math.max(tally.longestMs, Date.now() - startedAt);
    tally.codes.set(code ?? -1, (tally.codes.get(code ?? -1) ?? 0) + 1);
    if (expect === null) return;
    const isExcused = expect.excused !== undefined && expect.excused.code === code && expect.excused.saying.test(said);
    if (code === null || !(expect.codes.includes(code) || isExcused))
      this.#complain(`${title} ended with ${code}: ${said}`);
    for (const line of said.split('\n')) {
      const known = line === '' || expect.sayings.some((saying) => saying.test(line));
      if (!known) this.#complain(`${title} said: ${line}`);
    }
  }

  #complain(text: string): void {
    this.complained += 1;
    if (this.complaints.length < toldMax) this.complaints.push(text.trim());
  }

  /** Waits until every process has ended. */
  async settle(): Promise<void> {
    while (this.alive.size > 0) await Promise.all([...this.alive].map(({ ended }) => ended));
  }
}
