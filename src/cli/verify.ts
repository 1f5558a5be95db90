/** `tidemark verify`: proves from the journal that windows tile time, and tells where each shard stands beside it. */
import { readCheckpoint, titleOf } from '../engine/checkpoint.ts';
import type { Copy } from '../engine/checkpoint-copy.ts';
import { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import { isDueJob, isTableJob, shardNames, type WindowJob } from '../engine/job.ts';
import { type Disagreement, type Flaw, findUndeclared, type Proof, proveTiling } from '../engine/proof.ts';
import { inSnapshot } from '../engine/source.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type App, chosenJobs, inEachTarget, openSurroundings, type Surroundings } from './app.ts';
import { assertCanAsk } from './confirm.ts';
import { counted, grouped, print, printJson, sentenceOf } from './output.ts';
import { graveness } from './run-report.ts';
import { jobWithShards } from './shard-names.ts';
import { verifyData } from './verify-data.ts';
import { watermarkNow } from './watermark.ts';

interface VerifyOptions {
  data?: true;
  fix?: true;
  yes?: true;
  json?: true;
}

/** What is known of a shard, beside whether its journal is whole. */
interface Line extends Proof {
  readonly job: WindowJob;
  readonly shard: string;
  readonly checkpoint: number | null;
  readonly copy: Copy;
  /** Null when it cannot be told. */
  readonly watermark: number | null;
}

interface Findings {
  readonly lines: readonly Line[];
  readonly undeclared: readonly { readonly job: string; readonly shard: string; readonly next: string }[];
  /** Why watermarks are not told. */
  readonly sourceFailure: string | null;
}

export async function verify(app: App, jobName: string | undefined, options: VerifyOptions): Promise<number> {
  const jobs = chosenJobs(app, jobName).filter((job): job is WindowJob => !isDueJob(job));
  if (jobName !== undefined && jobs.length === 0)
    throw new UsageError(
      `${jobName} has no windows, and so no journal that could be proven`,
      `tidemark status ${jobName}`,
    );
  if (options.fix && !options.data)
    throw new UsageError('--fix applies what --data finds', `tidemark verify ${jobName ?? '[job]'} --data --fix`);
  if (options.yes && !options.fix)
    throw new UsageError('--yes answers what --fix asks', `tidemark verify ${jobName ?? '[job]'} --data --fix --yes`);
  if (options.fix && !options.yes) assertCanAsk();
  const surroundings = openSurroundings();
  const findings = await proveAll(app, jobs, jobName !== undefined, surroundings);
  if (!options.json) printFindings(findings, surroundings.zone);
  const isWhole = findings.lines.every(
    ({ gaps, overlaps, disagreement }) => gaps.length + overlaps.length === 0 && disagreement === null,
  );
  const code: number = isWhole ? exitCodes.done : exitCodes.waitsForPerson;
  const data = options.data
    ? await verifyData(app, jobs, jobName !== undefined, options, surroundings, findings.undeclared)
    : null;
  if (options.json)
    printJson({ ...asJson(findings, surroundings.zone), ...(data === null ? {} : { data: data.told }) });
  return data !== null && graveness(data.code) > graveness(code) ? data.code : code;
}

async function proveAll(
  app: App,
  jobs: readonly WindowJob[],
  isNamed: boolean,
  surroundings: Surroundings,
): Promise<Findings> {
  const { zone, config, databases } = surroundings;
  const copies = new CheckpointCopies(() => databases.redis(), config.need('TIDEMARK_REDIS_PREFIX') as string);
  let source: Session | null = null;
  try {
    const opened = jobs.some(isTableJob) ? await databases.open('source').catch((error: Error) => error) : null;
    if (!(opened instanceof Error)) source = opened;
    const found = await inEachTarget(surroundings, jobs, isNamed, async (own, target) => {
      const proofs = await inSnapshot(target, () => proveJobs(own, target, zone));
      const lines: Line[] = [];
      for (const { job, shard, checkpoint, proof } of proofs) {
        const name = { job: job.name, shard };
        const copy = await copies.look(name, checkpoint, () => readCheckpoint(target, name, zone));
        const known = !isTableJob(job) || source !== null;
        const watermark = known
          ? (await watermarkNow(app, job, shard, checkpoint, surroundings, target, source)).at
          : null;
        lines.push({ ...proof, job, shard, checkpoint, copy, watermark });
      }
      const undeclared = [];
      for (const job of own)
        for (const shard of await findUndeclared(target, job.name, shardNames(job)))
          undeclared.push({ job: job.name, shard, next: nextForUndeclared(job.name, shard) });
      return { lines, undeclared };
    });
    return {
      lines: found.flatMap(({ lines }) => lines),
      undeclared: found.flatMap(({ undeclared }) => undeclared),
      sourceFailure: opened instanceof Error ? sentenceOf(opened) : null,
    };
  } finally {
    await Promise.all([(source as Session | null)?.close(), copies.close()]);
  }
}

/** Journal and checkpoint of all shards, as of one instant. */
async function proveJobs(jobs: readonly WindowJob[], target: Session, zone: Zone) {
  const proofs: { job: WindowJob; shard: string; checkpoint: number | null; proof: Proof }[] = [];
  for (const job of jobs) {
    for (const shard of shardNames(job)) {
      const name = { job: job.name, shard };
      const checkpoint = await readCheckpoint(target, name, zone);
      proofs.push({ job, shard, checkpoint, proof: await proveTiling(target, name, checkpoint, zone) });
    }
  }
  return proofs;
}

const nextForUndeclared = (job: string, shard: string): string =>
  `declare it in jobs/${job}; or, where it is gone for good, DELETE FROM tidemark_checkpoint WHERE job = '${job}' AND shard = '${shard}', and the same FROM tidemark_window`;

const behindOf = ({ checkpoint, watermark }: Line): number | null =>
  checkpoint === null || watermark === null ? null : Math.max(0, Math.round((watermark - checkpoint) / 1000));

function asJson({ lines, undeclared, sourceFailure }: Findings, zone: Zone) {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  const flaw = ({ job, shard, from, to, next }: Flaw) => ({
    job,
    shard: shard || null,
    from: zone.iso(from),
    to: zone.iso(to),
    next,
  });
  return {
    gaps: lines.flatMap(({ gaps }) => gaps.map(flaw)),
    overlaps: lines.flatMap(({ overlaps }) => overlaps.map(flaw)),
    checked: lines.reduce((sum, { checked }) => sum + checked, 0),
    disagreements: lines.flatMap(({ disagreement }) =>
      disagreement === null
        ? []
        : {
            job: disagreement.job,
            shard: disagreement.shard || null,
            journalEnd: iso(disagreement.journalEnd),
            checkpoint: iso(disagreement.checkpoint),
            next: disagreement.next,
          },
    ),
    shards: lines.map((line) => ({
      job: line.job.name,
      shard: line.shard || null,
      windows: line.checked,
      journalEnd: iso(line.journalEnd),
      checkpoint: iso(line.checkpoint),
      watermark: iso(line.watermark),
      behindSeconds: behindOf(line),
      redis: line.copy.state,
    })),
    undeclaredShards: undeclared,
    ...(sourceFailure === null ? {} : { watermarksUnknown: sourceFailure }),
  };
}

function printFindings({ lines, undeclared, sourceFailure }: Findings, zone: Zone): void {
  for (const { gaps, overlaps, disagreement } of lines) {
    if (disagreement !== null) print(disagreementText(disagreement, zone));
    for (const [what, flaws] of [
      ['gap', gaps],
      ['overlap', overlaps],
    ] as const) {
      for (const flaw of flaws.filter(({ next }) => next !== disagreement?.next))
        print(`${what} in ${titleOf(flaw)}: ${zone.iso(flaw.from)} to ${zone.iso(flaw.to)}. Next: ${flaw.next}`);
    }
  }
  for (const { job, shard, next } of undeclared)
    print(`${titleOf({ job, shard })}: the tables know this shard, and the job does not declare it. Next: ${next}`);
  for (const job of new Set(lines.map((line) => line.job)))
    printStanding(
      job,
      lines.filter((line) => line.job === job),
      zone,
    );
  if (sourceFailure !== null) print(`how far the shards are behind the source is not told: ${sourceFailure}`);
  const count = (of: (line: Line) => number) => grouped(lines.reduce((sum, line) => sum + of(line), 0));
  const disagreements = lines.filter(({ disagreement }) => disagreement !== null).length;
  print(
    `${count((line) => line.checked)} windows of ${counted(lines.length, 'shard', 'shards')} checked: ${count((line) => line.gaps.length)} gaps, ${count((line) => line.overlaps.length)} overlaps` +
      `${disagreements === 0 ? '' : `, ${disagreements} checkpoints that the journal contradicts`}`,
  );
}

function disagreementText(found: Disagreement, zone: Zone): string {
  const { journalEnd, checkpoint, next } = found;
  const journal = journalEnd === null ? 'there is no journal' : `the journal ends at ${zone.iso(journalEnd)}`;
  const position = checkpoint === null ? 'there is no checkpoint' : `the checkpoint is ${zone.iso(checkpoint)}`;
  return `${titleOf(found)}: ${journal}, and ${position}. Next: ${next}`;
}

/** What is no fault, in a line for a job: shards that are due, or never ran; copies in Redis that do not agree. */
function printStanding(job: WindowJob, lines: readonly Line[], zone: Zone): void {
  const named = (some: readonly Line[]) =>
    some.length === lines.length && some.length > 1
      ? `${job.name}: all shards`
      : `${job.name} ${some.map(({ shard }) => shard).join(' ')}`.trimEnd();
  const behind = lines.filter((line) => (behindOf(line) ?? 0) > 0);
  const most = behind.reduce((max, line) => Math.max(max, behindOf(line) ?? 0), 0);
  if (behind.length > 0) print(`${named(behind)} up to ${grouped(most)} s behind the watermark, which is no gap`);
  const never = lines.filter(({ checkpoint, journalEnd }) => checkpoint === null && journalEnd === null);
  if (never.length > 0 && never.length < lines.length)
    print(`${named(never)} never ran. Next: tidemark run ${job.name}`);
  const missing = lines.filter(({ copy }) => copy.state === 'missing');
  if (missing.length > 1)
    print(
      `${jobWithShards(
        job.name,
        missing.map(({ shard }) => shard),
      )}: the copies in Redis are missing. Next: tidemark run ${job.name} puts them right`,
    );
  for (const line of lines.filter(({ copy }) => copy.state !== 'agrees' && copy.state !== 'unreachable'))
    if (missing.length < 2 || !missing.includes(line)) print(redisText(line, zone));
  if (lines.some(({ copy }) => copy.warning !== undefined))
    print('Redis cannot be reached: its copies were not compared');
}

function redisText({ job, shard, checkpoint, copy: { state, at } }: Line, zone: Zone): string {
  const title = titleOf({ job: job.name, shard });
  const where = at === null ? '' : ` (${zone.iso(at)})`;
  const next =
    checkpoint === null && at !== null
      ? `tidemark checkpoint ${title} --set ${zone.iso(at)}, or delete the key`
      : `tidemark run ${title} puts it right`;
  return `${title}: the copy in Redis is ${state}${where}. Next: ${next}`;
}
