/**
 * The crontab of an installation, for Debian's cron: every line that the timetable asks for, and why it is there.
 *
 * Cron knows neither seconds nor time zones: shards sleep before they start, and times are told in the host's zone.
 */

import type { Instant } from '../engine/zone.ts';
import { readTimes } from './cron-times.ts';
import { distanceChangesBy, minutesAhead, shiftSchedule, type TwoZones } from './shift-times.ts';
import { argumentsOf, type Entry, type Start, startsOf } from './timetable.ts';

/** What the lines depend on beside the timetable. */
export interface Install {
  /** The absolute path of bin/tidemark, or of the program of a team's package. */
  readonly program: string;
  /** The folders of PATH. */
  readonly path: readonly string[];
  readonly mailTo: string;
  /** For a file in /etc/cron.d: the column behind the fields. Null for a user's own crontab, which has none. */
  readonly user: string | null;
  readonly businessZone: string;
  readonly hostZone: string;
  /** Settings for want of which something is left out. */
  readonly missing: readonly string[];
  readonly now: Instant;
}

/** What the file is called where people are told how to install it. */
const fileName = 'tidemark.cron';
const width = 120;

export function crontabText(entries: readonly Entry[], install: Install): string {
  const { path, mailTo } = install;
  const blocks = [
    header(install),
    `SHELL=/bin/sh\nPATH=${path.join(':')}\nMAILTO=${mailTo}\n`,
    ...sections(entries, install).map(
      ({ title, lines }) => `${`# --- ${title} `.padEnd(width, '-')}\n\n${lines.join('\n\n')}\n`,
    ),
  ];
  return blocks.join('\n');
}

function sections(entries: readonly Entry[], install: Install): { title: string; lines: string[] }[] {
  const of = (wanted: (entry: Entry) => boolean) => entries.filter(wanted).map((entry) => blockOf(entry, install));
  const inLedger = ({ database }: Entry) => database === 'ledger';
  const ledgerTitle = 'The ledger (leave these out where LEDGER_DATABASE_URL is not set)';
  return [
    { title: 'Every few minutes', lines: of((entry) => !inLedger(entry) && pace(entry) === 'minutes') },
    { title: 'Every hour', lines: of((entry) => !inLedger(entry) && pace(entry) === 'hours') },
    { title: ledgerTitle, lines: of(inLedger) },
    { title: 'Every night', lines: of((entry) => !inLedger(entry) && pace(entry) === 'days') },
  ].filter(({ lines }) => lines.length > 0);
}

function pace({ schedule }: Entry): 'minutes' | 'hours' | 'days' {
  const { minutes, hours } = readTimes(schedule);
  if (hours.length < 12) return 'days';
  return minutes.length > 1 ? 'minutes' : 'hours';
}

/** Why, and the lines. */
function blockOf(entry: Entry, install: Install): string {
  const { schedules, more } = shiftSchedule(entry.schedule, offsetOf(install));
  const why = more
    ? `${entry.why} In ${install.businessZone} it is "${entry.schedule}"; cron cannot say just that in the host's zone. A start too many finds nothing to do.`
    : entry.why;
  return [
    ...comment(why),
    ...startsOf(entry).flatMap((start) => schedules.map((at) => lineOf(at, start, install))),
  ].join('\n');
}

/** The lines of an entry, or of a shard of it. */
export function linesOf(entry: Entry, install: Install, shard?: string): string[] {
  const { schedules } = shiftSchedule(entry.schedule, offsetOf(install));
  const starts = startsOf(entry).filter((start) => shard === undefined || start.shard === shard);
  return starts.flatMap((start) => schedules.map((schedule) => lineOf(schedule, start, install)));
}

function lineOf(schedule: string, start: Start, { program, user }: Install): string {
  const command = [program, ...argumentsOf(start)].map(quoted).join(' ');
  const kept = start.entry.talksAlways ? `report=$(${command} 2>&1) || echo "$report"` : command;
  const sleep = start.delaySeconds === 0 ? '' : `sleep ${start.delaySeconds}; `;
  return [schedule, ...(user === null ? [] : [user]), escaped(`${sleep}${kept}`)].join(' ');
}

