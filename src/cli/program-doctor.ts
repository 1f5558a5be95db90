/** The commands that judge: the surroundings of tidemark, and the queries of a job. */
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type Done, examples } from './options.ts';

export function addDoctor(program: Command, app: App, done: Done): void {
  program
    .command('doctor')
    .description('check settings, servers, privileges, tables, clocks, Redis, cron and runs; what to do about each')
    .option('--verbose', 'what is fine, too, line by line')
    .option('--json', 'all of it as one JSON object')
    .addHelpText('after', examples('tidemark doctor', 'tidemark doctor --verbose', 'tidemark doctor --json'))
    .action(async (options) => done(await (await import('./doctor.ts')).doctor(app, options)));
}
