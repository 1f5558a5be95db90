/** `tidemark status`: what is behind, why, and what to type next. */
import { readCheckpoint, type ShardName, strayCheckpoints, titleOf } from '../engine/checkpoint.ts';
import type { CheckpointCopies, CopyState } from '../engine/checkpoint-copy.ts';
import { countOpenLetters } from '../engine/dead-letters.ts';
import { type DueJob, type DueThings, isDueJob, isTableJob, shardNames, type WindowJob } from '../engine/job.ts';
import { type LastRun, lastRun } from '../engine/runs.ts';
import type { Holder } from '../engine/watermark.ts';
import type { Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { type App, chosenJobs, inEachTarget, openCopies, openSurroundings, type Surroundings } from './app.ts';
import { grouped, print, printJson, printTable, sentenceOf } from './output.ts';
import { heldBySetup, watermarkNow } from './watermark.ts';

interface Line extends ShardName {
  readonly checkpoint: number | null;
  readonly watermark: number | null;
  /** Null of a job without windows, which has nothing to prove and no copy. */
  readonly proven: boolean | null;
  readonly redis: CopyState | null;
  readonly deadLetters: number;
  readonly heldBackBy: Holder | null;
  readonly exempt: readonly Holder[];
  readonly lastRun: LastRun | null;
  /** Of a job without windows. */
  readonly due: readonly DueThings[] | null;
}

export async function status(app: App, jobName: string | undefined, options: { json?: true }): Promise<number> {
  const jobs = chosenJobs(app, jobName);
  const surroundings = openSurroundings();
  const copies = openCopies(surroundings);
  const source = jobs.some(isTableJob) ? await surroundings.databases.open('source') : null;
  try {
    const names = app.jobs.flatMap((job) => shardNames(job).map((shard) => ({ job: job.name, shard })));
    const found = await inEachTarget(surroundings, jobs, jobName !== undefined, async (own, target) => {
      const all: Line[] = [];
      for (const job of own)
        for (const shard of shardNames(job))
          all.push(
            isDueJob(job)
              ? await dueLine(job, surroundings, target)
              : await lineOf(app, job, shard, { ...surroundings, copies }, target, source),
          );
      return { lines: all, strays: await strayCheckpoints(target, names, surroundings.zone) };
    });
    const lines = found.flatMap((one) => one.lines);
    const strays = found.flatMap((one) => one.strays);
    if (options.json) printJson(lines.map((line) => asJson(line, surroundings.zone)));
    else {
      await printLines(lines, surroundings.zone);
      for (const { at, ...name } of strays)
        print(
          `\n${titleOf(name)} has a checkpoint (${at === null ? '-' : surroundings.zone.text(at)}), and no job has that shard: it counts for nothing`,
        );
    }
    return 0;
  } finally {
    await Promise.all([source?.close(), copies.close()]);
  }
}

async function lineOf(
  app: App,
  job: WindowJob,
  shard: string,
  surroundings: Surroundings & { readonly copies: CheckpointCopies },
  target: Session,
  source: Session | null,
): Promise<Line> {
  const { zone } = surroundings;
  const name = { job: job.name, shard };
  const checkpoint = await readCheckpoint(target, name, zone);
  const watermark = await watermarkNow(app, job, shard, checkpoint, surroundings, target, source);
  return {
    ...name,
    checkpoint,
    watermark: watermark.at,
    proven: watermark.proven,
    heldBackBy: watermark.heldBackBy,
    exempt: watermark.exempt,
    redis: (await surroundings.copies.look(name, checkpoint, () => readCheckpoint(target, name, zone))).state,
    deadLetters: await countOpenLetters(target, name),
    lastRun: await lastRun(target, name, zone),
    due: null,
  };
}

async function dueLine(job: DueJob, { config, zone }: Surroundings, target: Session): Promise<Line> {
  const name = { job: job.name, shard: '' };
  const due = await job.due({ setting: (setting) => config.get(setting) }).catch((error: Error) => error);
  return {
    ...name,
    checkpoint: null,
    watermark: null,
    proven: null,
    heldBackBy: due instanceof Error ? heldBySetup(new Error(sentenceOf(due))) : null,
    exempt: [],
    redis: null,
    deadLetters: await countOpenLetters(target, name),
    lastRun: await lastRun(target, name, zone),
    due: due instanceof Error ? null : due,
  };
}

function asJson(line: Line, zone: Zone) {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  const { job, shard, redis, deadLetters, heldBackBy, proven } = line;
  const run = line.lastRun;
  return {
    job,
    shard: shard || null,
    checkpoint: iso(line.checkpoint),
    watermark: iso(line.watermark),
    lagSeconds: line.due === null ? lagOf(line) : null,
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
    proof: proven === null ? null : proven ? 'proven' : 'unproven',
    ...(line.due === null
      ? {}
      : { due: line.due.map(({ kind, count, oldest }) => ({ kind, count, oldest: iso(oldest) })) }),
  };
}

const dueText = (due: readonly DueThings[]): string =>
  due.map(({ kind, count }) => `${grouped(count)} ${kind} due`).join(', ') || 'nothing due';

/** Seconds between now and the checkpoint: how old what readers see may be. Of a job without windows: how old what is due is. */
function lagOf({ checkpoint: known, due }: Line): number | null {
  const oldest = (due ?? []).map(({ oldest: at }) => at).filter((at) => at !== null);
  const checkpoint = oldest.length === 0 ? known : Math.min(...oldest);
  return checkpoint === null ? null : Math.max(0, Math.round((Date.now() - checkpoint) / 1000));
}

async function printLines(lines: readonly Line[], zone: Zone): Promise<void> {
  await printTable(
    ['JOB', 'CHECKPOINT', 'BEHIND', 'WATERMARK', 'REDIS', 'DEAD', 'LAST RUN'],
    lines.map((line) => [
      titleOf(line),
      line.due !== null ? dueText(line.due) : line.checkpoint === null ? 'never ran' : zone.text(line.checkpoint),
      inWords(lagOf(line)),
      line.watermark === null ? '-' : `${zone.text(line.watermark).slice(11)}${line.proven ? '' : ' unproven'}`,
      line.redis ?? '-',
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
