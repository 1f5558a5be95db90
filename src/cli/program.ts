/**
 * The command line: every command with its flags and help, and the way from an error to an exit code.
 * What a command does is loaded when it is called, so that `--help` and cron pay only for what they use.
 */
import { Argument, type Command, CommanderError } from 'commander';
import { ownVersion } from '../platform/config.ts';
import { exitCodes } from '../platform/errors.ts';
import type { App } from './app.ts';
import { OurCommand } from './command.ts';
import { correctMistakes } from './mistakes.ts';
import { type Done, examples, positive, withRunOptions } from './options.ts';
import { complain, exitCodeOf, speakAs } from './output.ts';
import { addAlarms } from './program-alarms.ts';
import { addDoctor } from './program-doctor.ts';
import { addDifferences, addLedger } from './program-ledger.ts';
import { addLetters, addPauses } from './program-letters.ts';
import { addPayments } from './program-payments.ts';
import { addSchedule } from './program-schedule.ts';
import { addSeeing } from './program-seeing.ts';
import { addCompletion, addNewJob } from './program-setup.ts';

/** @returns the exit code */
export async function main(argv: readonly string[], app: App): Promise<number> {
  let code: number = exitCodes.done;
  try {
    const program = createProgram(app, (result) => {
      code = result;
    });
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    complain(error);
    return exitCodeOf(error);
  }
}

/** Every command of the program, as `--help`, completions and tests see them. */
export function createProgram(app: App, done: Done): Command {
  const program = new OurCommand('tidemark')
    .description('Cron jobs that never skip and never repeat a window of time.')
    .version(ownVersion())
    .exitOverride()
    .addHelpText('after', 'tidemark <command> --help tells more, with examples.');
  addRun(program, app, done);
  addSeeing(program, app, done);
  addMending(program, app, done);
  addLetters(program, app, done);
  addPauses(program, app, done);
  addLedger(program, done);
  addDifferences(program, done);
  addPayments(program, done);
  addAlarms(program, app, done);
  addDoctor(program, app, done);
  addSchedule(program, app, done);
  addSetup(program, app, done);
  addNewJob(program, app, done);
  addCompletion(program, app, done);
  if (demonstrated.every((job) => app.jobs.some(({ name }) => name === job))) addDemo(program, app, done);
  correctMistakes(program, app);
  speakAs(
    app.calledAs ?? 'tidemark',
    program.commands.map((command) => command.name()),
  );
  return program;
}

function addRun(program: Command, app: App, done: Done): void {
  withRunOptions(program.command('run').description('take every window that is due'))
    .addHelpText(
      'after',
      examples(
        'tidemark run sync-commission-log',
        'tidemark run sync-commission-log 3 7 --dry-run',
        'tidemark run sync-commission-log --from 2026-11-20T08:00:00 --to 2026-11-20T10:00:00',
        'tidemark run rollup-income --full --json',
        'tidemark run sync-user-extension --every 10s --for 50s',
      ),
    )
    .action(async (job: string, shards: string[], options) =>
      done(await (await import('./run.ts')).run(app, job, shards, options)),
    );
}

function addMending(program: Command, app: App, done: Done): void {
  program
    .command('checkpoint')
    .summary('show a checkpoint, or take over that of another system')
    .description('show a checkpoint; --set takes over that of an existing system')
    .argument('<job>')
    .argument('[shard]')
    .option('--set <time>', 'the end of what is already applied')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      examples(
        'tidemark checkpoint sync-commission-log 3',
        'tidemark checkpoint sync-user-extension --set 2026-11-20T10:00:00+08:00',
      ),
    )
    .action(async (job: string, shard: string | undefined, options) =>
      done(await (await import('./checkpoint.ts')).checkpoint(app, job, shard, options)),
    );
}

function addSetup(program: Command, app: App, done: Done): void {
  program
    .command('migrate')
    .summary('create or update the tables that tidemark owns')
    .description('create or update the tables that tidemark owns, and missing copies of source tables')
    .option('--dry-run', 'print the SQL')
    .addHelpText('after', examples('tidemark migrate --dry-run', 'tidemark migrate'))
    .action(async (options) => done(await (await import('./migrate.ts')).migrateAll(app, options)));
  program
    .command('config')
    .description('the settings in force, and where each came from')
    .option('--json', 'as JSON')
    .addHelpText('after', examples('tidemark config'))
    .action(async (options) => done(await (await import('./config.ts')).config(options)));
  const local = program.command('local').description('private MariaDB and Redis for trying things');
  for (const [name, what] of [
    ['up', 'start them, and write their settings to .tidemark/local.env'],
    ['down', 'stop them; their data stays'],
    ['status', 'whether they run, and where'],
  ] as const) {
    local
      .command(name)
      .description(what)
      .option('--json', 'as JSON')
      .addHelpText('after', examples(`tidemark local ${name}`))
      .action(async (options) => done(await (await import('./local.ts')).local[name](options)));
  }
  local
    .command('sql')
    .description("MariaDB's client in one of their databases; SQL on its input, or typed")
    .addArgument(new Argument('<database>', 'source, main database or ledger').choices(['plus', 'mia', 'ledger']))
    .addHelpText('after', examples('tidemark local sql plus < tables/orders.sql', 'tidemark local sql mia'))
    .action(async (database: 'plus' | 'mia' | 'ledger') => done(await (await import('./local.ts')).localSql(database)));
}

/** The demonstration is of tidemark's own jobs; a team's list may be without them. */
const demonstrated = ['sync-user-extension', 'sync-commission-log', 'rollup-income', 'check-pending-payments'];

function addDemo(program: Command, app: App, done: Done): void {
  program
    .command('demo')
    .summary('all of it shown on private servers, in a minute')
    .description('the demonstration on private servers: sample data, jobs, a crash, a proof')
    .option('--rows <n>', 'rows of commission', positive, 200_000)
    .addHelpText('after', examples('tidemark demo', 'tidemark demo --rows 1000000'))
    .action(async (options) => done(await (await import('./demo.ts')).demo(app, options)));
}
