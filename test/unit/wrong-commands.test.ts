/**
 * Wrong command lines and settings, made from the definitions of the program: each ends with a documented exit code, in a
 * sentence or two that names what was wrong and what to type next. A command or a setting that is new is covered as it is
 * declared.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { isDueJob, shardNames } from '../../src/engine/job.ts';
import { Config } from '../../src/platform/config.ts';
import { ownApp, typed } from '../support/in-process.ts';
import type { CliResult } from '../support/world.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-wrong-'));
  mkdirSync(join(folder, '.tidemark'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  // Files of its own, though empty, so that no settings of this checkout are found.
  for (const file of ['.env', '.tidemark/local.env']) writeFileSync(join(folder, file), '');
});

const program = createProgram(ownApp, () => undefined);
const jobs = ownApp.jobs.map(({ name }) => name);

interface Known {
  readonly path: readonly string[];
  readonly command: Command;
}
const allOf = (command: Command, path: readonly string[] = []): Known[] => [
  ...(path.length === 0 ? [] : [{ path, command }]),
  ...command.commands.flatMap((one) => allOf(one, [...path, one.name()])),
];
const commands = allOf(program);
const leaves = commands.filter(({ command }) => command.commands.length === 0);
const parents = commands.filter(({ command }) => command.commands.length > 0);

/** What a person might well have typed in the place of an argument. */
const plausible = (name: string): string => {
  if (/job/.test(name)) return jobs[0] as string;
  return /shell/.test(name) ? 'bash' : /database/.test(name) ? 'plus' : /name|table/.test(name) ? 'plus_thing' : '1';
};
/** All that a command insists on. */
const required = ({ command }: Known) => [
  ...command.registeredArguments.filter((argument) => argument.required).map((argument) => plausible(argument.name())),
  ...mandatory({ command }),
];
const mandatory = ({ command }: Pick<Known, 'command'>) =>
  command.options
    .filter((option) => option.mandatory)
    .flatMap(({ long, flags }) => [long ?? '', /duration/.test(flags) ? '1h' : '1']);

/** One mistake: what is typed, and what the answer names. */
type Mistake = readonly [typed: readonly string[], ...names: (string | RegExp)[]];

const unknownFlags: Mistake[] = commands.map((known) => [
  [...known.path, ...required(known), '--frobnicate'],
  "unknown option '--frobnicate'",
]);
const flagsNearlyRight: Mistake[] = leaves.flatMap((known) =>
  known.command.options
    .filter(({ long }) => (long ?? '').length >= 6)
    .map(({ long = '' }): Mistake => {
      const wrong = `${long.slice(0, 4)}${long.slice(5)}`;
      return [[...known.path, ...required(known), wrong as string], wrong as string, /did you mean/];
    }),
);
const valuesMissing: Mistake[] = leaves.flatMap((known) =>
  known.command.options
    .filter(({ required: isNeeded }) => isNeeded)
    .map((option): Mistake => [[...known.path, ...required(known), option.long ?? ''], option.long ?? '', 'missing']),
);
const choicesUnknown: Mistake[] = leaves.flatMap((known) => [
  ...known.command.options
    .filter(({ argChoices }) => argChoices !== undefined)
    .map(
      (option): Mistake => [
        [...known.path, ...required(known), option.long ?? '', 'nonsense'],
        option.long ?? '',
        'nonsense',
        ...(option.argChoices ?? []),
      ],
    ),
  ...known.command.registeredArguments
    .filter(({ argChoices }) => argChoices !== undefined)
    .map((argument): Mistake => [[...known.path, 'nonsense'], 'nonsense', ...(argument.argChoices ?? [])]),
]);
const valuesMalformed: Mistake[] = leaves.flatMap((known) =>
  known.command.options
    .filter((option) => option.parseArg !== undefined && option.argChoices === undefined)
    .flatMap((option) =>
      ['0', '-1', 'soon', '', '1e3', '10 minutes', '999999999999999'].map(
        (value): Mistake => [
          [...known.path, ...required(known), `${option.long}=${value}`],
          option.long ?? '',
          /[Ee]xpected/,
        ],
      ),
    ),
);
const argumentsMissing: Mistake[] = leaves.flatMap((known) => {
  const [first] = known.command.registeredArguments;
  return first?.required ? [[[...known.path, ...mandatory(known)], first.name(), 'missing'] as Mistake] : [];
});
const argumentsTooMany: Mistake[] = leaves
  .filter(({ command }) => !command.registeredArguments.some(({ variadic }) => variadic))
  .map((known) => {
    const filled = known.command.registeredArguments.map(
      (argument) => argument.argChoices?.[0] ?? plausible(argument.name()),
    );
    return [[...known.path, ...filled, 'too-much', ...mandatory(known)], '"too-much"', 'one argument too many'];
  });
