/**
 * What the daemon does when something is due: a run of a job in this process, or a chore in one of its own.
 *
 * Of runs besides the plain ones (a sweep, a repair, everything) one is enough however many daemons there are: each looks
 * into the history first, and waits while another is at it.
 */
import { setMaxListeners } from 'node:events';
import { Command } from 'commander';
import { type Halt, systemClock } from '../engine/clock.ts';
import type { Job } from '../engine/job.ts';
import { acquireLock, lockName } from '../engine/lock.ts';
import type { JobResult } from '../engine/run.ts';
import { lastFulfilled } from '../engine/runs.ts';
import type { Instant } from '../engine/zone.ts';
import { exitCodes } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Session } from '../platform/mysql.ts';
import { shardsOf } from '../schedule/catch-up.ts';
import type { Became } from '../schedule/scheduler.ts';
import { argumentsOf, nameOf, type Start } from '../schedule/timetable.ts';
import { type App, openCopies, type Surroundings, withSession } from './app.ts';
import { runChore } from './chore-process.ts';
import { engineSetting } from './engine-setting.ts';
import { withLimit } from './halt.ts';
import { oneRun, type RunObserver, type WantedRun } from './one-run.ts';
import { withRunOptions } from './options.ts';
import { exitCodeOf, sentenceOf } from './output.ts';
import { type RunOptions, timeLimit, wantedRun } from './run.ts';

interface WorkshopSetting {
  readonly app: App;
  readonly surroundings: Surroundings;
  readonly halt: Halt;
  readonly log: Log;
  /** What runs tell by themselves. */
  readonly ofRuns: Log;
  readonly observers: readonly RunObserver[];
}

/** How often it is looked whether another is done. */
const lookMs = 2000;
/** A command that is told to end takes 8 s at most, as it should (halt.ts). */
const choreGraceMs = 10_000;
/** How long one waits for others when the options say nothing. */
const waitMs = 600_000;

export class Workshop {
  readonly #setting: WorkshopSetting;

  constructor(setting: WorkshopSetting) {
    this.#setting = setting;
  }

  /** Never throws for what a run tells by itself. */
  async work(start: Start, due: Instant): Promise<Became> {
    try {
      const code = start.entry.job === null ? await this.#chore(start) : await this.#job(start, due);
      return code === exitCodes.unavailable ? 'owed' : 'done';
    } catch (error) {
      this.#setting.log.error(`${nameOf(start)}: ${sentenceOf(error)}`);
      return exitCodeOf(error) === exitCodes.unavailable ? 'owed' : 'done';
    }
  }

