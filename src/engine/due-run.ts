/**
 * A run of a job without windows: recorded like every run, with its dead letters, and nothing else.
 *
 * There is no lock and no fence: other runs of the job work beside this one, and the job's own tables decide who does
 * what. A letter is safe when the job hears so. When the run is told to drop everything, it leaves what the job has in
 * hand as it is; the job's tables bring it back. What ends a run (no Redis, no database) ends it behind its letters.
 * A pause is seen before the run, and within seconds while it works: then nothing new is begun.
 */
import { UnavailableError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import type { Halt } from './clock.ts';
import { countOpenLetters, countRepair, keepLetter, openLetterKeys, resolveLetters } from './dead-letters.ts';
import type { DueContext, DueJob } from './job.ts';
import { isPaused } from './pause.ts';
import { retry } from './retry.ts';
import { emptyResult, notePause, type Request, type Setting, type ShardResult } from './run.ts';
import { beginRun, endRun } from './runs.ts';
import type { Instant } from './zone.ts';

/** How often a run under way looks whether its job was paused. */
const lookEveryMs = 2000;

/** Runs the job until nothing is due; or, in a dry run, counts what is. Failures are told in the result. */
export async function runDue(job: DueJob, runId: string, request: Request, setting: Setting): Promise<ShardResult> {
  const result = emptyResult('');
  const books = new Books(job, setting);
  try {
    if (request.dryRun) await countDue(job, setting, result);
    else await recorded(job, runId, request, books, result);
  } catch (error) {
    result.error ??= error;
  } finally {
    result.outcome = outcomeOf(result, setting.halt);
    await books.close();
  }
  return result;
}

/** What fails because the run was told to drop everything is no failure. */
function outcomeOf({ error, outcome, lettersWaiting, read }: ShardResult, halt: Halt): ShardResult['outcome'] {
  if (error !== null && !halt.now.aborted) return 'failed';
  if (halt.soon.aborted) return 'interrupted';
  if (outcome === 'paused') return outcome;
  if (lettersWaiting > 0) return 'dead-letters';
  return read > 0 ? 'done' : 'nothing-due';
}

async function countDue(job: DueJob, { settingOf, clock }: Setting, result: ShardResult): Promise<void> {
  for (const { kind, count, oldest } of await job.due({ setting: settingOf })) {
    result.read += count;
    const ageSeconds = oldest === null ? 0 : Math.max(0, Math.round((clock.now() - oldest) / 1000));
    result.totals.add(kind, { due: count, oldestSeconds: ageSeconds });
  }
}

async function recorded(
  job: DueJob,
  runId: string,
  request: Request,
  books: Books,
  result: ShardResult,
): Promise<void> {
  const { zone, clock } = books.setting;
  const kind = request.kind === 'repair' ? 'repair' : 'due';
  const sequence = await beginRun(await books.session(), books.name, { runId, kind, now: clock.now() }, zone);
  const pause = () => books.use((session) => notePause(result, books.name, session, zone));
  if (sequence === null) return pause();
  const { letters } = request;
  try {
    const context = await contextOf(runId, kind, books, result, letters);
    await workUnlessPaused(job, context, books, result);
  } catch (error) {
    result.error = error;
  }
  if (result.outcome === 'paused') await pause();
  await books.use(async (session) => {
    result.lettersWaiting = await countOpenLetters(session, books.name, letters);
    const outcome = outcomeOf(result, books.setting.halt);
    const error = result.error instanceof Error ? result.error.message : null;
    await endRun(session, sequence, { outcome, windows: 0, counts: result, error, now: clock.now() }, zone);
  });
}

/** Works until nothing is due, or until somebody pauses the job: what is in hand then is ended, and nothing new begun. */
async function workUnlessPaused(job: DueJob, context: DueContext, books: Books, result: ShardResult): Promise<void> {
  const { setting, name } = books;
  const { clock, halt } = setting;
  const [paused, ended] = [new AbortController(), new AbortController()];
  const watch = async () => {
    for (;;) {
      await clock.sleep(lookEveryMs, ended.signal);
      if (ended.signal.aborted) return;
      const isNow = await books.use((session) => isPaused(session, name));
      if (ended.signal.aborted) return;
      if (!isNow) continue;
      result.outcome = 'paused';
      return paused.abort();
    }
  };
  watch().catch(() => undefined); // without the database the work ends, too, and says why
  try {
    const soon = AbortSignal.any([halt.soon, paused.signal]);
    await untilDropped(job.work({ ...context, halt: { ...halt, soon } }), halt.now);
  } finally {
    ended.abort();
  }
}

async function contextOf(
  runId: string,
  mode: DueContext['mode'],
  books: Books,
  result: ShardResult,
  only: Request['letters'],
) {
  const { name, setting } = books;
  const { zone, halt, clock, settingOf } = setting;
  const log = setting.log.with({ runId, job: name.job });
  const letters = new Set(await books.use((session) => openLetterKeys(session, name)));
  const asked = only === undefined ? [...letters] : await books.use((session) => openLetterKeys(session, name, only));
  return {
    mode,
    halt,
    zone,
    log,
    runId,
    letters: asked,
    now: () => books.use(databaseNow),
    async deadLetter(refusal) {
      const isNew = !letters.has(refusal.key);
      letters.add(refusal.key);
      await books.use(async (session) => {
        // Each commits by itself: killed between the two, the repair has failed the letter, and is counted.
        if (mode === 'repair' && !isNew) await countRepair(session, name, [refusal.key], runId);
        await keepLetter(session, name, refusal, runId, clock.now(), zone);
      });
      if (!isNew) return;
      log.warn(refusal.reason, { key: refusal.key });
      result.deadLetters += 1;
    },
    async settled(keys) {
      const open = keys.filter((key) => letters.delete(key));
      await books.use((session) => resolveLetters(session, name, open, `done by run ${runId}`, clock.now(), zone));
    },
    count(what) {
      result[what] += 1;
    },
    setting: settingOf,
  } satisfies DueContext;
}

async function databaseNow(session: Session): Promise<Instant> {
  const [row] = await session.tuples('SELECT UNIX_TIMESTAMP(NOW(3)) * 1000');
  return Math.round(Number(row?.[0]));
}

/** Comes back when the work does, or when it is to be dropped. */
async function untilDropped(work: Promise<void>, drop: AbortSignal): Promise<void> {
  let stop = (): void => undefined;
  const dropped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  drop.addEventListener('abort', stop);
  if (drop.aborted) stop();
  try {
    await Promise.race([work, dropped]);
  } finally {
    drop.removeEventListener('abort', stop);
    work.catch(() => undefined); // of work that is left nobody hears any more
  }
}

/** The run's own connection: its record and its letters. */
class Books {
  readonly name: { readonly job: string; readonly shard: '' };
  readonly setting: Setting;
  readonly #job: DueJob;
  #session: Promise<Session> | null = null;
  #isClosed = false;

  constructor(job: DueJob, setting: Setting) {
    this.#job = job;
    this.name = { job: job.name, shard: '' };
    this.setting = setting;
  }

  /** Does what may be repeated; a connection that was lost meanwhile is opened anew. */
  async use<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const { clock, halt } = this.setting;
    return retry(async () => work(await this.session()), { clock, halt, recover: async () => undefined });
  }

  /** @throws UnavailableError once the run is over: work that it has dropped must not open what nobody closes */
  async session(): Promise<Session> {
    if (this.#isClosed) throw new UnavailableError('the run is over');
    const known = this.#session;
    if (known !== null && (await known).lost && this.#session === known) this.#session = null;
    this.#session ??= this.#open().catch((error) => {
      this.#session = null;
      throw error;
    });
    return this.#session;
  }

  async #open(): Promise<Session> {
    const session = await this.setting.openTarget(this.#job);
    if (this.#isClosed) session.destroy();
    session.keepWarm(this.setting.stallTimeoutMs / 3);
    return session;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const session = await this.#session;
    if (this.setting.halt.now.aborted) session?.destroy();
    else await session?.close();
  }
}
