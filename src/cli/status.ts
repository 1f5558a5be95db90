/**
 * `tidemark status`: in one look, what is behind, why, and what to type next; then what is well, folded.
 *
 * What cannot be reached is named, and the rest is told all the same; the exit code then is 69, or 78 where we are refused.
 */

import type { DueThings, Job } from '../engine/job.ts';
import type { Zone } from '../engine/zone.ts';
import { Mask } from '../platform/masking.ts';
import { type Deadlines, deadlinesOf } from '../schedule/deadline.ts';
import { type App, findJob, jobsInUse, openCopies, openSurroundings } from './app.ts';
import { byGravity } from './history.ts';
import { inWords, painted, secondsSince, wrapped } from './looks.ts';
import { grouped, print, printJson, printTable } from './output.ts';
import { type Away, complainOf } from './reachable.ts';
import { jobWithShards, shardsInShort } from './shard-names.ts';
import { type Concern, concernsOf, lagOf, nameOf, summaryOf } from './status-concerns.ts';
import { type Line, type Standing, standingOf } from './status-lines.ts';

interface StatusOptions {
  readonly all?: true;
  readonly json?: true;
}

export async function status(app: App, jobName: string | undefined, options: StatusOptions): Promise<number> {
  const surroundings = openSurroundings();
  const { config, zone } = surroundings;
  const jobs = jobName === undefined ? jobsInUse(app, config) : [findJob(app, jobName)];
  const copies = openCopies(surroundings);
  try {
    const standing = await standingOf(app, jobs, jobName !== undefined, surroundings, copies);
    if (options.json) printJson(standing.lines.map((line) => asJson(line, zone)));
    else {
      const mask = new Mask(config.secrets);
      const concerns = concernsOf(standing.lines, await allDeadlines(jobs, zone), zone);
      await printStanding(standing, concerns, {
        zone,
        mask,
        all: options.all === true,
        detailed: jobName !== undefined,
      });
    }
    return complainOf(standing.away, options.json !== true && process.stdout.isTTY);
  } finally {
    await copies.close();
  }
}

async function allDeadlines(jobs: readonly Job[], zone: Zone): Promise<Map<string, Deadlines | null>> {
  const now = Date.now();
  // Of a schedule that cannot be read, other commands complain.
  const of = (job: Job) => deadlinesOf(job, now, zone).catch(() => null);
  return new Map(await Promise.all(jobs.map(async (job) => [job.name, await of(job)] as const)));
}

function asJson(line: Line, zone: Zone) {
  const iso = (instant: number | null) => (instant === null ? null : zone.iso(instant));
  const { job, shard, redis, deadLetters, heldBackBy, proven, lastRun: run, pause } = line;
  const isOver = run !== null && run.outcome !== 'running' && run.outcome !== 'killed';
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
            outcome: isOver ? run.outcome : null,
            error: run.error,
            ...(isOver ? {} : { is: run.outcome }),
          },
    proof: proven === null ? null : proven ? 'proven' : 'unproven',
    paused: pause === null ? null : { since: iso(pause.since), who: pause.who, reason: pause.reason },
    ...(line.waiting === null ? {} : { waiting: line.waiting }),
    ...(line.due === null
      ? {}
      : { due: line.due.map(({ kind, count, oldest }) => ({ kind, count, oldest: iso(oldest) })) }),
    ...(line.unavailable === null ? {} : { unavailable: line.unavailable }),
  };
}

interface Look {
  readonly zone: Zone;
  readonly mask: Mask;
  /** A line a shard. */
  readonly all: boolean;
  /** With watermark and copy: for one job. */
  readonly detailed: boolean;
}

async function printStanding(
  { lines, strays, away }: Standing,
  concerns: readonly Concern[],
  look: Look,
): Promise<void> {
  for (const one of away) await printAway(one);
  for (const concern of concerns.filter(({ gravity }) => gravity !== 'note'))
    await printConcern(concern, lines, look.mask);
  const isWell = away.length === 0 && concerns.every(({ gravity }) => gravity === 'note');
  const known = lines.filter(({ unavailable }) => unavailable === null);
  const isTold = ({ job, shard }: Line) =>
    concerns.some((one) => one.gravity !== 'note' && one.job === job && one.shards.includes(shard));
  const shown = look.all || look.detailed ? known : known.filter((line) => !isTold(line));
  if (!isWell && shown.length > 0) print('');
  await printShards(shown, concerns, look);
  const notes = [
    ...concerns.filter(({ gravity }) => gravity === 'note').map((one) => `${nameOf(one)}: ${one.text}`),
    ...exemptNotes(lines),
    ...(lines.some(({ proven }) => proven === false) && lines.every(({ heldBackBy }) => heldBackBy?.kind !== 'setup')
      ? ['the watermark is unproven: windows close by TIDEMARK_SETTLE_LAG']
      : []),
    ...strays.map((name) => `${name} has a checkpoint, and no job has that shard: it counts for nothing`),
  ];
  if (notes.length > 0) print('');
  for (const note of notes) print(await wrapped(painted('quiet', look.mask.text(note)), 2));
  const summary = summaryOf(concerns, away.length);
  print(`\n${painted(summary.startsWith('All') ? 'good' : 'strong', summary)}`);
}

