/** The commands that start jobs by themselves, or make others do so. */
import type { Command } from 'commander';
import type { App } from './app.ts';
import { type Done, examples } from './options.ts';

export function addSchedule(program: Command, app: App, done: Done): void {
  program
    .command('crontab')
    .description('print crontab lines for this install, or check a crontab')
    .option('--systemd', 'timer and service units of systemd instead')
    .option('--kubernetes', 'CronJobs of Kubernetes instead')
    .option('--user <name>', 'for /etc/cron.d: run as this user')
    .option('--mailto <address>', 'where cron sends what lines print')
    .option('--check <file>', 'find what is wrong with a crontab; - reads it from stdin')
    .option('--json', 'what --check finds, as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark crontab > tidemark.cron',
        'crontab -l | tidemark crontab --check -',
        'tidemark crontab --check /etc/cron.d/tidemark --json',
        'tidemark crontab --systemd',
        'tidemark crontab --kubernetes > cronjobs.yaml',
      ),
    )
    .action(async (options) => done(await (await import('./crontab.ts')).crontab(app, program, options)));
  program
    .command('daemon')
    .description('the same schedules in one process, for hosts without cron')
    .addHelpText('after', examples('tidemark daemon', 'TIDEMARK_DAEMON_PORT=9464 tidemark daemon'))
    .action(async () => done(await (await import('./daemon.ts')).daemon(app)));
}
