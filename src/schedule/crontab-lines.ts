/** A crontab as Debian's cron reads it: assignments, and lines that start something. */
import { FieldError, fieldsOfNickname, readTimes, type Times } from './cron-times.ts';
import { type TidemarkStart, tidemarkStarts } from './shell-words.ts';

export interface Assignment {
  readonly number: number;
  readonly text: string;
  readonly name: string;
  readonly value: string;
}

export interface CronLine {
  readonly number: number;
  readonly text: string;
  /** The five fields, or a nickname. */
  readonly fields: string;
  /** Null for @reboot, and where a field is none. */
  readonly times: Times | null;
  /** What is wrong with the fields. */
  readonly fieldError: string | null;
  /** Where cron looks for programs when it comes to this line. */
  readonly path: string;
  /** Behind the fields, and the user's column where there is one. */
  readonly command: string;
  /** In a file of /etc/cron.d; null elsewhere, and where the column is missing. */
  readonly user: string | null;
  readonly starts: readonly TidemarkStart[];
}

export interface Crontab {
  readonly assignments: readonly Assignment[];
  readonly lines: readonly CronLine[];
  /** Whether its lines have a column for the user. */
  readonly hasUsers: boolean;
}

/** cron's own, where a crontab says nothing. */
const usualPath = '/usr/bin:/bin';

/** Words that begin commands, and are no users. */
const commandWords = new Set(
  'sleep nice ionice timeout env exec flock chronic sudo cd test [ tidemark time nohup setsid su runuser bash sh . if'.split(
    ' ',
  ),
);

const isUser = (word: string | undefined) =>
  /^[a-z_][a-z0-9_-]*\$?$/i.test(word ?? '') && !commandWords.has(word ?? '');

/** @param isSystemFile whether it is one of /etc/cron.d; null to go by what most lines look like */
export function readCrontab(text: string, isSystemFile: boolean | null): Crontab {
  const assignments: Assignment[] = [];
  const raw: { number: number; text: string; fields: string; rest: string; path: string }[] = [];
  let path = usualPath;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const assignment = /^["']?([A-Za-z_]\w*)["']?\s*=\s*(.*)$/.exec(trimmed);
    if (assignment !== null) {
      const [, name = '', quoted = ''] = assignment;
      const value = quoted.replace(/^(["'])(.*)\1$/, '$2');
      assignments.push({ number: index + 1, text: line, name, value });
      if (name === 'PATH') path = value;
      continue;
    }
    const [, fields = trimmed, rest = ''] = /^(@\w+|(?:\S+\s+){4}\S+)\s*(.*)$/.exec(trimmed) ?? [];
    raw.push({ number: index + 1, text: line, fields, rest, path });
  }
  const withTidemark = raw.filter(({ rest }) => tidemarkStarts(rest).length > 0);
  const hasUsers =
    isSystemFile ??
    (withTidemark.length > 0 &&
      withTidemark.filter(({ rest }) => seemsToHaveUser(rest)).length * 2 > withTidemark.length);
  return { assignments, lines: raw.map((line) => lineOf(line, hasUsers)), hasUsers };
}

/** A name in front of a command. */
export function seemsToHaveUser(rest: string): boolean {
  const [first, second = ''] = rest.split(/\s+/);
  return isUser(first) && (/[/=]/.test(second) || commandWords.has(second));
}

function lineOf(
  { number, text, fields, rest, path }: { number: number; text: string; fields: string; rest: string; path: string },
  hasUsers: boolean,
): CronLine {
  const [, first = '', others = ''] = /^(\S+)\s*(.*)$/.exec(rest) ?? [];
  const user = hasUsers && isUser(first) ? first : null;
  const command = user === null ? rest : others;
  const read = timesOf(fields);
  return { number, text, fields, path, command, user, starts: tidemarkStarts(command.replaceAll('\\%', '%')), ...read };
}

function timesOf(fields: string): Pick<CronLine, 'times' | 'fieldError'> {
  if (fields.toLowerCase() === '@reboot') return { times: null, fieldError: null };
  const five = fields.startsWith('@') ? fieldsOfNickname(fields) : fields;
  if (five === undefined) return { times: null, fieldError: `cron knows no ${fields}` };
  try {
    return { times: readTimes(five), fieldError: null };
  } catch (error) {
    if (error instanceof FieldError) return { times: null, fieldError: error.message };
    throw error;
  }
}
