/** `tidemark crontab`: the schedules of this installation for whoever starts them, and what is wrong with a crontab. */
import { readFileSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { Config } from '../platform/config.ts';
import { ownFolder, ownVersion, programFolder } from '../platform/entry.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { isProgram } from '../platform/process.ts';
import { checkCrontab } from '../schedule/check-crontab.ts';
import { crontabText, type Install } from '../schedule/crontab.ts';
import type { CheckSetting, Finding } from '../schedule/finding.ts';
import { cronJobs } from '../schedule/kubernetes.ts';
import { systemdUnits } from '../schedule/systemd.ts';
import type { App } from './app.ts';
import { readCommand } from './known-commands.ts';
import { print, printJson } from './output.ts';
import { timetableFor } from './timetable.ts';

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
  const { entries, missing } = timetableFor(app, config);
  const install = installOf(config, missing, options);
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
function installOf(config: Config, missing: readonly string[], { user, mailto }: CrontabOptions): Install {
  return {
    program: programPath(),
    path: searchPath(dirname(process.execPath)),
    mailTo: mailto ?? user ?? userInfo().username,
    user: user ?? null,
    businessZone: config.need('TIDEMARK_TIMEZONE'),
    hostZone: hostZone(),
    missing,
    now: Date.now(),
  };
}

const usualFolders = ['/usr/local/bin', '/usr/bin', '/bin'];

const searchPath = (ofNode: string) => (usualFolders.includes(ofNode) ? usualFolders : [ofNode, ...usualFolders]);

/** The file that schedules call: it is to be executable, and to say on its first line what runs it. */
function programPath(): string {
  const entry = process.argv[1];
  const isOurs = entry === undefined || programFolder(entry) === ownFolder;
  return isOurs ? join(ownFolder, 'bin/tidemark') : realpathSync(entry);
}

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
  const { entries, missing } = timetableFor(app, config);
  return {
    entries,
    jobs: app.jobs,
    install: installOf(config, missing, {}),
    isProgram,
    hasNode: hasNode(),
    readCommand: (words) => readCommand(program, words),
  };
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
