/**
 * Dead-man pings: an address hears of every plain run, so that it can cry when it hears nothing. The form is that of
 * Healthchecks: `<address>/start`, `<address>` for success, `<address>/<exit status>`, each with the run's id.
 *
 * A run tells when it begins and behind its last commit, and never waits before its work. `nothing-due` and a lock that
 * another run holds are successes: cron lives. Runs by hand over a range, repairs, sweeps, full and dry runs are not told.
 * A ping that does not get through is left at that: whoever misses it is the one to cry.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Delivery } from '../alarms/channel.ts';
import { post } from '../alarms/post.ts';
import type { JobResult, ShardResult } from '../engine/run.ts';
import { exitCodes } from '../platform/errors.ts';
import { Mask } from '../platform/masking.ts';
import type { Surroundings } from './app.ts';
import type { RunObserver, WantedRun } from './one-run.ts';
import { grouped, sentenceOf } from './output.ts';
import { exitCodeOfShard } from './run-report.ts';

const timeoutMs = 5000;
/** How long the end of a run waits for its start to get through. */
const startMs = 1000;
/** Too many pings are refused: successes of a loop are told once a minute. */
const quietMs = 55_000;

/** Who hears of runs by pings. */
export const pingObserver = (address: string, secrets: readonly string[]): RunObserver =>
  new Pings(address, new Mask(secrets));

/** Tells of a command that is no run: `watch`. What goes wrong with it is left at that. */
export async function pingAbout({ config }: Surroundings, name: string, code: number): Promise<void> {
  const address = config.get('TIDEMARK_PING_URL');
  if (address === undefined) return;
  await ping(addressOf(address, name, ''), pathOf(code), null, '').catch(() => undefined);
}

/** Whether the address of `watch` answers; null where none is set. */
export async function pingTest({ config }: Surroundings): Promise<Delivery | null> {
  const address = config.get('TIDEMARK_PING_URL');
  if (address === undefined) return null;
  const startedAt = Date.now();
  const error = await ping(addressOf(address, 'watch', ''), '', null, 'a test').then(
    () => null,
    (failure: Error) => failure.message,
  );
  return { channel: 'ping', ms: Date.now() - startedAt, error, remark: null };
}

const pathOf = (code: number): string => (code === exitCodes.done ? '' : `/${code}`);

interface Target {
  readonly url: URL;
  /** Null: all of them. */
  readonly shard: string | null;
}

class Pings implements RunObserver {
  readonly #address: string;
  readonly #mask: Mask;
  /** Of runs under way: the start that may not have got through yet. */
  readonly #starts = new Map<string, { readonly sent: Promise<unknown>; readonly drop: AbortController }>();
  /** When a success was told last; a failure takes it out, since its end is news. */
  readonly #toldAt = new Map<string, number>();

  constructor(address: string, mask: Mask) {
    this.#address = address;
    this.#mask = mask;
  }

  /** Comes back at once. */
  async began(runId: string, wanted: WantedRun): Promise<void> {
    if (!isPlain(wanted)) return;
    const drop = new AbortController();
    const targets = this.#targets(wanted).filter((target) => !this.#isQuiet(target));
    const sent = Promise.allSettled(targets.map(({ url }) => ping(url, '/start', runId, '', drop.signal)));
    this.#starts.set(runId, { sent, drop });
  }

  async ended(result: JobResult, code: number, wanted: WantedRun): Promise<void> {
    if (!isPlain(wanted)) return;
    const { runId } = result;
    const start = this.#starts.get(runId);
    this.#starts.delete(runId);
    await Promise.race([start?.sent, sleep(startMs, undefined, { ref: false })]);
    start?.drop.abort(); // or it might come in behind the end
    const ends = this.#targets(wanted).map(async (target) => {
      const shards = result.shards.filter(({ shard }) => target.shard === null || shard === target.shard);
      const own = target.shard === null ? code : exitCodeOfShard(shards[0] as ShardResult, wanted.ifLocked);
      if (own === exitCodes.done && this.#isQuiet(target)) return;
      if (own === exitCodes.done) this.#toldAt.set(target.url.href, Date.now());
      else this.#toldAt.delete(target.url.href);
      await ping(target.url, pathOf(own), runId, this.#mask.text(lineOf(result, shards)));
    });
    await Promise.allSettled(ends);
  }

  #isQuiet({ url }: Target): boolean {
    return Date.now() - (this.#toldAt.get(url.href) ?? Number.NEGATIVE_INFINITY) < quietMs;
  }

  /** One address for all shards, or one for each. */
  #targets({ job, shards }: WantedRun): Target[] {
    if (!this.#address.includes('{shard}')) return [{ url: addressOf(this.#address, job.name, ''), shard: null }];
    return shards.map((shard) => ({ url: addressOf(this.#address, job.name, shard), shard }));
  }
}

const isPlain = ({ request }: WantedRun): boolean => request.kind === 'windows' && !request.dryRun;

/** A job without shards leaves out the shard, and the character before it: `{job}-{shard}` is its name alone. */
function addressOf(address: string, job: string, shard: string): URL {
  const told =
    shard === '' ? address.replace(/[-_.:/]?\{shard\}/g, '') : address.replaceAll('{shard}', encodeURIComponent(shard));
  return new URL(told.replaceAll('{job}', encodeURIComponent(job)));
}

async function ping(
  address: URL,
  path: string,
  runId: string | null,
  body: string,
  signal?: AbortSignal,
): Promise<void> {
  const url = new URL(address);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  if (runId !== null) url.searchParams.set('rid', runId);
  const request = { url: url.href, body, contentType: 'text/plain', timeoutMs };
  await post(signal === undefined ? request : { ...request, signal });
}

/** What was done, in one line. */
function lineOf({ job, durationMs }: JobResult, shards: readonly ShardResult[]): string {
  const sum = (what: 'windows' | 'read' | 'inserted' | 'updated' | 'deadLetters') =>
    grouped(shards.reduce((all, shard) => all + shard[what], 0));
  const outcomes = [...new Set(shards.map(({ outcome }) => outcome))].join(', ');
  const errors = [...new Set(shards.filter(({ error }) => error !== null).map(({ error }) => sentenceOf(error)))];
  const counts = `${sum('windows')} windows, ${sum('read')} read, ${sum('inserted')} inserted, ${sum('updated')} updated, ${sum('deadLetters')} dead letters`;
  return [`${job}: ${outcomes} in ${(durationMs / 1000).toFixed(1)} s; ${counts}`, ...errors].join('; ');
}
