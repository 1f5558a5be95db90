/** The commands for what stands still: rows that were refused, and jobs that a person has paused. */
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type Done, duration, examples, positive } from './options.ts';

export function addLetters(program: Command, app: App, done: Done): void {
  const letters = program.command('dead-letters').description('rows that a target refused: look, try again, give up');
  addLooking(letters, app, done);
  chosen(letters.command('retry'), 'reason')
    .description('apply their rows as the source holds them now (asks)')
    .option('--all', 'every open one of every job')
    .option('--yes', 'do not ask')
    .option('--json', 'the result of each run as JSON, a line each')
    .addHelpText(
      'after',
      examples(
        'tidemark dead-letters retry 17 18',
        'tidemark dead-letters retry sync-commission-log --shard 3',
        'tidemark dead-letters retry --reason "Duplicate entry" --yes',
        'tidemark dead-letters retry --all',
      ),
    )
    .action(async (which: string[], options) =>
      done(await (await import('./dead-letters-retry.ts')).retry(app, which, options)),
    );
  chosen(letters.command('discard'), 'matching')
    .description('give their rows up; they stay on record, with who did it and why (asks)')
    .option('--reason <text>', 'why you do it: kept for ever')
    .option('--all', 'every open one of every job')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark dead-letters discard 17 --reason "a test account, not wanted"',
        'tidemark dead-letters discard sync-user-extension --matching "nickname" --reason "bots, see ticket 812"',
      ),
    )
    .action(async (which: string[], options) =>
      done(await (await import('./dead-letters-discard.ts')).discard(app, which, options)),
    );
}

function addLooking(letters: Command, app: App, done: Done): void {
  const load = () => import('./dead-letters.ts');
  chosen(letters.command('list', { isDefault: true }), 'reason')
    .description('open ones, the oldest first')
    .option('--all', 'resolved and discarded ones, too')
    .option('--limit <n>', 'at most so many', positive, 1000)
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark dead-letters',
        'tidemark dead-letters list sync-user-extension --all',
        'tidemark dead-letters list --repairs 2 --older-than 1d',
      ),
    )
    .action(async (which: string[], options) => done(await (await load()).list(app, which, options)));
  chosen(letters.command('show'), 'reason')
    .description('what they hold, why they were refused, and what became of them')
    .option('--all', 'resolved and discarded ones, too')
    .option('--limit <n>', 'at most so many', positive, 20)
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark dead-letters show 17', 'tidemark dead-letters show sync-user-extension'))
    .action(async (which: string[], options) => done(await (await load()).show(app, which, options)));
}

/** @param reason how the option is called that goes by the letters' own reason */
const chosen = (command: Command, reason: string): Command =>
  command
    .argument('[id|job...]', 'ids, or the name of a job')
    .option('--job <name>', 'of this job, as its bare name does')
    .option('--shard <name>', 'of this shard')
    .option(`--${reason} <text>`, 'whose reason holds this text')
    .option('--older-than <duration>', 'that have waited for so long', duration)
    .option('--repairs <n>', 'that have failed at least so many repairs', positive);

export function addPauses(program: Command, app: App, done: Done): void {
  const load = () => import('./pause.ts');
  program
    .command('pause')
    .summary('keep a job, or a shard of it, from beginning anything')
    .description('keep a job, or a shard of it, from beginning anything new; what is in hand is ended')
    .argument('<job>')
    .argument('[shard]')
    .option('--reason <text>', 'shown to everybody until it goes on')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark pause sync-commission-log --reason "the total table is being moved"',
        'tidemark pause sync-commission-log 3 --reason "plus_commission_log_3 is restored"',
      ),
    )
    .action(async (job: string, shard: string | undefined, options) =>
      done(await (await load()).pause(app, job, shard, options)),
    );
  program
    .command('resume')
    .summary('let a paused job, or shard, go on where it was')
    .description('let a paused job, or shard, go on where it was')
    .argument('<job>')
    .argument('[shard]')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark resume sync-commission-log', 'tidemark resume sync-commission-log 3'))
    .action(async (job: string, shard: string | undefined, options) =>
      done(await (await load()).resume(app, job, shard, options)),
    );
}
