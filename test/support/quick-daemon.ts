/** A program of its own: the command line over the jobs of the main database, with schedules of seconds for a daemon. */
import { jobs } from '../../jobs/index.ts';
import { start } from '../../src/cli/start.ts';

/** Plain runs every three seconds, those besides every ten, shards a tenth of a second apart. */
const quick = jobs
  .filter(({ target }) => target === 'main')
  .map((job) => ({
    ...job,
    schedule: '*/3 * * * * *',
    ...(job.staggerSeconds === undefined ? {} : { staggerSeconds: 0.1 }),
    also: (job.also ?? []).map((run) => ({ ...run, schedule: '*/10 * * * * *' })),
  }));

await start(quick);
