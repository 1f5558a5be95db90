import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import {
  expectComplaint,
  expectCopied,
  expectSilence,
  json,
  startCli,
  told,
  withAccount,
  withRedis,
} from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = ['run', 'sync-commission-log', '1'];

/** An address with some of its parts replaced. */
function address(url: string | undefined, parts: Partial<Pick<URL, 'password' | 'port' | 'pathname'>>): string {
  return Object.assign(new URL(url ?? ''), parts).href;
}

describe('accounts, addresses and privileges that are not as they should be', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission({ id: 1 }, { id: 2, amount: -5 });
  });
  afterEach(() => world.destroy());

  test('a source account without PROCESS is refused, with the statement that grants it; a fixed lag is the way out', async () => {
    const grants = [`SELECT ON ${world.source.database}.*`];
    await withAccount(world, grants, async ({ name, url }) => {
      const SOURCE_DATABASE_URL = url('SOURCE_DATABASE_URL');
      const refused = await world.cli(job, { SOURCE_DATABASE_URL });
      expectComplaint(refused, 78, 'PROCESS', `GRANT PROCESS ON *.* TO ${name}`, 'TIDEMARK_SETTLE_LAG=10s');
      expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);

      const lagging = { SOURCE_DATABASE_URL, TIDEMARK_SETTLE_LAG: '10s' };
      expectSilence(await world.cli(job, lagging));
      await expectCopied(world);
      const status = await world.cli(['status', 'sync-commission-log'], lagging);
      expect(status).toMatchObject({ code: 0, stderr: '' });
      expect(status.stdout).toContain('unproven');
      expect(await world.main.tuples('SELECT DISTINCT proven FROM tidemark_window')).toEqual([[0]]);

      await world.main.write(`GRANT PROCESS ON *.* TO ${name}`);
      expectSilence(await world.cli(job, { SOURCE_DATABASE_URL }));
      const proven = await world.cli(['status', 'sync-commission-log'], { SOURCE_DATABASE_URL });
      expect(proven.stdout).not.toContain('unproven');
    });
  });

  test('status never calls a watermark proven that a run would refuse', async () => {
    await withAccount(world, [`SELECT ON ${world.source.database}.*`], async ({ url }) => {
      const status = await world.cli(['status', '--json'], { SOURCE_DATABASE_URL: url('SOURCE_DATABASE_URL') });
      if (status.code === 78) expectComplaint(status, 78, 'GRANT PROCESS');
      else {
        const lines = json<{ job: string; watermark: string | null; proof: string }[]>(status);
        for (const line of lines.filter((one) => one.job.startsWith('sync-')))
          expect(line.watermark === null || line.proof === 'unproven', JSON.stringify(line)).toBe(true);
      }
    });
  });

  test('the fewest privileges that the manual asks for are enough', async () => {
    const main = [`SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES ON ${world.main.database}.*`];
    await withAccount(world, ['PROCESS ON *.*', `SELECT ON ${world.source.database}.*`, ...main], async ({ url }) => {
      const accounts = {
        SOURCE_DATABASE_URL: url('SOURCE_DATABASE_URL'),
        MAIN_DATABASE_URL: url('MAIN_DATABASE_URL'),
      };
      expectSilence(await world.cli(['run', 'sync-commission-log'], accounts));
      expectSilence(await world.cli(['run', 'rollup-income'], accounts));
      expectSilence(await world.cli(['run', 'rollup-income', '--full'], accounts));
      expect((await world.cli(['status'], accounts)).code).toBe(0);
      await expectCopied(world);
      expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
    });
  });

  test('a target that the account may not write, or not read', async () => {
    const tables = [
      'tidemark_checkpoint',
      'tidemark_window',
      'tidemark_run',
      'tidemark_run_sum',
      'tidemark_pause',
      'tidemark_dead_letter',
      'tidemark_pause',
      'commission_change',
    ];
    const grants = tables.map((table) => `SELECT, INSERT, UPDATE, DELETE ON ${world.main.database}.${table}`);
    await withAccount(world, grants, async ({ name, url }) => {
      const MAIN_DATABASE_URL = url('MAIN_DATABASE_URL');
      const total = `${world.main.database}.plus_commission_log`;
      expectComplaint(await world.cli(job, { MAIN_DATABASE_URL }), 78, 'plus_commission_log', 'Next: ');
      await world.main.write(`GRANT SELECT, UPDATE ON ${total} TO ${name}`);
      expectComplaint(await world.cli(job, { MAIN_DATABASE_URL }), 78, /INSERT command denied|INSERT/, 'Next: ');
      expect(await world.all(world.main, 'tidemark_dead_letter')).toEqual([]);
      expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
      await world.main.write(`GRANT INSERT ON ${total} TO ${name}`);
      expectSilence(await world.cli(job, { MAIN_DATABASE_URL }));
      await expectCopied(world);
    });
  });

  test('a source table that the account may not read', async () => {
    const grants = ['PROCESS ON *.*', `SELECT ON ${world.source.database}.user_extension`];
    await withAccount(world, grants, async ({ url }) => {
      const result = await world.cli(job, { SOURCE_DATABASE_URL: url('SOURCE_DATABASE_URL') });
      expectComplaint(result, 78, 'plus_commission_log_1', 'Next: ');
    });
  });

  test.each([
    ['SOURCE_DATABASE_URL', { password: 'wrong' }, 78, 'source database'],
    ['MAIN_DATABASE_URL', { password: 'wrong' }, 78, 'main database'],
    ['SOURCE_DATABASE_URL', { pathname: '/nowhere' }, 78, 'nowhere'],
    ['MAIN_DATABASE_URL', { pathname: '/nowhere' }, 78, 'nowhere'],
    ['MAIN_DATABASE_URL', { port: '1' }, 69, '127.0.0.1:1'],
  ] as const)('%s with %o', async (setting, parts, code, place) => {
    const environment = { [setting]: address(world.settings[setting], parts) };
    const result = await world.cli(job, environment);
    expectComplaint(result, code, 'sync-commission-log 1', place, `Next: check ${setting}: tidemark config`);
    expect(result.stderr).not.toContain(new URL(world.settings[setting] as string).password);
    if (setting === 'MAIN_DATABASE_URL') expectComplaint(await world.cli(['status'], environment), code, place);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });

  test('a run that has nothing to do with the source does not connect to it', async () => {
    await world.run('sync-commission-log');
    const environment = { SOURCE_DATABASE_URL: address(world.settings.SOURCE_DATABASE_URL, { port: '1' }) };
    expectSilence(await world.cli(['run', 'rollup-income'], environment));
    expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
    expect((await world.cli(['verify'], environment)).code).toBe(0);
  });

  test('no source server: each shard is told, nothing is lost, and the gravest code counts', async () => {
    const environment = { SOURCE_DATABASE_URL: address(world.settings.SOURCE_DATABASE_URL, { port: '1' }) };
    const result = await world.cli(['run', 'sync-commission-log', '1', '2', '3', '--json'], environment);
    const { shards, ...run } = json<{ outcome: string; shards: object[] }>(result, 69);
    expect(run.outcome).toBe('failed');
    const error = expect.stringMatching(
      /source database .*127\.0\.0\.1:1 cannot be reached.*check SOURCE_DATABASE_URL/,
    );
    expect(shards).toEqual(Array(3).fill(expect.objectContaining({ outcome: 'failed', windows: 0, error })));
    expect(told(result).complaints).toHaveLength(3);
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });

  test('a Redis user who may only read: the run goes on and warns', async () => {
    const name = `reader_${Date.now()}`;
    await withRedis(world, (redis) =>
      redis.call('ACL', 'SETUSER', name, 'on', '>secret', '~*', '+@read', '+ping', '+info'),
    );
    try {
      const REDIS_URL = Object.assign(new URL(world.settings.REDIS_URL as string), {
        username: name,
        password: 'secret',
      }).href;
      for (let run = 1; run <= 2; run++) {
        const result = await startCli(job, { ...world.settings, REDIS_URL }).ended;
        expect(result).toMatchObject({ code: 0, stdout: '' });
        expect(told(result).complaints).toEqual([]);
        expect(told(result).warnings.join('\n')).toMatch(/not copied to Redis.*permission/);
      }
      await expectCopied(world);
      expect(await world.redisCheckpoint('sync-commission-log', '1')).toBeNull();
      expectSilence(await world.cli(job));
      expect(await world.redisCheckpoint('sync-commission-log', '1')).not.toBeNull();
    } finally {
      await withRedis(world, (redis) => redis.call('ACL', 'DELUSER', name));
    }
  });

  test('a wrong password of Redis: the run goes on and warns', async () => {
    const REDIS_URL = address(world.settings.REDIS_URL, { password: 'wrong' });
    const result = await world.cli(job, { REDIS_URL });
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(told(result).complaints).toEqual([]);
    expect(told(result).warnings.join('\n')).toMatch(/Redis/);
    expect(result.stderr).not.toContain('wrong@');
    await expectCopied(world);
    const [line] = json<{ redis: string }[]>(
      await world.cli(['status', 'sync-user-extension', '--json'], { REDIS_URL }),
      69,
    );
    expect(line?.redis).toBe('unreachable');
  });
});
