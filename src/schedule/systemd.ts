/**
 * The timetable as units of systemd: a service and a timer for each entry, a template where shards start by themselves.
 *
 * Unlike cron, its timers know seconds, time zones, and what was missed while the host was off (Persistent=true).
 */
import { SetupError } from '../platform/errors.ts';
import { readTimes, type Times } from './cron-times.ts';
import type { Install } from './crontab.ts';
import { compact, isFull, shiftClocks } from './shift-times.ts';
import { argumentsOf, type Entry, type Start, startsOf } from './timetable.ts';

interface Unit {
  readonly name: string;
  readonly text: string;
}

const folder = '/etc/systemd/system';
/** Runs stop by themselves within some seconds of SIGTERM; what is still there then is killed, and rolled back. */
const stopSeconds = 30;

/** All units, each under a line that names its file, and how to install them. */
export function systemdUnits(entries: readonly Entry[], install: Install): string {
  const units = entries.flatMap((entry) => unitsOf(entry, install));
  const blocks = units.map(({ name, text }) => `# file: ${name}\n${text}`);
  return `${header(units)}\n${blocks.join('\n')}`;
}

function header(units: readonly Unit[]): string {
  return `# tidemark's units for systemd, printed by \`tidemark crontab --systemd\`. As root:
#
#   cd ${folder} && tidemark crontab --systemd | awk '/^# file: /{f=$3} f{print > f}'
#   systemd-analyze verify tidemark-*
#   systemctl daemon-reload && systemctl enable --now $(ls ${folder} | grep '^tidemark-.*timer$')
#   systemctl list-timers 'tidemark-*'
#
# What a run says is in the journal: \`journalctl -u 'tidemark-*' -p warning\`. A run that fails leaves a failed unit:
# \`systemctl list-units --failed\`. Units run as ${userOf(units)}; see User= in the services.
`;
}

const userOf = (units: readonly Unit[]) => /^User=(.*)$/m.exec(units[0]?.text ?? '')?.[1] ?? 'root';

function unitsOf(entry: Entry, install: Install): Unit[] {
  const name = `tidemark-${entry.name.replace(/^-+|[^a-z0-9]+/gi, '-')}`;
  const sharded = entry.shards.length > 0;
  const service = { name: `${name}${sharded ? '@' : ''}.service`, text: serviceText(entry, install) };
  const timers = startsOf(entry).map((start) => ({
    name: sharded ? `${name}@${start.shard}.timer` : `${name}.timer`,
    text: timerText(start, install),
  }));
  return [service, ...timers];
}

function serviceText(entry: Entry, { program, path, user, mailTo }: Install): string {
  const start = { entry, shard: entry.shards.length === 0 ? null : '%i', delaySeconds: 0 };
  const command = [program, ...argumentsOf(start)].map(quoted).join(' ');
  return `[Unit]
Description=tidemark ${entry.name}${entry.shards.length === 0 ? '' : ' %i'}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User=${user ?? mailTo}
Environment=${quoted(`PATH=${path.join(':')}`)}
ExecStart=${command}
TimeoutStopSec=${stopSeconds}
SuccessExitStatus=130 143
`;
}

/** A per cent is systemd's sign for what it puts in; %i is meant so. */
function quoted(word: string): string {
  const text = word === '%i' ? word : word.replaceAll('%', '%%');
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function timerText(start: Start, { businessZone }: Install): string {
  const { entry, shard } = start;
  const calendar = calendars(entry.schedule, start.delaySeconds, businessZone);
  return `[Unit]
Description=tidemark ${entry.name}${shard === null ? '' : ` ${shard}`}: ${entry.schedule}

[Timer]
${calendar.map((one) => `OnCalendar=${one}`).join('\n')}
AccuracySec=1s
Persistent=true

[Install]
WantedBy=timers.target
`;
}

const weekdayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

const daySeconds = 86_400;

/**
 * The times of a schedule in systemd's words, each so many seconds later: what passes midnight is told by its own day. Where
 * cron takes either of two fields for days, there are two.
 */
export function calendars(schedule: string, delaySeconds: number, zone: string): string[] {
  if (delaySeconds >= daySeconds)
    throw new SetupError(
      `a start ${delaySeconds} s behind its schedule "${schedule}" belongs to another day`,
      'correct staggerSeconds in the file of the job',
    );
  const times = readTimes(schedule);
  // systemd's own seconds end at 59: the minutes of a wait go to the clock.
  const seconds = String(delaySeconds % 60).padStart(2, '0');
  const everyDayIsAlike = isFull(times.months, 1, 12) && isFull(times.days, 1, 31) && isFull(times.weekdays, 0, 6);
  return shiftClocks(times, Math.floor(delaySeconds / 60), everyDayIsAlike).flatMap(({ day, hours, minutes }) => {
    const clock = `${part(hours, 0, 23)}:${part(minutes, 0, 59)}:${seconds} ${zone}`;
    return dayChoices(times).flatMap(({ days, weekdays }) => {
      const on = weekdays.map((weekday) => (weekday + day) % 7).sort((a, b) => a - b);
      const names = on.length === 7 ? '' : `${on.map((weekday) => weekdayNames[weekday]).join(',')} `;
      return dates(times.months, days, day).map((date) => `${names}${date} ${clock}`);
    });
  });
}

/** Days and those behind them; months with the same days share a line. */
function dates(months: readonly number[], days: readonly number[], later: number): string[] {
  const date = (someMonths: readonly number[], someDays: readonly number[]) =>
    `${part(someMonths, 1, 12)}-${part(someDays, 1, 31)}`;
  if (later === 0 || (isFull(months, 1, 12) && isFull(days, 1, 31))) return [`*-${date(months, days)}`];
  const byMonth = new Map<number, number[]>();
  const add = (month: number, day: number) => byMonth.set(month, [...(byMonth.get(month) ?? []), day]);
  for (const month of months)
    for (const day of days) {
      const last = longestMonths[month - 1] as number;
      if (day < last) add(month, day + 1);
      else if (day === last && month !== 2) add((month % 12) + 1, 1);
    }
  const [has28, has29] = [28, 29].map((day) => months.includes(2) && days.includes(day));
  if (has28 && has29) add(3, 1);
  const byDays = new Map<string, { days: number[]; months: number[] }>();
  for (const [month, its] of byMonth) {
    const alike = byDays.get(its.join());
    if (alike === undefined) byDays.set(its.join(), { days: its, months: [month] });
    else alike.months.push(month);
  }
  const afterFebruary = has28 === has29 ? [] : [`${has29 ? leapYears : otherYears}-03-01`];
  return [...[...byDays.values()].map((alike) => `*-${date(alike.months, alike.days)}`), ...afterFebruary];
}

const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/** The first of March is the day after the 28th of February, or after the 29th. True until 2099. */
const [leapYears, otherYears] = ['2024/4', '2025/4,2026/4,2027/4'];

const allDays = Array.from({ length: 31 }, (_, day) => day + 1);
const allWeekdays = [0, 1, 2, 3, 4, 5, 6];

function dayChoices({ days, weekdays, anyDay, anyWeekday }: Times) {
  if (anyDay || anyWeekday) return [{ days, weekdays }];
  return [
    { days, weekdays: allWeekdays },
    { days: allDays, weekdays },
  ];
}

/** `*`, `00/2`, `1..5,9`. */
function part(values: readonly number[], low: number, high: number): string {
  return compact(values, low, high).replace(/^\*\//, `${low}/`).replaceAll('-', '..');
}
