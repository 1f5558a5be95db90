import { defineJob, type Part, type PeriodContext, type PeriodQuestion } from '../src/engine/job.ts';
import { firstBill, instantOf, stretchOf } from '../src/reconciliation/bills.ts';
import { noteDay, pageOf, reportOf, writeReport } from '../src/reconciliation/day-report.ts';
import { openDifferences } from '../src/reconciliation/difference-table.ts';
import { DifferenceBook } from '../src/reconciliation/differences.ts';
import { type Counterpart, isCounterpart } from '../src/reconciliation/entry.ts';
import { audit, isLastDay } from '../src/reconciliation/ledger-audit.ts';
import { outcomes } from '../src/reconciliation/outcome.ts';
import { type Reconciled, reconcile } from '../src/reconciliation/reconcile.ts';
import {
  findStatement,
  firstStatementDay,
  lateStatement,
  type StatementQuestion,
  whereMissing,
} from '../src/reconciliation/statement-files.ts';

/** How long after its end a day waits for a statement. */
const deadlineMs = 36 * 3_600_000;

/** Each business day: the ledger beside itself, and beside what its counterparts say. A bill belongs to the day of its success. */
export const reconcileDay = defineJob({
  name: 'reconcile-day',
  summary: "compares each day's bills with the statements of the counterparts",
  shards: ['ledger', 'initiator', 'alipay', 'wechat'],
  schedule: '30 * * * *',
  // A day waits for its statement so long; later than that the run itself fails.
  lagMaxSeconds: deadlineMs / 1000 + 3600,
  why: "The day before, compared with what the counterparts say. Their files come in the course of the morning: an hourly run waits for them in silence, and says which one is missing a day and a half after the day's end. Tells what differs.",
  target: 'ledger',
  period: 'day',
  needs: { table: 'bill', time: 'done_at', key: 'id' },
  rangeMayLead: true,
  async oldest({ shard, zone, upstream, now, setting }) {
    // The accounts are looked at as they are: there is no older day to begin with.
    if (!isCounterpart(shard)) return zone.periodStart('day', zone.periodStart('day', now) - 1);
    const bill = await firstBill(upstream, shard);
    const day = await firstStatementDay(upstream, shard, setting('TIDEMARK_STATEMENTS'));
    const starts = [bill === null ? null : instantOf(bill), day === null ? null : zone.fromText(`${day} 00:00:00`)];
    const known = starts.filter((start) => start !== null);
    return known.length === 0 ? null : Math.min(...known);
  },
  async waitsFor(question) {
    const { shard, target, now, window } = question;
    if (!isCounterpart(shard)) return null;
    const asked = askedOf(question, shard, target);
    const missing = (await findStatement(asked)) === null ? await whereMissing(asked) : null;
    if (missing !== null && now >= window.end + deadlineMs) throw lateStatement(asked, missing);
    return missing === null ? null : `there is no ${missing}`;
  },
  async apply(context) {
    const { shard, period, target, runId } = context;
    const book = new DifferenceBook(target, shard, period, runId);
    const done = isCounterpart(shard) ? await compare(context, shard, book) : await auditLedger(context, book);
    if (!target.dryRun) await report(context, done, book);
    tell(context, done, book);
    return partOf(done, book);
  },
  async waiting(target, shard) {
    const open = await openDifferences(target, shard);
    if (open.total === 0) return null;
    const are = open.total === 1 ? 'difference is' : 'differences are';
    const page = await reportOf(target, shard, open.lastDay);
    return {
      what: `${open.total} ${are} open: ${open.text}`,
      next: `tidemark differences list ${shard}${page === null ? '' : `, or open ${page}`}`,
    };
  },
});

function askedOf(
  of: PeriodQuestion | PeriodContext,
  counterpart: Counterpart,
  ledger: StatementQuestion['ledger'],
): StatementQuestion {
  const { period: day, window, setting } = of;
  return {
    ledger,
    counterpart,
    day,
    stretch: stretchOf(window.start, window.end),
    folder: setting('TIDEMARK_STATEMENTS'),
  };
}

const localTimeOf =
  ({ zone }: PeriodContext) =>
  (utc: string) =>
    zone.text(instantOf(utc));

interface Done extends Reconciled {
  /** Where the other side's rows came from. */
  readonly source: string;
}

async function compare(context: PeriodContext, counterpart: Counterpart, book: DifferenceBook): Promise<Done> {
  const { target, upstream } = context;
  const asked = askedOf(context, counterpart, target);
  const statement = await findStatement(asked);
  const missing = statement === null ? await whereMissing(asked) : null;
  if (missing !== null) throw lateStatement(asked, missing);
  const day = { ...asked, localTime: localTimeOf(context) };
  const reconciled = await reconcile(day, { upstream, target, statement, book }, context.progress);
  return { ...reconciled, source: statement?.source ?? 'not in use' };
}

async function auditLedger(context: PeriodContext, book: DifferenceBook): Promise<Done> {
  const { upstream: ledger, period: day, window } = context;
  const stretch = stretchOf(window.start, window.end);
  const whole = await isLastDay(ledger, stretch);
  let [looked, right] = [0, 0];
  for await (const chunk of audit({ ledger, whole, day, stretch, localTime: localTimeOf(context) })) {
    looked += chunk.looked;
    right += chunk.right;
    context.progress(chunk.looked);
    await book.keepStanding(chunk.found);
  }
  if (whole) await book.forgetOthers();
  if (whole) await book.resolveOthers();
  return { localEntries: looked, channelEntries: 0, matched: right, source: 'its own bills' };
}

/** Notes the day, and writes for people what was found, also of earlier days that this one has changed. */
async function report(
  { shard, period, target, runId, zone, setting }: PeriodContext,
  done: Done,
  book: DifferenceBook,
): Promise<void> {
  const folder = setting('TIDEMARK_STATEMENTS');
  const page = folder === undefined ? null : pageOf(folder, shard, period);
  await noteDay(target, { ...done, counterpart: shard, day: period, page, runId });
  if (folder === undefined) return;
  const iso = (utc: string) => zone.iso(instantOf(utc));
  for (const day of [period, ...book.touchedDays]) await writeReport(target, { folder, counterpart: shard, day, iso });
}

function tell({ period, log, total }: PeriodContext, done: Done, book: DifferenceBook): void {
  log.info('reconciled', { day: period, ...done, ...book.kept });
  total('matched', { rows: done.matched });
  for (const outcome of outcomes) {
    const sums = book.found.get(outcome);
    if (sums !== undefined) total(outcome, { ...sums });
  }
}

function partOf({ localEntries, channelEntries, matched }: Reconciled, { kept }: DifferenceBook): Part {
  return { counts: { read: localEntries + channelEntries, unchanged: matched, deadLetters: 0, ...kept }, resume: null };
}
