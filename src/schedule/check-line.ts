/** What is wrong with one line of a crontab, looked at by itself. */
import { distance } from 'fastest-levenshtein';
import { isDueJob, isTableJob } from '../engine/job.ts';
import { escaped } from './crontab.ts';
import { type CronLine, seemsToHaveUser } from './crontab-lines.ts';
import type { CheckSetting, Finding } from './finding.ts';
import type { TidemarkStart } from './shell-words.ts';
import { kindOf } from './timetable.ts';

export function checkLine(line: CronLine, hasUsers: boolean, setting: CheckSetting): Finding[] {
  const found = new Findings(line);
  if (line.command === '' && line.user === null) {
    found.wrong('there are fewer than five fields and a command', []);
    return found.list;
  }
  if (isSecondsField(line)) {
    const five = line.text.trim().split(/\s+/);
    const seconds = /^\d+$/.test(five[0] ?? '') && five[0] !== '0' ? `sleep ${five[0]}; ` : '';
    found.wrong('there are six fields: cron has five, and knows no seconds', [
      `${five.slice(1, 6).join(' ')} ${seconds}${five.slice(6).join(' ')}`,
    ]);
    return found.list;
  }
  if (line.fieldError !== null) found.wrong(line.fieldError, []);
  if (line.starts.length === 0) return found.list;
  checkUser(line, hasUsers, found);
  if (/(?<!\\)%/.test(line.command))
    found.wrong('a bare % is a new line to cron, and what follows it is input of the command', [
      found.with(escaped(line.command)),
    ]);
  for (const start of line.starts) {
    checkProgram(start, line, setting, found);
    checkWords(start, setting, found);
  }
  return found.list;
}

/** A field too many is read as the command. */
const isSecondsField = ({ command, user }: CronLine) =>
  user === null && /^[\d*,/-]+(\s|$)/.test(command) && !command.startsWith('/');

function checkUser({ command, user, fields, starts }: CronLine, hasUsers: boolean, found: Findings): void {
  if (hasUsers && user === null)
    found.wrong(
      'a file of /etc/cron.d names the user behind the fields: cron takes the first word of the command for one',
      [`${fields} root ${command}`],
    );
  if (!hasUsers && starts.length > 0 && seemsToHaveUser(command)) {
    const [first = ''] = command.split(/\s+/);
    found.wrong(`a user's own crontab has no column for the user: cron would start a program called ${first}`, [
      `${fields} ${command.slice(first.length).trim()}`,
    ]);
  }
}

function checkProgram({ program }: TidemarkStart, line: CronLine, setting: CheckSetting, found: Findings): void {
  const { install, isProgram } = setting;
  const folders = line.path.split(':').filter((folder) => folder.startsWith('/'));
  const right = [found.with(line.command.replace(program, () => install.program))];
  if (/^[~$]/.test(program)) return; // the shell makes it a path
  if (!program.includes('/')) {
    if (!folders.some((folder) => isProgram(`${folder}/${program}`)))
      found.wrong(`no tidemark is found in the PATH of this line, ${line.path}`, right);
  } else if (!program.startsWith('/'))
    found.wrong(`cron starts in the user's home folder: there is no ${program} there`, right);
  else if (!isProgram(program)) found.wrong(`there is no program ${program}`, right);
  if (!folders.some((folder) => isProgram(`${folder}/node`)) && !setting.hasNode)
    found.wrong(`no node is found in the PATH of this line, ${line.path}`, [
      `PATH=${install.path.join(':')}      above it`,
    ]);
}

function checkWords({ words }: TidemarkStart, { jobs, readCommand }: CheckSetting, found: Findings): void {
  const { name, operands, complaint } = readCommand(words);
  if (complaint !== null) found.wrong(complaint, [`tidemark ${name === '' ? '' : `${name} `}--help`]);
  if (name !== 'run' || operands[0] === undefined) return;
  const [asked, ...shards] = operands;
  const job = jobs.find((one) => one.name === asked);
  if (job === undefined) {
    const near = nearest(
      asked,
      jobs.map((one) => one.name),
    );
    found.wrong(`there is no job "${asked}"`, near === null ? ['tidemark list'] : [found.text.replace(asked, near)]);
    return;
  }
  const kind = kindOf(job, words);
  if ((kind === 'sweep' && !isTableJob(job)) || (kind === 'full' && isDueJob(job)))
    found.wrong(`${job.name} knows no --${kind}`, ['tidemark list']);
  for (const shard of shards)
    if (!job.shards.includes(shard))
      found.wrong(
        `${job.name} has no shard "${shard}": it has ${job.shards.length === 0 ? 'none' : job.shards.join(', ')}`,
        job.shards.length === 0 ? [found.text.replace(new RegExp(`(${job.name})\\s+${shard}\\b`), '$1')] : [],
      );
}

function nearest(name: string, known: readonly string[]): string | null {
  const [first] = [...known].sort((a, b) => distance(name, a) - distance(name, b));
  return first !== undefined && distance(name, first) <= Math.max(3, first.length / 2) ? first : null;
}

/** What is found about one line. */
class Findings {
  readonly list: Finding[] = [];
  readonly #line: CronLine;

  constructor(line: CronLine) {
    this.#line = line;
  }

  get text(): string {
    return this.#line.text.trim();
  }

  wrong(what: string, instead: readonly string[]): void {
    this.list.push({ line: this.#line.number, text: this.text, weight: 'wrong', wrong: what, instead });
  }

  /** The line with another command. */
  with(command: string): string {
    const { fields, user } = this.#line;
    return [fields, ...(user === null ? [] : [user]), command].join(' ');
  }
}
