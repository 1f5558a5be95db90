/** `tidemark new-job`: what it writes runs at once, in a team's repository and in this one. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { down } from '../../src/platform/local/index.ts';
import { expectComplaint } from '../support/cli-tools.ts';
import { link, repository, Team } from '../support/team.ts';

const kinds: readonly (readonly string[])[] = [
  ['sync-coupon', '--source', 'shop_coupon', '--time', 'changed_at', '--target', 'coupon'],
  ['coupons-by-hour', '--kind', 'following', '--follows', 'sync-coupon', '--time', 'changed_at', '--by', 'created_at'],
  ['coupons-by-day', '--kind', 'period', '--source', 'coupon', '--time', 'created_at', '--schedule', '0 2 * * *'],
];
const tests = kinds.map(([name]) => `test/${name}.test`);
const execute = promisify(execFile);

describe('in an empty package of JavaScript', () => {
  let team: Team;
  beforeAll(async () => {
    team = await Team.create({ isEmpty: true });
  });
  afterAll(async () => {
    await down(join(team.folder, '.tidemark'));
    await team.destroy();
  });
  const ownProgram = ['node_modules/tidemark/dist/start.cjs', 'new-job'];
  const files = async () =>
    (await readdir(team.folder, { recursive: true })).filter((file) => !/^(node_modules|\.tide)/.test(file));

  test("the first job brings the entry and the list with it, by tidemark's own program", async () => {
    const { code, stdout, stderr } = await team.node([...ownProgram, ...(kinds[0] ?? [])]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect((await files()).sort()).toEqual(
      [
        'jobs',
        'jobs/index.js',
        'jobs/sync-coupon.js',
        'package.json',
        'test',
        'test/sync-coupon.test.js',
        'tidemark.js',
      ].sort(),
    );
    expect(stdout).toContain('node tidemark.js run sync-coupon');
    const entry = await readFile(join(team.folder, 'tidemark.js'), 'utf8');
    expect(entry.trim().split('\n').slice(1)).toHaveLength(3);
    expect((await execute(join(team.folder, 'tidemark.js'), ['list'], { cwd: '/' })).stdout).toContain('sync-coupon');
  });

  test("further ones are added to the list, by the team's program", async () => {
    for (const kind of kinds.slice(1))
      expect(await team.cli('new-job', ...kind)).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await team.cli('list', '--json');
    expect(JSON.parse(stdout)).toMatchObject([
      { job: 'sync-coupon', schedule: '*/5 * * * *' },
      { job: 'coupons-by-hour', schedule: '20 * * * *' },
      { job: 'coupons-by-day', schedule: '0 2 * * *' },
    ]);
  });

  test('their tests pass, on private servers that start by themselves', async () => {
    const { code, stdout } = await team.node(['--test', ...tests.map((file) => `${file}.js`)]);
    expect(code, stdout).toBe(0);
    expect(stdout).toContain('# pass 6');
  });

  test('the tests are of use: a job that adds instead of computing anew fails its own', async () => {
    const file = join(team.folder, 'jobs/coupons-by-hour.js');
    const right = await readFile(file, 'utf8');
    await writeFile(
      file,
      right.replace(
        /`REPLACE INTO (\w+) SELECT[^`]*`/,
        (_, table) =>
          `\`INSERT INTO ${table} SELECT ?, 1 FROM DUAL WHERE ? = ? ON DUPLICATE KEY UPDATE entries = entries + 1\``,
      ),
    );
    const { code } = await team.node(['--test', 'test/coupons-by-hour.test.js']);
    await writeFile(file, right);
    expect(code).toBe(1);
  });

  test("tidemark's own program, which does not know these jobs, names the one that does", async () => {
    expectComplaint(await team.node([...ownProgram, 'x']), 64, 'Next: node tidemark.js new-job x');
  });

  test.each([
    ['a name with capitals', ['SyncOrders'], '"SyncOrders" is no name of a job', 'small letters'],
    ['a path', ['../x'], '"../x" is no name of a job'],
    ['a word of the language', ['delete'], '"delete" cannot be the name of a job', 'new-job delete-job'],
    ['a name that is taken', ['sync-coupon'], 'there is a job sync-coupon already'],
    ['a column that is none', ['sync-a', '--time', 'a b'], '--time "a b" is no name of a table or column'],
    ['SQL for a table', ['sync-a', '--source', 'x; DROP TABLE y'], '--source "x; DROP TABLE y" is no name'],
    [
      'a job to follow that is not there',
      ['x', '--kind', 'following', '--follows', 'sync-coupons'],
      'did you mean sync-coupon',
    ],
    ['no job to follow, of several', ['x', '--kind', 'following'], '--follows is missing', 'coupons-by-day'],
    [
      'a job to follow for a table',
      ['x', '--follows', 'sync-coupon'],
      '--follows means nothing to a job of the kind table',
    ],
    ['a schedule of words', ['x', '--schedule', 'daily'], '--schedule "daily" is no schedule'],
    ['another kind', ['x', '--kind', 'tabel'], 'table, following, period'],
  ])('%s is refused', async (_name, args, ...parts) => {
    const before = await files();
    expectComplaint(await team.cli('new-job', ...(args as string[])), 64, ...(parts as string[]));
    expect(await files()).toEqual(before);
  });

  test('a file that is there is left alone, and nothing else is written', async () => {
    await writeFile(join(team.folder, 'test/sync-orders.test.js'), 'mine');
    const before = await files();
    expectComplaint(await team.cli('new-job', 'sync-orders'), 64, 'test/sync-orders.test.js is there already');
    expect(await files()).toEqual(before);
    expect(await readFile(join(team.folder, 'test/sync-orders.test.js'), 'utf8')).toBe('mine');
  });

  test('a file that cannot be written takes those before it away again', async () => {
    await rm(join(team.folder, 'test'), { recursive: true });
    await writeFile(join(team.folder, 'test'), 'no folder');
    const before = await files();
    expectComplaint(await team.cli('new-job', 'sync-orders'), 78, 'nothing was written');
    expect(await files()).toEqual(before);
    expect(await readFile(join(team.folder, 'jobs/index.js'), 'utf8')).not.toContain('syncOrders');
  });

  test('a package that does not know tidemark, or is of the old modules, is told what to type', async () => {
    await rm(join(team.folder, 'jobs'), { recursive: true });
    const file = join(team.folder, 'package.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"module"', '"commonjs"'));
    expectComplaint(await team.node([...ownProgram, 'sync-orders']), 78, 'npm pkg set type=module');
    await writeFile(file, '{"type":"module"}');
    expectComplaint(await team.node([...ownProgram, 'sync-orders']), 78, 'npm install tidemark');
    await writeFile(file, '{');
    expectComplaint(await team.node([...ownProgram, 'sync-orders']), 78, 'package.json cannot be read');
    expectComplaint(
      await team.node([join(team.folder, ownProgram[0] as string), 'new-job', 'a'], '/'),
      64,
      'no package.json',
    );
  });
});

