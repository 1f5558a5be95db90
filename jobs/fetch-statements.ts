import { defineJob, type PeriodContext, type PeriodQuestion, type Target } from '../src/engine/job.ts';
import type { ProviderName } from '../src/payments/provider.ts';
import {
  type Bill,
  type BillPlace,
  billFiles,
  billMissing,
  billPlace,
  keepBill,
  noBill,
} from '../src/payments/statements.ts';
import { firstBill, hasBills, instantOf, stretchOf } from '../src/reconciliation/bills.ts';

/** Both providers have made the bill of a day by ten in the morning of the next. */
const madeAfterMs = 10 * 3_600_000;
/** A bill that is not there by then will not be made. In time for reconcile-day, which waits for six hours more. */
const lastMadeMs = 30 * 3_600_000;

/** Loaded when there is something to fetch: runs of other jobs do not pay for it. */
const providers = () => import('../src/payments/providers.ts');

/** What was fetched to see whether there is a bill, for the same transaction to keep. */
const fetched = new WeakMap<object, Bill>();

/** Each business day: the bills of the payment providers, for reconcile-day to compare. A file that is there stays. */
export const fetchStatements = defineJob({
  name: 'fetch-statements',
  summary: "fetches each day's bill from the payment providers",
  shards: ['alipay', 'wechat'],
  schedule: '15 * * * *',
  // A provider's last bill of a day comes 30 hours after its end; later than that the run itself fails.
  lagMaxSeconds: 31 * 3600,
  why: 'The bills of the payment providers of the day before, from ten in the morning on; silent until then, and where none is in use. Needs TIDEMARK_STATEMENTS and the settings of the providers.',
  target: 'ledger',
  period: 'day',
  needs: { table: 'bill', time: 'done_at', key: 'id' },
  rangeMayLead: true,
  async oldest({ shard, zone, upstream, now, setting }) {
    const provider = shard as ProviderName;
    const first = await firstBill(upstream, provider);
    if (first !== null) return instantOf(first);
    return (await providers()).isInUse(provider, setting)
      ? zone.periodStart('day', zone.periodStart('day', now) - 1)
      : null;
  },
  async waitsFor(question) {
    const { window, now, zone, target } = question;
    const place = placeOf(question);
    if (now < window.end + madeAfterMs)
      return `the bill of ${place.day} is made by ${zone.iso(window.end + madeAfterMs)}`;
    if ((await billFiles(place)).length > 0) return null;
    const bill = await billAt(place, question.setting);
    if (bill !== null) {
      fetched.set(target, bill);
      return null;
    }
    if (now < window.end + lastMadeMs) return `${place.provider} has no bill of ${place.day} yet`;
    if (await hasBills(target, place.provider, stretchOf(window.start, window.end))) throw billMissing(place, true);
    fetched.set(target, noBill);
    return null;
  },
  async apply(context) {
    const { mode, target, log } = context;
    const place = placeOf(context);
    const there = await billFiles(place);
    const bill = mode === 'closing' && there.length > 0 ? null : await billFor(context, place, target);
    if (bill !== null && !target.dryRun)
      log.info('fetched', { file: await keepBill(place, bill), bytes: bill.content.length });
    const counts = { read: 1, inserted: 0, updated: 0, unchanged: 0, deadLetters: 0 };
    if (bill === null) return { counts: { ...counts, unchanged: 1 }, resume: null };
    return { counts: { ...counts, ...(there.length === 0 ? { inserted: 1 } : { updated: 1 }) }, resume: null };
  },
});

function placeOf({ shard, period, setting }: PeriodQuestion | PeriodContext): BillPlace {
  return billPlace(setting('TIDEMARK_STATEMENTS'), shard as ProviderName, period);
}

async function billAt({ provider, day }: BillPlace, setting: PeriodQuestion['setting']): Promise<Bill | null> {
  const { providerFrom } = await providers();
  return providerFrom(provider, setting).statement(day);
}

async function billFor({ setting }: PeriodContext, place: BillPlace, target: Target): Promise<Bill> {
  const bill = fetched.get(target) ?? (await billAt(place, setting));
  if (bill === null) throw billMissing(place, false);
  return bill;
}
