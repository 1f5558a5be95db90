/**
 * What the checkpoint, its copy in Redis, the journal and the settings say, when they do not say the same: each with the
 * rule that decides. The database is right about Redis; the journal must end where the checkpoint is; the data decides.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rollupIncome } from '../../jobs/rollup-income.ts';
import { syncCommissionLog } from '../../jobs/sync-commission-log.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import type { Log } from '../../src/platform/log.ts';
import { everything, expectComplaint, expectSilence, json, told } from '../support/cli-tools.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

const job = 'sync-commission-log';
const [day, ten, eleven, noon, one] = [
  '2026-11-18',
  '2026-11-18 10:00:00',
  '2026-11-18 11:00:00',
  '2026-11-18 12:00:00',
  '2026-11-18 13:00:00',
] as const;
let servers: TestServers;
let world: World;
let warnings: string[];
const log: Log = {
  error: () => undefined,
  warn: (message) => warnings.push(message),
  info: () => undefined,
  debug: () => undefined,
  with: () => log,
};

beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true });
});
afterAll(() => servers.stop());
beforeEach(async () => {
  warnings = [];
  world = await World.create(servers.addresses);
});
afterEach(() => world.destroy());

/** Runs shard 1 in this process; its warnings are kept. */
const sync = (request: Partial<Request> = {}, more: Partial<Setting> = {}) =>
  world.runShard(job, '1', request, { log, ...more });
const fine = async (running: Promise<ShardResult>) => {
  const result = await running;
  expect(result.error).toBeNull();
  return result;
};
const checkpoint = async () =>
  (
    await world.main.tuples('SELECT checkpoint FROM tidemark_checkpoint WHERE job = ? AND shard = ?', [job, '1'])
  )[0]?.[0];
