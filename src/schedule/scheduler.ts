/**
 * The scheduler of the daemon: starts what is due, at its time, and never twice at once.
 *
 * Promises: every time of a schedule leads to a start: at once, or, where that could not be (the process was stopped, the
 * machine slept, the server was away, the last one still runs), as soon as it can be, once. How far a run goes is fixed
 * when it begins: what falls due while it runs is made up for behind it, by one start for all. A sweep, a repair, a full
 * run or a chore that finds its former still at work is left out until its next time: each looks at everything anew.
 * What a start throws ends nothing but itself.
 * Needs the wall clock. node-cron tells the times; a beat looks after it, since a timer that is lost would be silence.
 * After a crash nothing of this is left: what is owed then is read from the history of runs (catch-up.ts).
 */
import type { ScheduledTask } from 'node-cron';
import type { Clock } from '../engine/clock.ts';
import type { Instant } from '../engine/zone.ts';
import type { Log } from '../platform/log.ts';
import { inOrder } from './catch-up.ts';
import { nextAfter } from './cron-times.ts';
import { isPlain, nameOf, type Start } from './timetable.ts';

/** What became of a start: `owed` when a server was away, so that it must be tried again. */
export type Became = 'done' | 'owed';

export interface SchedulerSetting {
  readonly starts: readonly Start[];
  readonly zone: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Does the work of a start that was due at an instant. */
  readonly work: (start: Start, due: Instant) => Promise<Became>;
  /** Given when nothing new may begin. */
  readonly stop: AbortSignal;
}

/** A start, and how it stands. */
export interface Post {
  readonly start: Start;
  readonly name: string;
  nextDue: Instant;
  /** Since when it is at work. */
  runningSince: Instant | null;
  /** The time that it must make up for. */
  owed: Instant | null;
  /** Failed for want of a server, one after the other. */
  failures: number;
  retryAt: Instant;
}

const beatMs = 5000;
/** A time that has passed for so long without a start was missed. */
const missedMs = 15_000;
const retryMs = { first: 15_000, most: 300_000 } as const;

export class Scheduler {
  readonly posts: readonly Post[];
  /** When node-cron was last heard of. */
  lastTick: Instant;
  readonly #setting: SchedulerSetting;
  readonly #working = new Set<Promise<void>>();
  #tasks: ScheduledTask[] = [];
  #beat: NodeJS.Timeout | undefined;
  #lastBeat: Instant;
  /** Missed, and waiting for their turn, or for their next time where that is earlier. */
  readonly #inLine = new Set<Post>();

  constructor(setting: SchedulerSetting) {
    const { clock, zone, starts } = setting;
    const now = clock.now();
    this.#setting = setting;
    this.lastTick = now;
    this.#lastBeat = now;
    this.posts = inOrder(starts).map((start) => {
      const nextDue = nextAfter(start.entry.schedule, now, zone);
      return { start, name: nameOf(start), nextDue, runningSince: null, owed: null, failures: 0, retryAt: now };
    });
  }

  async begin(): Promise<void> {
    await this.#arm();
    this.#beat = setInterval(() => this.#look(), beatMs);
  }

  /** What must be made up for, as the history tells; it is begun with at once. */
  owe(owed: ReadonlyMap<Start, Instant>): void {
    const missed = this.posts.filter((post) => {
      if (post.runningSince !== null || post.owed !== null) return false; // it is made up for already
      post.owed = owed.get(post.start) ?? null;
      return post.owed !== null;
    });
    void this.#inTurn(missed);
  }