const subcommandsUnknown: Mistake[] = parents.flatMap(({ path, command }) =>
  command.commands
    .filter((one) => one.name().length > 3)
    .map((one): Mistake => [[...path, `${one.name().slice(1)}x`], `${one.name().slice(1)}x`, 'did you mean']),
);
const commandsNearlyRight: Mistake[] = program.commands
  .filter((one) => one.name().length > 3)
  .map((one) => {
    const name = one.name();
    return [[`${name[1]}${name[0]}${name.slice(2)}`], 'unknown command', `did you mean tidemark ${name}`];
  });
const jobsAsCommands: Mistake[] = ownApp.jobs.map(({ name }) => [[name], `Next: tidemark run ${name}`]);
const jobsUnknown: Mistake[] = leaves
  .filter(({ command }) => command.registeredArguments[0]?.name() === 'job')
  .flatMap((known) =>
    jobs.map((job): Mistake => [[...known.path, job.replace(/.$/, 'x')], `no job "${job.replace(/.$/, 'x')}"`, job]),
  );
const shardsUnknown: Mistake[] = leaves
  .filter(({ command }) => command.registeredArguments[1]?.name().startsWith('shard'))
  .flatMap((known) =>
    ownApp.jobs.map(
      (job): Mistake => [
        [...known.path, job.name, 'nowhere'],
        new RegExp(`${job.name} has no (shard "nowhere"|windows)`),
        ...(isDueJob(job) ? [] : shardNames(job)),
      ],
    ),
  );
const kinds = [['--full'], ['--repair'], ['--sweep'], ['--from', '2026-11-18', '--to', '2026-11-19']];
const flagsTogether: Mistake[] = kinds.flatMap((one, index) =>
  kinds
    .slice(index + 1)
    .map(
      (other): Mistake => [
        ['run', 'sync-user-extension', ...one, ...other],
        one[0] as string,
        other[0] as string,
        'exclude each other',
      ],
    ),
);
const flagsAlone: Mistake[] = [
  ['--from', '2026-11-18', '--to'],
  ['--to', '2026-11-18', '--from'],
  ['--every', '10s', '--for'],
  ['--for', '10s', '--every'],
].map(([flag = '', value = '', other = '']) => [['run', 'sync-user-extension', flag, value], `${other} is missing`]);

const groups = {
  unknownFlags,
  flagsNearlyRight,
  valuesMissing,
  choicesUnknown,
  valuesMalformed,
  argumentsMissing,
  argumentsTooMany,
  subcommandsUnknown,
  commandsNearlyRight,
  jobsAsCommands,
  jobsUnknown,
  shardsUnknown,
  flagsTogether,
  flagsAlone,
};

/** Nobody listens there. */
const unreachable = {
  SOURCE_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/plus',
  MAIN_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/mia',
  LEDGER_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/ledger',
  REDIS_URL: 'redis://127.0.0.1:1',
};

