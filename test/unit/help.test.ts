/** Help, for people who type nothing or ask for it. */
import { tmpdir } from 'node:os';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { ownApp, typed } from '../support/in-process.ts';

const program = createProgram(ownApp, () => undefined);
const paths = (command: Command, path: readonly string[] = []): (readonly string[])[] => [
  path,
  ...command.commands.flatMap((one) => paths(one, [...path, one.name()])),
];
const help = (...path: readonly string[]) => typed([...path, '--help'], { folder: tmpdir() });

describe('tidemark --help', () => {
  test('is one screen, with every command in a line, by what one wants to do', async () => {
    const { code, stdout, stderr } = await help();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines.length).toBeLessThanOrEqual(40);
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
    for (const command of program.commands) expect(stdout).toMatch(new RegExp(`^.{10}${command.name()} `, 'm'));
    expect(stdout).toMatch(/^Look {6}\w/m);
    expect(stdout).not.toContain('Others');
  });

  test('stands on stderr when nothing is typed, and nothing was done', async () => {
    const { code, stdout, stderr } = await typed([], { folder: tmpdir() });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^Usage: tidemark <command>/);
  });
});

test.each(
  paths(program)
    .filter((path) => path.length > 0)
    .map((path) => ({ path })),
)('tidemark $path --help fits 80 columns, and shows examples', async ({ path }) => {
  const { code, stdout, stderr } = await help(...path);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [text = '', examples] = stdout.split('\nExamples:\n');
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  if (!text.includes('\nCommands:')) expect(examples).toContain(`$ tidemark ${path.join(' ')}`);
});

test('a name that is called otherwise stands in help and next commands, and in nothing else', async () => {
  const { speakAs, asTyped } = await import('../../src/cli/output.ts');
  speakAs('node tidemark.js', ['run', 'dead-letters']);
  expect(asTyped('Next: tidemark run a; or tidemark dead-letters list (tidemark --help)')).toBe(
    'Next: node tidemark.js run a; or node tidemark.js dead-letters list (node tidemark.js --help)',
  );
  expect(asTyped('tidemark runs jobs; /opt/tidemark run; tidemark: tidemark_run')).toBe(
    'tidemark runs jobs; /opt/tidemark run; tidemark: tidemark_run',
  );
  speakAs('tidemark', []);
});
