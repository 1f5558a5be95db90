/** `tidemark history`: past runs, the latest first; the shards of a run in one line. */
import { shardNames } from '../engine/job.ts';
import { type PastRun, pastRuns } from '../engine/run-history.ts';
import type { Zone } from '../engine/zone.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { shortIdLength } from '../platform/log-line.ts';
import { Mask } from '../platform/masking.ts';
import { type App, chosenJobs, findJob, findShards, inEachTarget, openSurroundings } from './app.ts';
import { inWords, painted, wrapped } from './looks.ts';
import { grouped, print, printJson } from './output.ts';
import { jobWithShards, shardsInShort } from './shard-names.ts';

export interface HistoryOptions {
  readonly shard?: string;
  readonly limit: number;
  readonly failed?: true;
  /** Milliseconds. */
  readonly since?: number;
  readonly json?: true;
}

/** A run with its shards, in the order in which they began. */
export interface WholeRun {
  readonly runId: string;
  readonly job: string;
  readonly kind: string;
  readonly host: string;
  readonly startedAt: number | null;
  /** Null while a shard runs, and where one was killed. */
  readonly endedAt: number | null;
  readonly shards: readonly PastRun[];
}

export async function history(app: App, jobName: string | undefined, options: HistoryOptions): Promise<number> {
  const shards = options.shard === undefined ? [] : [options.shard];
  if (jobName === undefined && shards.length > 0)
    throw new UsageError('--shard needs a job: which one has this shard?', 'tidemark history <job> --shard 3');
  const wanted = jobName === undefined ? null : findShards(findJob(app, jobName), shards);
  const surroundings = openSurroundings();
  const { config, zone } = surroundings;
  const filter = {
    limit: options.limit,
    ...(options.failed ? { failed: true as const } : {}),
    ...(options.since === undefined ? {} : { since: Date.now() - options.since }),
  };
  const found = await inEachTarget(surroundings, chosenJobs(app, jobName), jobName !== undefined, (jobs, session) => {
    const names = jobs.flatMap((job) => (wanted ?? shardNames(job)).map((shard) => ({ job: job.name, shard })));
    return pastRuns(session, names, filter, zone);
  });
  const runs = wholeRuns(found.flat()).slice(0, options.limit);
  const mask = new Mask(config.secrets);
  if (options.json) printJson(runs.map((run) => asJson(run, zone, mask)));
  else await show(runs, options, zone, mask);
  return exitCodes.done;
}

/** Rows of shards as runs, the latest first. */
export function wholeRuns(rows: readonly PastRun[]): WholeRun[] {
  const byRun = new Map<string, PastRun[]>();
  for (const row of rows) {
    const key = `${row.runId} ${row.job}`;
    byRun.set(key, [...(byRun.get(key) ?? []), row]);
  }
  const runs = [...byRun.values()].map((unordered) => {
    const shards = [...unordered].sort((a, b) => a.sequence - b.sequence);
    const { runId, job, kind, host } = shards[0] as PastRun;
    const startedAt = Math.min(...shards.map((shard) => shard.startedAt ?? Number.POSITIVE_INFINITY));
    const endedAt = shards.some((shard) => shard.endedAt === null)
      ? null
      : Math.max(...shards.map((shard) => shard.endedAt ?? 0));
    return { runId, job, kind, host, startedAt: Number.isFinite(startedAt) ? startedAt : null, endedAt, shards };
  });
  const latest = ({ startedAt, shards }: WholeRun) => [startedAt ?? 0, shards.at(-1)?.sequence ?? 0] as const;
  return runs.sort((a, b) => latest(b)[0] - latest(a)[0] || latest(b)[1] - latest(a)[1]);
}

const gravity = [
  'failed',
  'killed',
  'interrupted',
  'dead-letters',
  'running',
  'held-back',
  'paused',
  'done',
  'nothing-due',
];

/** The gravest first. */
export const byGravity = (a: string, b: string): number => gravity.indexOf(a) - gravity.indexOf(b);

/** The gravest outcome of its shards. */
export const outcomeOf = ({ shards }: WholeRun): string =>
  shards.map(({ outcome }) => outcome).sort(byGravity)[0] ?? '';

/** `failed 1 of 10`. */
export function outcomeText(run: WholeRun): string {
  const outcome = outcomeOf(run);
  const many = run.shards.filter((shard) => shard.outcome === outcome).length;
  const isMixed = many < run.shards.length && outcome !== 'done';
  return isMixed ? `${outcome} ${many} of ${run.shards.length}` : outcome;
}

const isBad = (outcome: string): boolean => ['failed', 'killed'].includes(outcome);
const isDoubtful = (outcome: string): boolean =>
  ['interrupted', 'dead-letters', 'running', 'held-back'].includes(outcome);

