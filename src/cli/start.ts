/** One process, one command line: over the jobs of this repository, or over those of a team's own. */
import { chores } from '../../jobs/chores.ts';
import { migrationsFor, payOrders } from '../../migrations/index.ts';
import type { Job } from '../engine/job.ts';
import { programName } from '../platform/entry.ts';
import { main } from './program.ts';

/** Does what the command line asks for; the exit code is the process's. */
export async function start(jobs: readonly Job[]): Promise<void> {
  // `tidemark list | head -1`: whoever reads has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.stderr.on('error', () => undefined); // that nobody listens any more, or a disk is full, ends no work
  const app = { calledAs: programName(), jobs, chores, migrations: migrationsFor(jobs), payOrders };
  process.exitCode = await main(process.argv.slice(2), app);
}
