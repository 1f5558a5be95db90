/**
 * `tidemark daemon`: the schedules of the jobs in one process, for hosts without cron.
 *
 * It may be killed at any moment, as every run may: what it owes is read from the history of runs when it starts again.
 * Several of them, on several hosts, share the work: the locks of the shards keep them apart.
 */

import { setMaxListeners } from 'node:events';
import { systemClock } from '../engine/clock.ts';
import { lastFulfilled } from '../engine/runs.ts';
import type { Instant } from '../engine/zone.ts';
import type { Config } from '../platform/config.ts';
import { exitCodes } from '../platform/errors.ts';
import { type Log, LogWriter } from '../platform/log.ts';
import { owes, shardsOf } from '../schedule/catch-up.ts';
import { healthOf, isAlive } from '../schedule/health.ts';
import { openPort, type Routes } from '../schedule/port.ts';
import { Scheduler } from '../schedule/scheduler.ts';
import { type Entry, nameOf, type Start, startsOf } from '../schedule/timetable.ts';
import { type App, openSurroundings, type Surroundings, withSession } from './app.ts';
import { Workshop } from './daemon-work.ts';
import { watchHalt } from './halt.ts';
import { printTable, sentenceOf } from './output.ts';
import { runObservers } from './run-observers.ts';
import { timetableFor } from './timetable.ts';

/** @returns the exit code of the signal that ended it */
export async function daemon(app: App): Promise<number> {
  const surroundings = openSurroundings();
  const { config, zone } = surroundings;
  config.require(['SOURCE_DATABASE_URL', 'MAIN_DATABASE_URL', 'REDIS_URL']);
  const { entries, missing } = timetableFor(app, config);
  const ofRuns = LogWriter.of(config);
  const writer = LogWriter.of(config, { level: levelOf(config) });
  const log = writer.log();
  const { halt, exitCode, done } = watchHalt(undefined);
  setMaxListeners(0, halt.soon, halt.now); // each run under way is one, and each chore
  const observers = runObservers(app, surroundings);
  const workshop = new Workshop({ app, surroundings, halt, log, ofRuns: ofRuns.log(), observers });
  const starts = entries.flatMap(startsOf);
  const scheduler = new Scheduler({
    starts,
    zone: zone.name,
    clock: systemClock,
    log,
    work: (start, due) => workshop.work(start, due),
    stop: halt.soon,
  });
  const startedAt = Date.now();
  const health = () =>
    healthOf(scheduler.posts, { startedAt, lastTick: scheduler.lastTick, now: Date.now() }, halt.soon.aborted, zone);
  const routes: Routes = {
    '/healthz': async () => {
      const state = health();
      return { status: isAlive(state) ? 200 : 503, type: 'application/json', body: `${JSON.stringify(state)}\n` };
    },
    '/metrics': async () => {
      const { metricsText } = await import('../metrics/metrics.ts');
      return {
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: await metricsText(app.jobs, surroundings),
      };
    },
  };
  const [port, address] = [config.need('TIDEMARK_DAEMON_PORT'), config.need('TIDEMARK_DAEMON_ADDRESS')];
  const server = port === 0 ? null : await openPort(address, port, routes);
  try {
    log.info('the daemon starts', {
      starts: starts.length,
      ...(missing.length === 0 ? {} : { leftOutFor: missing }),
      ...(port === 0 ? {} : { address, port }),
    });
    if (process.stderr.isTTY) await showNext(entries, scheduler, surroundings);
    await scheduler.begin();
    const madeUp = makeUp(scheduler, surroundings, starts, halt.soon, log);
    await signalled(halt.soon);
    log.info('the daemon ends: what is under way comes to its end');
    await Promise.all([scheduler.end(), madeUp]);
    log.info('the daemon has ended');
    return exitCode() ?? exitCodes.done;
  } finally {
    await server?.close();
    done();
    await Promise.all([ofRuns.close(), writer.close()]);
  }
}

/** A line a run, unless a person has asked for more or less. What runs tell by themselves is as everywhere. */
function levelOf(config: Config) {
  const isAsked = config.shown.some(({ name, from }) => name === 'TIDEMARK_LOG_LEVEL' && from !== 'default');
  return isAsked ? config.need('TIDEMARK_LOG_LEVEL') : 'info';
}

function signalled(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** How often the history is asked for while its server is away. */
const againMs = 10_000;

/** Makes up for what was missed. A host may come up before its databases do: their times go on meanwhile. */
async function makeUp(
  scheduler: Scheduler,
  surroundings: Surroundings,
  starts: readonly Start[],
  stop: AbortSignal,
  log: Log,
): Promise<void> {
  for (; !stop.aborted; await systemClock.sleep(againMs, stop)) {
    try {
      const owed = await readOwed(surroundings, starts);
      if (owed.size > 0) log.info('what was missed is made up for', { starts: [...owed.keys()].map(nameOf) });
      scheduler.owe(owed);
      return;
    } catch (error) {
      log.warn(`what was missed cannot be read yet: ${sentenceOf(error)}`);
    }
  }
}

async function readOwed(
  { zone, ...surroundings }: Surroundings,
  starts: readonly Start[],
): Promise<Map<Start, Instant>> {
  const owed = new Map<Start, Instant>();
  const now = Date.now();
  const targets = new Set(starts.flatMap(({ entry: { job } }) => (job === null ? [] : [job.target])));
  for (const target of targets)
    await withSession({ ...surroundings, zone }, target, async (session) => {
      for (const start of starts) {
        const { job, kind } = start.entry;
        if (job === null || kind === null || job.target !== target) continue;
        const shards = [];
        for (const shard of shardsOf(start))
          shards.push(await lastFulfilled(session, { job: job.name, shard }, kind, zone));
        const due = owes(start, shards, now, zone.name);
        if (due !== null) owed.set(start, due);
      }
    });
  return owed;
}

/** For a person: what comes next, the earliest first. */
async function showNext(entries: readonly Entry[], scheduler: Scheduler, { zone }: Surroundings): Promise<void> {
  const rows = entries
    .map((entry) => {
      const posts = scheduler.posts.filter(({ start }) => start.entry === entry);
      return { entry, at: Math.min(...posts.map(({ nextDue }) => nextDue)) };
    })
    .sort((a, b) => a.at - b.at)
    .map(({ entry, at }) => [zone.text(at), entry.name, shardsText(entry)]);
  await printTable(['NEXT', 'WHAT', 'SHARDS'], rows);
}

function shardsText({ shards, staggerSeconds, job }: Entry): string {
  if (shards.length > 0) return `${shards.length}, ${staggerSeconds} s apart`;
  return job === null || job.shards.length === 0 ? '-' : `${job.shards.length}, at once`;
}
