/** What starts the jobs on this host: cron and its lines, timers of systemd, or the daemon. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { broken, type Check, doubtful, type Finding, fine, notLookedAt } from './check.ts';
import type { Patient } from './patient.ts';

/** A crontab, and its lines that start tidemark. */
interface Crontab {
  readonly file: string;
  readonly text: string;
  readonly isSystemFile: boolean;
  readonly lines: readonly string[];
}

const cronNames = new Set(['cron', 'crond', 'fcron']);

export const cronChecks = (patient: Patient): Check[] => [
  {
    group: 'host',
    about: 'cron',
    needs: [],
    async look() {
      const processes = processesHere();
      if (processes === null) return [notLookedAt('cron', 'this host has no /proc')];
      const crontabs = [...(await ownCrontab()), ...systemCrontabs()].filter(({ lines }) => lines.length > 0);
      const cronRuns = processes.some(({ name }) => cronNames.has(name));
      const daemonRuns = processes.some(
        ({ command }) => /tidemark|start\.cjs/.test(command) && / daemon( |$)/.test(command),
      );
      return [
        ...schedules(crontabs, timers(), { cronRuns, daemonRuns }),
        ...flaws(crontabs, patient),
        ...hours(crontabs, patient),
      ];
    },
  },
];

const startsTidemark = (line: string): boolean => /^[^#]*\btidemark\b/.test(line.trim()) && !/^\s*\w+\s*=/.test(line);

const crontabOf = (file: string, text: string, isSystemFile: boolean): Crontab => ({
  file,
  text,
  isSystemFile,
  lines: text.split('\n').filter(startsTidemark),
});

/** That of the user who asks. Without one, or without cron, none. */
async function ownCrontab(): Promise<Crontab[]> {
  const { stdout } = await promisify(execFile)('crontab', ['-l'], { timeout: 3000 }).catch(() => ({ stdout: '' }));
  return [crontabOf('crontab -l', stdout, false)];
}

function systemCrontabs(): Crontab[] {
  const more = list('/etc/cron.d').map((name) => join('/etc/cron.d', name));
  return ['/etc/crontab', ...more].flatMap((file) => {
    try {
      return [crontabOf(file, readFileSync(file, 'utf8'), true)];
    } catch {
      return []; // not there, or not ours to read
    }
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const timers = (): string[] => list('/etc/systemd/system').filter((name) => /^tidemark.*\.timer$/.test(name));

interface Process {
  readonly name: string;
  readonly command: string;
}

/** Null where that cannot be told. */
function processesHere(): Process[] | null {
  const numbers = list('/proc').filter((name) => /^\d+$/.test(name));
  if (numbers.length === 0) return null;
  return numbers.flatMap((number) => {
    try {
      const read = (file: string) => readFileSync(join('/proc', number, file), 'utf8');
      return [{ name: read('comm').trim(), command: read('cmdline').replaceAll('\0', ' ').trim() }];
    } catch {
      return []; // it has ended meanwhile
    }
  });
}

export function schedules(
  crontabs: readonly Crontab[],
  units: readonly string[],
  { cronRuns, daemonRuns }: { readonly cronRuns: boolean; readonly daemonRuns: boolean },
): Finding[] {
  const found = crontabs.map(({ file, lines }) => fine(`${lines.length} lines of ${file} start tidemark`));
  if (units.length > 0) found.push(fine(`${units.length} timers of systemd start tidemark`));
  if (daemonRuns) found.push(fine('the daemon runs'));
  if (crontabs.length > 0 && !cronRuns)
    return [
      ...found,
      broken(
        'cron does not run on this host',
        'none of its lines is started',
        'systemctl enable --now cron (or crond)',
      ),
    ];
  if (crontabs.length > 0) found.push(fine('cron runs'));
  if (found.length > 0) return found;
  return [
    doubtful(
      'nothing on this host starts tidemark: no line of a crontab that can be read here, no timer, no daemon',
      'jobs that nobody starts fall behind; all is well if another host or user starts them',
      'tidemark crontab',
    ),
  ];
}

/** Of several crontabs each may lack what another has: only of a single one it is told what no line starts. */
function flaws(crontabs: readonly Crontab[], { crontabFlaws }: Patient): Finding[] {
  return crontabs.flatMap(({ file, text, isSystemFile }) =>
    crontabFlaws(text, isSystemFile)
      .filter(({ line }) => line !== null || crontabs.length === 1)
      .map(({ line, weight, wrong, instead }) =>
        (weight === 'wrong' ? broken : doubtful)(
          `${file}${line === null ? '' : `, line ${line}`}: ${wrong}`,
          line === null ? 'what no line starts is done by nobody' : 'the line does not do what it was written for',
          ...instead,
        ),
      ),
  );
}

/** cron goes by the host's zone, whatever TIDEMARK_TIMEZONE says. */
function hours(crontabs: readonly Crontab[], { zone }: Patient): Finding[] {
  const host = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const now = new Date();
  const here = new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 16).replace('T', ' ');
  if (crontabs.length === 0 || zone.text(now.getTime()).startsWith(here)) return [];
  return [
    fine(`cron goes by the zone of this host (${host}), and not by ${zone.name}: hours in its lines are meant so`),
  ];
}
