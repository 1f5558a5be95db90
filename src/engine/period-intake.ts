/**
 * What a job takes in that works by whole days or months: a period is due when it is over, when no row of the table that
 * it needs is still on its way into it, when the job that it follows is past it, and when the job itself waits for
 * nothing more. It is taken in as many transactions as its size asks for; its effects must bear repetition, since a run
 * that ends between two of them takes the whole period again. The checkpoint moves with the last one.
 */

import { JobError, SetupError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { databaseSettings } from '../platform/settings.ts';
import { columnOf, needTable } from '../platform/table.ts';
import { readCheckpoint, type ShardName, titleOf } from './checkpoint.ts';
import { keepLetter, openLetterKeys, resolveLetters } from './dead-letters.ts';
import { type Intake, type IntakeOptions, logOf, type Taken } from './intake.ts';
import { type PeriodContext, type PeriodJob, shardNames, type Target, upstreamOf } from './job.ts';
import { noCounts, windowsFrom } from './journal.ts';
import type { Setting } from './run.ts';
import { Source } from './source.ts';
import { type Exemptions, laggedBound, statementBound } from './statements.ts';
import { Totals } from './totals.ts';
import { checkProvable, type Holder, provenEnd, upstreamWatermark, type Watermark } from './watermark.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

export async function openPeriods(job: PeriodJob, options: IntakeOptions, setting: Setting): Promise<Intake> {
  const { claim, zone, settleLagMs, exemptions, now } = options;
  const { shard } = options.name;
  const source = await needed(job, await claim.aside(), zone, settleLagMs === undefined);
  const follows =
    job.follows === undefined ? null : { job: job.follows, shards: shardNames(upstreamOf(job, setting.jobs)) };
  const ask = (target: Target | Session) => ({ shard, target, zone, now: now(), setting: setting.settingOf });
  const begin = contextOf(options, setting);
  /** Why a period cannot be taken yet; `by` is null where rows are in flight. */
  const obstacleTo = async (window: Window, target: Target): Promise<{ by: Holder | null } | null> => {
    const period = zone.periodName(job.period, window.start);
    const reason = await job.waitsFor?.({ ...ask(target), period, window });
    if (reason) return { by: { ...nobody, detail: reason } };
    if (settleLagMs !== undefined) return null;
    return (await provenEnd(source, window, await claim.aside(), zone)).end < window.end ? { by: null } : null;
  };
  return {
    async watermark() {
      const reader = { own: await claim.aside(), upstream: await claim.source() };
      return periodWatermark(job, follows, reader, { zone, settleLagMs, exemptions });
    },
    async oldest(target) {
      // Time before an adoption was never taken here, so a full run does not begin there.
      if ((await readCheckpoint(target, options.name, zone)) !== null) return firstTaken(target, options.name, zone);
      const oldest = await job.oldest({ ...ask(target as Session), upstream: await claim.source() });
      return oldest === null ? null : zone.periodStart(job.period, oldest);
    },
    async cut({ start, end }) {
      const next = zone.nextPeriod(job.period, start);
      return next < end ? next : null;
    },
    pending: async () => false,
    digests: async () => null,
    count: async () => null,
    async take({ window, resume, mode }, target): Promise<Taken> {
      claim.assertWanted();
      if (window.start === window.end) return notTaken(window, null); // a first run without data begins here
      assertWhole(job, options, window);
      const period = zone.periodName(job.period, window.start);
      if (resume === null && (mode === 'closing' || job.rangeMayLead === true)) {
        const isToCome = mode !== 'closing' && window.end > now(); // the watermark was not asked
        const obstacle = isToCome ? toCome(window, zone) : await obstacleTo(window, target);
        if (obstacle !== null && mode === 'closing') return notTaken(window, obstacle.by);
        if (obstacle !== null) throw notYet(options.name, period, obstacle.by);
      }
      const totals = new Totals();
      const context = await begin(target, window, resume, totals);
      const part = await job.apply({ ...context, period, mode: mode === 'closing' ? 'closing' : 'again' });
      return { ...part, totals, window, digest: null };
    },
    ...(job.repair === undefined ? {} : { repair: repairOf(job, begin, now) }),
    waiting: async (target) => (await job.waiting?.(target, shard)) ?? null,
    ...(job.rangeMayLead === undefined ? {} : { rangeMayLead: job.rangeMayLead }),
    ...(job.buildsOnLast === undefined ? {} : { buildsOnLast: job.buildsOnLast }),
  };
}

/** The start of the first period that the journal has. */
async function firstTaken(target: Reader, name: ShardName, zone: Zone): Promise<Instant | null> {
  const [first] = await windowsFrom(target, name, zone.parse('1970-01-02') as Instant, 1, zone);
  return first?.window.start ?? null;
}

/** The table that periods need complete. */
async function needed(job: PeriodJob, session: Session, zone: Zone, withProof: boolean): Promise<Source> {
  await checkProvable(session, withProof, databaseSettings[job.target]);
  const table = await needTable(session, job.target, job.needs.table, 'tidemark migrate');
  const missing = [job.needs.time, job.needs.key].find((name) => columnOf(table, name) === undefined);
  if (missing !== undefined)
    throw new SetupError(`the table ${table.name} has no column ${missing}`, `correct it in jobs/${job.name}`);
  return new Source(table, job.needs, zone);
}

const nobody: Omit<Holder, 'detail'> = {
  kind: 'upstream',
  thread: null,
  user: null,
  ageSeconds: null,
  statement: null,
};

const toCome = ({ end }: Window, zone: Zone) => ({ by: { ...nobody, detail: `it ends at ${zone.iso(end)}` } });

/** Asked for by name, a period that cannot be taken is no success. */
const notYet = (name: ShardName, period: string, by: Holder | null): JobError =>
  new JobError(
    `${titleOf(name)}: ${period} cannot be taken yet: ${by?.detail ?? 'an open transaction holds rows of it'}`,
    `tidemark status ${name.job}`,
  );

const notTaken = ({ start }: Window, heldBackBy: Holder | null): Taken => ({
  window: { start, end: start },
  counts: noCounts(),
  resume: null,
  digest: null,
  heldBackBy,
});

/** A checkpoint that somebody has set into the middle of a period would make halves of it. */
function assertWhole(job: PeriodJob, { zone, name }: IntakeOptions, window: Window): void {
  const start = zone.periodStart(job.period, window.start);
  if (start === window.start && zone.nextPeriod(job.period, start) === window.end) return;
  throw new SetupError(
    `${titleOf(name)} takes whole ${job.period}s, and its checkpoint ${zone.iso(window.start)} is not the start of one`,
    `tidemark checkpoint ${titleOf(name)} --set ${zone.iso(start)}`,
  );
}

type Begin = (
  target: Target,
  window: Window,
  resume: string | null,
  totals: Totals,
) => Promise<Omit<PeriodContext, 'period' | 'mode'>>;

/** What a job gets in each transaction. */
function contextOf(options: IntakeOptions, setting: Setting): Begin {
  const { claim, zone, name, runId, now, rowLimit, progress } = options;
  return async (target, window, resume, totals) => {
    const letters = await openLetterKeys(target, name);
    const log = logOf(window, options);
    return {
      shard: name.shard,
      window,
      resume,
      letters,
      target,
      upstream: await claim.source(),
      zone,
      log,
      runId,
      rowLimit,
      progress,
      total: (what, sums) => totals.add(what, sums),
      setting: setting.settingOf,
      async deadLetter(refusal) {
        if (!letters.includes(refusal.key)) log.warn(refusal.reason, { key: refusal.key });
        if (!target.dryRun) await keepLetter(claim.target, name, refusal, runId, now(), zone);
      },
      async settled(keys) {
        const open = keys.filter((key) => letters.includes(key));
        if (!target.dryRun) await resolveLetters(claim.target, name, open, `done by run ${runId}`, now(), zone);
      },
    };
  };
}

const repairOf =
  (job: PeriodJob, begin: Begin, now: () => Instant): NonNullable<Intake['repair']> =>
  async (keys, target) => {
    const totals = new Totals();
    const context = await begin(target, { start: now(), end: now() }, null, totals);
    const part = await (job.repair as NonNullable<typeof job.repair>)({
      ...context,
      letters: keys,
      period: '',
      mode: 'repair',
    });
    return { ...part, totals };
  };

/** How far a job that works by periods may go: to the start of a period, or nowhere. */
export async function periodWatermark(
  { period }: Pick<PeriodJob, 'period'>,
  follows: { readonly job: string; readonly shards: readonly string[] } | null,
  { own, upstream }: { readonly own: Session; readonly upstream: Session },
  by: { readonly zone: Zone; readonly settleLagMs: number | undefined; readonly exemptions: Exemptions },
): Promise<Watermark> {
  const { zone, settleLagMs, exemptions } = by;
  const bound =
    settleLagMs === undefined ? await statementBound(own, zone, exemptions) : await laggedBound(own, zone, settleLagMs);
  const ahead = follows === null ? null : await upstreamWatermark(upstream, follows.job, follows.shards, zone);
  const slower = ahead === null || (bound.at ?? 0) < (ahead.at ?? 0) ? bound : ahead;
  const at = bound.at === null || slower.at === null ? null : zone.periodStart(period, slower.at);
  const over = zone.periodStart(period, bound.sourceNow ?? 0);
  if (at !== null && at >= over) return { ...bound, at, heldBackBy: null };
  const late = follows === null || slower === bound ? null : lateUpstream(follows.job, ahead?.at ?? null, over, zone);
  return { ...bound, at, heldBackBy: slower.heldBackBy ?? late };
}

function lateUpstream(job: string, at: Instant | null, over: Instant, zone: Zone): Holder {
  const where = at === null ? 'has no checkpoint' : `is at ${zone.iso(at)}`;
  return { ...nobody, detail: `${job} ${where}, and is to pass ${zone.iso(over)} first` };
}