  /** @returns the exit code of the last run */
  async #job(start: Start, due: Instant): Promise<number> {
    const { job, kind, options: words } = start.entry;
    if (job === null) throw new Error('a chore is no job');
    const options = readOptions(words);
    const runs = (shards: readonly string[]) => this.#runs(start, shards, options);
    const isShared = kind === 'sweep' || kind === 'repair' || kind === 'full';
    return isShared ? this.#oneOfAll(start, due, options, runs) : runs(shardsOf(start));
  }

  async #runs(start: Start, shards: readonly string[], options: RunOptions): Promise<number> {
    const { app, surroundings, halt } = this.#setting;
    const job = start.entry.job as Job;
    if (shards.length === 0) return exitCodes.done;
    const asked = job.shards.length === 0 ? [] : shards;
    const wanted = wantedRun(app, job.name, asked, options, surroundings.zone);
    const endAt = Date.now() + (options.for ?? 0);
    for (;;) {
      const startedAt = Date.now();
      const code = await this.#once(start, wanted, options);
      if (options.every === undefined || startedAt + options.every >= endAt || halt.soon.aborted) return code;
      await systemClock.sleep(Math.max(0, startedAt + options.every - Date.now()), halt.soon);
      if (halt.soon.aborted) return code;
    }
  }

  async #once(start: Start, wanted: WantedRun, options: RunOptions): Promise<number> {
    const { app, surroundings, halt, log, ofRuns, observers } = this.#setting;
    const { timeLimitSeconds } = wanted.job;
    const limitMs =
      timeLimit(wanted.job, options) ?? (timeLimitSeconds === undefined ? undefined : timeLimitSeconds * 1000);
    const own = haltWithin(halt, limitMs);
    const copies = openCopies(surroundings); // anew for each: Redis may have come back
    try {
      const setting = engineSetting(app, surroundings, { copies, halt: own.halt, log: ofRuns, progress: null });
      const { result, code } = await oneRun(wanted, setting, observers);
      tell(log, start, result, code);
      return code;
    } finally {
      own.done();
      await copies.close();
    }
  }

  /** A lock keeps other daemons waiting until it is done: two that look at once would both find that nobody was at it. */
  async #oneOfAll(
    start: Start,
    due: Instant,
    options: RunOptions,
    runs: (shards: readonly string[]) => Promise<number>,
  ): Promise<number> {
    const { surroundings, halt } = this.#setting;
    const { name, target } = start.entry.job as Job;
    const endAt = Date.now() + (options.timeout ?? waitMs);
    return withSession(surroundings, target, async (session) => {
      session.keepWarm(lookMs * 5);
      const lock = lockName(session.database, name, `--${start.entry.kind}`);
      while (!(await acquireLock(session, lock, lookMs / 1000))) if (halt.soon.aborted || Date.now() > endAt) break;
      return runs(await this.#stillWanted(start, due, session, endAt));
    });
  }

  /** Shards that nobody has worked on since the time came. While somebody does, it is waited. */
  async #stillWanted(start: Start, due: Instant, session: Session, endAt: number): Promise<readonly string[]> {
    const { surroundings, halt } = this.#setting;
    const { job, kind } = start.entry;
    if (job === null || kind === null) return [];
    for (;;) {
      const wanted: string[] = [];
      let taken = 0;
      for (const shard of shardsOf(start)) {
        const { at } = await lastFulfilled(session, { job: job.name, shard }, kind, surroundings.zone, due);
        if (at !== null && at >= due) continue;
        wanted.push(shard);
        const [row] = await session.tuples('SELECT IS_FREE_LOCK(?)', [lockName(session.database, job.name, shard)]);
        if (Number(row?.[0]) !== 1) taken += 1;
      }
      if (taken === 0 || halt.soon.aborted || Date.now() > endAt) return wanted;
      await systemClock.sleep(lookMs, halt.soon);
    }
  }

  async #chore(start: Start): Promise<number> {
    const { halt, log } = this.#setting;
    const { command, choreLimitSeconds } = start.entry;
    const limitSeconds = choreLimitSeconds ?? 0;
    const words = [...process.execArgv, process.argv[1] as string, ...argumentsOf(start)];
    const limits = { limitMs: limitSeconds * 1000, graceMs: choreGraceMs, stop: halt.soon };
    const { code, signal, said, isOutOfTime } = await runChore(process.execPath, words, limits);
    const fields = { code: code ?? signal, said };
    if (isOutOfTime) {
      const next = `see where it hangs: tidemark ${command.join(' ')}${command[0] === 'watch' ? ', and tidemark alarm test' : ''}`;
      log.warn(`${nameOf(start)} took longer than ${limitSeconds} s and was ended`, { ...fields, next });
    } else if (code === 0) log.debug(nameOf(start), fields);
    else if (!halt.soon.aborted) log.warn(`${nameOf(start)} ended with ${code ?? signal}`, fields);
    return code ?? exitCodes.failed;
  }
}

function readOptions(words: readonly string[]): RunOptions {
  const command = withRunOptions(new Command('run')).exitOverride();
  command.parseOptions([...words]);
  return command.opts<RunOptions>();
}

/** As `withLimit` of a run's own process, but nothing of it stays with a halt that lives for months. */
function haltWithin(halt: Halt, limitMs: number | undefined): { halt: Halt; done: () => void } {
  const [soon, now] = [new AbortController(), new AbortController()];
  setMaxListeners(0, soon.signal, now.signal); // each shard is one
  const [stopSoon, stopNow] = [() => soon.abort(halt.soon.reason), () => now.abort(halt.now.reason)];
  if (halt.soon.aborted) stopSoon();
  halt.soon.addEventListener('abort', stopSoon);
  halt.now.addEventListener('abort', stopNow);
  const limited = withLimit({ soon: soon.signal, now: now.signal }, limitMs);
  return {
    halt: limited.halt,
    done() {
      limited.done();
      halt.soon.removeEventListener('abort', stopSoon);
      halt.now.removeEventListener('abort', stopNow);
    },
  };
}

/** One line a run. What found nothing to do, or another at it, is told at debug. */
function tell(log: Log, start: Start, { runId, job, durationMs, shards }: JobResult, code: number): void {
  const sum = (count: (shard: (typeof shards)[number]) => number) =>
    shards.reduce((all, shard) => all + count(shard), 0);
  const outcomes = [...new Set(shards.map(({ outcome }) => outcome))];
  const failed = shards.find(({ outcome }) => outcome === 'failed');
  const fields = {
    runId,
    job,
    shard: start.shard ?? undefined,
    kind: start.entry.kind,
    outcome: outcomes.join(','),
    code,
    durationMs,
    windows: sum(({ windows }) => windows),
    read: sum(({ read }) => read),
    inserted: sum(({ inserted }) => inserted),
    updated: sum(({ updated }) => updated),
    deadLetters: sum(({ deadLetters }) => deadLetters),
    ...(failed === undefined ? {} : { error: sentenceOf(failed.error) }),
  };
  const idle = outcomes.every((outcome) => outcome === 'nothing-due' || outcome === 'locked' || outcome === 'paused');
  if (failed !== undefined) log.error(`${nameOf(start)} failed`, fields);
  else if (code !== exitCodes.done) log.warn(`${nameOf(start)} needs somebody to look`, fields);
  else if (idle) log.debug(nameOf(start), fields);
  else log.info(nameOf(start), fields);
}
