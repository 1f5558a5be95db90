/** What about a shard a person should know, and do: the judgement behind `tidemark status`. */

import { isPeriodJob } from '../engine/job.ts';
import type { Zone } from '../engine/zone.ts';
import { shortIdLength } from '../platform/log-line.ts';
import type { Deadlines } from '../schedule/deadline.ts';
import { inWords, secondsSince } from './looks.ts';
import { grouped } from './output.ts';
import { jobWithShards } from './shard-names.ts';
import type { Line } from './status-lines.ts';

/** `note` is worth a line, and nothing is to be done. */
type Gravity = 'bad' | 'doubtful' | 'note';

export interface Concern {
  readonly gravity: Gravity;
  readonly job: string;
  readonly shards: readonly string[];
  readonly text: string;
  readonly next: string | null;
}

type Found = Omit<Concern, 'job' | 'shards'>;

/** A transaction or statement of that age was perhaps forgotten. */
const forgottenSeconds = 60;

/** Seconds between now and the checkpoint: how old what readers see may be. Of a job without windows: how old what is due is. */
export function lagOf({ checkpoint: known, due }: Line): number | null {
  const oldest = (due ?? []).map(({ oldest: at }) => at).filter((at) => at !== null);
  const checkpoint = oldest.length === 0 ? known : Math.min(...oldest);
  const seconds = secondsSince(checkpoint);
  return seconds === null ? null : Math.round(seconds);
}

/** All concerns, the gravest first; those of shards that have the same one are one. */
export function concernsOf(
  lines: readonly Line[],
  deadlines: ReadonlyMap<string, Deadlines | null>,
  zone: Zone,
): Concern[] {
  const concerns: Concern[] = [];
  for (const line of lines)
    for (const found of concernsOfLine(line, deadlines.get(line.job) ?? null, zone)) {
      const alike = concerns.findIndex(({ job, text }) => job === line.job && text === found.text);
      const known = concerns[alike];
      if (known === undefined) concerns.push({ ...found, job: line.job, shards: [line.shard] });
      else concerns[alike] = { ...known, shards: [...known.shards, line.shard] };
    }
  const order: readonly Gravity[] = ['bad', 'doubtful', 'note'];
  return concerns
    .map((concern) => ({ ...concern, next: concern.next?.replace('<job>', commandName(concern, lines)) ?? null }))
    .sort((a, b) => order.indexOf(a.gravity) - order.indexOf(b.gravity));
}

/** The job, with its shards where not all of them are meant. */
function commandName({ job, shards }: Concern, lines: readonly Line[]): string {
  const all = lines.find((line) => line.job === job)?.of.shards ?? [];
  return shards.length >= all.length ? job : [job, ...shards].join(' ');
}

function concernsOfLine(line: Line, deadlines: Deadlines | null, zone: Zone): Found[] {
  const found = [
    pausedText(line, zone),
    lastRunConcern(line),
    lettersOf(line),
    waitingOf(line),
    holderOf(line, deadlines),
  ];
  const known = found.filter((one) => one !== null);
  const quiet = known.every(({ gravity }) => gravity === 'note');
  const late = quiet && line.unavailable === null ? lateness(line, deadlines) : null;
  return [...known, ...(late === null ? [] : [late]), ...copyConcern(line)];
}

function pausedText({ pause }: Line, zone: Zone): Found | null {
  if (pause === null) return null;
  const since = pause.since === null ? '' : ` since ${zone.text(pause.since).slice(0, 16)}`;
  const next = `tidemark resume ${pause.job} ${pause.shard}`.trim();
  return { gravity: 'doubtful', text: `paused by ${pause.who}${since}: ${pause.reason}`, next };
}

function lastRunConcern({ lastRun: run, job, shard }: Line): Found | null {
  if (run?.outcome === 'failed') {
    const error = (run.error ?? 'for no reason that it could tell')
      .replace(`${job} ${shard}: `, '')
      .replace(`${job}: `, '');
    const next = `tidemark log ${run.runId.slice(0, shortIdLength)}`;
    return { gravity: 'bad', text: `the last run failed ${ago(run.endedAt)}: ${error}`, next };
  }
  if (run?.outcome === 'killed') {
    const text = `the last run began ${ago(run.startedAt)} on ${run.host}, and broke off, killed or cut off; nothing is lost`;
    return { gravity: 'doubtful', text, next: 'tidemark run <job>' };
  }
  if (run?.outcome === 'running')
    return { gravity: 'note', text: `runs on ${run.host}, since ${inWords(secondsSince(run.startedAt))}`, next: null };
  return null;
}