async function printAway({ error, jobs }: Away): Promise<void> {
  const names = jobs.map(({ name }) => name).join(', ');
  const lost = names === '' ? '' : ` (${names})`;
  print(`${painted('bad', '✗')} ${await wrapped(painted('bad', `${error.message}${lost}`), 2)}`);
  if (error.next !== undefined) print(`  ${await wrapped(`Next: ${error.next}`, 4)}`);
}

async function printConcern(concern: Concern, lines: readonly Line[], mask: Mask): Promise<void> {
  const { gravity, text, next } = concern;
  const meaning = gravity === 'bad' ? 'bad' : 'doubtful';
  const name = painted('strong', nameOf(concern));
  const lag = behind(lines.filter(({ job, shard }) => job === concern.job && concern.shards.includes(shard)));
  const what = `${name}${lag === '-' ? '' : `, ${lag} behind`}: ${mask.text(text)}`;
  print(`${painted(meaning, gravity === 'bad' ? '✗' : '!')} ${await wrapped(what, 2)}`);
  if (next !== null) print(`  ${await wrapped(`Next: ${next}`, 4)}`);
}

function exemptNotes(lines: readonly Line[]): string[] {
  const exempt = new Map(lines.flatMap((line) => line.exempt.map((one) => [one.thread, one] as const)));
  return [...exempt.values()].map(
    ({ detail, statement }) =>
      `exempt from the watermark by TIDEMARK_EXEMPT_…: ${detail}${statement === null ? '' : `: ${statement}`}`,
  );
}

/** The shards of a job that stand alike. */
interface Fold {
  readonly job: string;
  readonly lines: readonly Line[];
}

async function printShards(lines: readonly Line[], concerns: readonly Concern[], look: Look): Promise<void> {
  if (lines.length === 0) return;
  const { zone, detailed } = look;
  const rows = foldsOf(lines, concerns, look.all).map((fold) => [
    detailed ? shardsInShort(fold.lines.map(({ shard }) => shard)) || '-' : nameOfFold(fold),
    upTo(fold, zone),
    behind(fold.lines),
    ...(detailed
      ? [watermarkText(fold, zone), [...new Set(fold.lines.map(({ redis }) => redis ?? '-'))].join(', ')]
      : []),
    lastText(fold.lines.map(({ lastRun }) => lastRun)),
  ]);
  const head = ['UP TO', 'BEHIND', ...(detailed ? ['WATERMARK', 'REDIS'] : []), 'LAST RUN'];
  await printTable([detailed ? 'SHARD' : 'JOB', ...head], rows);
}

/** So that a line fits 80 columns. */
const nameMax = 26;

function nameOfFold({ job, lines }: Fold): string {
  const name = jobWithShards(
    job,
    lines.map(({ shard }) => shard),
  );
  return name.length <= nameMax ? name : `${job} (${lines.length})`;
}

/** The worst of them. */
function behind(lines: readonly Line[]): string {
  const lags = lines.map(lagOf).filter((lag) => lag !== null);
  return inWords(lags.length === 0 ? null : Math.max(...lags));
}

/** Those that nobody has to look at in one line, those of the same concern in one. */
function foldsOf(lines: readonly Line[], concerns: readonly Concern[], all: boolean): Fold[] {
  const folds = new Map<string, Line[]>();
  for (const line of lines) {
    const about = concerns.filter(({ job, shards }) => job === line.job && shards.includes(line.shard));
    const own = all ? line.shard : about.map(({ text }) => text).join('\n');
    const key = `${line.job}\n${line.checkpoint === null}\n${own}`;
    folds.set(key, [...(folds.get(key) ?? []), line]);
  }
  return [...folds.values()].map((alike) => ({ job: (alike[0] as Line).job, lines: alike }));
}

function upTo({ lines }: Fold, zone: Zone): string {
  const due = lines.flatMap((line) => line.due ?? []);
  if (lines.some((line) => line.due !== null)) return dueText(due);
  const checkpoints = lines.map(({ checkpoint }) => checkpoint).filter((checkpoint) => checkpoint !== null);
  if (checkpoints.length > 0) return zone.text(Math.min(...checkpoints));
  return lines.every(({ lastRun }) => lastRun === null) ? 'never ran' : 'nothing yet';
}

function dueText(due: readonly DueThings[]): string {
  const told = due.filter(({ count }) => count > 0).map(({ kind, count }) => `${grouped(count)} ${kind} due`);
  return told.join(', ') || 'nothing due';
}

function watermarkText({ lines }: Fold, zone: Zone): string {
  const known = lines.map(({ watermark }) => watermark).filter((watermark) => watermark !== null);
  return known.length === 0 ? '-' : zone.text(Math.min(...known)).slice(5);
}

/** What is worst of the outcomes, and how long ago the longest ago of them was. */
function lastText(runs: readonly Line['lastRun'][]): string {
  const known = runs.filter((run) => run !== null);
  const [worst] = known.map(({ outcome }) => outcome).sort(byGravity);
  if (worst === undefined) return '-';
  const since = Math.min(...known.map(({ startedAt }) => startedAt ?? Date.now()));
  return `${worst}, ${inWords(secondsSince(since))} ago`;
}
