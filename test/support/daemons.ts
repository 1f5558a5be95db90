/** Daemons that tests start, question and kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Health } from '../../src/schedule/health.ts';

const program = fileURLToPath(new URL('quick-daemon.ts', import.meta.url));

export interface DaemonLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export class Daemon {
  readonly port: number;
  readonly ended: Promise<number | NodeJS.Signals | null>;
  readonly #child: ChildProcess;
  #said = '';

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
  }

  /** With schedules of seconds. */
  static async start(settings: Readonly<Record<string, string>>): Promise<Daemon> {
    const port = await freePort();
    const env = {
      PATH: process.env.PATH ?? '',
      TIDEMARK_DAEMON_PORT: String(port),
      TIDEMARK_RUN_LOGS: 'none',
      ...settings,
    };
    const child = spawn(process.execPath, ['--import', 'tsx', program, 'daemon'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return new Daemon(child, port);
  }

  /** What it has logged. Anything that is no line of the log fails the test. */
  get lines(): DaemonLine[] {
    return this.#said
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as DaemonLine);
  }

  get said(): string {
    return this.#said;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Whoever read its log is gone. */
  deafen(): void {
    this.#child.stderr?.destroy();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Null while it cannot be reached. */
  async health(): Promise<{ status: number; body: Health } | null> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.port}/healthz`);
      return { status: response.status, body: (await response.json()) as Health };
    } catch {
      return null;
    }
  }

  /** Waits until something holds. */
  async until(what: string, holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
    for (const endAt = Date.now() + ms; Date.now() < endAt && this.#child.exitCode === null; await sleep(100))
      if (await holds()) return;
    throw new Error(`${what}: not within ${ms / 1000} s\n${this.#said.slice(-5000)}`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
