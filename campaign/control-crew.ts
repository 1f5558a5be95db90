/** The controls of a campaign: made into a program of their own, run under the same faults, and judged by the checker. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { UnavailableError } from '../src/platform/errors.ts';
import type { Session } from '../src/platform/mysql.ts';
import { failureOf } from '../src/platform/mysql-errors.ts';
import { judgeControl, notePosition, seenInControl } from './checker.ts';
import { type ControlFacts, type ControlName, controls } from './controls/list.ts';
import type { Fault } from './fault.ts';
import { judgeLedgerControl } from './ledger/checker.ts';
import type { Command, Runs } from './runs.ts';
import { controlDatabase, hotShards, type Stage } from './stage.ts';

export interface ControlVerdict {
  readonly name: string;
  readonly mistake: string;
  /** What the checker finds of it. */
  readonly evidence: string;
  /** How often the mistake has shown; 0: it was not caught, and the campaign proves nothing. */
  readonly found: number;
}

/** How long one process of a control goes on. */
const lifeMs = 3000;

export class ControlCrew {
  readonly #names: readonly ControlName[];
  readonly #runs: Runs;
  readonly #stage: Stage;
  readonly #lagSeconds: number;
  readonly #program: string;
  readonly #shown = new Map<ControlName, number>();
  #ports: Fault['ports'];

  private constructor(names: readonly ControlName[], runs: Runs, stage: Stage, lagSeconds: number) {
    this.#names = names;
    this.#runs = runs;
    this.#stage = stage;
    this.#lagSeconds = lagSeconds;
    this.#program = join(stage.servers.main.folder, 'control.cjs');
  }

  static async make(names: readonly ControlName[], runs: Runs, stage: Stage, lagSeconds: number): Promise<ControlCrew> {
    const crew = new ControlCrew(names, runs, stage, lagSeconds);
    await build({
      entryPoints: [fileURLToPath(new URL('controls/main.ts', import.meta.url))],
      outfile: crew.#program,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      logLevel: 'warning',
    });
    return crew;
  }

  #command(name: ControlName, ms: number): Command {
    const ports = this.#ports;
    const env = {
      PATH: process.env.PATH ?? '',
      CONTROL_SOURCE: this.#stage.url('control', 'plus', ports?.source),
      CONTROL_TARGET: this.#stage.url('control', controlDatabase(name), ports?.main),
      CONTROL_REDIS: this.#stage.redisUrl(ports?.redis),
      CONTROL_SHARDS: hotShards.join(','),
      CONTROL_LAG: String(this.#lagSeconds),
      CONTROL_MS: String(ms),
    };
    const args = [this.#program, name];
    return { party: 'control', title: `control ${name}`, program: process.execPath, args, env, usualMs: lifeMs };
  }

  /** Runs until the signal is given. */
  async work(ports: Fault['ports'], signal: AbortSignal): Promise<void> {
    this.#ports = ports;
    const loops = this.#names.flatMap((name) => Array.from({ length: controls[name].processes }, () => name));
    await Promise.all(
      loops.map(async (name) => {
        while (!signal.aborted) {
          await this.#runs.start(this.#command(name, lifeMs)).ended;
          await sleep(50);
        }
      }),
    );
  }

  /** A last pass of each, in peace, that takes in all that it ever will. */
  async settle(): Promise<void> {
    this.#ports = undefined;
    await sleep((this.#lagSeconds + 2) * 1000);
    await Promise.all(this.#names.map((name) => this.#runs.start(this.#command(name, 0)).ended));
  }

  /** Whether every mistake has shown by now: on a busy machine that may take longer than the campaign was to last. */
  async allShown(): Promise<boolean> {
    let session: Session | undefined;
    try {
      session = await this.#stage.open('main');
      for (const name of this.#names)
        if (controls[name].tables === 'commission') await notePosition(session, controlDatabase(name));
      await this.#stage.bringOver('plus', session);
      for (const name of this.#names) {
        const found = await this.#find(name, session, true);
        this.#shown.set(name, Math.max(found, this.#shown.get(name) ?? 0));
      }
      return this.#names.every((name) => (this.#shown.get(name) ?? 0) > 0);
    } catch (error) {
      if (failureOf(error) !== 'connection' && !(error instanceof UnavailableError)) throw error;
      return false; // the fault has hit us, too
    } finally {
      await session?.close();
    }
  }

  async judge(session: Session): Promise<ControlVerdict[]> {
    const verdicts: ControlVerdict[] = [];
    for (const name of this.#names) {
      const { evidence, mistake } = controls[name];
      const left = await this.#find(name, session, false);
      verdicts.push({ name, mistake, evidence, found: Math.max(left, this.#shown.get(name) ?? 0) });
    }
    return verdicts;
  }

  /** @param isUnderWay what the control is about to put right, or may be, does not count */
  async #find(name: ControlName, session: Session, isUnderWay: boolean): Promise<number> {
    const facts: ControlFacts = controls[name];
    const database = controlDatabase(name);
    if (facts.tables === 'commission')
      return (isUnderWay ? seenInControl : judgeControl)(session, database, facts.evidence);
    const ledger = await this.#stage.open('main', database);
    const found = await judgeLedgerControl(ledger, facts.evidence).finally(() => ledger.close());
    return isUnderWay && facts.evidence === 'wrong balances' ? Math.max(0, found - 1) : found;
  }
}
