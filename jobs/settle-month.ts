import { defineJob, type Part, type PeriodContext } from '../src/engine/job.ts';
import { oldestInLedger } from '../src/settlement/accounts.ts';
import { oldestIncome } from '../src/settlement/income.ts';
import { type Month, monthOf } from '../src/settlement/month.ts';
import type { Terms } from '../src/settlement/reckoning.ts';
import { settle } from '../src/settlement/settle.ts';
import { nextShare, type Share, shareOf } from '../src/settlement/share.ts';

/** How many accounts are locked at a time. Who wants one of them waits for so long. */
const accountsMax = 500;

/** On the 1st: statements of all accounts for the month before, and the month's commission credited to its users. */
export const settleMonth = defineJob({
  name: 'settle-month',
  summary: 'settles the month: statements of all accounts, commission less tax credited',
  shards: [],
  // Silent where nothing is due; what holds the first one back lets a later one through.
  schedule: '35 * 1-5 * *',
  why: 'The month before, settled: on the 1st, as soon as the income of its last hour is rolled up. The days after that only make up for what held it back.',
  target: 'ledger',
  period: 'month',
  needs: { table: 'bill', time: 'done_at', key: 'id' },
  follows: 'rollup-income',
  buildsOnLast: true,
  async oldest({ target, upstream, zone }) {
    const [hour, at] = [await oldestIncome(upstream), await oldestInLedger(target)];
    const instants = [
      hour === null ? null : zone.fromText(hour),
      at === null ? null : Date.parse(`${at.replace(' ', 'T')}Z`),
    ].filter((instant) => instant !== null);
    return instants.length === 0 ? null : Math.min(...instants);
  },
  async apply(context) {
    const { target: ledger, upstream: main, resume, rowLimit, period, mode } = context;
    const after = resume === null ? null : BigInt(resume);
    const share = await nextShare({ ledger, main }, after, Math.min(rowLimit, accountsMax));
    const counts = await settleShare(context, period, share, mode === 'closing');
    return { counts, resume: share.last === null ? null : String(share.last) };
  },
  async repair(context) {
    const counts = { read: 0, inserted: 0, updated: 0, unchanged: 0, deadLetters: 0 };
    for (const [month, ids] of accountsByMonth(context)) {
      const part = await settleShare(context, month, shareOf(ids), false);
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += part[name];
    }
    return { counts, resume: null };
  },
});

async function settleShare(
  context: PeriodContext,
  month: string,
  share: Share,
  whole: boolean,
): Promise<Part['counts']> {
  const { target: ledger, upstream: main, letters } = context;
  const terms = {
    rule: context.setting('TIDEMARK_SETTLE_TAX') ?? 'none',
    minimum: context.setting('TIDEMARK_SETTLE_MINIMUM') ?? 0n,
  };
  const settled = await settle({ ledger, main }, { month: monthIn(context, month), share, terms, whole });
  if (context.resume === null) tellTerms(context, month, terms, settled.terms);
  for (const { accountId, reason, figures } of settled.refusals) {
    const content = { account_id: String(accountId), month, ...figures };
    await context.deadLetter({ key: keyOf({ month, accountId }), content, reason, code: 0 });
  }
  const done = lettersIn(letters).filter(
    ({ accountId, month: waitedFor }) => share.has(accountId) && settled.isDone(accountId, waitedFor),
  );
  await context.settled(done.map(keyOf));
  for (const [what, fen] of Object.entries(settled.totals)) context.total(what, { fen });
  context.progress(settled.read);
  const { read, inserted, unchanged, refusals } = settled;
  return { read, inserted, updated: 0, unchanged, deadLetters: refusals.length };
}

function monthIn({ zone }: PeriodContext, name: string): Month {
  const utc = (instant: number) => new Date(instant).toISOString().slice(0, 19).replace('T', ' ');
  return monthOf(name, (month) => utc(zone.fromText(`${month}-01 00:00:00`) as number));
}

/** The settings may have changed since the month began; it goes on as it began. */
function tellTerms({ log }: PeriodContext, month: string, now: Terms, then: Terms): void {
  if (now.rule === then.rule && now.minimum === then.minimum) return;
  log.warn(`${month} began with the tax rule ${then.rule} and the minimum ${then.minimum}, and goes on with them`, {
    rule: now.rule,
    minimum: String(now.minimum),
  });
}

/** What a dead letter of this job is about. */
interface Letter {
  readonly month: string;
  readonly accountId: bigint;
}

const keyOf = ({ month, accountId }: Letter): string => `${month}/${accountId}`;

function lettersIn(keys: readonly string[]): Letter[] {
  return keys.flatMap((key) => {
    const [, month, id] = /^(\d{4}-\d\d)\/(\d{1,20})$/.exec(key) ?? [];
    return month === undefined || id === undefined ? [] : [{ month, accountId: BigInt(id) }];
  });
}

/** Earlier months first: an account with a row of a later month gets none of an earlier one any more. */
function accountsByMonth({ letters, target }: PeriodContext): [string, bigint[]][] {
  const byMonth = new Map<string, bigint[]>();
  const seen = new Set<bigint>();
  for (const { month, accountId } of lettersIn(letters).sort(byMonthAndAccount)) {
    // What a dry run does not write is not there for the account's next month: it would be told twice.
    if (target.dryRun && seen.has(accountId)) continue;
    seen.add(accountId);
    byMonth.set(month, [...(byMonth.get(month) ?? []), accountId]);
  }
  return [...byMonth];
}

const byMonthAndAccount = (a: Letter, b: Letter): number =>
  a.month === b.month ? (a.accountId < b.accountId ? -1 : 1) : a.month < b.month ? -1 : 1;
