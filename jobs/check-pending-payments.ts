import { type DueContext, type DueThings, defineJob, type Job } from '../src/engine/job.ts';
import { type Check, checkDue, recheck } from '../src/payments/checking.ts';
import type { DueBook } from '../src/payments/due.ts';
import { type OpenBooks, openBooks, openDesk, providerNames } from '../src/payments/open-books.ts';

/** How many of each kind are counted at each provider at the most. */
const countMax = 100_000;

export const checkJob = (open: OpenBooks): Job =>
  defineJob({
    name: 'check-pending-payments',
    summary: 'asks the payment providers about orders and payouts that are due',
    shards: [],
    schedule: '* * * * *',
    options: ['--every', '10s', '--for', '50s'],
    why: 'Orders and payouts under way: the providers are asked every 10 seconds about those that are due. Several hosts share the work.',
    lagMaxSeconds: 300,
    target: 'ledger',
    async due({ setting }) {
      const desk = await openDesk(open, setting);
      try {
        return await Promise.all(desk.books.map(countDue));
      } finally {
        await desk.close();
      }
    },
    async work(context) {
      const desk = await openDesk(open, context.setting);
      const drop = () => desk.drop();
      context.halt.now.addEventListener('abort', drop);
      try {
        const check = { ...reportTo(context), books: desk.books, queues: desk.queues, stop: context.halt.soon };
        await (context.mode === 'repair' ? recheck : checkDue)(check, context.letters);
      } finally {
        context.halt.now.removeEventListener('abort', drop);
        await desk.close();
      }
    },
  });

/** Every 10 seconds: what has become of the orders and payouts that are due. */
export const checkPendingPayments = checkJob(openBooks);

async function countDue(book: DueBook): Promise<DueThings> {
  const due = (await Promise.all(providerNames.map((provider) => book.due(provider, 0, countMax)))).flat();
  const oldest = due.length === 0 ? null : due.reduce((least, { at }) => Math.min(least, at), Number.MAX_SAFE_INTEGER);
  return { kind: `${book.kind}s`, count: due.length, oldest };
}

function reportTo({ now, deadLetter, settled, count, log }: DueContext): Omit<Check, 'books' | 'queues' | 'stop'> {
  return {
    now,
    settled,
    concern: (concern) => deadLetter({ ...concern, code: 0 }),
    looked(outcome) {
      count('read');
      if (outcome === 'settled') count('updated');
      if (outcome === 'waiting') count('unchanged');
    },
    warn: (text) => log.warn(text),
  };
}
