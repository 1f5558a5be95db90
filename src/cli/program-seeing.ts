/** The commands that look and change nothing: how things stand, what was, and what figures tell of it. */
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type Done, duration, examples, positive } from './options.ts';

export function addSeeing(program: Command, app: App, done: Done): void {
  addLooking(program, app, done);
  addWhy(program, app, done);
  addPast(program, app, done);
}

function addLooking(program: Command, app: App, done: Done): void {
  program
    .command('list')
    .description('jobs, their shards and schedules')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark list'))
    .action(async (options) => done(await (await import('./list.ts')).list(app, options)));
  program
    .command('status')
    .summary('what is behind, why, and what to type next')
    .description('what is behind, why, and what to type next; then what is well')
    .argument('[job]', 'only this one, with its watermark and its copy in Redis')
    .option('--all', 'a line for each shard, also where they are alike')
    .option('--json', 'as JSON: checkpoint, watermark, lag, last run, dead letters, what holds a watermark back')
    .addHelpText(
      'after',
      examples('tidemark status', 'tidemark status sync-commission-log --all', 'tidemark status --json'),
    )
    .action(async (job: string | undefined, options) =>
      done(await (await import('./status.ts')).status(app, job, options)),
    );
  program
    .command('verify')
    .summary('prove that no time is left out or taken twice')
    .description('prove from the journal that the windows tile time: no gap, no overlap')
    .argument('[job]')
    .option('--data', 'compare source and target, too, by checksums')
    .option('--fix', 'apply the differences that --data finds, deletions included (asks)')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark verify',
        'tidemark verify rollup-income --json',
        'tidemark verify sync-commission-log --data',
        'tidemark verify sync-commission-log --data --fix',
      ),
    )
    .action(async (job: string | undefined, options) =>
      done(await (await import('./verify.ts')).verify(app, job, options)),
    );
}

function addWhy(program: Command, app: App, done: Done): void {
  program
    .command('why')
    .summary('which run carried a row, or what the row waits for')
    .description('which window, run and shard carried a row, or what it waits for')
    .argument('<table>', 'of the source or of the target')
    .argument('<id>', "the row's key")
    .option('--json', 'as one JSON object for each shard that holds the row')
    .addHelpText('after', examples('tidemark why plus_commission_log 4711', 'tidemark why user_extension 7 --json'))
    .action(async (table: string, id: string, options) =>
      done(await (await import('./why.ts')).why(app, table, id, options)),
    );
}

function addPast(program: Command, app: App, done: Done): void {
  program
    .command('history')
    .summary('past runs: outcomes, durations, counts, errors')
    .description('past runs, the latest first: outcome, duration, counts, error')
    .argument('[job]', 'only of this one')
    .option('--shard <shard>', 'only of this shard of the job')
    .option('--limit <n>', 'at most so many', positive, 20)
    .option('--failed', 'only those that failed or were killed')
    .option('--since <duration>', 'only those that began so long ago at the most', duration)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark history',
        'tidemark history sync-commission-log --shard 3',
        'tidemark history --failed --since 12h',
      ),
    )
    .action(async (job: string | undefined, options) =>
      done(await (await import('./history.ts')).history(app, job, options)),
    );
  program
    .command('log')
    .summary('the log of one run')
    .description('the log of one run, and what the history knows of it')
    .argument('<run>', 'its id, or the beginning of it')
    .option('--follow', 'go on with what comes, while the run is under way')
    .option('--json', 'the lines as they are')
    .addHelpText('after', examples('tidemark log 01a1fd9b-879f', 'tidemark log 01a1fd9b-879f --follow'))
    .action(async (run: string, options) => done(await (await import('./log.ts')).log(app, run, options)));
  program
    .command('metrics')
    .description('figures for Prometheus: lag, runs, rows, dead letters')
    .addHelpText(
      'after',
      examples('tidemark metrics', 'tidemark metrics | grep tidemark_lag_seconds') +
        '\nTIDEMARK_METRICS_FILE names a file that each run writes at its end, for the\ntextfile collector of node_exporter.\n',
    )
    .action(async () => done(await (await import('./metrics.ts')).metrics(app)));
}