const quoted = (word: string) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

/** cron turns a bare per cent into a new line. */
export const escaped = (command: string): string => command.replace(/(?<!\\)%/g, '\\%');

const zonesOf = ({ businessZone, hostZone }: Install): TwoZones => ({ here: hostZone, there: businessZone });
const offsetOf = (install: Install) => minutesAhead(zonesOf(install), install.now);

function header(install: Install): string {
  const how =
    install.user === null
      ? [
          `#   crontab ${fileName}                     installs it IN PLACE OF your present crontab; \`crontab -l\` shows that`,
        ]
      : [`#   install -m 644 ${fileName} /etc/cron.d/tidemark      (as root; a name there may have no dot)`];
  const who = install.user === null ? 'as the user who owns the settings' : `for /etc/cron.d, run as ${install.user}`;
  const { missing } = install;
  return [
    ...comment(`tidemark's crontab, for Debian's cron, printed by \`tidemark crontab\`. Change MAILTO, then, ${who}:`),
    '#',
    `#   ${install.program} crontab --check ${fileName}`,
    '#                                             finds what is wrong with it, now and when it is installed',
    ...how,
    '#',
    '# Settings are not here: they are in the .env beside bin/, which is found from any working folder.',
    ...about('Mail', mail),
    ...about('Overlapping', overlapping),
    ...about('Times', times(install)),
    ...about('Per cent', perCent),
    ...(missing.length === 0 ? [] : about('Left out', `Not set: ${missing.join(', ')}. What needs it is not here.`)),
    '',
  ].join('\n');
}

const about = (title: string, text: string): string[] => ['#', ...comment(`${title}. ${text}`)];

const mail =
  'cron mails what a line prints, and a run that has nothing to say prints nothing. So a mail means: a run failed, a row was refused, Redis could not be reached, or `--full` found something wrong. It names the run, and what to type next. The exit code alone sends no mail. The host needs a program that sends mail; without one, cron throws the text away.';
const overlapping =
  'Do not put flock around these lines. A run takes a lock of its own for each shard, on the connection that writes; a second run finds it taken, does nothing, and ends with 0. The lock falls with the process at once, and a lock file would only be seen on this host. What is late is made up: the next run goes on where the last one ended, however long ago, so a host that slept, or a crontab that was changed, leaves no gap and repeats nothing.';
const perCent =
  'cron turns a bare % into a new line, and gives what follows it to the command as input. Write \\% instead, as in TIDEMARK_LOG_FILE=/var/log/tidemark/$(date +\\%F).log before a command. Lines cannot be continued with a backslash, and variables are not expanded in the assignments below.';

function times(install: Install): string {
  const { businessZone, hostZone, now } = install;
  const always =
    "Debian's cron has no CRON_TZ: it runs these lines in the host's time zone, whatever TIDEMARK_TIMEZONE says.";
  if (hostZone === businessZone)
    return `${always} They are written for a host in ${hostZone}. Elsewhere, \`tidemark crontab\` on that host prints the lines in its own time.`;
  const until = distanceChangesBy(zonesOf(install), now);
  const moved = `The schedules are in ${businessZone}; the lines below are in the time of this host, ${hostZone}, ${distance(offsetOf(install))}.`;
  if (until === null) return `${always} ${moved}`;
  const day = new Date(until).toISOString().slice(0, 10);
  return `${always} ${moved} THAT CHANGES by ${day}, when the clocks of one of them do: print and install it anew then. The daemon and systemd's timers know the zone by themselves.`;
}

function distance(minutes: number): string {
  if (minutes === 0) return 'which shows the same time now';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${hours}:${String(rest).padStart(2, '0')} h ${minutes < 0 ? 'behind' : 'ahead'}`;
}

/** A text as lines of comment. */
function comment(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > width) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
