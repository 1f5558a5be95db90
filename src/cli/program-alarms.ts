/** The commands of alarms: the watch that cron starts, and what a person does with the channels. */
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type Done, duration, examples } from './options.ts';

export function addAlarms(program: Command, app: App, done: Done): void {
  program
    .command('watch')
    .summary('find what failed, is late or did not run, and tell it')
    .description('find what failed, is late or did not run, and tell it by the channels that are set (for cron)')
    .option('--dry-run', 'print what would be told; tell and remember nothing')
    .option('--json', 'what stands and what was told, as one JSON object')
    .addHelpText(
      'after',
      `${examples('tidemark watch --dry-run', 'tidemark watch')}
In the crontab: */5 * * * * /opt/tidemark/bin/tidemark watch
A matter is told once, again every TIDEMARK_ALARM_REMINDER, and when it is over.
Exit 65: something stands, and no channel is set or --dry-run.
Exit 1: every channel failed.
`,
    )
    .action(async (options) => done(await (await import('./watch.ts')).watch(app, options)));
  const alarm = program
    .command('alarm')
    .summary('try the channels; what stands; keep something silent')
    .description('try the channels; look at what stands; keep something silent');
  const load = () => import('./alarm.ts');
  alarm
    .command('list', { isDefault: true })
    .description('what stands by the last watch, since when, and when it was told')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark alarm list', 'tidemark alarm list --json'))
    .action(async (options) => done(await (await load()).list(options)));
  alarm
    .command('test')
    .description('send one message through every channel; exit 1 when one fails')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark alarm test'))
    .action(async (options) => done(await (await load()).test(options)));
  alarm
    .command('silence')
    .description('no alarm and no reminder of one matter for a while')
    .argument('<key>', 'as `tidemark alarm list` names it')
    .requiredOption('--for <duration>', 'how long', duration)
    .option('--reason <text>', 'kept with it')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples('tidemark alarm silence behind:sync-commission-log:3 --for 2h --reason "the index is being built"'),
    )
    .action(async (key: string, options) => done(await (await load()).silence(key, options)));
}
