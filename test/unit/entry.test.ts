/** What a person types to call the program again, by how it was called. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Calling, ownFolder, programFolder, programName } from '../../src/platform/entry.ts';

let team: string;
beforeAll(() => {
  team = mkdtempSync(join(tmpdir(), 'tidemark-entry-'));
  mkdirSync(join(team, 'node_modules/.bin'), { recursive: true });
  mkdirSync(join(team, 'src'));
  writeFileSync(join(team, 'package.json'), '{"name":"team"}');
  for (const file of ['tidemark.js', 'src/main.ts', 'jobs']) writeFileSync(join(team, file), '');
  symlinkSync('../../src/main.ts', join(team, 'node_modules/.bin/jobs'));
});
afterAll(() => rmSync(team, { recursive: true }));

const own: Calling = {
  entry: join(ownFolder, 'src/main.ts'),
  nodeFlags: [],
  shellEntry: undefined,
  path: '/usr/bin:/opt/bin',
  folder: '/',
  onTerminal: true,
};
const called = (calling: Partial<Calling>) => programName({ ...own, folder: team, ...calling });

describe("tidemark's own program is named", () => {
  test.each([
    ['bin/tidemark', 'bin/tidemark'],
    ['../tidemark/bin/tidemark', '../tidemark/bin/tidemark'],
    ['/srv/tidemark/bin/tidemark', '/srv/tidemark/bin/tidemark'],
    ['/opt/bin/tidemark', 'tidemark'],
    ['/srv/team/node_modules/.bin/tidemark', 'npx tidemark'],
  ])('called as %s on a terminal: %s', (shellEntry, name) => {
    expect(programName({ ...own, shellEntry })).toBe(name);
  });

  test('shortly under cron, which calls it by an absolute path', () => {
    expect(programName({ ...own, shellEntry: '/srv/tidemark/bin/tidemark', onTerminal: false })).toBe('tidemark');
  });

  test('without the shell script: tidemark', () => {
    expect(programName(own)).toBe('tidemark');
    expect(programName({ ...own, entry: undefined })).toBe('tidemark');
  });
});

describe("a team's program is named", () => {
  test('by the file, from where one stands', () => {
    expect(called({ entry: join(team, 'tidemark.js') })).toBe('node tidemark.js');
    expect(called({ entry: join(team, 'tidemark.js'), folder: join(team, 'src') })).toBe('node ../tidemark.js');
    expect(called({ entry: join(team, 'src/main.ts'), nodeFlags: ['--enable-source-maps'] })).toBe(
      'node --enable-source-maps src/main.ts',
    );
  });

  test('with tsx, where that ran it', () => {
    const nodeFlags = ['--require', '/x/node_modules/tsx/dist/preflight.cjs', '--import', 'file:///x/tsx/loader.mjs'];
    expect(called({ entry: join(team, 'src/main.ts'), nodeFlags })).toBe('npx tsx src/main.ts');
  });

  test('with npx, where npm has linked it', () => {
    expect(called({ entry: join(team, 'node_modules/.bin/jobs') })).toBe('npx jobs');
  });

  test('by itself, where it is a program', () => {
    expect(called({ entry: join(team, 'jobs') })).toBe('./jobs');
    expect(called({ entry: join(team, 'jobs'), path: team, onTerminal: false })).toBe('./jobs');
  });
});

test('settings belong to the package of the program, also through a link', () => {
  expect(programFolder(join(team, 'src/main.ts'))).toBe(team);
  expect(programFolder(join(team, 'node_modules/.bin/jobs'))).toBe(team);
  expect(programFolder(join(team, 'gone.js'))).toBe(ownFolder);
  mkdirSync(join(team, 'node_modules/runner/dist'), { recursive: true });
  for (const file of ['package.json', 'dist/cli.js']) writeFileSync(join(team, 'node_modules/runner', file), '');
  expect(programFolder(join(team, 'node_modules/runner/dist/cli.js'))).toBe(team);
});
