/** The command line with one job: the check, over the things of the tests. THING_GATEWAY is where it asks. */
import { checkJob } from '../../jobs/check-pending-payments.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import { main } from '../../src/cli/program.ts';
import { openThings } from './thing-book.ts';

const job = checkJob(async (setting, limiter) => {
  const url = setting('LEDGER_DATABASE_URL') as string;
  const { book, close } = openThings({ url, gateway: process.env.THING_GATEWAY as string, limiter });
  return { books: [book], close };
});
process.exitCode = await main(process.argv.slice(2), { jobs: [job], migrations, payOrders });
