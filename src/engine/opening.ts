/**
 * What a run does before its first window: it takes its shard, and looks at the copy in Redis, the source and its
 * privileges, the tables of both sides.
 */
import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { readCheckpoint, type ShardName, titleOf } from './checkpoint.ts';
import { Claim } from './claim.ts';
import { readInStep } from './in-step.ts';
import { followingIntake, type Intake, type IntakeOptions, tableIntake } from './intake.ts';
import { isPeriodJob, isTableJob, readsFrom, shardNames, type TableJob, upstreamOf, type WindowJob } from './job.ts';
import { openPeriods } from './period-intake.ts';
import type { Request, Run, Setting, ShardResult } from './run.ts';
import { Source } from './source.ts';
import { describeSource } from './source-table.ts';
import { checkSourceZone } from './source-zone.ts';
import { checkProvable } from './watermark.ts';

/** Takes one shard of a job; null when another run holds it, or when the run was told to stop while it waited. */
export function takeClaim(
  job: WindowJob,
  shard: string,
  setting: Setting,
  { dryRun, waitForLock }: Pick<Request, 'dryRun' | 'waitForLock'>,
): Promise<Claim | null> {
  const { clock, zone, halt, onStep, stallTimeoutMs, openSource } = setting;
  const openTarget = () => setting.openTarget(job);
  const options = { clock, zone, halt, onStep, stallTimeoutMs, dryRun, waitForLock, openTarget };
  const name = { job: job.name, shard };
  if (!isPeriodJob(job)) return Claim.take({ ...options, name, openSource, openAside: openSource });
  const openUpstream = () => setting.openDatabase(readsFrom(job, setting.jobs));
  return Claim.take({ ...options, name, openSource: openUpstream, openAside: openTarget });
}

/** Compares the copy in Redis with the checkpoint before any work, and puts it right. */
export async function checkCopy(
  name: ShardName,
  claim: Claim,
  setting: Setting,
  result: ShardResult,
  log: Log,
): Promise<void> {
  const { zone, copies } = setting;
  const checkpoint = await claim.retried(() => readInStep(claim.target, name, zone));
  const current = () => claim.retried(() => readCheckpoint(claim.target, name, zone));
  result.checkpoint = checkpoint;
  const copy = await copies.look(name, checkpoint, current);
  if (checkpoint === null && copy.state === 'ahead' && copy.at !== null) {
    throw new SetupError(
      `Redis knows a checkpoint of ${titleOf(name)} (${zone.iso(copy.at)}), the database has none: a first run would apply everything again`,
      `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(copy.at)}, or delete the key ${copies.key(name)}`,
    );
  }
  if (copy.warning !== undefined) log.warn(copy.warning);
  if (copy.state === 'unreachable') return;
  if (checkpoint !== null && copy.state !== 'agrees' && setting.halt.soon.aborted === false && !claim.isDryRun) {
    const warning = await copies.publish(name, checkpoint, current);
    if (warning !== null) log.warn(warning);
  }
}

export async function openIntake(job: WindowJob, options: IntakeOptions, setting: Setting): Promise<Intake> {
  const { claim, zone, log } = options;
  if (isPeriodJob(job)) return openPeriods(job, options, setting);
  if (!isTableJob(job)) return followingIntake(job, shardNames(upstreamOf(job, setting.jobs)), options);
  const session = await claim.source();
  await checkProvable(session, options.settleLagMs === undefined);
  const table = await describeSource(session, job, options.name.shard, log);
  const source = new Source(table, job.source, zone);
  await checkSourceZone(session, source, zone, log);
  const timeless = await source.timeless(session);
  if (timeless > 0)
    log.warn(
      `${timeless} rows of ${table.name} have no ${job.source.time} (NULL or zero): they are in no window and are not copied`,
    );
  const plan = await (job as TableJob).prepare({
    table,
    target: claim.target,
    log,
    missingColumns: setting.missingColumns,
  });
  return tableIntake(job as TableJob, plan, source, options);
}

export function intakeOptions(
  name: ShardName,
  runId: string,
  setting: Setting,
  claim: Claim,
  result: ShardResult,
  log: Log,
): IntakeOptions {
  const { zone, clock, windowRows, settleLagMs, exemptions, progress } = setting;
  return {
    name,
    runId,
    claim,
    zone,
    log,
    settleLagMs,
    exemptions,
    now: () => clock.now(),
    rowLimit: windowRows,
    progress: (rows) => progress?.rows(name.shard, rows),
    finding: (finding) => {
      result.findings.push(finding);
      log.info('found wrong', { ...finding });
    },
  };
}

/** Tells the progress bar how much there is to do. */
export async function announce({ setting, result, watermark, intake, claim, name }: Run): Promise<void> {
  if (setting.progress === null || watermark.at === null) return;
  const start = result.checkpoint ?? (await intake.oldest(claim.target));
  const rows = start === null || start >= watermark.at ? 0 : await intake.count({ start, end: watermark.at });
  if (rows !== null) setting.progress.total(name.shard, rows);
}