/** A sentence or two for a person, and no more. */
function expectSentence(result: CliResult, ...names: readonly (string | RegExp)[]): void {
  const { stdout, stderr } = result;
  expect(stdout).toBe('');
  expect(stderr.trimEnd().split('\n'), stderr).toHaveLength(1);
  expect(stderr).toMatch(/^tidemark: .*\. Next: .+\n$/);
  expect(stderr.length).toBeLessThan(1000);
  expect(stderr).not.toMatch(/should not happen|undefined|NaN|\[object|\bat .*:\d+:\d+/);
  for (const name of names) expect(stderr).toMatch(name);
}

const told = (mistakes: readonly Mistake[]) =>
  mistakes.map(([args, ...names]) => ({ line: args.join(' '), args, names }));

describe.each(Object.entries(groups))('%s', (_group, mistakes) => {
  test.each(told(mistakes))('tidemark $line', async ({ args, names }) => {
    const result = await typed(args, { folder });
    expectSentence(result, ...names);
    expect(result.code).toBe(64);
  });
});

test('that is more than two hundred', () => {
  const lines = new Set(Object.values(groups).flatMap((mistakes) => mistakes.map(([args]) => args.join(' '))));
  expect(lines.size).toBeGreaterThan(200);
});

describe('settings', () => {
  const names = Config.read({ environment: {}, workingFolder: '/' }).shown.map(({ name }) => name);
  const wrong = [
    ' ',
    'nonsense value',
    '-1',
    '0x10',
    '1e9',
    '\u0000',
    '💥',
    'mysql://',
    '(',
    ',',
    'http://[',
    '99999999999999',
  ];

  test.each(names)('%s malformed', async (name) => {
    let refused = 0;
    for (const value of wrong) {
      const result = await typed(['config'], { settings: { [name]: value.replace('\u0000', 'nul') }, folder });
      if (result.code === 0) continue;
      refused += 1;
      expect(result.code).toBe(78);
      expectSentence(result, name, 'expected', 'such as');
    }
    // Where any text will do: names of files, folders, prefixes, and what only a provider can judge.
    const isFree = !/_URL$|_ROWS$|_TIMEOUT$|_LAG$|_RATE$|_TABLES$|_LEVEL$|_TIMEZONE$|_COLUMNS$|_TAX$|_MINIMUM$/.test(
      name,
    );
    if (!isFree) expect(refused).toBeGreaterThan(0);
  });

  test('all of them malformed are told at once, passwords of none', async () => {
    const settings = { SOURCE_DATABASE_URL: 'mysql://me:topsecret@:x/', TIDEMARK_WINDOW_ROWS: 'many', REDIS_URL: 'x' };
    const result = await typed(['status'], { settings, folder });
    expect(result.code).toBe(78);
    expectSentence(result, ...Object.keys(settings));
    expect(result.stderr).not.toContain('topsecret');
  });

  test.each([
    ['a folder', () => mkdirSync(join(folder, '.env'))],
    ['bytes that are no text', () => writeFileSync(join(folder, '.env'), Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a]))],
    ['no lines of settings', () => writeFileSync(join(folder, '.env'), 'SOURCE_DATABASE_URL\n= = =\n"\n')],
    [
      'a quote that is not closed',
      () => writeFileSync(join(folder, '.env'), 'REDIS_URL="redis://127.0.0.1\nMAIN_DATABASE_URL=x'),
    ],
  ])('.env is %s', async (_what, spoil) => {
    rmSync(join(folder, '.env'), { recursive: true });
    spoil();
    const result = await typed(['status'], { folder });
    rmSync(join(folder, '.env'), { recursive: true });
    expect(result.code).toBe(78);
    expectSentence(result, /\.env|_URL/);
  });
});

test.each([
  ['TIDEMARK_LOG_FILE', 'gone/tidemark.log'],
  ['TIDEMARK_LOG_FILE', '.tidemark'],
])('a file that cannot be written is told by its setting: %s=%s', async (name, file) => {
  const settings = { ...unreachable, [name]: join(folder, file) };
  const result = await typed(['run', 'sync-user-extension'], { settings, folder });
  expect(result.code).toBe(78);
  expectSentence(result, name, file);
});

describe('without any setting, every command that needs one names it', () => {
  const startServers = ['local up', 'local down', 'demo'];
  const needs = leaves.filter(({ path }) => !startServers.includes(path.join(' ')));
  test.each(needs.map((known) => ({ line: known.path.join(' '), known })))('tidemark $line', async ({ known }) => {
    const result = await typed([...known.path, ...required(known)], { folder });
    expect([0, 64, 78]).toContain(result.code);
    if (result.code !== 0 && result.stdout === '') expectSentence(result);
    if (result.code === 78) expect(result.stdout + result.stderr).toMatch(/_URL|TIDEMARK_|local up|package\.json/);
  });
});

describe('with servers that cannot be reached, a run says which', () => {
  test.each(jobs)('tidemark run %s', async (job) => {
    const { code, stdout, stderr } = await typed(['run', job], { settings: unreachable, folder });
    expect(code).toBe(69);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/127\.0\.0\.1:1 cannot be reached|cannot be reached/);
    expect(stderr).not.toMatch(/should not happen|undefined|NaN|\[object|\bat .*:\d+:\d+/);
  });
});