  /** Nothing begins any more; resolves when all that works has ended. */
  async end(): Promise<void> {
    clearInterval(this.#beat);
    await Promise.all(this.#tasks.map((task) => task.destroy()));
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #arm(): Promise<void> {
    const { zone } = this.#setting;
    const { createTask } = (await import('node-cron')).default;
    await Promise.all(this.#tasks.map((task) => task.destroy()));
    const options = { timezone: zone, logger: this.#logger, suppressMissedWarning: true };
    this.#tasks = [
      createTask('*/10 * * * * *', () => this.#note(), options),
      ...this.posts.map((post) =>
        createTask(post.start.entry.schedule, ({ date }) => this.#tick(post, date.getTime()), options),
      ),
    ];
    for (const task of this.#tasks) await task.start();
  }

  /** That node-cron is alive. */
  #note(): void {
    this.lastTick = this.#setting.clock.now();
  }

  /** node-cron's own words are about timers; what they mean for a start is told here. */
  get #logger() {
    const { log } = this.#setting;
    const quiet = (message: string | Error) =>
      log.debug(`node-cron: ${message instanceof Error ? message.message : message}`);
    return { info: quiet, warn: quiet, error: quiet, debug: quiet };
  }

  #tick(post: Post, due: Instant): void {
    const { clock, zone, log } = this.#setting;
    post.nextDue = nextAfter(post.start.entry.schedule, Math.max(due, clock.now()), zone);
    if (post.runningSince !== null) {
      const isMadeUp = isPlain(post.start);
      if (isMadeUp) post.owed = due;
      log.debug(`${post.name} still runs: this start is ${isMadeUp ? 'made up for behind it' : 'left out'}`);
      return;
    }
    this.#launch(post, due, post.start.delaySeconds * 1000);
  }

  #launch(post: Post, due: Instant, delayMs: number): Promise<void> {
    const { clock, stop } = this.#setting;
    if (stop.aborted) return Promise.resolve();
    post.runningSince = clock.now();
    this.#inLine.delete(post);
    const working = clock
      .sleep(delayMs, stop)
      .then(() => (stop.aborted ? undefined : this.#work(post, due)))
      .finally(() => {
        post.runningSince = null;
        this.#working.delete(working);
        if (post.owed !== null && post.failures === 0) void this.#launch(post, post.owed, 0);
      });
    this.#working.add(working);
    return working;
  }

  async #work(post: Post, due: Instant): Promise<void> {
    const { work, clock, log } = this.#setting;
    const owedBefore = post.owed; // what falls due from here on is not in this run's reach
    let became: Became = 'done';
    try {
      became = await work(post.start, due);
    } catch (error) {
      log.error(`${post.name}: ${error instanceof Error ? error.message : String(error)}`, {
        job: post.start.entry.job?.name,
      });
    }
    if (became === 'owed') post.owed = due;
    else if (post.owed === owedBefore) post.owed = null;
    post.failures = became === 'owed' ? post.failures + 1 : 0;
    post.retryAt = clock.now() + Math.min(retryMs.most, retryMs.first * 2 ** Math.min(post.failures - 1, 10));
  }

  /** Sees what the timers have missed, and makes up for it. */
  #look(): void {
    const { clock, zone, log, stop } = this.#setting;
    const now = clock.now();
    if (now < this.#lastBeat - missedMs) {
      log.warn('the clock of this host went back: all times are reckoned anew', {
        seconds: Math.round((this.#lastBeat - now) / 1000),
      });
      for (const post of this.posts) {
        post.nextDue = nextAfter(post.start.entry.schedule, now, zone);
        post.retryAt = Math.min(post.retryAt, now);
      }
      this.lastTick = now;
      void this.#arm();
    }
    this.#lastBeat = now;
    if (stop.aborted) return;
    void this.#inTurn(this.#missed(now));
    for (const post of this.posts)
      if (post.owed !== null && post.runningSince === null && post.retryAt <= now && !this.#inLine.has(post))
        void this.#launch(post, post.owed, 0);
  }

  /** Those whose time has passed without a start, and that do not run. */
  #missed(now: Instant): Post[] {
    const { zone, log } = this.#setting;
    return this.posts.filter((post) => {
      if (now <= post.nextDue + missedMs) return false;
      log.warn(`${post.name} missed its time and is made up for`, { due: new Date(post.nextDue).toISOString() });
      const isNew = post.runningSince === null && post.owed === null;
      if (isNew || (post.runningSince !== null && isPlain(post.start))) post.owed = post.nextDue;
      post.nextDue = nextAfter(post.start.entry.schedule, now, zone);
      return isNew;
    });
  }

  /**
   * One after the other, in order of dependency: a host that comes back should not ask for everything at once. Others do
   * not wait for them: what has come due since, what is tried again, what was missed later.
   */
  async #inTurn(missed: readonly Post[]): Promise<void> {
    for (const post of missed) this.#inLine.add(post);
    for (const post of missed) if (post.owed !== null && this.#inLine.has(post)) await this.#launch(post, post.owed, 0);
  }
}
