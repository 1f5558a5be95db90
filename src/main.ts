/** What bin/tidemark loads: the command line over this repository's jobs and tables. */
import { jobs } from '../jobs/index.ts';
import { start } from './cli/start.ts';

start(jobs);
