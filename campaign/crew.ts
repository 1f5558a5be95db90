/** Who runs what: processes of tidemark over the same shards, over and over, and beside them the reruns that people start. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Zone } from '../src/engine/zone.ts';
import type { Random } from './random.ts';
import type { Runs } from './runs.ts';
import { hotShards } from './stage.ts';

const program = fileURLToPath(new URL('../bin/tidemark', import.meta.url));
const zone = new Zone('Asia/Shanghai');
const sync = 'sync-commission-log';
const rollup = 'rollup-income';

export class Crew {
  readonly #runs: Runs;
  readonly #random: Random;
  readonly #env: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  constructor(runs: Runs, random: Random, env: Readonly<Record<string, string>>, signal: AbortSignal) {
    this.#runs = runs;
    this.#random = random;
    this.#env = env;
    this.#signal = signal;
  }

  /** Runs until the signal is given; then waits for those that are under way. */
  async work(loops: number): Promise<void> {
    const names = Array.from({ length: loops }, (_, index) => `hot ${index}`);
    await Promise.all([
      ...names.map((name) => this.#loop(name, 100, (random) => this.#hot(random))),
      this.#loop('all', 1500, () => command(sync)),
      this.#loop('rollup', 800, () => command(rollup)),
      this.#loop('beside', 800, (random) => this.#beside(random)),
    ]);
  }

  async #loop(name: string, pauseMs: number, next: (random: Random) => string[][]): Promise<void> {
    const random = this.#random.fork(name);
    while (!this.#signal.aborted) {
      for (const args of next(random)) await this.run(args);
      await sleep(random.next() * pauseMs, undefined, { signal: this.#signal }).catch(() => undefined);
    }
  }

  #hot(random: Random): string[][] {
    const waiting = random.chance(0.2) ? ['--if-locked', 'wait'] : [];
    return command(sync, ...random.some(hotShards), '--concurrency', String(1 + random.below(3)), ...waiting);
  }

  /** What a person or a rare cron line would start. */
  #beside(random: Random): string[][] {
    const drawn = random.next();
    const waiting = ['--if-locked', 'wait'];
    const shards = random.some(hotShards);
    if (drawn < 0.3) return command(sync, ...shards, '--sweep', ...waiting);
    if (drawn < 0.6) return command(sync, ...shards, ...range(random, 1000), ...waiting);
    if (drawn < 0.7) return command(sync, ...shards, '--full', ...waiting);
    if (drawn < 0.8) return command(sync, ...shards, '--repair', ...waiting);
    if (drawn < 0.9) return command(rollup, ...range(random, 3_600_000), ...waiting);
    return command(rollup, '--full', ...waiting);
  }

  /** Runs tidemark once, and waits for it. Answers whether it ended by itself with 0. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = this.#env): Promise<boolean> {
    const running = this.#runs.start(
      { title: titleOf(args), program, args: ['run', ...args], env, usualMs: 400 },
      true,
    );
    await running.ended;
    return running.child.exitCode === 0;
  }
}

const command = (...args: string[]): string[][] => [args];

/** What is run under one title takes about as long. */
function titleOf(args: readonly string[]): string {
  const kind = args.find((word) => ['--sweep', '--from', '--full', '--repair'].includes(word));
  const shards = args.filter((word) => /^\d$/.test(word)).length;
  return [args[0], shards > 0 ? `${shards} shards` : '', kind ?? ''].join(' ').trim();
}

/** A stretch of yesterday and before, or of what has just been closed. */
function range(random: Random, unitMs: number): string[] {
  const end = Date.now() - (unitMs < 3_600_000 ? 60_000 : 7_200_000) - random.below(3_600_000);
  const start = end - random.below(20 * 3_600_000) - unitMs;
  const at = (ms: number) => zone.iso(Math.floor(ms / unitMs) * unitMs);
  return ['--from', at(start), '--to', at(end)];
}
