/**
 * Processes of a campaign: tidemark's, and the controls'. Faults see each as it starts; how it ended is judged here.
 *
 * A run that a fault has killed may say and leave what it likes. Every other must end with an exit code that the kind of
 * campaign allows, and say only what the kind knows.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Running {
  /** What people call it: `sync-commission-log`, `rollup-income --full`, `control now`. */
  readonly title: string;
  readonly child: ChildProcess;
  readonly startedAt: number;
  /** Whether its code and words count, and it is counted; a control may end as it likes. */
  readonly judged: boolean;
  /** Resolves when the process is gone, never rejects. */
  readonly ended: Promise<void>;
  /** A fault has killed it while it lived. */
  killed: boolean;
  isOver: boolean;
}

export interface Expectations {
  readonly codes: readonly number[];
  /** What a line may be; a run that has nothing to tell is silent. */
  readonly sayings: readonly RegExp[];
}

export interface Command {
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How long it is thought to take, until some have ended. */
  readonly usualMs: number;
}

const toldMax = 12;
/** Longer than a run waits for one answer: on a connection that is half open, the limit of a statement and a bit, 330 s. */
const lifeMsMax = 400_000;

export class Runs {
  readonly alive = new Set<Running>();
  readonly codes = new Map<number, number>();
  /** What should not have been, the first few. */
  readonly complaints: string[] = [];
  complained = 0;
  started = 0;
  killedAlive = 0;
  longestMs = 0;
  readonly #expect: Expectations;
  readonly #observe: (running: Running) => void;
  readonly #note: (line: string) => void;
  readonly #usualMs = new Map<string, number>();

  constructor(expect: Expectations, observe: (running: Running) => void, note: (line: string) => void) {
    this.#expect = expect;
    this.#observe = observe;
    this.#note = note;
  }

  /** How long such a process takes when nobody kills it. */
  usualMs({ title }: Running): number {
    return this.#usualMs.get(title) as number;
  }

  start({ title, program, args, env, usualMs }: Command, judged: boolean): Running {
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
        if (judged) this.#judge(running, code, said);
        resolve();
      });
    });
    const running: Running = { title, child, startedAt: Date.now(), judged, ended, killed: false, isOver: false };
    this.alive.add(running);
    if (judged) this.started += 1;
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

  #remember({ title, startedAt }: Running): void {
    const usual = this.#usualMs.get(title) as number;
    this.#usualMs.set(title, usual * 0.9 + (Date.now() - startedAt) * 0.1);
  }

  #judge({ title, killed, startedAt }: Running, code: number | null, said: string): void {
    if (killed) {
      if (code === null) this.killedAlive += 1;
      return;
    }
    this.longestMs = Math.max(this.longestMs, Date.now() - startedAt);
    this.codes.set(code ?? -1, (this.codes.get(code ?? -1) ?? 0) + 1);
    if (code === null || !this.#expect.codes.includes(code)) this.#complain(`${title} ended with ${code}: ${said}`);
    for (const line of said.split('\n')) {
      const known = line === '' || this.#expect.sayings.some((saying) => saying.test(line));
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
