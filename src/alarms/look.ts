/**
 * What stands, found in the state of the servers and of tidemark's own tables, without changing anything.
 *
 * Promises: what could not be looked at is not told to be over; a job that cannot be looked at hides no other.
 */
import { readCheckpoint } from '../engine/checkpoint.ts';
import {
  type DueJob,
  type DueThings,
  isDueJob,
  isPeriodJob,
  isTableJob,
  type Job,
  readsFrom,
  shardNames,
  upstreamOf,
  type WindowJob,
} from '../engine/job.ts';
import { type Pause, pauseOf, readPauses } from '../engine/pause.ts';
import type { Watermark } from '../engine/watermark.ts';
import type { Instant, Zone } from '../engine/zone.ts';
import { TidemarkError } from '../platform/errors.ts';
import { explained } from '../platform/explain.ts';
import type { Session } from '../platform/mysql.ts';
import { type Deadlines, deadlinesOf } from '../schedule/deadline.ts';
import { withCauses } from './causes.ts';
import { copyMatter, dueMatter, heldMatter, type LagQuestion, lagMatter, mayBeHeld } from './lag-matters.ts';
import { keyOf, kindOf, type Matter, shardKey } from './matter.ts';
import type { Standing } from './memory.ts';
import { runMatters } from './run-matters.ts';
import type { Servers } from './servers.ts';
import { letterMatters, pauseMatters, periodMatters } from './waiting-matters.ts';

/** What is looked at, and by which measure. */
export interface Watched {
  readonly jobs: readonly Job[];
  /** Jobs that are not in use here. */
  readonly unused: ReadonlySet<string>;
  readonly servers: Servers;
  readonly zone: Zone;
  readonly now: Instant;
  readonly failuresMax: number;
  readonly heldMaxMs: number;
  readonly pauseMaxMs: number;
  due(job: DueJob): Promise<readonly DueThings[]>;
  watermark(job: WindowJob, shard: string, checkpoint: Instant, target: Session): Promise<Watermark>;
}

export interface Sight {
  readonly matters: readonly Matter[];
  /** Whether a matter that stood would have been found, if it still did. */
  isJudged(standing: Standing): boolean;
}

export async function look(watched: Watched): Promise<Sight> {
  const { jobs, servers } = watched;
  const pauses = await allPauses(watched);
  const matters: Matter[] = [...servers.matters];
  const seen = new Set<string>();
  const unseen = new Set<string>();
  for (const job of jobs) {
    const session = servers.session(job.target);
    if (session === null || watched.unused.has(job.name)) continue;
    try {
      const jobLook = new JobLook(watched, job, session, pauses);
      matters.push(...(await jobLook.matters(matters)));
      for (const key of jobLook.unseen) unseen.add(key);
      seen.add(job.name);
    } catch (error) {
      matters.push(blind(job, error));
    }
  }
  return {
    matters: withCauses(matters, jobs),
    isJudged: (standing) => !unseen.has(standing.key) && isJudged(standing, watched, seen),
  };
}

/** What keeps us from looking at a job is a matter, too: nobody else would tell. */
function blind({ name }: Job, raw: unknown): Matter {
  const error = explained(raw);
  return {
    key: keyOf('unseen', name),
    gravity: 'critical',
    of: { job: name, shard: '' },
    since: null,
    what: `cannot be watched: ${error instanceof Error ? error.message : String(error)}`,
    next: (error instanceof TidemarkError ? error.next : undefined) ?? `tidemark status ${name}`,
    cause: null,
  };
}

async function allPauses({ jobs, servers, zone }: Watched): Promise<Pause[]> {
  const pauses = new Map<string, Pause>();
  for (const target of new Set(jobs.map((job) => job.target))) {
    const session = servers.session(target);
    const found = session === null ? [] : await readPauses(session, zone);
    for (const pause of found) pauses.set(keyOf('paused', pause.job, pause.shard), pause);
  }
  return [...pauses.values()];
}

function isJudged({ key, of }: Standing, { jobs, servers, unused }: Watched, seen: ReadonlySet<string>): boolean {
  const kind = kindOf(key);
  if (kind === 'held') return servers.session(key.slice('held:'.length) as Job['target']) !== null;
  if (of === null) return true;
  const job = jobs.find(({ name }) => name === of.job);
  if (job === undefined || unused.has(job.name) || (of.shard !== '' && !job.shards.includes(of.shard))) return true; // no job's any more
  if (kind === 'unseen') return servers.session(job.target) !== null;
  return seen.has(job.name) && (kind !== 'redis' || servers.copies !== null);
}

