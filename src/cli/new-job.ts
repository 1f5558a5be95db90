/**
 * `tidemark new-job`: a job and its test, which run as they are, and its line in the list of jobs. Everything is thought
 * through before the first file is written; where one cannot be written, those before it are taken away again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { isDueJob, isTableJob, type Job } from '../engine/job.ts';
import { exitCodes, SetupError, UsageError } from '../platform/errors.ts';
import type { App } from './app.ts';
import { jobName, nameMax } from './job-list.ts';
import { didYouMean } from './nearest.ts';
import { newList, withJob } from './new-job/list.ts';
import { type Place, placeFor, relativeImport } from './new-job/place.ts';
import { type JobText, jobText, testText } from './new-job/templates.ts';
import { asTyped, print } from './output.ts';

export interface NewJobOptions {
  kind: JobText['kind'];
  source?: string;
  time?: string;
  key?: string;
  target?: string;
  follows?: string;
  by?: string;
  schedule?: string;
}

export async function newJob(app: App, name: string, options: NewJobOptions): Promise<number> {
  const place = placeFor(name);
  const jobs = place.isOurs ? app.jobs : [];
  checkName(name, jobs);
  const text = describe(jobs, name, options);
  const files = filesOf(place, text);
  for (const { file, isNew } of files)
    if (isNew && existsSync(file))
      throw new UsageError(`${shown(file)} is there already`, 'choose another name, or move it away');
  await writeAll(files);
  for (const { file, isNew, what } of files) print(`${isNew ? 'wrote' : 'changed'} ${shown(file)}: ${what}`);
  print(`\nNext:\n${nextLines(place, text).join('\n')}`);
  return exitCodes.done;
}

const shown = (file: string) => relative(process.cwd(), file) || file;

/** Words that no variable may be named. */
const reserved = `await break case catch class const continue debugger default delete do else enum export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof var void while with yield index`.split(/\s+/);

function checkName(name: string, jobs: readonly Job[]): void {
  if (!jobName.test(name) || name.length > nameMax)
    throw new UsageError(
      `"${name}" is no name of a job: expected small letters, digits and single hyphens, ${nameMax} characters at the most`,
      'tidemark new-job sync-coupon',
    );
  if (reserved.includes(name))
    throw new UsageError(
      `"${name}" cannot be the name of a job: it is a word of the language`,
      `tidemark new-job ${name}-job`,
    );
  if (jobs.some((job) => job.name === name))
    throw new UsageError(`there is a job ${name} already`, 'choose another name: tidemark list');
}

const snake = (name: string) => name.replaceAll('-', '_');
const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const schedules = { table: '*/5 * * * *', following: '20 * * * *', period: '30 1 * * *' } as const;

/** What is not said is guessed: from the job's name, and from the jobs that are there. */
function describe(jobs: readonly Job[], name: string, options: NewJobOptions): JobText {
  const { kind, time = 'update_time', key = 'id', by = 'create_time', schedule = schedules[kind] } = options;
  if (options.follows !== undefined && kind !== 'following') throw onlyFor('--follows', kind);
  if (options.by !== undefined && kind !== 'following') throw onlyFor('--by', kind);
  if (!/^\S+( +\S+){4}$/.test(schedule))
    throw new UsageError(
      `--schedule "${schedule}" is no schedule: expected five fields of cron`,
      "--schedule '*/5 * * * *'",
    );
  const follows = kind === 'following' ? upstream(jobs, name, options.follows) : '';
  const source = options.source ?? guessedSource(jobs, name, kind, follows);
  const target = options.target ?? (kind === 'table' ? source : snake(name));
  const identifiers = { source, time, key, target, by };
  for (const [option, value] of Object.entries(identifiers))
    if (!/^[A-Za-z_][\w$]{0,63}$/.test(value))
      throw new UsageError(`--${option} "${value}" is no name of a table or column`, 'tidemark new-job --help');
  return { name, variable: camel(name), kind, schedule, follows, ...identifiers };
}

const onlyFor = (option: string, kind: string) =>
  new UsageError(
    `${option} means nothing to a job of the kind ${kind}: it is for --kind following`,
    'tidemark new-job --help',
  );