test('in a package of TypeScript they compile, strictly, with what tidemark tells of itself', async () => {
  const team = await Team.create({ isEmpty: true });
  try {
    for (const name of ['@types/node', 'undici-types']) await link(name, team.folder);
    const compilerOptions = { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], outDir: 'out' };
    await writeFile(join(team.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
    const ownProgram = join(team.folder, 'node_modules/tidemark/dist/start.cjs');
    expect((await team.node([ownProgram, 'new-job', ...(kinds[0] ?? [])])).stdout).toContain(
      'npx tsx tidemark.ts run sync-coupon',
    );
    // The program that knows of the first one is the team's, once it is compiled.
    expect(await compile(team)).toEqual('');
    for (const kind of kinds.slice(1))
      expect(await team.node(['out/tidemark.js', 'new-job', ...kind])).toMatchObject({ code: 0, stderr: '' });
    expect(await compile(team)).toEqual('');
    const { stdout } = await team.node(['out/tidemark.js', 'list', '--json']);
    expect(JSON.parse(stdout)).toHaveLength(3);
  } finally {
    await team.destroy();
  }
});

const compile = async (team: Team): Promise<string> => {
  const compiled = await team.node([join(repository, 'node_modules/typescript/bin/tsc'), '-p', '.']);
  return compiled.stdout + compiled.stderr;
};

test("in tidemark's own repository they pass its checks and run among its tests", async () => {
  const copy = await mkdtemp(join(tmpdir(), 'tidemark-copy-'));
  try {
    for (const part of [
      'bin',
      'dist',
      'jobs',
      'migrations',
      'src',
      'test/support',
      'package.json',
      'biome.json',
      'tsconfig.json',
      'vitest.config.ts',
    ])
      await cp(join(repository, part), join(copy, part), { recursive: true });
    await mkdir(join(copy, 'test/integration'));
    await symlink(join(repository, 'node_modules'), join(copy, 'node_modules'));
    for (const [name, ...options] of kinds.filter((kind) => !kind.includes('following')))
      await execute('bin/tidemark', ['new-job', name as string, ...options], { cwd: copy });
    await execute(
      'bin/tidemark',
      ['new-job', 'users-by-hour', '--kind', 'following', '--follows', 'sync-user-extension'],
      { cwd: copy },
    );
    await execute(join(repository, 'node_modules/.bin/biome'), ['check', 'jobs', 'test/integration'], { cwd: copy });
    const { stdout } = await execute(join(repository, 'node_modules/.bin/vitest'), ['run', '--reporter=dot'], {
      cwd: copy,
    });
    expect(stdout).toContain('6 passed');
  } finally {
    await rm(copy, { recursive: true });
  }
});
