/** `tidemark crontab`: the schedules of this installation for whoever starts them, and what is wrong with a crontab. */
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { Config, type DatabaseName, databaseSettings, ownFolder, ownVersion } from '../platform/config.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { checkCrontab } from '../schedule/check-crontab.ts';
import { crontabText, type Install } from '../schedule/crontab.ts';
import type { CheckSetting, Finding } from '../schedule/finding.ts';
import { cronJobs } from '../schedule/kubernetes.ts';
import { systemdUnits } from '../schedule/systemd.ts';
import { timetableOf } from '../schedule/timetable.ts';
import type { App } from './app.ts';
import { readCommand } from './known-commands.ts';
import { print, printJson } from './output.ts';

interface CrontabOptions {
  systemd?: true;
  kubernetes?: true;
  user?: string;
  mailto?: string;
  check?: string;
  json?: true;
}

export async function crontab(app: App, program: Command, options: CrontabOptions): Promise<number> {
  refuseMixtures(options);
  const config = Config.read();
  if (options.check !== undefined) return check(options.check, checkSetting(app, program, config), options);
  const install = installOf(config, options);
  const entries = timetableOf(app.jobs, app.chores ?? [], install.absent);
  const text = options.systemd
    ? systemdUnits(entries, install)
    : options.kubernetes
      ? cronJobs(entries, { ...install, version: ownVersion() })
      : crontabText(entries, install);
  process.stdout.write(text);
  return exitCodes.done;
}

function refuseMixtures(options: CrontabOptions): void {
  const forms = (
    [
      ['--systemd', options.systemd],
      ['--kubernetes', options.kubernetes],
      ['--check', options.check],
    ] as const
  )
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  const help = 'tidemark crontab --help';
  if (forms.length > 1) throw new UsageError(`${forms.join(' and ')} exclude each other`, help);
  if (options.json && options.check === undefined)
    throw new UsageError('--json is for --check; what is printed else is to be installed as it is', help);
  const ofCron = options.user !== undefined ? '--user' : options.mailto !== undefined ? '--mailto' : null;
  if (ofCron !== null && forms.length > 0)
    throw new UsageError(`${ofCron} is for a crontab, and means nothing to ${forms[0]}`, help);
  if (options.user !== undefined && !/^[a-z_][a-z0-9_-]*\$?$/i.test(options.user))
    throw new UsageError(`--user "${options.user}" is no name of a user`, help);
  if (options.mailto !== undefined && /\s/.test(options.mailto))
    throw new UsageError(`--mailto "${options.mailto}" is no address`, help);
}

/** This installation, as whoever starts its jobs must know it. */
function installOf(config: Config, { user, mailto }: CrontabOptions): Install {
  return {
    program: join(ownFolder, 'bin/tidemark'),
    path: searchPath(dirname(process.execPath)),
    mailTo: mailto ?? user ?? userInfo().username,
    user: user ?? null,
    businessZone: config.need('TIDEMARK_TIMEZONE'),
    hostZone: hostZone(),
    absent: absentDatabases(config),
    now: Date.now(),
  };
}

const usualFolders = ['/usr/local/bin', '/usr/bin', '/bin'];

const searchPath = (ofNode: string) => (usualFolders.includes(ofNode) ? usualFolders : [ofNode, ...usualFolders]);

const absentDatabases = (config: Config): DatabaseName[] =>
  // Without the others nothing runs at all: who prints lines before the settings are there wants those lines.
  config.get(databaseSettings.ledger) === undefined ? ['ledger'] : [];

/** The zone of cron, which a shell's TZ does not concern. */
function hostZone(): string {
  try {
    const [, zone] = /zoneinfo\/(.+)$/.exec(realpathSync('/etc/localtime')) ?? [];
    if (zone !== undefined) return zone;
  } catch {
    // Not kept there on this host.
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** What a crontab of this host is checked against. Also for the doctor. */
export function checkSetting(app: App, program: Command, config: Config): Omit<CheckSetting, 'isSystemFile'> {
  const install = installOf(config, {});
  return {
    entries: timetableOf(app.jobs, app.chores ?? [], install.absent),
    jobs: app.jobs,
    install,
    isProgram,
    hasNode: hasNode(),
    readCommand: (words) => readCommand(program, words),
  };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** `npm run build` notes the node that built dist/, and bin/tidemark falls back on it. */
function hasNode(): boolean {
  try {
    return isProgram(readFileSync(join(ownFolder, 'dist/node-path'), 'utf8'));
  } catch {
    return false;
  }
}

function check(file: string, setting: Omit<CheckSetting, 'isSystemFile'>, { json }: CrontabOptions): number {
  const isSystemFile = /^\/etc\/(crontab$|cron\.d\/)/.test(file) || (/^\/var\/spool\/cron\//.test(file) ? false : null);
  const findings = checkCrontab(read(file), { ...setting, isSystemFile });
  if (json) printJson(findings);
  else tell(file, findings);
  if (findings.some(({ weight }) => weight === 'wrong')) return exitCodes.settings;
  return findings.length > 0 ? exitCodes.waitsForPerson : exitCodes.done;
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--check: ${file} cannot be read: ${(error as Error).message}`,
      'crontab -l | tidemark crontab --check -',
    );
  }
}

function tell(file: string, findings: readonly Finding[]): void {
  const name = file === '-' ? 'stdin' : file;
  for (const { line, text, weight, wrong, instead } of findings) {
    print(`${name}${line === null ? '' : `:${line}`}: ${weight}: ${wrong}`);
    if (text !== null) print(`    ${text}`);
    for (const one of instead) print(`  → ${one}`);
  }
  if (findings.length === 0 && process.stdout.isTTY) print(`${name}: nothing to find fault with`);
}
