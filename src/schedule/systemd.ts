/**
 * The timetable as units of systemd: a service and a timer for each entry, a template where shards start by themselves.
 *
 * Unlike cron, its timers know seconds, time zones, and what was missed while the host was off (Persistent=true).
 */
import { readTimes, type Times } from './cron-times.ts';
import type { Install } from './crontab.ts';
import { compact } from './shift-times.ts';
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

/** The times of a schedule in systemd's words. Where cron takes either of two fields for days, there are two. */
export function calendars(schedule: string, delaySeconds: number, zone: string): string[] {
  const times = readTimes(schedule);
  const { hours, minutes, months } = times;
  // A start that sleeps past its minute belongs to a later one; systemd's own seconds end at 59.
  const seconds = String(delaySeconds % 60).padStart(2, '0');
  const later = Math.floor(delaySeconds / 60);
  if (later > 0 && minutes.some((minute) => minute + later > 59))
    return [`*-*-* *:${minutes.map((minute) => (minute + later) % 60).join(',')}:${seconds} ${zone}`];
  const clock = `${part(hours, 0, 23)}:${part(
    minutes.map((minute) => minute + later),
    0,
    59,
  )}:${seconds}`;
  const date = (days: readonly number[]) => `*-${part(months, 1, 12)}-${part(days, 1, 31)}`;
  return dayChoices(times).map(({ days, weekdays }) => {
    const names = weekdays.length === 7 ? '' : `${weekdays.map((day) => weekdayNames[day]).join(',')} `;
    return `${names}${date(days)} ${clock} ${zone}`;
  });
}

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
