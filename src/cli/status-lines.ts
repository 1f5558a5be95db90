/** How each shard stands: what `tidemark status` has to judge and to show. */
import { readCheckpoint, type ShardName, strayCheckpoints, titleOf } from '../engine/checkpoint.ts';
import type { CheckpointCopies, CopyState } from '../engine/checkpoint-copy.ts';
import { countOpenLetters } from '../engine/dead-letters.ts';
import {
  type DueThings,
  isDueJob,
  isPeriodJob,
  isTableJob,
  type Job,
  shardNames,
  type Waiting,
  type WindowJob,
} from '../engine/job.ts';
import { type Pause, pauseOf, readPauses } from '../engine/pause.ts';
import { isPlain, lastPlainStart, lastRuns, type PastRun } from '../engine/run-history.ts';
import type { Holder } from '../engine/watermark.ts';
import { type TidemarkError, UnavailableError } from '../platform/errors.ts';
import { tablesSince } from '../platform/migrator.ts';
import type { Session } from '../platform/mysql.ts';
import type { App, Surroundings } from './app.ts';
import { sentenceOf } from './output.ts';
import { type Away, awayOf, folded, inEachReachable } from './reachable.ts';
import { heldBySetup, watermarkNow } from './watermark.ts';

export interface Line extends ShardName {
  readonly of: Job;
  readonly checkpoint: number | null;
  readonly watermark: number | null;
  /** Null where nothing is to prove, or nothing could be asked. */
  readonly proven: boolean | null;
  /** Null of a job without windows, which has no copy. */
  readonly redis: CopyState | null;
  readonly deadLetters: number;
  readonly heldBackBy: Holder | null;
  readonly exempt: readonly Holder[];
  /** Of any kind. */
  readonly lastRun: PastRun | null;
  /** When its plain schedule was last kept. */
  readonly lastStart: number | null;
  /** Since when there are tables that it could have written. */
  readonly tablesSince: number | null;
  readonly pause: Pause | null;
  readonly waiting: Waiting | null;
  /** Of a job without windows. */
  readonly due: readonly DueThings[] | null;
  /** Why nothing is known of it. */
  readonly unavailable: string | null;
}

export interface Standing {
  /** In the order of the jobs. */
  readonly lines: readonly Line[];
  /** Checkpoints of shards that no job has. */
  readonly strays: readonly string[];
  readonly away: readonly Away[];
}

interface Look extends Surroundings {
  readonly app: App;
  readonly copies: CheckpointCopies;
  /** Null where no job reads it, or it is away. */
  readonly source: Session | null;
}

export async function standingOf(
  app: App,
  jobs: readonly Job[],
  isNamed: boolean,
  surroundings: Surroundings,
  copies: CheckpointCopies,
): Promise<Standing> {
  const readers = jobs.filter(isTableJob);
  const opened =
    readers.length === 0 ? null : surroundings.databases.open('source').catch((error) => awayOf(error, readers));
  const names = app.jobs.flatMap((job) => shardNames(job).map((shard) => ({ job: job.name, shard })));
  const redisAway = new Set<string>();
  try {
    const { results, away } = await inEachReachable(surroundings, jobs, isNamed, async (own, target) => {
      const source = await opened;
      const look = { ...surroundings, app, copies, source: source === null || 'error' in source ? null : source };
      const of = {
        pauses: await readPauses(target, look.zone),
        last: await lastRuns(target, look.zone),
        since: await tablesSince(target),
      };
      const lines: Line[] = [];
      for (const job of own)
        for (const shard of shardNames(job)) lines.push(await lineOf(job, shard, look, target, of, redisAway));
      return { lines, strays: await strayCheckpoints(target, names, look.zone) };
    });
    const source = await opened;
    const missing = away.flatMap(({ jobs: gone, error }) => gone.flatMap((job) => unknownLines(job, error)));
    const lines = [...results.flatMap((one) => one.lines), ...missing];
    return {
      lines: jobs.flatMap((job) => lines.filter((line) => line.of === job)),
      strays: results.flatMap((one) => one.strays).map((name) => titleOf(name)),
      away: [
        ...folded([...away, ...(source !== null && 'error' in source ? [source] : [])]),
        ...redisAwayOf(redisAway),
      ],
    };
  } finally {
    const source = await opened;
    if (source !== null && !('error' in source)) await source.close();
  }
}

function redisAwayOf(reasons: ReadonlySet<string>): Away[] {
  const [reason] = reasons;
  if (reason === undefined) return [];
  const message = `Redis cannot be reached${reason === '' ? '' : `: ${reason.replace(/[.]$/, '')}`}; runs go on without it`;
  return [{ error: new UnavailableError(message, 'check REDIS_URL: tidemark config'), jobs: [] }];
}

const nothing = {
  checkpoint: null,
  watermark: null,
  proven: null,
  redis: null,
  deadLetters: 0,
  heldBackBy: null,
  exempt: [],
  lastRun: null,
  lastStart: null,
  tablesSince: null,
  pause: null,
  waiting: null,
  due: null,
  unavailable: null,
} satisfies Partial<Line>;

const unknownLines = (of: Job, error: TidemarkError): Line[] =>
  shardNames(of).map((shard) => ({ ...nothing, of, job: of.name, shard, unavailable: error.message }));

async function lineOf(
  of: Job,
  shard: string,
  look: Look,
  target: Session,
  { pauses, last, since }: { pauses: readonly Pause[]; last: readonly PastRun[]; since: number | null },
  redisAway: Set<string>,
): Promise<Line> {
  const name = { job: of.name, shard };
  const lastRun = last.find((run) => run.job === name.job && run.shard === shard) ?? null;
  const isStart = lastRun !== null && isPlain(lastRun.kind);
  const known = {
    ...nothing,
    ...name,
    of,
    deadLetters: await countOpenLetters(target, name),
    lastRun,
    lastStart: isStart ? lastRun.startedAt : await lastPlainStart(target, name, look.zone),
    tablesSince: since,
    pause: pauseOf(pauses, name),
    waiting: isPeriodJob(of) ? ((await of.waiting?.(target, shard)) ?? null) : null,
  };
  if (isDueJob(of)) {
    const due = await of.due({ setting: (setting) => look.config.get(setting) }).catch((error: Error) => error);
    return due instanceof Error ? { ...known, heldBackBy: heldBySetup(new Error(sentenceOf(due))) } : { ...known, due };
  }
  const current = () => readCheckpoint(target, name, look.zone);
  const checkpoint = await current();
  const copy = await look.copies.look(name, checkpoint, current);
  if (copy.state === 'unreachable') redisAway.add(/\((.*)\); the run/.exec(copy.warning ?? '')?.[1] ?? '');
  return { ...known, checkpoint, redis: copy.state, ...(await watermarkOf(of, shard, checkpoint, look, target)) };
}

async function watermarkOf(of: WindowJob, shard: string, checkpoint: number | null, look: Look, target: Session) {
  if (isTableJob(of) && look.source === null) return {};
  const { at, proven, heldBackBy, exempt } = await watermarkNow(
    look.app,
    of,
    shard,
    checkpoint,
    look,
    target,
    look.source,
  );
  return { watermark: at, proven, heldBackBy, exempt };
}
