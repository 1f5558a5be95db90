/** `tidemark watch`: what it finds in the state of a platform, and when it tells it. The clock is the test's. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { AlarmScene } from '../support/alarm-scene.ts';
import { addExtensions } from '../support/cli-tools.ts';

const minute = 60_000;
const hour = 60 * minute;

let scene: AlarmScene;
let now: number;
beforeAll(async () => {
  scene = await AlarmScene.create(inject('servers'), { ledger: true });
  now = scene.at('2026-11-20 10:00:30');
});
afterAll(() => scene.destroy());
beforeEach(() => scene.allWell(now));

const fail = (times: number, of = { job: 'sync-commission-log', shard: '3' }) =>
  Promise.all(
    Array.from({ length: times }, (_, index) =>
      scene.run({ ...of, at: now - (50 - index) * 1000, outcome: 'failed', error: `no luck ${index}` }),
    ),
  );

describe('finds', () => {
  test('nothing where all is well', async () => {
    expect(await scene.look(now)).toEqual({ keys: [], told: [] });
  });

  test('what failed, without the secrets in its words', async () => {
    for (let index = 0; index < 3; index++)
      await scene.run({
        job: 'sync-commission-log',
        shard: '3',
        at: now - 50_000 + index,
        outcome: 'failed',
        error: "ALTER USER app IDENTIFIED BY 'geheim' at mysql://app:geheim@db1 with token=geheim",
      });
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['failing:sync-commission-log:3']);
    expect(told.join()).toContain('mysql://app:****@db1');
    expect(told.join()).not.toContain('geheim');
  });

  test('a shard that failed three times in a row, not two', async () => {
    for (const [index, keys] of [[], [], ['failing:sync-commission-log:3']].entries()) {
      await scene.run({
        job: 'sync-commission-log',
        shard: '3',
        at: now - 50_000 + index,
        outcome: 'failed',
        error: 'no luck',
      });
      expect((await scene.look(now)).keys).toEqual(keys);
    }
  });

  test('a shard whose process was killed three times as one that fails', async () => {
    for (let count = 0; count < 4; count++)
      await scene.run({ job: 'rollup-income', at: now - (40 - count) * minute, outcome: null });
    const { keys, told } = await scene.look(now);
    expect(keys).toContain('failing:rollup-income');
    expect(told[0]).toContain('its process was killed');
  });

  test('no failure where a run was told to stop, or a range by hand failed', async () => {
    await fail(2);
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now - 40_000, outcome: 'interrupted' });
    await scene.run({ job: 'sync-commission-log', shard: '3', kind: 'range', at: now - 30_000, outcome: 'failed' });
    expect((await scene.look(now)).keys).toEqual([]);
  });

  test('nightly runs that failed three nights in a row, where the job has them in its schedule', async () => {
    for (const night of [3, 2, 1])
      await scene.run({
        job: 'rollup-income',
        kind: 'full',
        at: now - night * 24 * hour,
        outcome: 'failed',
        error: 'disk full',
      });
    await scene.run({ job: 'rollup-income', at: now - minute });
    const also = [{ schedule: '30 3 * * *', options: ['--full'], why: 'all of it, once a night' }];
    const withNights = (nights: typeof also) =>
      jobs.map((job) => (job.name === 'rollup-income' ? { ...job, also: nights } : job));
    expect((await scene.look(now, { jobs: withNights([]) })).keys).toEqual([]);
    const { keys, told } = await scene.look(now, { jobs: withNights(also) });
    expect(keys).toEqual(['failing-full:rollup-income']);
    expect(told[0]).toContain('the last 3 runs --full failed');
    expect(told[0]).toContain('Next: tidemark run rollup-income --full');
  });

  test('a shard that has not started, though its schedule says so', async () => {
    await scene.world.main.write(`DELETE FROM tidemark_run WHERE job = 'sync-commission-log' AND shard = '7'`);
    await scene.run({ job: 'sync-commission-log', shard: '7', at: now - 22 * minute });
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['missing:sync-commission-log:7']);
    expect(told.join()).toContain('sync-commission-log 7: no start since 09:38:30; its schedule is */2 * * * *');
    expect(told.join()).toContain('Next: tidemark run sync-commission-log 7 (then tidemark doctor');
  });

  test('that a shard is not missed while a run of it is under way', async () => {
    await scene.world.main.write(`DELETE FROM tidemark_run WHERE job = 'sync-commission-log' AND shard = '7'`);
    await scene.run({ job: 'sync-commission-log', shard: '7', at: now - 22 * minute });
    await scene.world.main.tuples('SELECT GET_LOCK(CONCAT("tidemark:", DATABASE(), ":sync-commission-log:7"), 0)');
    await scene.run({ job: 'sync-commission-log', shard: '7', at: now - 21 * minute, outcome: null });
    expect((await scene.look(now)).keys).not.toContain('missing:sync-commission-log:7');
    await scene.world.main.tuples('SELECT RELEASE_ALL_LOCKS()');
  });

  test('a shard that never ran, once it has had as much time as the others', async () => {
    await scene.world.main.write(`DELETE FROM tidemark_run WHERE job = 'sync-commission-log' AND shard = '7'`);
    expect(await scene.look(now)).toEqual({ keys: [], told: [] });
    await scene.allRun(now + 22 * minute, { job: 'sync-commission-log', shard: '7' });
    const { keys, told } = await scene.look(now + 22 * minute);
    expect(keys).toContain('missing:sync-commission-log:7');
    expect(told[0]).toContain('sync-commission-log 7: never started');
  });

  test('lag beyond three starts and a quarter of an hour', async () => {
    await scene.checkpoint('sync-user-extension', '', now - 18 * minute);
    expect((await scene.look(now)).keys).toEqual([]);
    await scene.checkpoint('sync-user-extension', '', now - 22 * minute);
    expect((await scene.look(now)).keys).toEqual(['behind:sync-user-extension']);
  });

  test('lag of a job by days from the end of the day that is due, by the limit of the job', async () => {
    const yesterday = scene.at('2026-11-19 00:00:00');
    await scene.checkpoint('reconcile-day', 'alipay', yesterday);
    expect((await scene.look(now)).keys).toEqual([]);
    await scene.checkpoint('reconcile-day', 'alipay', scene.at('2026-11-17 00:00:00'));
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['behind:reconcile-day:alipay']);
    expect(told[0]).toContain('\nSince 2026-11-18 00:00:00 (2 d).');
  });

  test('a run whose process is gone', async () => {
    await scene.run({ job: 'rollup-income', at: now - 6 * minute, outcome: null });
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['stuck:rollup-income']);
    expect(told[0]).toMatch(
      /began 09:54:30 and never ended: its process is gone\nSince.*\nNext: tidemark run rollup-income/,
    );
  });

  test('a run that works for too long, but not one that comes along', async () => {
    await scene.world.main.tuples('SELECT GET_LOCK(CONCAT("tidemark:", DATABASE(), ":rollup-income:"), 0)');
    try {
      await scene.run({ job: 'rollup-income', at: now - 5 * hour, outcome: null });
      expect((await scene.look(now)).keys).toEqual([]);
      await scene.world.main.write(
        `UPDATE tidemark_checkpoint SET moved_at = '2026-11-20 05:00:00' WHERE job = 'rollup-income'`,
      );
      const { keys, told } = await scene.look(now);
      expect(keys).toEqual(['stuck:rollup-income']);
      expect(told[0]).toMatch(
        /works 5 h by now, longer than it may\nSince.*\nNext: tidemark status rollup-income \(kill 4711 on db9/,
      );
    } finally {
      await scene.world.main.tuples('SELECT RELEASE_ALL_LOCKS()');
    }
  });

  test('databases that cannot be reached, with what follows from it, and nothing over that they would know', async () => {
    await fail(3);
    await scene.checkpoint('settle-month', '', scene.at('2026-09-01 00:00:00'));
    expect((await scene.look(now)).keys).toEqual(['behind:settle-month', 'failing:sync-commission-log:3']);
    const nowhere = 'mysql://nobody@127.0.0.1:1/none';
    const cut = scene.with({ SOURCE_DATABASE_URL: nowhere, LEDGER_DATABASE_URL: nowhere });
    const { keys, told } = await cut.look(now + 1000);
    expect(keys.filter((key) => key.startsWith('unreachable'))).toEqual(['unreachable:ledger', 'unreachable:source']);
    expect(keys).toContain('behind:settle-month');
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('CRITICAL the source database none at 127.0.0.1:1 cannot be reached');
    expect(told[0]).toContain('So, too: sync-commission-log 3 failing.');
    expect(told[0]).not.toContain('OVER');
    expect((await scene.look(now + 2000)).told.join()).toContain('OVER the source database');
  });

  test('dead letters whose repair failed twice, not once', async () => {
    await scene.letter('sync-user-extension', '17', 1);
    expect((await scene.look(now)).keys).toEqual([]);
    await scene.world.main.write('UPDATE tidemark_dead_letter SET repairs = 2');
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['letters:sync-user-extension']);
    expect(told[0]).toContain('1 dead letter, tried again 2 times in vain');
    expect((await scene.look(now + 5 * minute)).told).toEqual([]);
  });

  test('differences that are open', async () => {
    await scene.world.ledger.write(`INSERT INTO difference (counterpart, day, reference, direction, outcome, local_amount, local_status, run_id)
      VALUES ('alipay', '2026-11-19', 'A', 'in', 'local_only', 100, 'success', 'test')`);
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['waiting:reconcile-day:alipay']);
    expect(told[0]).toContain('1 difference is open: 1 local_only');
    expect(told[0]).toContain('Next: tidemark differences list alipay');
    await scene.world.ledger.write('DELETE FROM difference');
  });

  test('a pause that was forgotten, and nothing else of what it stops', async () => {
    await scene.pause('sync-commission-log', '', now - 23 * hour);
    await scene.checkpoint('sync-commission-log', '3', now - 23 * hour);
    await scene.checkpoint('rollup-income', '', now - 23 * hour);
    await fail(3);
    expect((await scene.look(now)).keys).toEqual([]);
    await scene.world.main.write(`UPDATE tidemark_pause SET since = '${scene.world.zone.text(now - 25 * hour)}'`);
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['paused:sync-commission-log']);
    expect(told[0]).toContain('by kim: moving house');
    expect(told[0]).toContain('Next: tidemark resume sync-commission-log');
  });

  test('Redis ahead of the database', async () => {
    const { redis, settings } = scene.world;
    const key = `${settings.TIDEMARK_REDIS_PREFIX}checkpoint:sync-commission-log:3`;
    await redis.set(key, new Date(now + hour).toISOString());
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['redis:sync-commission-log:3']);
    expect(told[0]).toContain('Redis says 2026-11-20 11:00:30, ahead of the database, which says 2026-11-20 09:58:30');
    await redis.del(key);
  });

  test('who holds the watermark back, once for all that waits', async () => {
    const { source } = scene.world;
    const real = Date.now();
    await scene.allWell(real);
    for (const shard of '369') await scene.checkpoint('sync-commission-log', shard, real - hour);
    await source.write('START TRANSACTION');
    await scene.world.addCommission({ id: 1, user: 1003, created: scene.world.zone.text(real - 10 * minute) });
    await sleep(1100);
    try {
      const { keys, told } = await scene.with({ TIDEMARK_ALARM_HELD: '1s' }).look(Date.now());
      expect(keys.filter((key) => !key.startsWith('behind:'))).toEqual(['held:source']);
      expect(told).toHaveLength(1);
      expect(told[0]).toMatch(
        /CRITICAL thread \d+ of \S+ has held a transaction open for \d+ s on the source database/,
      );
      expect(told[0]).toContain('So, too: sync-commission-log 3 6 9: behind');
      expect(told[0]).toMatch(/Next: KILL \d+ on the source database/);
    } finally {
      await source.write('ROLLBACK');
    }
  });

  test('nothing of jobs that are not in use here', async () => {
    await scene.checkpoint('settle-month', '', scene.at('2026-09-01 00:00:00'));
    expect((await scene.look(now)).keys).toEqual(['behind:settle-month']);
    const other = scene.with({ TIDEMARK_UNUSED_JOBS: 'settle-month,fetch-statements' });
    expect((await other.look(now)).keys).toEqual([]);
  });
});

