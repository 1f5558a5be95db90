/** Who runs what: processes of tidemark over the same shards, over and over, and beside them the reruns that people start. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Zone } from '../src/engine/zone.ts';
import { UnavailableError } from '../src/platform/errors.ts';
import type { Session } from '../src/platform/mysql.ts';
import { failureOf } from '../src/platform/mysql-errors.ts';
import { lowestCheckpoint } from './checker.ts';
import type { Random } from './random.ts';
import type { Runs } from './runs.ts';
import { hotShards, type Stage } from './stage.ts';

const program = fileURLToPath(new URL('../bin/tidemark', import.meta.url));
const zone = new Zone('Asia/Shanghai');
const sync = 'sync-commission-log';
const rollup = 'rollup-income';

/** What stands behind `tidemark run`; null: nothing this time. */
type Line = string[] | null;

export class Crew {
  readonly #runs: Runs;
  readonly #random: Random;
  readonly #stage: Stage;
  readonly #env: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  constructor(runs: Runs, random: Random, stage: Stage, env: Readonly<Record<string, string>>, signal: AbortSignal) {
    this.#runs = runs;
    this.#random = random;
    this.#stage = stage;
    this.#env = env;
    this.#signal = signal;
  }

  /** Runs until the signal is given; then waits for those that are under way. */
  async work(loops: number): Promise<void> {
    const names = Array.from({ length: loops }, (_, index) => `hot ${index}`);
    await Promise.all([
      ...names.map((name) => this.#loop(name, 100, (random) => this.#hot(random))),
      this.#loop('all', 1500, () => [sync]),
      this.#loop('rollup', 800, () => [rollup]),
      this.#loop('beside', 800, (random) => this.#beside(random)),
    ]);
  }

  async #loop(name: string, pauseMs: number, next: (random: Random) => Line | Promise<Line>): Promise<void> {
    const random = this.#random.fork(name);
    while (!this.#signal.aborted) {
      const args = await next(random);
      if (args !== null) await this.run(args);
      await sleep(random.next() * pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  #hot(random: Random): Line {
    const waiting = random.chance(0.2) ? ['--if-locked', 'wait'] : [];
    return [sync, ...random.some(hotShards), '--concurrency', String(1 + random.below(3)), ...waiting];
  }

  /** What a person or a rare cron line would start. */
  async #beside(random: Random): Promise<Line> {
    const drawn = random.next();
    const waiting = ['--if-locked', 'wait'];
    const shards = random.some(hotShards);
    if (drawn < 0.3) return [sync, ...shards, '--sweep', ...waiting];
    if (drawn < 0.6) return this.#range(random, 1000, sync, shards);
    if (drawn < 0.7) return [sync, ...shards, '--full', ...waiting];
    if (drawn < 0.8) return [sync, ...shards, '--repair', ...waiting];
    if (drawn < 0.9) return this.#range(random, 3_600_000, rollup, []);
    return [rollup, '--full', ...waiting];
  }

  /** A stretch of yesterday and before, or up to where the checkpoints are: nothing beyond them can be run again. */
  async #range(random: Random, unitMs: number, job: string, shards: readonly string[]): Promise<Line> {
    const [back, length] = [random.chance(0.3) ? 0 : random.below(3_600_000), random.below(20 * 3_600_000)];
    const lowest = await this.#lowestCheckpoint(job, shards);
    if (lowest === null) return null;
    const at = (ms: number) => zone.iso(Math.floor(ms / unitMs) * unitMs);
    const end = lowest - back;
    return [job, ...shards, '--from', at(end - length - unitMs), '--to', at(end), '--if-locked', 'wait'];
  }

  /** Null while the database is away. */
  async #lowestCheckpoint(job: string, shards: readonly string[]): Promise<number | null> {
    let session: Session | undefined;
    try {
      session = await this.#stage.open('main');
      return zone.fromText(await lowestCheckpoint(session, job, shards.length === 0 ? [''] : shards));
    } catch (error) {
      if (failureOf(error) === 'connection' || error instanceof UnavailableError) return null;
      throw error;
    } finally {
      await session?.close();
    }
  }

  /** Runs tidemark once, and waits for it. Answers whether it ended by itself with 0. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = this.#env): Promise<boolean> {
    const title = titleOf(args);
    const running = this.#runs.start({ party: 'run', title, program, args: ['run', ...args], env, usualMs: 400 });
    await running.ended;
    return running.child.exitCode === 0;
  }
}

/** What is run under one title takes about as long. */
function titleOf(args: readonly string[]): string {
  const kind = args.find((word) => ['--sweep', '--from', '--full', '--repair'].includes(word));
  const shards = args.filter((word) => /^\d$/.test(word)).length;
  return [args[0], shards > 0 ? `${shards} shards` : '', kind ?? ''].join(' ').trim();
}
