/** The commands that judge: the surroundings of tidemark, and the queries of a job. */
import { Argument, type Command } from 'commander';
import { type Group, groups } from '../doctor/check.ts';
import type { App } from './app.ts';
import { type Done, examples } from './options.ts';

export function addDoctor(program: Command, app: App, done: Done): void {
  program
    .command('doctor')
    .summary('check all that a job relies on; what mends it')
    .description('check settings, servers, privileges, tables, clocks, Redis, cron and runs; what to do about each')
    .addArgument(new Argument('[group...]', 'only these').choices(groups))
    .option('--verbose', 'what is fine, too, line by line')
    .option('--json', 'all of it as one JSON object')
    .addHelpText('after', examples('tidemark doctor', 'tidemark doctor redis host --verbose', 'tidemark doctor --json'))
    .action(async (wanted: Group[], options) =>
      done(await (await import('./doctor.ts')).doctor(app, program, wanted, options)),
    );
  program
    .command('explain')
    .summary('each query of a job with its plan, judged')
    .description("each query of a job's dry run with its plan, judged; and the index that would help")
    .argument('<job>', 'one of `tidemark list`')
    .argument('[shard]', 'only this shard')
    .option('--from <time>', 'look at a run again from this time (with --to)')
    .option('--to <time>', 'look at a run again up to this time')
    .option('--verbose', "the statements of tidemark's own books, too")
    .option('--json', 'as one JSON object')
    .addHelpText(
      'after',
      examples(
        'tidemark explain sync-commission-log 3',
        'tidemark explain rollup-income --from 2026-11-20T08:00:00 --to 2026-11-20T10:00:00',
        'tidemark explain sync-user-extension --json',
      ),
    )
    .action(async (job: string, shard: string | undefined, options) =>
      done(await (await import('./explain.ts')).explain(app, job, shard, options)),
    );
}