const inRedis = () => world.redisCheckpoint(job, '1');
const utcOf = (text: unknown) => new Date(world.zone.fromText(String(text)) as number).toISOString();
const putInRedis = (text: string) =>
  world.redis.set(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}:1`, text);
const expectCopied = async () =>
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
const expectTiling = async () =>
  expect(json(await world.cli(['verify', job, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
/** A source whose clock stands at this time, so that the checkpoint does, too. */
const openedAt = (text: string): Partial<Setting> => ({
  openSource: async () => {
    const session = await world.setting().openSource();
    await session.write(`SET timestamp = ${(world.zone.fromText(text) as number) / 1000}`);
    return session;
  },
});

/** Two rows applied, the checkpoint at half past eleven, and a third row that came since. */
async function between(): Promise<void> {
  await world.addCommission({ id: 1, created: ten }, { id: 2, created: eleven });
  await fine(sync({}, openedAt('2026-11-18 11:30:01')));
  expect(await checkpoint()).toBe('2026-11-18 11:30:00');
  await world.addCommission({ id: 3, created: noon });
}

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
    const lines = json<{ shard: string; redis: string }[]>(await world.cli(['status', job, '--json']));
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

describe('settings changed between two runs', () => {
  test('windows of other sizes tile time, and every row is read once', async () => {
    let read = 0;
    for (const [round, windowRows] of [7, 100, 1, 3, 50_000].entries()) {
      for (let id = 0; id < 20; id++)
        await world.addCommission({
          id: round * 20 + id + 1,
          created: `${day} 1${round}:00:${String(id).padStart(2, '0')}`,
        });
      read += (await fine(sync({}, { ...openedAt(`${day} 1${round}:59:00`), windowRows }))).read;
    }
    expect(read).toBe(100);
    await expectCopied();
    await expectTiling();
  });

  /** The jobs as an installation with these shards has them. */
  const withShards = (...shards: string[]) => [{ ...syncCommissionLog, shards }, rollupIncome] as const;
  const runAll = async (jobs: ReturnType<typeof withShards>, shards: readonly string[]) => {
    const setting = world.setting({ log, jobs });
    const request: Request = { kind: 'windows', range: null, dryRun: false, maxWindows: 99, waitForLock: false };
    const results = [];
    for (const shard of shards)
      results.push(await fine(runShard(jobs[0], shard, crypto.randomUUID(), request, setting)));
    const income = await fine(runShard(jobs[1], '', crypto.randomUUID(), request, setting));
    await setting.copies.close();
    return { results, income };
  };
  const income = async () => (await world.incomeOfTarget()).map(([user]) => user);

  test('a shard was added: its first run takes all of it, and income waits for it', async () => {
    await world.addCommission({ id: 1, user: 1000 }, { id: 2, user: 1001 }, { id: 3, user: 1002 });
    await runAll(withShards('0', '1'), ['0', '1']);
    expect(await income()).toEqual(['1000', '1001']);
    const waiting = await runAll(withShards('0', '1', '2'), ['0', '1']);
    expect(waiting.income).toMatchObject({
      outcome: 'held-back',
      heldBackBy: { kind: 'upstream', detail: 'sync-commission-log 2 has no checkpoint' },
    });
    const { results } = await runAll(withShards('0', '1', '2'), ['2']);
    expect(results).toMatchObject([{ read: 1, inserted: 1 }]);
    expect(await income()).toEqual(['1000', '1001', '1002']);
  });

  test('a shard was removed: its checkpoint no longer holds income back, and status tells of it', async () => {
    const old = withShards('0', '1', '77');
    await world.source.write('CREATE TABLE plus_commission_log_77 LIKE plus_commission_log_7');
    await runAll(old, ['0', '1', '77']);
    await world.main.write(`UPDATE tidemark_checkpoint SET checkpoint = '2020-01-01' WHERE shard = '77'`);
    await world.addCommission({
      id: 1,
      user: 1001,
      created: '2026-11-18 10:00:00',
      updated: world.zone.text(Date.now() - 5000),
    });
    const { income: result } = await runAll(withShards('0', '1'), ['0', '1']);
    expect(result.heldBackBy).toBeNull();
    const { stdout } = await world.cli(['status']);
    expect(stdout).toContain(
      'sync-commission-log 77 has a checkpoint (2020-01-01 00:00:00), and no job has that shard',
    );
  });
});

describe('rows that an application has stamped in the future', () => {
  const nextYear = '2027-11-18 10:00:00';

  test('are told, hold nothing up, and are carried when their time has come', async () => {
    await world.addCommission(
      { id: 1, created: ten },
      { id: 2, created: ten, updated: nextYear },
      { id: 3, created: noon },
    );
    expect(await fine(sync())).toMatchObject({ read: 2, outcome: 'done' });
    expect(warnings).toEqual([
      expect.stringMatching(/^1 rows of plus_commission_log_1 lie in the future, up to 2027-11-18 10:00:00/),
    ]);
    expect(String(await checkpoint()) <= world.zone.text(Date.now())).toBe(true);
    await world.addCommission({ id: 4, created: world.zone.text(Date.now()) });
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:00')))).toMatchObject({ read: 1 });
    warnings = [];
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:05')))).toMatchObject({ read: 1 });
    expect(warnings).toEqual([]);
    await expectCopied();
    await expectTiling();
  });

  test('are alone in the table: the first run begins now, and they are carried all the same', async () => {
    await world.addCommission({ id: 1, created: ten, updated: nextYear });
    expect(await fine(sync())).toMatchObject({ read: 0 });
    expect(String(await checkpoint()) <= world.zone.text(Date.now())).toBe(true);
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:05')))).toMatchObject({ read: 1 });
    await expectCopied();
  });
});

describe('the default time zone of the source is +08:00, and TIDEMARK_TIMEZONE is another', () => {
  /** In its own world: the zone is part of it. */
  const inZone = async (zone: string, work: (elsewhere: World) => Promise<void>) => {
    const elsewhere = await World.create(servers.addresses, { settings: { TIDEMARK_TIMEZONE: zone } });
    try {
      await work(elsewhere);
    } finally {
      await elsewhere.destroy();
    }
  };
  const stampBy = async ({ source }: World, sessionZone: string) => {
    await source.write(`SET time_zone = ${sessionZone}`);
    await source.write(`INSERT INTO plus_commission_log_1 VALUES (9, 1001, 'SN', 1, 1, 1, NULL, NOW(), NOW())`);
    await source.write(`SET time_zone = '+00:00'`);
  };
  const run = (elsewhere: World) => elsewhere.cli(['run', job, '1']);

  test.each([
    ['UTC', 'late'],
    ['Pacific/Tongatapu', 'never'],
  ])('%s: rows stamped by the default would come %s, and exit 78 says so with the numbers', async (zone) => {
    await inZone(zone, async (elsewhere) => {
      await stampBy(elsewhere, '@@global.time_zone');
      const result = await run(elsewhere);
      expect(result.code).toBe(78);
      expect(told(result).complaints).toEqual([
        expect.stringMatching(
          new RegExp(
            `TIDEMARK_TIMEZONE=${zone}: the youngest says 20.*by the server's default zone \\(\\+08:00\\).*SET GLOBAL time_zone = '\\+(00|13):00'`,
          ),
        ),
      ]);
      expect(await elsewhere.main.tuples('SELECT * FROM tidemark_checkpoint')).toEqual([]);
    });
  });

  test.each([
    ['UTC', "'+00:00'"],
    ['Pacific/Tongatapu', "'+13:00'"],
  ])('%s: applications that set their own session to it are right, and there is nothing to say', async (zone, own) => {
    await inZone(zone, async (elsewhere) => {
      await stampBy(elsewhere, own);
      expectSilence(await run(elsewhere));
    });
  });

  test('a quiet table proves nothing: a warning gives both times, and the run goes on', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.addCommission({ id: 1, created: ten });
      const result = await run(elsewhere);
      expect(result.code).toBe(0);
      expect(told(result).warnings).toEqual([
        expect.stringMatching(
          /\(\+08:00: 20.*\) is not TIDEMARK_TIMEZONE \(UTC: 20.*\), and the youngest row of plus_commission_log_1 \(2026-11-18 10:00:00\) does not tell/,
        ),
      ]);
      expect(await elsewhere.main.tuples('SELECT id FROM plus_commission_log')).toEqual([['1']]);
    });
  });

  test('a row that an application has stamped a year ahead neither stops the run nor hides what the others prove', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.addCommission({ id: 1, created: '2027-11-18 10:00:00' });
      expect((await run(elsewhere)).code).toBe(0);
      await stampBy(elsewhere, '@@global.time_zone');
      expect((await run(elsewhere)).code).toBe(78);
    });
  });

  test('a TIMESTAMP is an instant, whatever the zones', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.source.write('ALTER TABLE plus_commission_log_1 MODIFY update_time TIMESTAMP NULL');
      await elsewhere.main.write('ALTER TABLE plus_commission_log MODIFY update_time TIMESTAMP NULL');
      await stampBy(elsewhere, '@@global.time_zone');
      expectSilence(await run(elsewhere));
    });
  });
});
