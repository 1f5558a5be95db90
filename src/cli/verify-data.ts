/** `tidemark verify --data`: source and target compared, the differences told, and with `--fix` applied. */
import { v7 as uuid } from 'uuid';
import type { Compared, Difference } from '../engine/compared.ts';
import { compareJob } from '../engine/comparison.ts';
import { addFixed, type Fixed, fixShard, nothingFixed } from '../engine/fix.ts';
import {
  type Finding,
  type FollowingJob,
  isFollowingJob,
  isTableJob,
  type Job,
  readsFrom,
  shardNames,
  type TableJob,
} from '../engine/job.ts';
import type { Request, Setting } from '../engine/run.ts';
import { exitCodes, SetupError, UsageError } from '../platform/errors.ts';
import { LogWriter } from '../platform/log.ts';
import { databaseSettings } from '../platform/settings.ts';
import { type App, openCopies, type Surroundings } from './app.ts';
import { confirm } from './confirm.ts';
import { engineSetting } from './engine-setting.ts';
import { watchHalt } from './halt.ts';
import { runJob } from './one-run.ts';
import { grouped, print } from './output.ts';
import { graveness } from './run-report.ts';

interface DataOptions {
  readonly fix?: true;
  readonly yes?: true;
  readonly json?: true;
}

/** What `--json` tells of a job, and whether a person must act. */
interface Told {
  readonly code: number;
  readonly told: object;
}

type Undeclared = readonly { readonly job: string; readonly shard: string }[];

const shownMax = 20;

export async function verifyData(
  app: App,
  jobs: readonly Job[],
  named: boolean,
  options: DataOptions,
  surroundings: Surroundings,
  undeclared: Undeclared,
): Promise<Told> {
  const { config } = surroundings;
  const needed = jobs.flatMap((job) => [job.target, readsFrom(job, app.jobs)].map((name) => databaseSettings[name]));
  config.require([...new Set(needed), 'REDIS_URL']);
  const writer = LogWriter.of(config);
  const { halt, exitCode, done } = watchHalt(undefined);
  const copies = openCopies(surroundings);
  try {
    const setting = engineSetting(app, surroundings, { copies, halt, log: writer.log(), progress: null });
    const all: Told[] = [];
    for (const job of jobs) {
      if (halt.soon.aborted) break;
      all.push(await verifyJob(job, named, options, setting, undeclared));
    }
    const gravest = all.reduce((code, one) => (graveness(one.code) > graveness(code) ? one.code : code), 0);
    return { code: exitCode() ?? gravest, told: all.map(({ told }) => told) };
  } finally {
    done();
    await Promise.all([copies.close(), writer.close()]);
  }
}

async function verifyJob(
  job: Job,
  named: boolean,
  options: DataOptions,
  setting: Setting,
  undeclared: Undeclared,
): Promise<Told> {
  if (isFollowingJob(job) && job.tellsDifferences) return verifyFollowing(job, options, setting);
  if (isTableJob(job) && job.compare !== undefined) {
    const claimed = claimOf(job, setting.jobs, undeclared);
    return verifyTable(job as ComparableJob, claimed, options, setting);
  }
  const text = `${job.name} has no way to compare its data with anything`;
  if (named) throw new UsageError(text, `tidemark verify ${job.name}`);
  if (!options.json) print(`${text}: skipped`);
  return { code: exitCodes.done, told: { job: job.name, comparable: false } };
}

type ComparableJob = TableJob & Required<Pick<TableJob, 'compare'>>;

/** Why rows that no shard has may still be somebody's; null when they are nobody's. */
function claimOf(job: TableJob, jobs: readonly Job[], undeclared: Undeclared): string | null {
  const former = undeclared.filter((one) => one.job === job.name).map(({ shard }) => shard);
  if (former.length > 0) return `the tables know shards that the job does not declare: ${former.join(', ')}`;
  const writesTheSame = (one: Job) => one !== job && isTableJob(one) && one.targetTable === job.targetTable;
  const other = job.targetTable === undefined ? undefined : jobs.find(writesTheSame);
  return other === undefined ? null : `${other.name} writes the same table`;
}

async function verifyTable(
  job: ComparableJob,
  claimed: string | null,
  options: DataOptions,
  setting: Setting,
): Promise<Told> {
  const compared = await compareJob(job, setting);
  if (!options.json) printCompared(job, compared);
  const fixable = compared.differences.filter(({ kind }) => kind !== 'undecided');
  if (!options.fix || fixable.length === 0 || setting.halt.soon.aborted) {
    const code = compared.differences.length === 0 ? exitCodes.done : exitCodes.waitsForPerson;
    const next = fixable.length === 0 ? {} : { next: `tidemark verify ${job.name} --data --fix` };
    if ('next' in next && !options.json) print(`Next: ${next.next}`);
    return { code, told: { job: job.name, ...compared, ...next } };
  }
  if (claimed !== null && fixable.some(({ kind }) => kind === 'only in target'))
    throw new SetupError(
      `${job.name}: rows that are only in the target would be deleted, and may not be its own: ${claimed}`,
      `look at them first: tidemark verify ${job.name} --data`,
    );
  if (compared.rows === 0 && fixable.length > 0)
    throw new SetupError(
      `${job.name}: the source tables hold no row at all, and every row of ${job.targetTable ?? 'the target'} would be deleted`,
      'check SOURCE_DATABASE_URL: tidemark config',
    );
  if (!options.yes && !(await confirm(intentionOf(job, fixable))))
    return { code: exitCodes.waitsForPerson, told: { job: job.name, ...compared } };
  const fixed = await fixAll(job, fixable, setting);
  const left = await compareJob(
    job,
    setting,
    compared.differences.map(({ key }) => key),
  );
  if (!options.json) printFixed(job, fixed, left);
  const isDone = left.differences.length + fixed.deadLetters === 0;
  return {
    code: isDone ? exitCodes.done : exitCodes.waitsForPerson,
    told: { job: job.name, ...compared, fixed, left: left.differences },
  };
}

