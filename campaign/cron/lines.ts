/** The crontab of this installation, made ready for a campaign of some minutes. */
import { nextAfter } from '../../src/schedule/cron-times.ts';

export interface CampaignLines {
  readonly text: string;
  /** Lines whose time would not come, and was moved. */
  readonly moved: number;
  /** The commands, as cron hands them to the shell. */
  readonly commands: readonly string[];
}

const isLine = (line: string) => /^[\d*]/.test(line);
const splitLine = (line: string): [fields: string, command: string] => {
  const parts = line.split(' ');
  return [parts.slice(0, 5).join(' '), parts.slice(5).join(' ')];
};

/**
 * Keeps every line as it is printed, but those whose time would not come: of each the time is moved into the stretch, to
 * a minute of it, the hourly and nightly ones after one another. Of a single minute, sleeps are a sixth as long.
 *
 * @param minutes whole minutes that the campaign will see begin
 * @param hostZone the zone of cron
 */
export function linesFor(text: string, begin: number, minutes: number, hostZone: string): CampaignLines {
  const commands: string[] = [];
  let moved = 0;
  const lines = text.split('\n').map((line) => {
    if (!isLine(line)) return line;
    const [fields, whole] = splitLine(line);
    const comes = nextAfter(fields, begin, hostZone) < begin + minutes * 60_000;
    if (!comes) moved += 1;
    const command = minutes > 1 ? whole : hurried(whole);
    commands.push(command.replaceAll('\\%', '%'));
    if (comes) return `${fields} ${command}`;
    return `${minutes > 1 ? timeOf(begin, 1 + (moved % (minutes - 1)), hostZone) : '* * * * *'} ${command}`;
  });
  return { text: lines.join('\n'), moved, commands };
}

/** For one minute: what looks at a shard besides comes behind the plain runs, which would find it locked otherwise. */
function hurried(command: string): string {
  if (/ run [\w-]+( \d+)? --| verify /.test(command) && !command.includes('--every')) return `sleep 20; ${command}`;
  return command.replace(/sleep (\d+)/, (_, seconds) => `sleep ${Math.floor(Number(seconds) / 6)}`);
}

/** Fields for one minute of the stretch. */
function timeOf(begin: number, minute: number, timeZone: string): string {
  const at = Math.ceil(begin / 60_000 + minute) * 60_000;
  const [hour, its] = new Intl.DateTimeFormat('en-GB', { timeZone, hour: 'numeric', minute: 'numeric' })
    .format(at)
    .split(':')
    .map(Number);
  return `${its} ${hour} * * *`;
}

/** Without some lines, and with nothing but lines. */
export const onlyLines = (text: string, keep: (line: string) => boolean): string =>
  text
    .split('\n')
    .filter((line) => isLine(line) && keep(line))
    .join('\n');
