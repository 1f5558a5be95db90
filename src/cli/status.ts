/** `tidemark status`: what is behind, why, and what to type next. */
import { readCheckpoint, type ShardName, titleOf } from '../engine/checkpoint.ts';
import type { CheckpointCopies, CopyState } from '../engine/checkpoint-copy.ts';
import { countOpenLetters } from '../engine/dead-letters.ts';
import { isTableJob, type Job, shardNames } from '../engine/job.ts';
import { type LastRun, lastRun } from '../engine/runs.ts';
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
import type { Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { describeTable } from '../platform/table.ts';
import { type App, chosenJobs, openCopies, openSurroundings, type Surroundings, withSession } from './app.ts';
import { exemptionsOf } from './engine-setting.ts';
import { print, printJson, printTable } from './output.ts';

interface Line extends ShardName {
  readonly checkpoint: number | null;
  readonly watermark: number | null;
  readonly proven: boolean;
  readonly redis: CopyState;
  readonly deadLetters: number;
  readonly heldBackBy: Holder | null;
  readonly exempt: readonly Holder[];
  readonly lastRun: LastRun | null;
}

export async function status(app: App, jobName: string | undefined, options: { json?: true }): Promise<number> {
  const jobs = chosenJobs(app, jobName);
  const surroundings = openSurroundings();
  const copies = openCopies(surroundings);
  const source = jobs.some(isTableJob) ? await surroundings.databases.open('source') : null;
  try {
    const lines = await withSession(surroundings, 'main', async (target) => {
      const all: Line[] = [];
      for (const job of jobs)
        for (const shard of shardNames(job))
          all.push(await lineOf(app, job, shard, { ...surroundings, copies }, target, source));
      return all;
    });
    if (options.json) printJson(lines.map((line) => asJson(line, surroundings.zone)));
    else await printLines(lines, surroundings.zone);
    return 0;
  } finally {
    await Promise.all([source?.close(), copies.close()]);
  }
}

async function lineOf(
  app: App,
  job: Job,
  shard: string,
  surroundings: Surroundings & { readonly copies: CheckpointCopies },
  target: Session,
  source: Session | null,
): Promise<Line> {
  const { zone } = surroundings;
  const name = { job: job.name, shard };
  const checkpoint = await readCheckpoint(target, name, zone);
  const watermark = await watermarkOf(app, job, shard, checkpoint, surroundings, target, source);
  return {
    ...name,
    checkpoint,
    watermark: watermark.at,
    proven: watermark.proven,
    heldBackBy: watermark.heldBackBy,
    exempt: watermark.exempt,
    redis: (await surroundings.copies.look(name, checkpoint)).state,
    deadLetters: await countOpenLetters(target, name),
    lastRun: await lastRun(target, name, zone),
  };
}

async function watermarkOf(
  app: App,
  job: Job,
  shard: string,
  checkpoint: number | null,
  { zone, config, databases }: Surroundings,
  target: Session,
  source: Session | null,
): Promise<Watermark> {
  if (!isTableJob(job)) {
    const upstream = app.jobs.find((candidate) => candidate.name === job.follows);
    return upstreamWatermark(target, job.follows, upstream === undefined ? [] : shardNames(upstream), zone);
  }
  const session = source as Session;
  const lagMs = config.get('TIDEMARK_SETTLE_LAG') as number | undefined;
  if (lagMs !== undefined) return laggedBound(session, zone, lagMs);
  const obstacle = await checkProvable(session, true).catch((error: Error) => error);
  if (obstacle !== undefined)
    return { at: null, proven: false, heldBackBy: heldBySetup(obstacle), sourceNow: null, exempt: [] };
  const bound = await statementBound(session, zone, exemptionsOf({ config, databases, zone }));
  const table = await describeTable(session, job.source.table(shard));
  if (table === null || bound.at === null || checkpoint === null || checkpoint >= bound.at) return bound;
  const reader = new Source(table, job.source, zone);
  const inFlight = await earliestInFlight(reader, { start: checkpoint, end: bound.at }, session);
  if (inFlight === null) return bound;
  return { ...bound, at: zone.border(inFlight), heldBackBy: await openTransaction(session) };
}

const heldBySetup = ({ message }: Error): Holder => ({
  kind: 'setup',
  thread: null,
  user: null,
  ageSeconds: null,
  statement: null,
  detail: message,
});

function asJson(line: Line, zone: Zone) {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  const { job, shard, redis, deadLetters, heldBackBy, proven } = line;
  const run = line.lastRun;
  return {
    job,
    shard: shard || null,
    checkpoint: iso(line.checkpoint),
    watermark: iso(line.watermark),
    lagSeconds: lagOf(line),
    redis,
    deadLetters,
    heldBackBy,
    exempt: line.exempt,
    lastRun:
      run === null
        ? null
        : {
            runId: run.runId,
            kind: run.kind,
            startedAt: iso(run.startedAt),
            endedAt: iso(run.endedAt),
            outcome: run.outcome,
            error: run.error,
          },
    proof: proven ? 'proven' : 'unproven',
  };
}

/** Seconds between now and the checkpoint: how old what readers see may be. */
function lagOf({ checkpoint }: Line): number | null {
  return checkpoint === null ? null : Math.max(0, Math.round((Date.now() - checkpoint) / 1000));
}

async function printLines(lines: readonly Line[], zone: Zone): Promise<void> {
  await printTable(
    ['JOB', 'CHECKPOINT', 'BEHIND', 'WATERMARK', 'REDIS', 'DEAD', 'LAST RUN'],
    lines.map((line) => [
      titleOf(line),
      line.checkpoint === null ? 'never ran' : zone.text(line.checkpoint),
      inWords(lagOf(line)),
      line.watermark === null ? '-' : `${zone.text(line.watermark).slice(11)}${line.proven ? '' : ' unproven'}`,
      line.redis,
      String(line.deadLetters),
      line.lastRun === null ? '-' : `${line.lastRun.outcome ?? 'running or killed'}`,
    ]),
  );
  const seen = new Set<string>();
  for (const line of lines) {
    if (line.heldBackBy === null || seen.has(line.heldBackBy.detail)) continue;
    seen.add(line.heldBackBy.detail);
    print(
      `\n${titleOf(line)} is held back: ${line.heldBackBy.detail}${line.heldBackBy.statement === null ? '' : `: ${line.heldBackBy.statement}`}`,
    );
  }
  const exempt = new Map(lines.flatMap((line) => line.exempt.map((one) => [one.thread, one] as const)));
  for (const { detail, statement } of exempt.values())
    print(`\nexempt from the watermark by TIDEMARK_EXEMPT_…: ${detail}${statement === null ? '' : `: ${statement}`}`);
  if (lines.some((line) => line.deadLetters > 0)) print('\nNext: tidemark dead-letters list');
}

function inWords(seconds: number | null): string {
  if (seconds === null) return '-';
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