/** What is not asked of a shard that is paused. */
const stoppedKinds = [
  'failing',
  'failing-full',
  'failing-sweep',
  'failing-repair',
  'missing',
  'stuck',
  'behind',
] as const;

/** A look at one job. */
class JobLook {
  readonly #watched: Watched;
  readonly #job: Job;
  readonly #session: Session;
  readonly #pauses: readonly Pause[];
  /** Keys of matters that could not be looked at. */
  readonly unseen = new Set<string>();

  constructor(watched: Watched, job: Job, session: Session, pauses: readonly Pause[]) {
    this.#watched = watched;
    this.#job = job;
    this.#session = session;
    this.#pauses = pauses;
  }

  /** @param before what was found of other jobs */
  async matters(before: readonly Matter[]): Promise<Matter[]> {
    const { zone, now, pauseMaxMs } = this.#watched;
    const [job, session] = [this.#job, this.#session];
    const deadlines = await deadlinesOf(job, now, zone);
    const found = [
      ...(await letterMatters(session, job, zone)),
      ...(await periodMatters(session, job)),
      ...pauseMatters(this.#pauses, job, { now, pauseMaxMs }),
    ];
    for (const shard of shardNames(job)) {
      const name = { job: job.name, shard };
      if (pauseOf(this.#pauses, name) !== null) {
        for (const kind of stoppedKinds) this.unseen.add(shardKey(kind, name)); // whoever has paused it knows
        continue;
      }
      const { failuresMax } = this.#watched;
      found.push(...(await runMatters({ job, shard, session, zone, now, deadlines, failuresMax })));
      if (!isDueJob(job)) found.push(...(await this.#windows(job, shard, deadlines, [...before, ...found])));
    }
    if (isDueJob(job)) found.push(...(await this.#due(job, deadlines)));
    return found;
  }

  /** A job that cannot say what is due fails in its runs, and is told of by them. */
  async #due(job: DueJob, deadlines: Deadlines): Promise<Matter[]> {
    const due = this.#watched.servers.copies === null ? null : await this.#watched.due(job).catch(() => null);
    if (due === null) this.unseen.add(keyOf('behind', job.name));
    const matter = due === null ? null : dueMatter(job.name, due, deadlines, this.#watched);
    return matter === null ? [] : [matter];
  }

  async #windows(job: WindowJob, shard: string, deadlines: Deadlines, known: readonly Matter[]): Promise<Matter[]> {
    const { zone, now, servers } = this.#watched;
    const session = this.#session;
    const name = { job: job.name, shard };
    const checkpoint = await readCheckpoint(session, name, zone);
    const copy = servers.copies === null ? null : await copyMatter(name, checkpoint, servers.copies, { session, zone });
    const found = [copy];
    if (this.#waitsForPaused(job)) this.unseen.add(shardKey('behind', name));
    else if (checkpoint !== null) {
      const question = { job, shard, checkpoint, zone, now };
      found.push(lagMatter(question, deadlines), await this.#held(question, known));
    }
    return found.filter((matter) => matter !== null);
  }

  /** One is told for each database: what holds one shard back holds the others. */
  async #held(question: LagQuestion, known: readonly Matter[]): Promise<Matter | null> {
    const { servers, jobs, heldMaxMs } = this.#watched;
    const { job, shard, checkpoint } = question;
    const isKnown = known.some(({ key }) => key === keyOf('held', isTableJob(job) ? 'source' : job.target));
    if (isKnown || !mayBeHeld(question, heldMaxMs) || servers.session(readsFrom(job, jobs)) === null) return null;
    const watermark = await this.#watched.watermark(job, shard, checkpoint, this.#session);
    return heldMatter(question, watermark, heldMaxMs);
  }

  #waitsForPaused(job: WindowJob): boolean {
    if (isTableJob(job) || (isPeriodJob(job) && job.follows === undefined)) return false;
    const upstream = upstreamOf(job, this.#watched.jobs);
    return shardNames(upstream).some((shard) => pauseOf(this.#pauses, { job: upstream.name, shard }) !== null);
  }
}
