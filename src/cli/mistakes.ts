/** What people type in place of a command: one that is nearly right, or the name of a job. */
import type { Command } from 'commander';
import { UsageError } from '../platform/errors.ts';
import type { App } from './app.ts';
import { pathOf } from './command.ts';
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
  // `dead-letters lits`: taken for the job of `dead-letters list`, which need not be typed.
  program.hook('preAction', (_, command) => {
    const { parent } = command;
    const [typed] = command.args;
    if (parent === null || parent === program || typed === undefined || parent.args[0] === command.name()) return;
    const meant = jobs.includes(typed) ? null : nearest(typed, namesOf(parent));
    if (meant !== null)
      throw new UsageError(
        `unknown command '${typed}' of ${pathOf(parent)}; did you mean ${pathOf(parent)} ${meant}?`,
        `${pathOf(parent)} --help`,
      );
  });
}

const namesOf = (command: Command) => command.commands.map((one) => one.name());