const ago = (at: number | null): string => `${inWords(secondsSince(at))} ago`;

function lettersOf({ deadLetters, job }: Line): Found | null {
  if (deadLetters === 0) return null;
  const text = deadLetters === 1 ? '1 row waits as a dead letter' : `${grouped(deadLetters)} rows wait as dead letters`;
  return { gravity: 'doubtful', text, next: `tidemark dead-letters list ${job}` };
}

const waitingOf = ({ waiting }: Line): Found | null =>
  waiting === null ? null : { gravity: 'doubtful', text: waiting.what, next: waiting.next };

function holderOf(line: Line, deadlines: Deadlines | null): Found | null {
  const { heldBackBy: holder } = line;
  if (holder === null) return null;
  if (holder.kind === 'setup') return { gravity: 'bad', text: holder.detail, next: 'tidemark doctor' };
  const isOld = (holder.ageSeconds ?? 0) >= forgottenSeconds || isLate(line, deadlines);
  const what = holder.statement === null ? '' : `: ${holder.statement.replace(/\s+/g, ' ')}`;
  const text = `held back: ${holder.detail}${what}`;
  if (!isOld) return { gravity: 'note', text, next: null };
  const kill = `KILL ${holder.thread} on the source, if it was forgotten; it is rolled back`;
  return { gravity: 'doubtful', text, next: holder.thread === null ? 'tidemark status' : kill };
}

function isLate(line: Line, deadlines: Deadlines | null): boolean {
  // A period is behind by its length at least: without a limit of the job's own, only its starts tell.
  if (deadlines === null || (isPeriodJob(line.of) && line.of.lagMaxSeconds === undefined)) return false;
  const lag = lagOf(line);
  return lag !== null && Date.now() - lag * 1000 < deadlines.lag;
}

/** An installation that is new has as much time for its first starts as one that stands still. */
function lateness(line: Line, deadlines: Deadlines | null): Found | null {
  const { lastRun, lastStart, of, checkpoint, tablesSince } = line;
  const hasTime = deadlines !== null && lastStart === null && (tablesSince ?? 0) >= deadlines.start;
  if (hasTime && lastRun?.outcome !== 'running')
    return { gravity: 'note', text: `has not run yet; its schedule is ${of.schedule}`, next: null };
  if (lastRun === null && checkpoint === null)
    return { gravity: 'doubtful', text: 'never ran', next: 'tidemark run <job>' };
  if (deadlines === null || lastRun?.outcome === 'running') return null;
  if ((lastStart ?? 0) < deadlines.start) {
    const what = lastStart === null ? 'never started' : `has not run for ${inWords(secondsSince(lastStart))}`;
    return {
      gravity: 'bad',
      text: `${what}; its schedule is ${of.schedule}`,
      next: 'tidemark run <job>, and look after the crontab: tidemark doctor',
    };
  }
  if (!isLate(line, deadlines)) return null;
  return {
    gravity: 'bad',
    text: 'it runs, and does not catch up',
    next: `tidemark history ${line.job}`,
  };
}

function copyConcern({ redis, checkpoint }: Line): Found[] {
  if (redis === 'ahead' && checkpoint === null)
    return [
      {
        gravity: 'bad',
        text: 'Redis knows a checkpoint, the database has none: no run will begin',
        next: 'tidemark run <job>, which says what to do',
      },
    ];
  const isOff = redis !== null && redis !== 'agrees' && redis !== 'unreachable';
  return isOff
    ? [{ gravity: 'note', text: `the copy in Redis is ${redis}; the next run puts it right`, next: null }]
    : [];
}

/** `3 things need you`, or that all is well. */
export function summaryOf(concerns: readonly Concern[], away: number): string {
  const count = concerns.filter(({ gravity }) => gravity !== 'note').length + away;
  if (count === 0) return 'All is well.';
  return count === 1 ? '1 thing needs you.' : `${count} things need you.`;
}

/** `sync-commission-log 0-9`. */
export const nameOf = ({ job, shards }: Concern): string => jobWithShards(job, shards);