/** An outcome in the colour of what it means. */
export const paintedOutcome = (outcome: string, text: string): string =>
  isBad(outcome) ? painted('bad', text) : isDoubtful(outcome) ? painted('doubtful', text) : text;

const durationOf = ({ startedAt, endedAt }: Pick<WholeRun, 'startedAt' | 'endedAt'>): number | null =>
  startedAt === null || endedAt === null ? null : Math.max(0, (endedAt - startedAt) / 1000);

/** `, 4 s`; the history knows whole seconds. Empty for a run without an end. */
export function tookText(run: WholeRun): string {
  const took = durationOf(run);
  return took === null ? '' : `, ${took < 1 ? '<1 s' : inWords(took)}`;
}

const sums = ['windows', 'read', 'inserted', 'updated', 'unchanged', 'deadLetters'] as const;

/** `3 windows, 1,200 read: 900 inserted, 200 updated, 100 unchanged`; empty where nothing was done. */
export function doneText({ shards }: Pick<WholeRun, 'shards'>): string {
  const [windows, read, inserted, updated, unchanged, letters] = sums.map((name) =>
    shards.reduce((sum, shard) => sum + shard[name], 0),
  ) as [number, number, number, number, number, number];
  if (read + inserted + updated + unchanged + letters === 0) return '';
  const effects = [
    [inserted, 'inserted'],
    [updated, 'updated'],
    [unchanged, 'unchanged'],
    [letters, letters === 1 ? 'dead letter' : 'dead letters'],
  ] as const;
  const told = effects.filter(([count]) => count > 0).map(([count, what]) => `${grouped(count)} ${what}`);
  const inWindows = windows === 0 ? '' : `${grouped(windows)} window${windows === 1 ? '' : 's'}, `;
  return `${inWindows}${grouped(read)} read${told.length === 0 ? '' : `: ${told.join(', ')}`}`;
}

/** The errors of a run, those that are alike together. */
export function errorsOf({ job, shards }: WholeRun): { readonly shards: string; readonly error: string }[] {
  const plain = ({ shard, error }: PastRun) => (error ?? '').replace(`${job} ${shard}: `, '').replace(`${job}: `, '');
  const errors = [...new Set(shards.filter(({ error }) => error !== null).map(plain))];
  return errors.map((error) => ({
    error,
    shards: shardsInShort(shards.filter((shard) => plain(shard) === error).map(({ shard }) => shard)),
  }));
}

async function show(runs: readonly WholeRun[], options: HistoryOptions, zone: Zone, mask: Mask): Promise<void> {
  if (runs.length === 0) {
    print(options.failed ? 'no failed runs' : 'no runs');
    return;
  }
  const names = runs.map(({ job, shards }) =>
    jobWithShards(
      job,
      shards.map(({ shard }) => shard),
    ),
  );
  const width = Math.min(28, Math.max(3, ...names.map(({ length }) => length)));
  print(painted('quiet', `${'WHEN'.padEnd(14)}  ${'RUN'.padEnd(shortIdLength)}  ${'JOB'.padEnd(width)}  OUTCOME`));
  for (const [index, run] of runs.entries()) {
    const when = run.startedAt === null ? '-' : zone.text(run.startedAt).slice(5);
    const outcome = outcomeOf(run);
    const kind = run.kind === 'windows' || run.kind === 'due' ? '' : `, ${run.kind}`;
    const end = `${outcomeText(run)}${kind}${tookText(run)}`;
    const start = `${when.padEnd(14)}  ${run.runId.slice(0, shortIdLength)}  ${(names[index] as string).padEnd(width)}  `;
    print(`${start}${paintedOutcome(outcome, end)}`);
    const done = doneText(run);
    if (done !== '') print(`    ${await wrapped(done, 4)}`);
    for (const { shards, error } of errorsOf(run))
      print(`    ${await wrapped(painted('bad', mask.text(`${shards === '' ? '' : `${shards}: `}${error}`)), 4)}`);
  }
  const telling = runs.find((run) => isBad(outcomeOf(run))) ?? runs.find((run) => doneText(run) !== '') ?? runs[0];
  print(`\nNext: tidemark log ${telling?.runId.slice(0, shortIdLength)}`);
}

/** A run for programs. */
export function asJson(run: WholeRun, zone: Zone, mask: Mask) {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  return {
    runId: run.runId,
    job: run.job,
    kind: run.kind,
    outcome: outcomeOf(run),
    startedAt: iso(run.startedAt),
    endedAt: iso(run.endedAt),
    durationSeconds: durationOf(run),
    host: run.host,
    shards: run.shards.map(({ shard, pid, outcome, startedAt, endedAt, error, ...counts }) => ({
      shard: shard || null,
      outcome,
      startedAt: iso(startedAt),
      endedAt: iso(endedAt),
      pid,
      ...Object.fromEntries(sums.map((name) => [name, counts[name]])),
      error: error === null ? null : mask.text(error),
    })),
  };
}
