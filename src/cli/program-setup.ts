/** The commands that begin something: a new job, completion in a shell. */
import { Argument, type Command, Option } from 'commander';
import type { App } from './app.ts';
import { type Done, examples } from './options.ts';

export function addNewJob(program: Command, app: App, done: Done): void {
  program
    .command('new-job')
    .summary('write a job and its test, which run at once')
    .description('write a job, its test and its line in the list of jobs; they run at once')
    .argument('<name>', 'small letters, digits, hyphens')
    .addOption(
      new Option(
        '--kind <kind>',
        'table: takes the changed rows of a source table; following: works on what another job has done; period: takes whole days',
      )
        .choices(['table', 'following', 'period'])
        .default('table'),
    )
    .option('--source <table>', 'the table it reads (default: by the name, or that of the job it follows)')
    .option('--time <column>', 'stamped by the server at each write (default: update_time)')
    .option('--key <column>', 'unique and not null (default: id)')
    .option('--target <table>', 'the table it writes (default: as the source, or by the name)')
    .option('--follows <job>', 'the job it follows (default: the only one there is)')
    .option('--by <column>', 'following: the time, never changed, by whose hours it counts (default: create_time)')
    .option('--schedule <cron>', 'five fields, in the business zone')
    .addHelpText(
      'after',
      examples(
        'tidemark new-job sync-coupon',
        'tidemark new-job sync-orders --source shop_order --time updated_at --target orders',
        'tidemark new-job orders-by-hour --kind following --follows sync-orders --by created_at',
        'tidemark new-job orders-by-day --kind period --source orders --time created_at',
      ),
    )
    .action(async (name: string, options) => done(await (await import('./new-job.ts')).newJob(app, name, options)));
}

export function addCompletion(program: Command, app: App, done: Done): void {
  program
    .command('completion')
    .summary('completion of commands, flags, jobs and shards by TAB')
    .description(
      'print a script that lets a shell complete commands, flags, jobs and shards; print it anew after new jobs',
    )
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .option('--command <name>', 'the word that is completed, where this program is called by several (an alias)')
    .addHelpText(
      'after',
      examples(
        'tidemark completion bash > ~/.local/share/bash-completion/completions/tidemark',
        'tidemark completion zsh > ~/.zfunc/_tidemark    # with fpath+=~/.zfunc before compinit in ~/.zshrc',
        'tidemark completion fish > ~/.config/fish/completions/tidemark.fish',
      ),
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish', options) =>
      done((await import('./completion.ts')).completion(program, app, shell, options)),
    );
}
