/** What bin/tidemark loads: the command line over this installation's jobs and tables. */
import { jobs } from '../jobs/index.ts';
import { migrations } from '../migrations/index.ts';
import { main } from './cli/program.ts';

process.exitCode = await main(process.argv.slice(2), { jobs, migrations });
