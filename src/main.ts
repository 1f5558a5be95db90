/** What bin/tidemark loads: the command line over this installation's jobs and tables. */
import { jobs } from '../jobs/index.ts';
import { migrations, payOrders } from '../migrations/index.ts';
import { main } from './cli/program.ts';
import { programName } from './platform/entry.ts';

// `tidemark list | head -1`: whoever reads has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

main(process.argv.slice(2), { calledAs: programName(), jobs, migrations, payOrders }).then((code) => {
  process.exitCode = code;
});