function upstream(jobs: readonly Job[], name: string, asked: string | undefined): string {
  const able = jobs.filter((job) => job.target === 'main' && !isDueJob(job)).map((job) => job.name);
  if (asked !== undefined && able.includes(asked)) return asked;
  const known = able.length === 0 ? 'there is none yet' : `expected one of ${able.join(', ')}`;
  const next = `tidemark new-job ${name} --kind following --follows ${able[0] ?? '<job>'}`;
  if (asked !== undefined)
    throw new UsageError(`there is no job "${asked}" to follow: ${known}${didYouMean(asked, able)}`, next);
  const [only, second] = able;
  if (only !== undefined && second === undefined) return only;
  throw new UsageError(`--follows is missing: the job whose results it works on; ${known}`, next);
}

function guessedSource(jobs: readonly Job[], name: string, kind: JobText['kind'], follows: string): string {
  if (kind === 'table') return snake(name.replace(/^(sync|copy)-/, ''));
  const copies = jobs.filter(isTableJob).filter((job) => job.targetTable !== undefined && job.target === 'main');
  const [first, second] = follows === '' ? copies : copies.filter((job) => job.name === follows);
  if (first?.targetTable !== undefined && second === undefined) return first.targetTable;
  throw new UsageError(
    '--source is missing: the table of the main database that the job reads',
    `tidemark new-job ${name} --kind ${kind} --source <table>`,
  );
}

interface Draft {
  readonly file: string;
  readonly text: string;
  readonly isNew: boolean;
  readonly what: string;
  /** Of a program. */
  readonly mode?: number;
}

/** The list last: what stands in it is there. */
function filesOf(place: Place, text: JobText): Draft[] {
  const { list, job, test, entry, ending, style } = place;
  const from = `./${text.name}${ending}`;
  const isListed = existsSync(list);
  const listText = isListed
    ? withJob(readFileSync(list, 'utf8'), shown(list), text.variable, from)
    : newList(text.variable, from, style.typed);
  const files = [
    { file: job, text: jobText(text, style), isNew: true, what: 'the job' },
    { file: test, text: testText(text, style), isNew: true, what: 'its test' },
    { file: list, text: listText, isNew: !isListed, what: 'the list of jobs' },
  ];
  if (entry === null) return files;
  const three = `#!/usr/bin/env node\nimport { cli } from 'tidemark';\nimport { jobs } from '${relativeImport(entry, list.replace(/\.[jt]s$/, ending))}';\nawait cli({ jobs });\n`;
  return [{ file: entry, text: three, isNew: true, what: 'the command line over your jobs', mode: 0o755 }, ...files];
}

/** @throws SetupError; then nothing has changed */
async function writeAll(files: readonly Draft[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const { file, text, isNew, mode = 0o644 } of files) {
      await mkdir(dirname(file), { recursive: true });
      if (isNew) {
        await writeFile(file, text, { flag: 'wx', mode });
        written.push(file);
      } else {
        const aside = `${file}.new`;
        written.push(aside);
        await writeFile(aside, text);
        await rename(aside, file);
      }
    }
  } catch (error) {
    for (const file of written) await rm(file, { force: true });
    throw new SetupError(
      `nothing was written: ${(error as Error).message}`,
      'tidemark new-job, once that is mended',
      error,
    );
  }
}

/** What to type; the first line works at once. */
function nextLines({ folder, test, entry, style }: Place, { name, source }: JobText): string[] {
  const file = relative(folder, test);
  const runTest =
    style.runner === 'vitest'
      ? `npx vitest run ${file}`
      : style.typed
        ? `npx tsx --test ${file}`
        : `node --test ${file}`;
  const program = entry === null ? 'tidemark' : `${style.typed ? 'npx tsx' : 'node'} ${shown(entry)}`;
  const lines = [
    [runTest, 'its test, on private servers'],
    ...(style.here ? [['npm run build', 'bin/tidemark runs what is built']] : []),
    [`${program} migrate`, `the tables it needs; ${source} must be there`],
    [`${program} run ${name}`, ''],
  ] as const;
  const told = lines.map(([command = '', why = '']) => ({ command: asTyped(command), why }));
  const width = Math.max(...told.map(({ command }) => command.length));
  return told.map(({ command, why }) => `  ${why === '' ? command : `${command.padEnd(width)}  # ${why}`}`);
}
