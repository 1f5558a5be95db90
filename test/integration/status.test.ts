/** `tidemark status`: what a person sees of each thing that can be wrong, and what a program gets. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectComplaint, json, openSession, withRedis } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = 'sync-user-extension';

describe('status', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await addExtensions(world.source, { id: 1 });
  });
  afterEach(() => world.destroy());

  const told = async (...args: string[]) => {
    const { code, stdout, stderr } = await world.cli(['status', ...args]);
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  };
  const line = async (...args: string[]) =>
    json<Record<string, unknown>[]>(await world.cli(['status', ...args, '--json']))[0];
  const runAll = async () => {
    for (const name of [job, 'sync-commission-log', 'rollup-income']) await world.run(name);
  };
  const now = () => world.zone.text(Date.now());

  test('of ten shards that stand alike is one line, and says that all is well', async () => {
    await runAll();
    const text = await told();
    expect(text).toMatch(/sync-commission-log 0-9 +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +\d+ s +nothing-due, \d+ s ago/);
    expect(text.split('\n').filter((one) => one.includes('sync-commission-log'))).toHaveLength(1);
    expect(text.trim().split('\n').at(-1)).toBe('All is well.');
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  test('--all is a line for each shard', async () => {
    await runAll();
    const text = await told('--all');
    for (const shard of '0123456789') expect(text).toMatch(new RegExp(`^sync-commission-log ${shard} `, 'm'));
  });

  test('of one job tells the watermark and the copy in Redis, too', async () => {
    await runAll();
    expect(await told(job)).toMatch(/SHARD +UP TO +BEHIND +WATERMARK +REDIS +LAST RUN\n- +.* agrees +done/);
  });

  test('has no colours where nobody is watching, and has them where FORCE_COLOR asks, NO_COLOR aside', async () => {
    await runAll();
    const colour = '\u001b[';
    expect(await told()).not.toContain(colour);
    expect((await world.cli(['status'], { FORCE_COLOR: '1' })).stdout).toContain(colour);
    expect((await world.cli(['status'], { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain(colour);
  });

  test('a job that never ran is told, with the command that runs it', async () => {
    expect(await told(job)).toMatch(/! sync-user-extension: never ran\n {2}Next: tidemark run sync-user-extension\n/);
  });

  test('a job whose first starts have not been missed yet is a note, and a thing when they have', async () => {
    expect((await world.cli(['migrate'], { TZ: 'Pacific/Honolulu' })).code).toBe(0);
    const young = await told(job);
    expect(young).toContain('sync-user-extension: has not run yet; its schedule is */2 * * * *\n\nAll is well.');
    expect((await world.cli(['checkpoint', job, '--set', '2026-11-20', '--yes'])).code).toBe(0);
    expect(await told(job)).toContain('has not run yet');
    await world.main.write('UPDATE tidemark_migration SET migration_time = migration_time - INTERVAL 30 MINUTE');
    expect(await told(job)).toMatch(/✗ .*never started; its schedule is/);
    await world.main.write('DELETE FROM tidemark_checkpoint');
    await world.main.write('DELETE FROM tidemark_run');
    await world.forgetRedis(job);
    expect(await told(job)).toMatch(/! sync-user-extension: never ran/);
  });

  test('a job that is not used here is left out, but where it is named, and so is its line of the crontab', async () => {
    const without = { TIDEMARK_UNUSED_JOBS: 'rollup-income' };
    expect((await world.cli(['status'], without)).stdout).not.toContain('rollup-income');
    expect((await world.cli(['status', 'rollup-income'], without)).stdout).toContain('never ran');
    const crontab = (await world.cli(['crontab'], without)).stdout;
    expect(crontab).not.toContain('run rollup-income');
    expect(crontab).toContain('run sync-user-extension');
  });

  test('a shard that failed comes first, by itself, with the error and the command that shows its log', async () => {
    await runAll();
    await world.source.write('RENAME TABLE plus_commission_log_5 TO gone');
    await world.cli(['run', 'sync-commission-log']);
    await world.main.write(`INSERT INTO tidemark_pause VALUES ('${job}', '', 'a wrong deploy', 'ann', '${now()}')`);
    const text = await told();
    const [first, next] = text.split('\n');
    expect(first).toMatch(
      /^✗ sync-commission-log 5, \d+ s behind: the last run failed \d+ s ago: there is no table plus_commission_log_5/,
    );
    const [, prefix = ''] = /Next: tidemark log ([0-9a-f-]{13})$/.exec(next ?? '') ?? [];
    expect(text).toMatch(
      /! sync-user-extension, .*: paused by ann since .*: a wrong deploy\n {2}Next: tidemark resume sync-user-extension\n/,
    );
    expect(text).toMatch(/sync-commission-log \(9\) /);
    expect(text).toContain('2 things need you.');
    expect((await world.cli(['log', prefix])).stdout).toContain('there is no table plus_commission_log_5');
    expect(await line(job)).toMatchObject({ paused: { who: 'ann', reason: 'a wrong deploy' } });
  });

  test('dead letters are told, with the command that lists them', async () => {
    await addExtensions(world.main, { id: 99, user: 1001 });
    await world.cli(['run', job]);
    const text = await told(job);
    expect(text).toMatch(
      /! .*: 1 row waits as a dead letter\n {2}Next: tidemark dead-letters list sync-user-extension\n/,
    );
    expect(text).toContain('1 thing needs you.');
  });

  test('a killed run is told as killed, not as running, and a run that holds the lock as running', async () => {
    await runAll();
    const row = `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at)
      VALUES ('01a1fd9b-879f-70dd-b750-7db2bfb1e574', '${job}', '', 'windows', 'elsewhere', 1, '${now()}')`;
    await world.main.write(row);
    expect(await told(job)).toMatch(
      /! .*: the last run began \d+ s ago on elsewhere, and broke off, killed or cut off; nothing is lost\n/,
    );
    expect(await line(job)).toMatchObject({ lastRun: { outcome: null, endedAt: null, is: 'killed' } });
    const other = await openSession(world.settings.MAIN_DATABASE_URL as string);
    await other.tuples('SELECT GET_LOCK(?, 0)', [`tidemark:${world.main.database}:${job}:`]);
    expect(await told(job)).toMatch(/runs on elsewhere, since \d+ s/);
    expect(await line(job)).toMatchObject({ lastRun: { outcome: null, is: 'running' } });
    await other.close();
  });

  test('a job that has not run for long is told, although its last run went well', async () => {
    await runAll();
    await world.main.write(`UPDATE tidemark_run SET started_at = started_at - INTERVAL 5 HOUR WHERE job = '${job}'`);
    expect(await told(job)).toMatch(
      /✗ .*: has not run for 5 h; its schedule is .*\n {2}Next: tidemark run sync-user-extension/,
    );
  });

  test('a shard that only sweeps and repairs is told as not started: they stand in for no plain run', async () => {
    await runAll();
    await world.main.write(`UPDATE tidemark_run SET started_at = started_at - INTERVAL 5 HOUR WHERE job = '${job}'`);
    await world.cli(['run', job, '--sweep']);
    const text = await told(job);
    expect(text).toMatch(/✗ .*: has not run for 5 h; its schedule is/);
    expect(text).toMatch(/done, \d+ s ago$/m); // the sweep is the last run all the same
    await world.main.write(`DELETE FROM tidemark_run WHERE job = '${job}' AND kind = 'windows'`);
    expect(await told(job)).toMatch(/✗ .*: never started; its schedule is .*\n {2}Next: tidemark run/);
  });

  test('a job that runs and does not come along is told as behind', async () => {
    await runAll();
    await world.main.write(
      `UPDATE tidemark_checkpoint SET checkpoint = checkpoint - INTERVAL 9 HOUR WHERE job = '${job}'`,
    );
    expect(await told(job)).toMatch(
      /✗ .*, 9 h behind: it runs, and does not catch up\n {2}Next: tidemark history sync-user-extension/,
    );
  });

  test('a transaction that holds a shard back is named; a young one is a note, an old one a matter', async () => {
    await runAll();
    const writer = await openSession(world.settings.SOURCE_DATABASE_URL as string);
    await writer.write('START TRANSACTION');
    await writer.write('UPDATE user_extension SET update_time = NOW() + INTERVAL 8 HOUR, nickname = "held"');
    await new Promise((resolve) => setTimeout(resolve, 2200));
    const young = await told(job);
    expect(young).toMatch(/held back: thread \d+ of .* has held a transaction open for \d+ s/);
    expect(young).toContain('All is well.');
    await world.main.write(
      `UPDATE tidemark_checkpoint SET checkpoint = checkpoint - INTERVAL 9 HOUR WHERE job = '${job}'`,
    );
    expect(await told(job)).toMatch(
      /! .*held back: thread (\d+) .*\n {2}Next: KILL \1 on the source, if it was forgotten/,
    );
    await writer.write('ROLLBACK');
    await writer.close();
  });

  test('Redis ahead of a database that knows nothing is a matter; a copy that is off is a note', async () => {
    await withRedis(world, (redis) =>
      redis.set(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}`, '2026-11-20T00:00:00.000Z'),
    );
    expect(await told(job)).toMatch(
      /✗ .*: Redis knows a checkpoint, the database has none: no run will begin\n {2}Next: tidemark run/,
    );
    await withRedis(world, (redis) => redis.del(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}`));
    await world.cli(['run', job]);
    await withRedis(world, (redis) => redis.del(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}`));
    const text = await told(job);
    expect(text).toContain('the copy in Redis is missing; the next run puts it right');
    expect(text).toContain('All is well.');
  });

  test('a database or Redis that is away is named, the rest is told, exit 69', async () => {
    await runAll();
    const away = { SOURCE_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/plus', REDIS_URL: 'redis://127.0.0.1:1' };
    const text = await world.cli(['status'], away);
    expectComplaint(text, 69, 'source database plus at 127.0.0.1:1 cannot be reached', 'Redis cannot be reached');
    expect(text.stdout).toMatch(
      /✗ the source database .*\(sync-user-extension, sync-commission-log\)\n {2}Next: check SOURCE_DATABASE_URL/,
    );
    expect(text.stdout).toMatch(/^sync-commission-log 0-9 +20\d\d-/m);
    const lines = json<Record<string, unknown>[]>(await world.cli(['status', '--json'], away), 69);
    expect(lines).toHaveLength(12);
    expect(lines[0]).toMatchObject({ job, checkpoint: expect.any(String), watermark: null, redis: 'unreachable' });
    const none = json<Record<string, unknown>[]>(
      await world.cli(['status', '--json'], { MAIN_DATABASE_URL: away.SOURCE_DATABASE_URL }),
      69,
    );
    expect(none[0]).toMatchObject({ job, checkpoint: null, unavailable: expect.stringContaining('cannot be reached') });
  });

  test('a server that is away is one thing, of which all databases are named', async () => {
    const at = (name: string) => `mysql://nobody@127.0.0.1:1/${name}`;
    const away = { SOURCE_DATABASE_URL: at('plus'), MAIN_DATABASE_URL: at('mia'), LEDGER_DATABASE_URL: at('ledger') };
    const { code, stdout } = await world.cli(['status'], away);
    expect(code).toBe(69);
    expect(stdout).toMatch(
      /^✗ the main database mia, the ledger database ledger and the source database plus at 127.0.0.1:1 cannot .* \(sync-user.*\)\n {2}Next: check MAIN_DATABASE_URL, LEDGER_DATABASE_URL, SOURCE_DATABASE_URL: tidemark config\n\n1 thing needs you.\n$/,
    );
  });

  test('passwords in what people wrote are masked', async () => {
    await runAll();
    await world.main.write(
      `UPDATE tidemark_run SET outcome = 'failed', error = 'no way to mysql://app:hunter2x@db/mia' WHERE job = '${job}'`,
    );
    const text = await told(job);
    expect(text).toContain('mysql://app:****@db/mia');
    expect(text).not.toContain('hunter2x');
  });
});
