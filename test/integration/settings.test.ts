import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { bin, expectComplaint, expectCopied, expectSilence, json, startCli, told } from '../support/cli-tools.ts';
import { type CliResult, World } from '../support/world.ts';

const repository = dirname(dirname(bin));

/** A copy of what is installed, so that no settings of this checkout are found, and none are left in it. */
async function installInto(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const part of ['bin', 'dist', 'package.json'])
    await cp(join(repository, part), join(folder, part), { recursive: true });
  return join(folder, 'bin/tidemark');
}

const asEnvFile = (settings: Readonly<Record<string, string>>) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

describe('settings', () => {
  let world: World;
  let root: string;
  let folder: string;
  let program: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tidemark-install-'));
    program = await installInto(join(root, 'package with spaces'));
    world = await World.create(inject('servers'));
    await world.addCommission({ id: 1, user: 1003 });
  });
  afterAll(async () => {
    await world.destroy();
    await rm(root, { recursive: true });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(root, 'work-'));
  });
  afterEach(() => rm(join(dirname(dirname(program)), '.env'), { force: true }));

  const cli = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
    startCli(args, environment, { program, folder }).ended;
  const run = ['run', 'sync-commission-log', '3'];

  test.each([
    ['SOURCE_DATABASE_URL', 'mysql://user:password@host:port/database', '/plus'],
    ['MAIN_DATABASE_URL', 'mysql://user:password@host:port/database', '/mia'],
  ])('%s is missing', async (name, expected, example) => {
    const { [name]: _, ...others } = world.settings;
    const result = await cli(run, others);
    expectComplaint(result, 78, `${name} is missing`, expected, example, '.env', 'tidemark local up');
  });

  test('REDIS_URL is missing: that is said, and nothing is done without it', async () => {
    const { REDIS_URL: _, ...others } = world.settings;
    const result = await cli(run, others);
    expectComplaint(result, 78, 'REDIS_URL is missing', 'redis://host:port', 'redis://127.0.0.1:6379');
  });

  test('several malformed settings are told at once, each with where it is, what was expected and an example', async () => {
    await writeFile(join(folder, '.env'), 'TIDEMARK_WINDOW_ROWS=many\n');
    const result = await cli(run, {
      ...world.settings,
      SOURCE_DATABASE_URL: 'mysql//nowhere',
      TIDEMARK_STALL_TIMEOUT: 'one minute',
      TIDEMARK_TIMEZONE: 'Asia/Peking City',
    });
    expectComplaint(
      result,
      78,
      'SOURCE_DATABASE_URL (environment) is "mysql//nowhere": expected mysql://user:password@host:port/database',
      'TIDEMARK_STALL_TIMEOUT (environment) is "one minute": expected a duration of 1s or more, such as 60s',
      'TIDEMARK_TIMEZONE (environment) is "Asia/Peking City": expected a zone of the tz database, such as Asia/Shanghai',
      `TIDEMARK_WINDOW_ROWS (${join(folder, '.env')}) is "many": expected a whole number from 1 to 10000000, such as`,
      'Next: correct it',
    );
  });

  test.each([
    ['MAIN_DATABASE_URL', 'postgres://user:topsecret@127.0.0.1/mia'],
    ['MAIN_DATABASE_URL', 'mysql://user:topsecret@127.0.0.1'],
    ['MAIN_DATABASE_URL', 'mysql://user:top/topsecret@127.0.0.1/mia'],
    ['MAIN_DATABASE_URL', 'mysql://user:topsecret@p@:host/mia'],
    ['MAIN_DATABASE_URL', 'user:topsecret@127.0.0.1/mia'],
    ['MAIN_DATABASE_URL', 'mysql://user:100%topsecret@127.0.0.1/mia'],
    ['REDIS_URL', 'http://:topsecret@127.0.0.1:6379'],
    ['REDIS_URL', ':topsecret@127.0.0.1:6379'],
  ])('a malformed %s is told without its password: %s', async (name, value) => {
    const result = await cli(run, { ...world.settings, [name]: value });
    expectComplaint(result, 78, name, 'expected', 'such as');
    expect(result.stderr).not.toContain('topsecret');
  });

  test.each([
    ['TIDEMARK_SETTLE_LAG', '10'],
    ['TIDEMARK_SETTLE_LAG', '0s'],
    ['TIDEMARK_MISSING_COLUMNS', 'ignore'],
    ['TIDEMARK_LOG_LEVEL', 'loud'],
    ['TIDEMARK_WINDOW_ROWS', '0'],
  ])('%s=%s is refused', async (name, value) => {
    expectComplaint(await cli(run, { ...world.settings, [name]: value }), 78, `${name} (environment) is "${value}"`);
  });

  test('.env in the working folder serves; the environment wins over it', async () => {
    await writeFile(join(folder, '.env'), `# settings\n${asEnvFile(world.settings)}TIDEMARK_TIMEZONE="Asia/Tokyo"\n`);
    const result = await cli(run);
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(told(result).warnings).toEqual([expect.stringContaining('is not TIDEMARK_TIMEZONE (Asia/Tokyo')]);
    await expectCopied(world);
    const shown = json<{ name: string; value: string; from: string; file: string | null }[]>(
      await cli(['config', '--json'], { TIDEMARK_TIMEZONE: 'UTC' }),
    );
    const setting = (name: string) => shown.find((one) => one.name === name);
    expect(setting('TIDEMARK_TIMEZONE')).toMatchObject({ value: 'UTC', from: 'environment', file: null });
    expect(setting('MAIN_DATABASE_URL')).toMatchObject({ from: '.env', file: join(folder, '.env') });
    expect(setting('TIDEMARK_WINDOW_ROWS')).toMatchObject({ value: '50000', from: 'default' });
    expect(setting('TIDEMARK_SETTLE_LAG')).toMatchObject({ value: null, from: 'unset' });
    expect(json(await cli(['checkpoint', 'sync-commission-log', '3', '--json']))).toMatchObject([
      { checkpoint: expect.stringMatching(/\+09:00$/) },
    ]);
    // To a run in another zone, a checkpoint of Tokyo's is an hour ahead of the source's clock.
    expectComplaint(await cli(run, { TIDEMARK_TIMEZONE: 'Asia/Shanghai' }), 78, 'the clock of the source says');
    await world.main.write('DELETE FROM tidemark_checkpoint');
    await world.main.write('DELETE FROM tidemark_window');
    await world.forgetRedis('sync-commission-log', '3');
  });

  test('config shows every setting and where it came from, and no password, also when one is malformed', async () => {
    await writeFile(join(folder, '.env'), asEnvFile({ MAIN_DATABASE_URL: world.settings.MAIN_DATABASE_URL as string }));
    const { MAIN_DATABASE_URL: main = '', ...others } = world.settings;
    const secret = new URL(main).password;
    const table = await cli(['config'], others);
    expect(table).toMatchObject({ code: 0, stderr: '' });
    expect(table.stdout).not.toContain(secret);
    expect(table.stdout).toMatch(/MAIN_DATABASE_URL +mysql:\/\/tidemark:\*+@.*\.env/);
    expect(table.stdout).toMatch(/REDIS_URL +redis:\/\/:\*+@.*environment/);
    expect(table.stdout).toMatch(/TIDEMARK_TIMEZONE +Asia\/Shanghai +default/);
    const asJson = await cli(['config', '--json'], others);
    expect(asJson.stdout).not.toContain(secret);
    expectComplaint(await cli(['config'], { ...others, TIDEMARK_LOG_LEVEL: 'loud' }), 78, 'TIDEMARK_LOG_LEVEL');
  });

  test('a settings file that cannot be read', async () => {
    await mkdir(join(folder, '.env'));
    expectComplaint(await cli(run, world.settings), 78, 'cannot read the settings', join(folder, '.env'));
  });

  test('a log file: lines are complete, and stderr is silent', async () => {
    const TIDEMARK_LOG_FILE = join(folder, 'tidemark.log');
    await world.addCommission({ id: 9, user: 1009 });
    await world.source.write(`ALTER TABLE plus_commission_log_9 ADD COLUMN extra INT NULL`);
    const settings = { ...world.settings, TIDEMARK_LOG_FILE, TIDEMARK_LOG_LEVEL: 'info' };
    expectSilence(await cli(['run', 'sync-commission-log', '9'], settings));
    const lines = (await readFile(TIDEMARK_LOG_FILE, 'utf8')).trim().split('\n');
    const messages = lines.map((line) => (JSON.parse(line) as { message: string }).message);
    expect(messages).toEqual([expect.stringMatching(/extra/), 'window applied']);
  });

  test('a log file that cannot be written is told, and holds no run up', async () => {
    await world.source.write(`ALTER TABLE plus_commission_log_8 ADD COLUMN extra INT NULL`);
    const settings = { ...world.settings, TIDEMARK_LOG_FILE: '/proc/nothing/tidemark.log' };
    const result = await cli(['run', 'sync-commission-log', '8'], settings);
    expect(told(result).complaints.join('\n')).toMatch(/TIDEMARK_LOG_FILE|\/proc\/nothing/);
    expect([0, 78]).toContain(result.code);
  });

  describe('in the bare environment of cron', () => {
    /** The exact words of a crontab's shell: no settings but the ones given, from the root folder. */
    const cron = (line: string, settings: Readonly<Record<string, string>> = {}): Promise<CliResult> =>
      new Promise((resolve) => {
        const env = [
          '-i',
          'PATH=/usr/bin:/bin',
          'HOME=/root',
          ...Object.entries(settings).map(([k, v]) => `${k}=${v}`),
        ];
        execFile('env', [...env, '/bin/sh', '-c', `cd / && ${line}`], { cwd: '/' }, (error, stdout, stderr) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
        );
      });
    let links: string[];
    beforeAll(async () => {
      await symlink(program, join(root, 'tidemark'));
      await symlink('tidemark', join(root, 'again'));
      await mkdir(join(root, 'usr/bin'), { recursive: true });
      await symlink('../../again', join(root, 'usr/bin/relative'));
      await symlink(dirname(dirname(program)), join(root, 'current'));
      links = [
        program,
        join(root, 'tidemark'),
        join(root, 'again'),
        join(root, 'usr/bin/relative'),
        join(root, 'current/bin/tidemark'),
      ];
    });

    test('it runs what was compiled when it was built: Node takes that only with the flags that it was made with', async () => {
      const [, flags] = /exec "\$node" (.*) "\$dist/.exec(await readFile(bin, 'utf8')) as unknown as [string, string];
      const start = join(repository, 'dist/start.cjs');
      const look = `process.once('exit', () => console.log('refused:', require('${start}').cachedDataRejected))`;
      const args = [
        ...flags.split(' '),
        '-e',
        `${look}; process.argv.splice(1, 0, '${start}'); require('${start}')`,
        'list',
      ];
      const { stdout } = await new Promise<{ stdout: string }>((resolve) =>
        execFile(process.execPath, args, (_, out) => resolve({ stdout: out })),
      );
      expect(stdout).toContain('refused: false');
    });

    test('by absolute path and by symbolic links, with settings of the environment: silent, 0', async () => {
      for (const link of links) {
        await world.addCommission({
          id: 100 + links.indexOf(link),
          user: 1003,
          created: `2026-11-18 10:0${links.indexOf(link)}:00`,
        });
        expectSilence(await cron(`'${link}' run sync-commission-log 3`, world.settings));
      }
    });

    test('with settings of .env in the package folder: silent, 0', async () => {
      await writeFile(join(dirname(dirname(program)), '.env'), asEnvFile(world.settings));
      for (const link of links) expectSilence(await cron(`'${link}' run sync-commission-log 3`));
      expectSilence(await cron(`'${program}' run sync-user-extension`));
      expect(await readdir(dirname(dirname(program)))).toEqual(expect.arrayContaining(['.env', 'bin', 'dist']));
    });

    test('without any settings it says which it misses', async () => {
      expectComplaint(await cron(`'${program}' run sync-commission-log 3`), 78, 'MAIN_DATABASE_URL is missing');
    });

    test('without dist/ it says how that is made', async () => {
      const bare = join(root, 'bare');
      await mkdir(bare);
      await cp(join(repository, 'bin'), join(bare, 'bin'), { recursive: true });
      expectComplaint(await cron(`${bare}/bin/tidemark list`), 78, 'start.cjs is missing', 'npm ci && npm run build');
    });
  });
});
