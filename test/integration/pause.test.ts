/** Pauses: what a paused shard does not begin, what it may end, and what a person hears. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { runDue } from '../../src/engine/due-run.ts';
import type { DueJob, Job } from '../../src/engine/job.ts';
import { beginPause, endPause } from '../../src/engine/pause.ts';
import type { Request } from '../../src/engine/run.ts';
import type { Cell } from '../../src/platform/mysql.ts';
import { expectComplaint, expectSilence, json } from '../support/cli-tools.ts';
import { answered } from '../support/intercept.ts';
import { World } from '../support/world.ts';

const job = 'sync-commission-log';
const shard = '3';
let world: World;
beforeEach(async () => {
  world = await World.create(inject('servers'));
});
afterEach(() => world.destroy());

const pauseOf = (shardName: string, jobName = job) =>
  beginPause(
    world.main,
    { job: jobName, shard: shardName, reason: 'being moved', who: 'ann' },
    Date.parse('2026-11-20T22:10:05+08:00'),
    world.zone,
  );
const runs = () => world.main.tuples('SELECT kind, outcome FROM tidemark_run ORDER BY sequence');
const addRows = (...ids: number[]) =>
  world.addCommission(...ids.map((id) => ({ id, user: 1003, created: `2026-11-18 1${id}:00:00` })));

describe('a shard that is paused', () => {
  const pause = { job, shard, reason: 'being moved', who: 'ann', since: Date.parse('2026-11-20T22:10:05+08:00') };
  beforeEach(async () => {
    await addRows(1);
    expect((await world.runShard(job, shard)).error).toBeNull();
    await addRows(2);
    await pauseOf(shard);
  });

  const range = { start: Date.parse('2026-11-18T00:00:00+08:00'), end: Date.parse('2026-11-19T00:00:00+08:00') };
  test.each<[string, Partial<Request>]>([
    ['due windows', {}],
    ['a range', { kind: 'range', range }],
    ['--full', { kind: 'full' }],
    ['--sweep', { kind: 'sweep' }],
    ['--repair', { kind: 'repair' }],
  ])('begins nothing: %s', async (_, request) => {
    const tables = ['plus_commission_log', 'tidemark_checkpoint', 'tidemark_window', 'tidemark_run'];
    const content = () => Promise.all(tables.map((table) => world.all(world.main, table)));
    const before = await content();
    expect(await world.runShard(job, shard, request)).toMatchObject({ outcome: 'paused', error: null, read: 0, pause });
    expect(await content()).toEqual(before);
  });

  test('that is resumed while --full gives way is not told to be done: all of it was asked for', async () => {
    await endPause(world.main, { job, shard });
    const open = world.setting().openTarget;
    let looks = 0;
    const openTarget = async (of: Job) =>
      answered(await open(of), async (sql, parameters, send) => {
        const answer = await send(sql, parameters);
        if (!sql.startsWith('SELECT sequence, run_id')) return answer;
        looks += 1;
        return looks === 1 ? [[...((answer as Cell[][])[0] ?? []).slice(0, 2), 1]] : answer;
      });
    const result = await world.runShard(job, shard, { kind: 'full' }, { openTarget });
    expect([looks, result.outcome, result.error]).toEqual([1, 'paused', null]);
  });

  test('is still looked at by a dry run', async () => {
    await world.source.write(`UPDATE plus_commission_log_3 SET update_time = '2026-11-21 10:00:00' WHERE id = 2`);
    const result = await world.runShard(job, shard, { kind: 'full', dryRun: true });
    expect(result).toMatchObject({ outcome: 'done', error: null, pause: null });
  });

  test('holds up no other shard', async () => {
    expect(await world.runShard(job, '4')).toMatchObject({ error: null, pause: null });
  });

  test('goes on where it was, when it is resumed', async () => {
    await endPause(world.main, { job, shard });
    await world.source.write(`UPDATE plus_commission_log_3 SET update_time = NOW() - INTERVAL 3 SECOND WHERE id = 2`);
    expect(await world.runShard(job, shard, { kind: 'full' })).toMatchObject({ error: null, pause: null });
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  });

  test('is so by a pause of the whole job, too', async () => {
    await endPause(world.main, { job, shard });
    await pauseOf('');
    expect(await world.runShard(job, shard)).toMatchObject({ outcome: 'paused', pause: { ...pause, shard: '' } });
    expect(await world.runShard('sync-user-extension', '')).toMatchObject({ pause: null });
  });
});

describe('a run under way', () => {
  /** A run whose shard is paused while it applies its first rows. */
  const pausedMeanwhile = (request: Partial<Request>, windowRows = 1) => {
    let isPaused = false;
    return world.runShard(job, shard, request, {
      windowRows,
      onStep: async (step) => {
        if (step !== 'applied' || isPaused) return;
        isPaused = true;
        await pauseOf(shard);
      },
    });
  };

  test('ends the window in hand, and begins no further one', async () => {
    await addRows(1, 2, 3);
    expect(await pausedMeanwhile({})).toMatchObject({ outcome: 'paused', error: null, windows: 1, read: 1 });
    expect(await runs()).toEqual([['windows', 'paused']]);
    await endPause(world.main, { job, shard });
    expect(await world.runShard(job, shard)).toMatchObject({ error: null, read: 2 });
    expect(json(await world.cli(['verify', job, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
  });

  test('ends all parts of a window that needs several transactions', async () => {
    await world.addCommission(...[1, 2, 3].map((id) => ({ id, user: 1003 })), {
      id: 4,
      user: 1003,
      created: '2026-11-19',
    });
    const result = await pausedMeanwhile({});
    expect(result).toMatchObject({ outcome: 'paused', error: null, windows: 1, read: 3 });
    expect(await world.main.tuples('SELECT id FROM plus_commission_log ORDER BY id')).toEqual([['1'], ['2'], ['3']]);
  });

  test('pays no round trip for the look, nor does one that finds nothing due', async () => {
    const sent: string[] = [];
    const open = world.setting().openTarget;
    await world.runShard(
      job,
      shard,
      {},
      {
        openTarget: async (of) =>
          answered(await open(of), (sql, parameters, send) => {
            sent.push(sql);
            return send(sql, parameters);
          }),
      },
    );
    const looks = sent.filter((sql) => sql.includes('tidemark_pause'));
    expect(looks.length).toBeGreaterThanOrEqual(2);
    for (const sql of looks) expect(sql).toMatch(/^INSERT INTO tidemark_run|FROM tidemark_run WHERE job/);
  });
});

describe('a run of a job without windows', () => {
  const due = (work: DueJob['work']): DueJob => ({
    name: 'check-things',
    summary: 'checks things',
    shards: [],
    schedule: '* * * * *',
    target: 'main',
    due: async () => [],
    work,
  });
  const request = { kind: 'windows', range: null, dryRun: false, maxWindows: 1, waitForLock: false } as const;

  test('begins nothing new within seconds', async () => {
    let begun = 0;
    const work: DueJob['work'] = async ({ halt }) => {
      for (; !halt.soon.aborted; begun++) await sleep(20);
    };
    const startedAt = Date.now();
    const running = runDue(due(work), 'a-run', request, world.setting());
    await sleep(500);
    await pauseOf('', 'check-things');
    expect(await running).toMatchObject({ outcome: 'paused', error: null, pause: { who: 'ann' } });
    expect(Date.now() - startedAt).toBeLessThan(8000);
    expect(begun).toBeGreaterThan(0);
    expect(await runs()).toEqual([['due', 'paused']]);
  });

  test('does not begin at all', async () => {
    await pauseOf('', 'check-things');
    const work = () => Promise.reject(new Error('it has begun'));
    expect(await runDue(due(work), 'a-run', request, world.setting())).toMatchObject({
      outcome: 'paused',
      error: null,
    });
    expect(await runs()).toEqual([]);
  });
});

describe('pause and resume, as typed', () => {
  const pause = (...more: string[]) => world.cli(['pause', job, ...more]);
  const resume = (...more: string[]) => world.cli(['resume', job, ...more]);

  test('a pause says what it does and how it ends; a second one changes nothing, and says so', async () => {
    await addRows(1);
    const first = await pause('3', '--reason', 'the table is moved');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(
      /^sync-commission-log 3 is paused since .* by .*\(tidemark pause\): the table is moved$/m,
    );
    expect(first.stdout).toContain('No run of it is under way');
    expect(first.stdout).toContain('tidemark resume sync-commission-log 3');
    const again = json(await pause('3', '--reason', 'another', '--json'));
    expect(again).toMatchObject({ job, shard: '3', paused: true, reason: 'the table is moved', alreadyPaused: true });

    expectSilence(await world.cli(['run', job, '3']));
    const told = json<{ outcome: string; shards: object[] }>(await world.cli(['run', job, '3', '--full', '--json']));
    expect(told).toMatchObject({
      outcome: 'paused',
      shards: [{ outcome: 'paused', pause: { reason: 'the table is moved' } }],
    });
    const resumed = await resume('3');
    expect(resumed.stdout).toMatch(/^sync-commission-log 3 goes on. sync-commission-log 3 never ran/);
    expect((await resume('3')).stdout).toMatch(/^sync-commission-log 3 is not paused/);
    expect(await world.all(world.main, 'tidemark_pause')).toEqual([]);
    expectSilence(await world.cli(['run', job, '3']));
    expect(json(await resume('3', '--json'))).toMatchObject({
      paused: false,
      wasPaused: false,
      lagSeconds: expect.any(Number),
    });
  });

  test('differences are not fixed in a paused shard, and that is no success; its checkpoint may be set', async () => {
    await addRows(1);
    expect((await world.runShard(job, '3')).error).toBeNull();
    await world.main.write('DELETE FROM plus_commission_log');
    await pauseOf('3');
    const fix = ['verify', job, '--data', '--fix', '--yes'];
    const refused = await world.cli(fix);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Next: tidemark resume sync-commission-log 3');
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    const back = ['checkpoint', job, '3', '--set', '2026-11-18', '--yes'];
    expect((await world.cli(back)).code).toBe(0); // what a person does by hand is no run
    await endPause(world.main, { job, shard: '3' });
    expect((await world.runShard(job, '3')).error).toBeNull();
    expect(await world.all(world.main, 'plus_commission_log')).toHaveLength(1);
  });

  test('a shard of a job that is paused as a whole: the command that resumes it', async () => {
    await pause('--reason', 'maintenance');
    expectComplaint(
      await resume('3'),
      64,
      'sync-commission-log is paused',
      'Next: tidemark resume sync-commission-log',
    );
    expect((await pause('3', '--reason', 'more')).stdout).toMatch(/^sync-commission-log is paused .* stays as it is/);
    await pauseOf('5');
    const { stdout } = await resume();
    expect(stdout).toMatch(/^sync-commission-log goes on/);
    expect(stdout).toContain('Next: tidemark resume sync-commission-log 5');
    expect(await world.main.tuples('SELECT shard FROM tidemark_pause')).toEqual([['5']]);
  });

  test.each([
    [['pause', job], '--reason is missing'],
    [['pause', job, '12', '--reason', 'x'], 'no shard "12"'],
    [['pause', 'sync-comission-log', '--reason', 'x'], 'did you mean sync-commission-log'],
    [['resume', 'rollup-income', '1'], 'none'],
  ])('%j is refused', async (typed, part) => {
    expectComplaint(await world.cli(typed), 64, part);
    expect(await world.all(world.main, 'tidemark_pause')).toEqual([]);
  });
});
