/** What people type in place of a command: one that is nearly right, or the name of a job. */
import type { Command } from 'commander';
import { UsageError } from '../platform/errors.ts';
import type { App } from './app.ts';
import { namesOf, refuseSubcommand } from './command.ts';
import { nearest } from './nearest.ts';

export function correctMistakes(program: Command, app: App): void {
  const jobs = app.jobs.map(({ name }) => name);
  program.on('command:*', ([typed = '', ...rest]: string[]) => {
    if (jobs.includes(typed))
      throw new UsageError(`${typed} is a job, no command`, ['tidemark run', typed, ...rest].join(' '));
    const command = nearest(typed, namesOf(program));
    const job = command === null ? nearest(typed, jobs) : null;
    const meant = command ?? (job === null ? null : `run ${job}`);
    throw new UsageError(
      `unknown command '${typed}'${meant === null ? '' : `; did you mean tidemark ${meant}?`}`,
      'tidemark --help',
    );
  });
  program.hook('preAction', (_, command) => {
    const [typed] = command.args;
    if (typed !== undefined && !jobs.includes(typed)) refuseSubcommand(command, typed);
  });
}
