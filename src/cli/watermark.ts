/** How far a shard could go now, and what holds it back: what commands tell without running the job. */
import {
  isPeriodJob,
  isTableJob,
  type PeriodJob,
  readsFrom,
  shardNames,
  upstreamOf,
  type WindowJob,
} from '../engine/job.ts';
import { periodWatermark } from '../engine/period-intake.ts';
import { Source } from '../engine/source.ts';
import { laggedBound, statementBound } from '../engine/statements.ts';
import {
  checkProvable,
  earliestInFlight,
  type Holder,
  openTransaction,
  upstreamWatermark,
  type Watermark,
} from '../engine/watermark.ts';
import { TidemarkError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { databaseSettings } from '../platform/settings.ts';
import { describeTable } from '../platform/table.ts';
import { type App, type Surroundings, withSession } from './app.ts';
import { exemptionsOf } from './engine-setting.ts';

export async function watermarkNow(
  app: App,
  job: WindowJob,
  shard: string,
  checkpoint: number | null,
  surroundings: Surroundings,
  target: Session,
  source: Session | null,
): Promise<Watermark> {
  const { zone, config } = surroundings;
  if (isPeriodJob(job)) return ofPeriods(app, job, surroundings, target);
  if (!isTableJob(job)) return upstreamWatermark(target, job.follows, shardNames(upstreamOf(job, app.jobs)), zone);
  const session = source as Session;
  const lagMs = config.get('TIDEMARK_SETTLE_LAG') as number | undefined;
  if (lagMs !== undefined) return laggedBound(session, zone, lagMs);
  const obstacle = await checkProvable(session, true).catch((error: Error) => error);
  if (obstacle !== undefined) return unknownBy(obstacle);
  const bound = await statementBound(session, zone, exemptionsOf(surroundings));
  const table = await describeTable(session, job.source.table(shard));
  if (table === null || bound.at === null || checkpoint === null || checkpoint >= bound.at) return bound;
  const reader = new Source(table, job.source, zone);
  // As a run would: the next window, and not all that may have gathered behind a job that stands.
  const due = { start: checkpoint, end: bound.at };
  const end = (await reader.cut(session, due, config.need('TIDEMARK_WINDOW_ROWS') as number)) ?? bound.at;
  const inFlight = await earliestInFlight(reader, { start: checkpoint, end }, session);
  if (inFlight === null) return bound;
  return { ...bound, at: zone.border(inFlight), heldBackBy: await openTransaction(session) };
}

async function ofPeriods(app: App, job: PeriodJob, surroundings: Surroundings, target: Session): Promise<Watermark> {
  const { zone, config } = surroundings;
  const settleLagMs = config.get('TIDEMARK_SETTLE_LAG');
  const obstacle = await checkProvable(target, settleLagMs === undefined, databaseSettings[job.target]).catch(
    (error: Error) => error,
  );
  if (obstacle !== undefined) return unknownBy(obstacle);
  const upstream = job.follows === undefined ? null : upstreamOf(job, app.jobs);
  const follows = upstream === null ? null : { job: upstream.name, shards: shardNames(upstream) };
  const by = { zone, settleLagMs, exemptions: exemptionsOf(surroundings) };
  return withSession(surroundings, readsFrom(job, app.jobs), (reader) =>
    periodWatermark(job, follows, { own: target, upstream: reader }, by),
  );
}

const unknownBy = (obstacle: Error): Watermark => ({
  at: null,
  proven: false,
  heldBackBy: heldBySetup(obstacle),
  sourceNow: null,
  exempt: [],
});

export const heldBySetup = (obstacle: Error): Holder => ({
  kind: 'setup',
  thread: null,
  user: null,
  ageSeconds: null,
  statement: null,
  detail:
    obstacle instanceof TidemarkError && obstacle.next ? `${obstacle.message}. ${obstacle.next}` : obstacle.message,
});