/** Shard by shard, under the lock of each; rows that no shard has go with the first. */
async function fixAll(job: ComparableJob, differences: readonly Difference[], setting: Setting): Promise<Fixed> {
  const runId = uuid();
  const fixed = nothingFixed();
  const shards = shardNames(job);
  for (const shard of shards) {
    const share = differences.filter((one) => (one.shard ?? shards[0]) === shard);
    if (share.length > 0 && !setting.halt.soon.aborted)
      addFixed(fixed, await fixShard(job, shard, share, runId, setting));
  }
  return fixed;
}

const countOf = (differences: readonly Difference[], kind: Difference['kind']): number =>
  differences.filter((one) => one.kind === kind).length;

function intentionOf(job: Job, differences: readonly Difference[]): string {
  const table = isTableJob(job) ? (job.targetTable ?? 'the target') : 'the target';
  return (
    `${job.name}: insert ${grouped(countOf(differences, 'missing in target'))} rows into ${table}, ` +
    `update ${grouped(countOf(differences, 'different'))}, delete ${grouped(countOf(differences, 'only in target'))}, as the source holds them then`
  );
}

function printCompared(job: Job, compared: Compared): void {
  const { differences, rows, waiting, timeless, deadLetters, inTwoShards, notes } = compared;
  for (const note of notes) print(`${job.name}: ${note}`);
  for (const { kind, shard, key, columns } of differences.slice(0, shownMax))
    print(
      `${job.name}${shard ? ` ${shard}` : ''}: row ${key} is ${kind === 'undecided' ? 'in two shards at once, equally young' : kind}${columns.length === 0 ? '' : `: ${columns.join(', ')}`}`,
    );
  if (differences.length > shownMax)
    print(`… and ${grouped(differences.length - shownMax)} more; --json lists them all`);
  if (inTwoShards.length > 0)
    print(
      `${job.name}: ${grouped(inTwoShards.length)} rows are in two shards at once, equally young (${inTwoShards.slice(0, 5).join(', ')}); the target holds one of both`,
    );
  const apart = [
    [waiting, 'wait for their window'],
    [timeless, 'have no time'],
    [deadLetters, 'wait as dead letters'],
  ] as const;
  const told = apart.filter(([count]) => count > 0).map(([count, what]) => `${grouped(count)} ${what}`);
  print(
    `${job.name}: ${grouped(rows)} rows compared: ${grouped(differences.length)} differences${told.length === 0 ? '' : `; apart from these, ${told.join(', ')}`}`,
  );
}

function printFixed(job: Job, fixed: Fixed, left: Compared): void {
  print(
    `${job.name}: ${grouped(fixed.inserted)} rows inserted, ${grouped(fixed.updated)} updated, ${grouped(fixed.deleted)} deleted`,
  );
  if (fixed.deadLetters > 0)
    print(`${grouped(fixed.deadLetters)} rows were refused. Next: tidemark dead-letters list ${job.name}`);
  if (left.differences.length > 0)
    print(`${grouped(left.differences.length)} differences are left. Next: tidemark verify ${job.name} --data`);
}

/** A job that follows another: what `--full` would put right, and with `--fix` puts right. */
async function verifyFollowing(job: FollowingJob, options: DataOptions, setting: Setting): Promise<Told> {
  const full = async (dryRun: boolean) => {
    const request: Request = {
      kind: 'full',
      range: null,
      dryRun,
      maxWindows: Number.POSITIVE_INFINITY,
      waitForLock: !dryRun,
    };
    const { shards } = await runJob(job, shardNames(job), request, setting, 1);
    for (const { error } of shards) if (error !== null) throw error;
    return shards.flatMap(({ findings }) => findings);
  };
  const findings = await full(true);
  const next = findings.length === 0 ? null : nextOf(job, findings);
  const told = { job: job.name, findings, ...(next === null ? {} : { next }) };
  if (!options.json) {
    for (const { what, was, is } of findings.slice(0, shownMax))
      print(`${job.name}: ${what} is ${was}, should be ${is}`);
    if (findings.length > shownMax) print(`… and ${grouped(findings.length - shownMax)} more; --json lists them all`);
    print(`${job.name}: everything computed again: ${grouped(findings.length)} differences`);
  }
  if (findings.length === 0) return { code: exitCodes.done, told };
  if (!options.fix) {
    if (!options.json) print(`Next: ${next}\n      or all of it anew: tidemark verify ${job.name} --data --fix`);
    return { code: exitCodes.waitsForPerson, told };
  }
  if (!options.yes && !(await confirm(`${job.name}: put ${grouped(findings.length)} right, as --full does`)))
    return { code: exitCodes.waitsForPerson, told };
  const fixed = await full(false);
  if (!options.json) print(`${job.name}: ${grouped(fixed.length)} put right`);
  return { code: exitCodes.done, told: { ...told, fixed } };
}

/** The run that puts right what was found, and no more of it than there is between the first and the last of it. */
function nextOf({ name }: FollowingJob, findings: readonly Finding[]): string {
  const ranges = findings.map(({ range }) => range).filter((range) => range !== undefined);
  if (ranges.length < findings.length) return `tidemark run ${name} --full`;
  const [from = ''] = ranges.map((range) => range.from).sort((a, b) => Date.parse(a) - Date.parse(b));
  const [to = ''] = ranges.map((range) => range.to).sort((a, b) => Date.parse(b) - Date.parse(a));
  return `tidemark run ${name} --from ${from} --to ${to}`;
}
