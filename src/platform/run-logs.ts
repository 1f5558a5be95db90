/**
 * A log for each run, in a file of its own: `<folder>/<day>/<run id>.log`, one JSON object a line.
 *
 * Promises: a line that was appended is in the file when the run is killed the next moment; what fails here (a full disk,
 * a folder that may not be written) fails no run, and is told once; an idle run appends nothing, so it makes no file.
 * Whole days that are older than the limit are removed by whoever begins a new one: one look at a few names a day.
 */
import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, programFolder } from './config.ts';
import { type Entry, jsonLine } from './log-line.ts';

const dayMs = 86_400_000;
const dayForm = /^\d{4}-\d\d-\d\d$/;
const ending = '.log';

/** The log of a run, where there is one. */
export interface RunLog {
  readonly runId: string;
  readonly file: string;
}

export class RunLogs {
  /** One for a process: what it has told of, it tells once. */
  static readonly #known = new WeakMap<Config, RunLogs>();

  readonly folder: string;
  readonly #keepMs: number;
  /** Of a folder that nobody has asked for, it is not told that it cannot be written. */
  readonly #isDefault: boolean;
  #toldOf: string | null = null;
  /** The run whose log cannot be written: of the next one it is tried again. */
  #brokenRun: string | null = null;
  #removal: Promise<void> = Promise.resolve();

  constructor(folder: string, keepMs: number, isDefault = false) {
    this.folder = folder;
    this.#keepMs = keepMs;
    this.#isDefault = isDefault;
  }

  /** @returns null where no logs of runs are wanted */
  static of(config: Config): RunLogs | null {
    const folder = config.get('TIDEMARK_RUN_LOGS');
    if (folder === 'none') return null;
    const keepMs = config.need('TIDEMARK_RUN_LOGS_KEEP');
    const known = RunLogs.#known.get(config);
    const logs = known ?? new RunLogs(folder ?? join(programFolder(), '.tidemark/runs'), keepMs, folder === undefined);
    RunLogs.#known.set(config, logs);
    return logs;
  }

  /** Appends a line to the log of its run. @returns what there is to warn of, once; null when all is well */
  append(runId: string, entry: Entry): string | null {
    if (runId === this.#brokenRun) return null;
    try {
      const file = this.#fileOf(runId);
      if (mkdirSync(join(file, '..'), { recursive: true }) !== undefined) this.#removal = this.#removeOld();
      appendFileSync(file, `${jsonLine(entry)}\n`);
      this.#toldOf = null;
      return null;
    } catch (error) {
      this.#brokenRun = runId;
      const { code, message } = error as NodeJS.ErrnoException;
      if (this.#isDefault || this.#toldOf === (code ?? message)) return null;
      this.#toldOf = code ?? message;
      return `the log of this run cannot be kept (TIDEMARK_RUN_LOGS): ${message}`;
    }
  }

  has(runId: string): boolean {
    return existsSync(this.#fileOf(runId));
  }

  /** The logs of the runs whose id begins so, the latest first. */
  async find(prefix: string): Promise<RunLog[]> {
    const days = (await this.#days()).sort().reverse();
    const found = await Promise.all(
      days.map(async (day) => {
        const names = await readdir(join(this.folder, day)).catch(() => []);
        return names
          .filter((name) => name.startsWith(prefix) && name.endsWith(ending))
          .map((name) => ({ runId: name.slice(0, -ending.length), file: join(this.folder, day, name) }));
      }),
    );
    return found.flat().sort((a, b) => (a.runId < b.runId ? 1 : -1));
  }

  /** Waits for what is being removed. */
  close(): Promise<void> {
    return this.#removal;
  }

  #fileOf(runId: string): string {
    return join(this.folder, dayOf(runId), `${runId}${ending}`);
  }

  async #days(): Promise<string[]> {
    return (await readdir(this.folder).catch(() => [])).filter((name) => dayForm.test(name));
  }

  async #removeOld(): Promise<void> {
    const oldest = new Date(Date.now() - this.#keepMs - dayMs).toISOString().slice(0, 10);
    const old = (await this.#days()).filter((day) => day < oldest);
    // Another process may be at it, too; what cannot be removed is tried again tomorrow.
    for (const day of old) await rm(join(this.folder, day), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** The day, in UTC, in which a run began: its id (a UUID of version 7) begins with the millisecond. */
function dayOf(runId: string): string {
  const began = /^([0-9a-f]{8})-([0-9a-f]{4})-7/.exec(runId);
  const at = began === null ? Date.now() : Number.parseInt(`${began[1]}${began[2]}`, 16);
  return new Date(at).toISOString().slice(0, 10);
}
