/**
 * What the checkpoint, its copy in Redis and the journal say, when they do not say the same: each with the rule that
 * decides. The database is right about Redis; the journal must end where the checkpoint is.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Setting } from '../../src/engine/run.ts';
import { everything, expectComplaint, expectSilence, json } from '../support/cli-tools.ts';
import {
  between,
  checkpoint,
  day,
  eleven,
  expectCopied,
  expectTiling,
  fine,
  inRedis,
  job,
  noon,
  one,
  openedAt,
  putInRedis,
  servers,
  sync,
  ten,
  utcOf,
  warnings,
  world,
} from '../support/shard-one.ts';

describe('of Redis and the database the database is right', () => {
  beforeEach(between);

  test.each([
    ['missing, after FLUSHALL', null, false],
    ['behind', '2026-11-18T02:00:00.000Z', false],
    ['ahead', '2026-11-18T05:00:00.000Z', true],
    ['in the future', '2036-01-01T00:00:00.000Z', true],
    ['malformed', 'yesterday', true],
    ['well formed, but no time', '2026-02-31T00:00:00.000Z', true],
  ])('Redis is %s: the next run reads only what is new, and puts it right', async (_, copy, isWarnedOf) => {
    if (copy === null) await world.redis.flushall();
    else await putInRedis(copy);
    const result = await fine(sync({}, openedAt(one)));
    expect(result).toMatchObject({ read: 1, inserted: 1 });
    expect(warnings).toHaveLength(isWarnedOf ? 1 : 0);
    if (copy !== null && isWarnedOf) expect(warnings[0]).toContain(copy);
    expect(await checkpoint()).toBe('2026-11-18 12:59:59');
    expect(await inRedis()).toBe(utcOf(await checkpoint()));
    await expectCopied();
    await expectTiling();
  });

  test('Redis holds a list there: it is malformed like any other, and put right', async () => {
    await world.forgetRedis(job, '1');
    await world.redis.rpush(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}:1`, 'one', 'two');
    expect(await fine(sync({}, openedAt(one)))).toMatchObject({ read: 1, inserted: 1 });
    expect(warnings).toEqual([expect.stringContaining('Redis held "(list)" as the checkpoint')]);
    expect(await inRedis()).toBe(utcOf(await checkpoint()));
  });

  test('Redis is ahead, and nothing is due: it is put right all the same', async () => {
    await putInRedis('2036-01-01T00:00:00.000Z');
    expect(await fine(sync({}, openedAt('2026-11-18 11:30:01')))).toMatchObject({ outcome: 'nothing-due', read: 0 });
    expect(await inRedis()).toBe('2026-11-18T03:30:00.000Z');
  });

  test('a dry run puts nothing right', async () => {
    await putInRedis('2036-01-01T00:00:00.000Z');
    await fine(sync({ dryRun: true }));
    expect(await inRedis()).toBe('2036-01-01T00:00:00.000Z');
  });
});

describe('Redis knows a checkpoint, and the database has none', () => {
  beforeEach(() => world.addCommission({ id: 1, created: ten }, { id: 2, created: noon }));

  test('exit 78 names the command that adopts it, and that command helps', async () => {
    await putInRedis('2026-11-18T03:00:00.000Z');
    const before = await everything(world);
    const refused = await world.cli(['run', job, '1']);
    const adopt = /tidemark (checkpoint sync-commission-log 1 --set 2026-11-18T11:00:00\+08:00)/;
    expectComplaint(refused, 78, adopt);
    expect(await everything(world)).toEqual(before);
    const command = String(adopt.exec(refused.stderr)?.[1]).split(' ');
    expect((await world.cli([...command, '--yes'])).code).toBe(0);
    expect(await fine(sync())).toMatchObject({ read: 1 });
    await expectTiling();
  });

  test('one that cannot be read is no checkpoint: the first run begins at the oldest row, with a warning', async () => {
    await putInRedis('soon');
    expect(await fine(sync())).toMatchObject({ read: 2 });
    expect(warnings).toEqual([expect.stringContaining('"soon"')]);
    expect(await inRedis()).toBe(utcOf(await checkpoint()));
  });
});

describe('Redis cannot be reached', () => {
  beforeEach(between);
  afterEach(() => servers.restartRedis());

  test('from the start: the run goes on and warns once; status says so; the next run puts it right', async () => {
    await servers.killRedis();
    expect(await fine(sync())).toMatchObject({ outcome: 'done', read: 1 });
    expect(warnings).toEqual([expect.stringMatching(/^Redis cannot be reached/)]);
    const lines = json<{ shard: string; redis: string }[]>(await world.cli(['status', job, '--json']), 69);
    expect(lines.find(({ shard }) => shard === '1')).toMatchObject({ redis: 'unreachable' });
    await servers.restartRedis();
    await fine(sync());
    expect(await inRedis()).toBe(utcOf(await checkpoint()));
    await expectCopied();
  });

  test.each(['dies', 'stands still'] as const)('it %s in the middle: the run goes on and warns once', async (how) => {
    for (let id = 4; id < 10; id++) await world.addCommission({ id, created: `${day} 12:00:0${id}` });
    let moved = 0;
    const onStep: Setting['onStep'] = async (step) => {
      if (step !== 'moved' || ++moved !== 2) return;
      if (how === 'dies') await servers.killRedis();
      else await world.redis.call('CLIENT', 'PAUSE', '60000', 'ALL');
    };
    expect(await fine(sync({}, { windowRows: 2, onStep }))).toMatchObject({ outcome: 'done', read: 7 });
    expect(moved).toBeGreaterThan(2);
    expect(warnings).toEqual([expect.stringContaining('safe in the database')]);
    await expectCopied();
    await expectTiling();
  });
});

describe('the journal does not end where the checkpoint is', () => {
  beforeEach(async () => {
    await world.addCommission(
      { id: 1, created: ten },
      { id: 2, created: eleven },
      { id: 3, created: noon },
      { id: 4, created: '2026-11-18 12:15:00' },
    );
    // Three windows: [ten, eleven), [eleven, noon), [noon, one).
    await fine(sync({}, { ...openedAt('2026-11-18 13:00:01'), windowRows: 1 }));
    await world.addCommission({ id: 5, created: '2026-11-18 14:00:00' });
  });

  const tampering = [
    ['the checkpoint was moved forward', `UPDATE tidemark_checkpoint SET checkpoint = '2026-11-18 15:00:00'`],
    ['the checkpoint was moved back', `UPDATE tidemark_checkpoint SET checkpoint = '${eleven}'`],
    ['the checkpoint is gone', 'DELETE FROM tidemark_checkpoint'],
    ['the last window is gone', `DELETE FROM tidemark_window WHERE window_end = '${one}'`],
    [
      'the last window was made longer',
      `UPDATE tidemark_window SET window_end = '${day} 20:00:00' WHERE window_end = '${one}'`,
    ],
  ] as const;

  test.each(tampering)('%s: 78, nothing is changed, and the command that is named mends it', async (_, sql) => {
    await world.main.write(sql);
    const before = await everything(world);
    const refused = await world.cli(['run', job, '1']);
    expectComplaint(refused, 78, /its journal ends at 2026-11-18T/, /tidemark verify sync-commission-log;/);
    expect(await everything(world)).toEqual(before);
    expect((await world.cli(['verify', job])).code).toBe(65);
    const command = String(/tidemark (checkpoint \S+ 1 --set \S+),/.exec(refused.stderr)?.[1]);
    expect((await world.cli([...command.split(' '), '--yes'])).code).toBe(0);
    expectSilence(await world.cli(['run', job, '1']));
    await expectCopied();
    await expectTiling();
  });

  test.each([['--dry-run'], ['--full'], ['--sweep'], ['--repair'], ['--from', ten, '--to', eleven]])(
    'run %s stops, too',
    async (...flags) => {
      await world.main.write(tampering[0][1]);
      expectComplaint(await world.cli(['run', job, '1', ...flags]), 78, /its journal ends at/);
    },
  );

  test('other shards go on', async () => {
    await world.main.write(tampering[0][1]);
    await world.addCommission({ id: 20, user: 1002, created: ten });
    expect((await world.cli(['run', job])).code).toBe(78);
    expect(await world.main.tuples('SELECT id FROM plus_commission_log WHERE id = 20')).toEqual([['20']]);
  });
});

describe('a journal that ends before the checkpoint for a reason is no disagreement', () => {
  const set = (time: string) => world.cli(['checkpoint', job, '1', '--set', time, '--yes']);
  const runsTwice = async () => {
    for (const _ of [1, 2]) expectSilence(await world.cli(['run', job, '1']));
  };

  test('an adopted position has no journal yet', async () => {
    await world.addCommission({ id: 1, created: ten }, { id: 2, created: noon });
    await set(eleven);
    await runsTwice();
    await expectTiling();
  });

  test('a first run that finds no rows has none either', async () => {
    await fine(sync());
    expect(await world.main.tuples('SELECT * FROM tidemark_window')).toEqual([]);
    await runsTwice();
  });

  test('a checkpoint that a person has set forward leaves a gap, and the next run begins behind it', async () => {
    await between();
    await set('2026-11-18 11:45:00');
    await runsTwice();
    expect(json(await world.cli(['verify', job, '--json']), 65)).toMatchObject({ gaps: [{ shard: '1' }] });
  });

  test('one that is set forward, and then back into that gap, is where the next run begins', async () => {
    await between();
    await set('2026-11-18 11:45:00');
    await set('2026-11-18 11:40:00');
    await runsTwice();
    await expectCopied();
  });
});

describe('a database was restored from an older dump', () => {
  const tables = async () =>
    (await world.main.tuples(`SHOW TABLES WHERE Tables_in_${world.main.database} NOT LIKE 'old_%'`)).map(([name]) =>
      String(name),
    );
  const dump = async () => {
    for (const table of await tables()) {
      await world.main.write(`CREATE TABLE old_${table} LIKE ${table}`);
      await world.main.write(`INSERT INTO old_${table} SELECT * FROM ${table}`);
    }
  };
  const restore = async () => {
    for (const table of await tables()) await world.main.write(`DROP TABLE ${table}`);
    for (const [old] of await world.main.tuples('SHOW TABLES'))
      await world.main.write(`RENAME TABLE ${old} TO ${String(old).slice(4)}`);
  };

  test('the target: rows and checkpoints are equally old, and Redis is set back with a warning; nothing is missing', async () => {
    await between();
    await world.run('sync-commission-log', {}, openedAt('2026-11-18 11:30:01'));
    await world.run('rollup-income');
    await dump();
    await world.source.write(`UPDATE plus_commission_log_1 SET amount = 7, update_time = '${noon}' WHERE id = 1`);
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    const later = await world.incomeOfTarget();
    await restore();
    expect(await world.incomeOfTarget()).not.toEqual(later);
    expect(await fine(sync({}, { windowRows: 1 }))).toMatchObject({ read: 2, inserted: 1, updated: 1 });
    expect(warnings).toEqual([expect.stringMatching(/^Redis was ahead of the database/)]);
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    expect(await world.incomeOfTarget()).toEqual(later);
    await expectCopied();
    await expectTiling();
    expect(await inRedis()).toBe(utcOf(await checkpoint()));
  });

  test('the source: what it has lost stays in the target, and what comes from then on is carried', async () => {
    await between();
    await fine(sync({}, openedAt(one)));
    await world.source.write('DELETE FROM plus_commission_log_1 WHERE id > 1');
    await world.addCommission({ id: 3, order: 'SN new', created: '2026-11-18 13:30:00' });
    expect(await fine(sync())).toMatchObject({ read: 1, updated: 1 });
    expect(await world.main.tuples('SELECT id, order_sn FROM plus_commission_log ORDER BY id')).toEqual([
      ['1', 'SN1'],
      ['2', 'SN1'],
      ['3', 'SN new'],
    ]);
  });
});