describe('tells', () => {
  test('a matter once, again after four hours, and its end', async () => {
    await fail(3);
    const [first] = (await scene.look(now)).told;
    expect(first).toMatch(
      /CRITICAL sync-commission-log 3: the last 3 runs failed, the last one at 09:59:42: no luck 2\nSince 09:59:40 \(50 s\)\.\nNext: tidemark run sync-commission-log 3$/,
    );
    expect((await scene.look(now + 5 * minute)).told).toEqual([]);
    await scene.allRun(now + 4 * hour, { job: 'sync-commission-log', shard: '3' });
    await scene.checkpoint('sync-commission-log', '3', now + 4 * hour);
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now + 4 * hour - minute, outcome: 'failed' });
    const [again] = (await scene.look(now + 4 * hour)).told;
    expect(again).toContain('STILL CRITICAL sync-commission-log 3');
    expect((await scene.look(now + 4 * hour + minute)).told).toEqual([]);
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now + 4 * hour, outcome: 'done' });
    const { keys, told } = await scene.look(now + 4 * hour + 2 * minute);
    expect(keys).toEqual([]);
    expect(told).toEqual([
      expect.stringMatching(/OVER sync-commission-log 3: .*\nIt stood for 4 h, since 09:59:40\.$/),
    ]);
    expect(await scene.world.all(scene.world.main, 'tidemark_alarm')).toEqual([]);
  });

  test('shards of one job in one entry, with a command for all of them', async () => {
    for (const shard of '369') await fail(3, { job: 'sync-commission-log', shard });
    const { told } = await scene.look(now);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('CRITICAL sync-commission-log 3 6 9: the last 3 runs failed');
    expect(told[0]).toContain('Next: tidemark run sync-commission-log 3 6 9');
  });

  test('what follows from a matter with it, and not by itself', async () => {
    await fail(3);
    await scene.checkpoint('sync-commission-log', '3', now - 5 * hour);
    await scene.checkpoint('rollup-income', '', now - 5 * hour);
    const { keys, told } = await scene.look(now);
    expect(keys).toEqual(['behind:rollup-income', 'behind:sync-commission-log:3', 'failing:sync-commission-log:3']);
    expect(told).toHaveLength(1);
    expect(told[0]?.match(/CRITICAL/g)).toHaveLength(1);
    expect(told[0]).toMatch(/So, too: sync-commission-log 3: behind, .*; rollup-income: behind/);
  });

  test('what followed from a matter that is over only when it does not come right by itself', async () => {
    await fail(3);
    await scene.checkpoint('sync-commission-log', '3', now - 5 * hour);
    await scene.look(now);
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now - 1000, outcome: 'done' });
    const over = await scene.look(now + minute);
    expect(over.told).toEqual([expect.stringMatching(/^tidemark on .*\n\nOVER sync-commission-log 3/)]);
    const [late] = (await scene.look(now + 2 * minute)).told;
    expect(late).toContain('CRITICAL sync-commission-log 3: behind');
  });

  test('again at the next watch when no channel took it; once when one did', async () => {
    await fail(3);
    scene.told.broken = 'no route';
    expect((await scene.watch(now)).deliveries).toMatchObject([{ channel: 'recorder', error: 'no route' }]);
    scene.told.broken = null;
    expect((await scene.look(now + minute)).told).toHaveLength(1);
    expect((await scene.look(now + 2 * minute)).told).toEqual([]);
  });

  test('nothing of the end of what nobody was told of', async () => {
    await fail(3);
    await scene.look(now, { channels: [] });
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now - 1000, outcome: 'done' });
    expect(await scene.look(now + minute)).toEqual({ keys: [], told: [] });
  });

  test('neither more nor an end of what is paused meanwhile', async () => {
    await fail(3);
    await scene.look(now);
    await scene.pause('sync-commission-log', '3', now);
    expect((await scene.look(now + minute)).told).toEqual([]);
    expect((await scene.look(now + 4 * hour)).told.join()).not.toContain('sync-commission-log 3');
    await scene.world.main.write('DELETE FROM tidemark_pause');
    await scene.run({ job: 'sync-commission-log', shard: '3', at: now, outcome: 'done' });
    expect((await scene.look(now + 2 * minute)).told).toEqual([expect.stringContaining('OVER sync-commission-log 3')]);
  });

  test('a poison row after two repairs that failed, once, and its end when it is repaired', async () => {
    const { world } = scene;
    const real = Date.now();
    await scene.allWell(real);
    await world.main.write('ALTER TABLE user_extension ADD CONSTRAINT no_poison CHECK (nickname <> "poison")');
    await scene.checkpoint('sync-user-extension', '', real - 10 * minute);
    await addExtensions(world.source, { id: 17, nickname: 'poison', updated: world.zone.text(real - 5 * minute) });
    await world.runShard('sync-user-extension', '');
    const repair = () => world.runShard('sync-user-extension', '', { kind: 'repair' });
    expect((await repair()).lettersWaiting).toBe(1);
    expect(await scene.look(Date.now())).toEqual({ keys: [], told: [] });
    expect((await repair()).lettersWaiting).toBe(1);
    expect((await scene.look(Date.now())).told).toEqual([
      expect.stringContaining('WARNING sync-user-extension: 1 dead letter'),
    ]);
    await repair();
    expect((await scene.look(Date.now())).told).toEqual([]);
    await world.main.write('ALTER TABLE user_extension DROP CONSTRAINT no_poison');
    expect((await repair()).lettersWaiting).toBe(0);
    expect((await scene.look(Date.now())).told).toEqual([
      expect.stringContaining('OVER sync-user-extension: 1 dead letter'),
    ]);
    expect((await scene.look(Date.now())).keys).toEqual([]);
  });

  test('nothing and remembers nothing in a dry run', async () => {
    await fail(3);
    const { messages, deliveries } = await scene.watch(now, { isDryRun: true });
    expect(messages[0]?.text()).toContain('CRITICAL sync-commission-log 3');
    expect(deliveries).toEqual([]);
    expect(await scene.world.all(scene.world.main, 'tidemark_alarm')).toEqual([]);
    expect(scene.told.take()).toEqual([]);
  });
});
