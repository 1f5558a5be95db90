import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const tidemark = fileURLToPath(new URL('../../bin/tidemark', import.meta.url));
const limitMs = 180_000;

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('the demonstration', () => {
  let folder: string;
  let first: Result;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-demo-'));
    first = await run(tidemark, ['demo', '--rows', '20000']);
  }, limitMs);
  afterAll(async () => {
    await run(tidemark, ['local', 'down']);
    await rm(folder, { recursive: true, force: true });
  });

  /** In the temporary folder, with nothing in the environment but a PATH and what is given. */
  const run = (program: string, args: readonly string[], settings: Record<string, string> = {}): Promise<Result> =>
    new Promise((resolve) => {
      const env = { PATH: process.env.PATH ?? '', HOME: folder, ...settings };
      execFile(program, [...args], { cwd: folder, env, timeout: limitMs }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
      });
    });

  const expectWholeStory = ({ code, stdout, stderr }: Result) => {
    expect(stderr).toBe('');
    expect(stdout).toContain('killed with SIGKILL');
    expect(stdout).toContain('each of the 20,000 rows exactly once');
    expect(stdout).toContain('3 rows read, 1 inserted, 2 updated');
    expect(stdout).toContain('0 rows applied a second time; 12 of 12 checkpoints are in Redis again');
    expect(stdout.match(/ {2}equal$/gm)).toHaveLength(26);
    expect(stdout).toMatch(/query \(a lie, falsely signed\)/);
    expect(stdout).toMatch(/payout \d+ +returned +0\.00 +0\.00 +equal/);
    expect(stdout).toMatch(/^ +total +20,001 +20,001 .* equal$/m);
    expect(stdout).toContain('windows of 19 shards checked: 0 gaps, 0 overlaps');
    expect(stdout).toContain('Source and target are equal.');
    expect(stdout).not.toContain('WRONG');
    expect(stdout).not.toContain('DIFFERENT');
    expect(code).toBe(0);
  };

  test('tells the whole story from nothing and ends with 0', () => {
    expectWholeStory(first);
  });

  test('prints no escape codes and no line wider than 100 columns', () => {
    expect(first.stdout).not.toContain('\u001b');
    // The commands to try next hold this checkout's path, which may be long.
    const lines = first.stdout.split('\n').filter((line) => !line.includes(tidemark));
    expect(lines.filter((line) => [...line].length > 100)).toEqual([]);
  });

  test('suggests commands that work as they are typed', { timeout: limitMs }, async () => {
    const commands = first.stdout.split('\n').filter((line) => line.trimStart().startsWith(tidemark));
    expect(commands).toHaveLength(3);
    for (const command of commands) expect(await run('/bin/sh', ['-c', command])).toMatchObject({ code: 0 });
  });

  test('begins again on the servers of an earlier one, whatever the environment says', {
    timeout: limitMs,
  }, async () => {
    const elsewhere = 'mysql://nobody:nothing@127.0.0.1:9/elsewhere';
    const settings = {
      SOURCE_DATABASE_URL: elsewhere,
      MAIN_DATABASE_URL: elsewhere,
      LEDGER_DATABASE_URL: elsewhere,
      REDIS_URL: 'redis://127.0.0.1:9',
    };
    const result = await run(tidemark, ['demo', '--rows', '20000'], settings);
    expectWholeStory(result);
    expect(result.stdout).toMatch(/erased: \d+ tables/);
    // The commands to try next must then name the private servers themselves.
    expect(result.stdout).toContain("env $(grep -v '^#' .tidemark/local.env)");
    const [command] = /^ +env .*status/m.exec(result.stdout) ?? [''];
    expect(await run('/bin/sh', ['-c', command], settings)).toMatchObject({ code: 0 });
  });

  test('refuses fewer rows than it takes to show something', async () => {
    const { code, stderr } = await run(tidemark, ['demo', '--rows', '10']);
    expect(code).toBe(64);
    expect(stderr).toContain('--rows 10 is too few');
  });
});
