/** `tidemark history` and `tidemark log`: past runs, and all that is known of one. */
import { appendFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { v7 as uuid } from 'uuid';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectComplaint, expectSilence, json, startCli } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = 'sync-user-extension';

interface Past {
  runId: string;
  job: string;
  kind: string;
  outcome: string;
  startedAt: string;
  durationSeconds: number | null;
  shards: { shard: string | null; outcome: string; read: number; error: string | null }[];
}

describe('the past', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await addExtensions(world.source, { id: 1 });
  });
  afterEach(() => world.destroy());

  const past = async (...args: string[]) => json<Past[]>(await world.cli(['history', ...args, '--json']));
  const files = () =>
    readdirSync(String(world.settings.TIDEMARK_RUN_LOGS), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.log'),
    );
  const idOf = async (...args: string[]) => (await past(...args))[0]?.runId as string;
  const insertRun = (values: Partial<Record<'job' | 'shard' | 'kind' | 'host' | 'pid' | 'ago', string>>) => {
    const { job: of = job, shard = '', kind = 'windows', host = 'elsewhere', pid = '1', ago = '0' } = values;
    const runId = uuid();
    const at = world.zone.text(Date.now() - Number(ago) * 1000);
    return world.main
      .write(
        `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at) VALUES ('${runId}', '${of}', '${shard}', '${kind}', '${host}', ${pid}, '${at}')`,
      )
      .then(() => runId);
  };

  test('is one line for a run, however many shards it had, the latest first', async () => {
    await world.cli(['run', job]);
    await world.cli(['run', 'sync-commission-log']);
    const { stdout } = await world.cli(['history']);
    const lines = stdout.trim().split('\n');
    expect(lines[1]).toMatch(
      /^\d\d-\d\d \d\d:\d\d:\d\d {2}[0-9a-f-]{13} {2}sync-commission-log 0-9 {2}nothing-due, (<1|\d+) s$/,
    );
    expect(lines[2]).toMatch(/sync-user-extension +done, /);
    expect(lines[3]).toBe('    1 window, 1 read: 1 inserted');
    expect(lines.at(-1)).toMatch(/^Next: tidemark log [0-9a-f-]{13}$/);
    const [first, second] = await past();
    expect(first).toMatchObject({ job: 'sync-commission-log', kind: 'windows', outcome: 'nothing-due' });
    expect(first?.shards.map(({ shard }) => shard)).toEqual(expect.arrayContaining([...'0123456789']));
    expect(second).toMatchObject({ job, outcome: 'done', shards: [{ shard: null, read: 1, error: null }] });
  });

  test('can be asked for one job, one shard, so many, and since when', async () => {
    for (const shard of ['3', '7', '3']) await world.cli(['run', 'sync-commission-log', shard]);
    const old = await insertRun({ ago: '7200' });
    expect((await past('sync-commission-log')).map(({ shards }) => shards[0]?.shard)).toEqual(['3', '7', '3']);
    expect(await past('sync-commission-log', '--shard', '7')).toHaveLength(1);
    expect(await past('--limit', '2')).toHaveLength(2);
    expect((await past(job)).map(({ runId }) => runId)).toEqual([old]);
    expect(await past('--since', '1h')).toHaveLength(3);
    expectComplaint(await world.cli(['history', '--shard', '3']), 64, 'needs a job');
    expectComplaint(await world.cli(['history', 'sync-commission-log', '--shard', '11']), 64, 'no shard "11"');
    expect((await world.cli(['history', 'rollup-income'])).stdout).toBe('no runs\n');
  });

  test('tells a failed run with its error, and the gravest outcome of its shards', async () => {
    await world.source.write('RENAME TABLE plus_commission_log_5 TO gone');
    await world.cli(['run', 'sync-commission-log']);
    await world.cli(['run', job]);
    const { stdout } = await world.cli(['history', '--failed']);
    expect(stdout).toMatch(
      /sync-commission-log 0-9 {2}failed 1 of 10, .*\n {4}5: there is no table plus_commission_log_5/,
    );
    expect(stdout).not.toContain(job);
    expect(await past('--failed')).toMatchObject([{ outcome: 'failed', job: 'sync-commission-log' }]);
  });

  test('a run whose shard has a younger one was killed; so was the youngest, when nobody holds its lock', async () => {
    await insertRun({});
    await insertRun({});
    expect((await past()).map(({ outcome }) => outcome)).toEqual(['killed', 'killed']);
    expect((await past('--failed')).map(({ outcome }) => outcome)).toEqual(['killed', 'killed']);
  });

  test('a real run is told as running while it works, and as killed when it was', async () => {
    await world.main.write('LOCK TABLES user_extension WRITE');
    const running = startCli(['run', job], world.settings);
    const outcomes = async () => (await past(job)).map(({ outcome }) => outcome);
    await expect.poll(outcomes, { timeout: 10_000 }).toEqual(['running']);
    running.signal('SIGKILL');
    await running.ended;
    await world.main.write('UNLOCK TABLES');
    await expect.poll(outcomes, { timeout: 10_000 }).toEqual(['killed']);
  });

  describe('the log of a run', () => {
    test('is found by the beginning of its id: what was done, and what became of it, with window, job and shard', async () => {
      await world.cli(['run', job]);
      const runId = await idOf();
      const { code, stdout } = await world.cli(['log', runId.slice(0, 13)]);
      expect(code).toBe(0);
      expect(stdout).toMatch(
        new RegExp(`^sync-user-extension, run ${runId}\ndone: windows, .* on .*\n1 window, 1 read: 1 inserted\n\n`),
      );
      expect(stdout).toMatch(
        /\d\d:\d\d:\d\d info {2}sync-user-extension: window applied read=1 inserted=1 .*\(window .* to .*\)/,
      );
      expect(stdout.trim().split('\n').at(-1)).toMatch(/ended after .* s kind=windows exit=0$/);
    });

    test('--json is the lines as they are, behind what the history knows', async () => {
      await world.cli(['run', job]);
      const runId = await idOf();
      const lines = (await world.cli(['log', runId, '--json'])).stdout
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text));
      expect(lines[0]).toMatchObject({ history: { runId, outcome: 'done' } });
      expect(lines[1]).toMatchObject({
        level: 'info',
        message: 'window applied',
        runId,
        job,
        from: expect.any(String),
        to: expect.any(String),
        read: 1,
      });
      expect(lines.at(-1)).toMatchObject({ runId, exitCode: 0 });
    });

    test('holds the refused row, and the error with what to type next', async () => {
      await addExtensions(world.main, { id: 99, user: 1001 });
      await world.cli(['run', job]);
      expect((await world.cli(['log', await idOf()])).stdout).toMatch(
        /warn .* the target refuses a row key=1 reason=Duplicate entry/,
      );
      await world.source.write('RENAME TABLE user_extension TO gone');
      await world.cli(['run', job]);
      expect((await world.cli(['log', await idOf()])).stdout).toMatch(/error .*no table user_extension.* Next: check/);
    });

    test('is not made by a run that finds nothing to do, nor by a dry run', async () => {
      await world.cli(['run', job]);
      expect(files()).toHaveLength(1);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expectSilence(await world.cli(['run', job])); // time has passed, and no rows have come
      await addExtensions(world.source, { id: 2 });
      await world.cli(['run', job, '--dry-run']);
      expect(await past(job)).toHaveLength(2);
      expect(files()).toHaveLength(1);
      expect((await world.cli(['log', await idOf()])).stdout).toMatch(
        /There is no log of it in .*: it had nothing to tell/,
      );
    });

    test('of a run on another host is there: that is said, with what the history knows', async () => {
      const runId = await insertRun({ host: 'bank-2' });
      const { code, stdout } = await world.cli(['log', runId]);
      expect(code).toBe(0);
      expect(stdout).toContain(`run ${runId}`);
      expect(stdout).toContain('Its log is on bank-2, where it ran.');
    });

    test('that is torn or strange is shown as it is', async () => {
      await world.cli(['run', job]);
      const [name] = files();
      appendFileSync(join(String(world.settings.TIDEMARK_RUN_LOGS), name as string), '{"timestamp":"2026-11-');
      expect((await world.cli(['log', await idOf()])).stdout).toContain('\n{"timestamp":"2026-11-');
    });

    test.each([
      ['zz', 'is no run'],
      ['ffffffff', 'no run begins with ffffffff'],
    ])('%s: %s', async (prefix, text) => {
      expectComplaint(await world.cli(['log', prefix]), 64, text, 'Next: tidemark history');
    });

    test('a prefix of several runs names them', async () => {
      const [first, second] = [await insertRun({}), await insertRun({ shard: 'x' })];
      const result = await world.cli(['log', first.slice(0, 6)]);
      expectComplaint(result, 64, `2 runs begin with ${first.slice(0, 6)}`, first, second);
    });

    test('is shown with the databases away, exit 69', async () => {
      await world.cli(['run', job]);
      const runId = await idOf();
      const result = await world.cli(['log', runId], { MAIN_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/mia' });
      expectComplaint(result, 69, 'main database');
      expect(result.stdout).toContain('window applied');
    });

    test('--follow shows the lines of a run under way as they come, and ends with it', async () => {
      await addExtensions(world.source, { id: 2, updated: '2026-11-18 11:00:00' });
      await world.main.write('LOCK TABLES user_extension WRITE');
      const settings = { ...world.settings, TIDEMARK_WINDOW_ROWS: '1' };
      const running = startCli(['run', job], settings);
      await expect.poll(async () => (await past(job)).length, { timeout: 10_000 }).toBe(1);
      const runId = await idOf();
      const followed = startCli(['log', runId, '--follow'], world.settings);
      await new Promise((resolve) => setTimeout(resolve, 1500)); // it has told nothing yet, and is waited for
      await world.main.write('UNLOCK TABLES');
      const [{ stdout }] = await Promise.all([followed.ended, running.ended]);
      expect(stdout).toContain('ended after');
    });

    test('a folder that cannot be written fails no run, and is warned of once', async () => {
      rmSync(String(world.settings.TIDEMARK_RUN_LOGS), { recursive: true, force: true });
      writeFileSync(String(world.settings.TIDEMARK_RUN_LOGS), '');
      const { code, stderr } = await world.cli(['run', job]);
      expect(code).toBe(0);
      const lines = stderr.trim().split('\n');
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] as string)).toMatchObject({
        level: 'warn',
        message: expect.stringMatching(/TIDEMARK_RUN_LOGS/),
        job,
      });
      expectSilence(await world.cli(['run', job, '--full'], { TIDEMARK_RUN_LOGS: 'none' }));
    });
  });
});
