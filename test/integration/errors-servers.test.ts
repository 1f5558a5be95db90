import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import {
  addManyCommissions,
  expectComplaint,
  expectCopied,
  expectSilence,
  json,
  startCli,
  told,
  withRedis,
} from '../support/cli-tools.ts';
import { redisUrl, startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

const job = ['run', 'sync-commission-log', '1'];

describe('servers that are down, read-only or replicas', () => {
  let servers: TestServers;
  let world: World;
  beforeAll(async () => {
    servers = await startTestServers();
  });
  afterAll(() => servers.stop());
  beforeEach(async () => {
    world = await World.create(servers.addresses);
    await world.addCommission({ id: 1 }, { id: 2, created: '2026-11-18 11:00:00' });
  });
  afterEach(() => world.destroy());

  const run = (...more: string[]) => startCli([...job, ...more], world.settings).ended;
  const nothingHappened = async () => {
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
    expect(await world.redisCheckpoint('sync-commission-log', '1')).toBeNull();
  };

  test('a source that is read-only', async () => {
    await world.source.write('SET GLOBAL read_only = 1');
    try {
      for (const result of [await run(), await startCli(job, { ...world.settings, TIDEMARK_SETTLE_LAG: '10s' }).ended])
        expectComplaint(result, 78, 'the source is read-only', 'point SOURCE_DATABASE_URL at the primary');
      await nothingHappened();
    } finally {
      await world.source.write('SET GLOBAL read_only = 0');
    }
    expectSilence(await run());
    await expectCopied(world);
  });

  test('a source that is a replica, also one whose replication is stopped', async () => {
    await world.source.write(
      `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'nobody', MASTER_PASSWORD = 'x'`,
    );
    try {
      expectComplaint(await run(), 78, 'the source is a replica', 'point SOURCE_DATABASE_URL at the primary');
      await nothingHappened();
    } finally {
      await world.source.write('RESET SLAVE ALL');
    }
    expectSilence(await run());
    await expectCopied(world);
  });

  test('a Redis that is a replica takes no checkpoint: the run goes on and warns', async () => {
    await withRedis(world, (redis) => redis.replicaof('127.0.0.1', 1));
    try {
      const result = await run();
      expect(result).toMatchObject({ code: 0, stdout: '' });
      expect(told(result).complaints).toEqual([]);
      expect(told(result).warnings.join('\n')).toMatch(/not copied to Redis.*replica/i);
      await expectCopied(world);
    } finally {
      await withRedis(world, (redis) => redis.replicaof('NO', 'ONE'));
    }
    expectSilence(await run());
    expect(await world.redisCheckpoint('sync-commission-log', '1')).not.toBeNull();
  });

  test('a Redis that accepts and never answers costs a limit once, not for every window', async () => {
    await world.addCommission({ id: 3, created: '2026-11-18 12:00:00' }, { id: 4, created: '2026-11-18 13:00:00' });
    await withRedis(world, (redis) => redis.call('CLIENT', 'PAUSE', '12000', 'ALL'));
    const startedAt = Date.now();
    const result = await startCli(job, { ...world.settings, TIDEMARK_WINDOW_ROWS: '1' }).ended;
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(Date.now() - startedAt).toBeLessThan(8000);
    await expectCopied(world);
    await servers.restartRedis();
  });

  test('no Redis: the run goes on, warns once or twice however many windows it takes, and ends with 0', async () => {
    await servers.killRedis();
    try {
      const result = await startCli(job, { ...world.settings, TIDEMARK_WINDOW_ROWS: '1' }).ended;
      expect(result).toMatchObject({ code: 0, stdout: '' });
      const { complaints, warnings } = told(result);
      expect(complaints).toEqual([]);
      expect(warnings[0]).toMatch(/Redis cannot be reached .*; the run goes on/);
      await expectCopied(world);
      const status = await startCli(['status', '--json'], world.settings).ended;
      for (const line of json<{ redis: string }[]>(status, 69)) expect(line.redis).toBe('unreachable');
      expect(warnings.length, warnings.join('\n')).toBeLessThanOrEqual(2);
    } finally {
      await servers.restartRedis();
    }
    expectSilence(await run());
    expect(await world.redisCheckpoint('sync-commission-log', '1')).not.toBeNull();
  });

  test('a server that crashes under a statement: the run goes on when it is back, and ends when it is done', async () => {
    await world.main.write('START TRANSACTION');
    await world.main.write(
      `INSERT INTO plus_commission_log SELECT * FROM ${world.source.database}.plus_commission_log_1`,
    );
    const running = startCli(job, world.settings);
    // Until it waits for the lock on these rows, however long it takes to start.
    const waiting = `SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'`;
    while ((await world.source.tuples(waiting)).length === 0) await sleep(100);
    await servers.killMariadb();
    const killedAt = Date.now();
    await servers.restartMariadb();
    expectSilence(await running.ended);
    expect(Date.now() - killedAt).toBeLessThan(12_000);
    await world.destroy().catch(() => undefined);
    world = await World.create(servers.addresses);
  });

  test('no database server: every command says so and ends with 69; afterwards everything arrives', async () => {
    await world.source.close();
    await world.main.close();
    await servers.killMariadb();
    const commands = [job, ['status'], ['verify'], ['checkpoint', 'rollup-income'], ['dead-letters'], ['migrate']];
    for (const command of commands) {
      const result = await startCli(command, world.settings).ended;
      expectComplaint(result, 69, /(main|source) database .* cannot be reached/, 'Next: check ');
    }
    await servers.restartMariadb();
    expectSilence(await run());
    const { shards } = json<{ shards: object[] }>(await run('--from', '2026-11-18', '--to', '2026-11-19', '--json'));
    expect(shards).toEqual([expect.objectContaining({ read: 2, unchanged: 2 })]);
  });
});

describe('a target without room', () => {
  let world: World;
  let servers: TestServers; // its own: triggers weaken what all others may know of running statements
  beforeAll(async () => {
    servers = await startTestServers({ quickCommits: true });
  });
  afterAll(() => servers.stop());
  beforeEach(async () => {
    world = await World.create(servers.addresses);
    await addManyCommissions(world, 4000, 200);
  });
  afterEach(() => world.destroy());

  const consistent = async () => {
    const [[rows] = []] = await world.main.tuples('SELECT COUNT(*) FROM plus_commission_log');
    const [[told] = []] = await world.main.tuples('SELECT COALESCE(SUM(rows_read), 0) FROM tidemark_window');
    expect(Number(rows)).toBe(Number(told));
    expect(await world.all(world.main, 'tidemark_dead_letter')).toEqual([]);
    return Number(rows);
  };

  test('a table that is full: no dead letters, and with more room everything arrives', async () => {
    await world.main.write('SET max_heap_table_size = 131072');
    await world.main.write('ALTER TABLE plus_commission_log ENGINE = MEMORY');
    for (let attempt = 1; attempt <= 2; attempt++) {
      const result = await world.cli(job, { TIDEMARK_WINDOW_ROWS: '1000' });
      expectComplaint(
        result,
        1,
        'sync-commission-log 1',
        /plus_commission_log.* is full/,
        'nothing is lost',
        'Next: make room',
      );
      expect(await world.all(world.main, 'tidemark_dead_letter')).toEqual([]);
      expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
    }
    await world.main.write('ALTER TABLE plus_commission_log ENGINE = InnoDB');
    expectSilence(await world.cli(job));
    await expectCopied(world);
    expect((await world.cli(['verify'])).code).toBe(0);
  });

  test.each([
    [1114, /full/],
    [1021, /./],
    [1030, /./],
  ])('a table that says error %i in the middle', async (number, reason) => {
    await world.main.write(
      `CREATE TRIGGER room BEFORE INSERT ON plus_commission_log FOR EACH ROW BEGIN
         IF NEW.id = 2600 THEN SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${number}, MESSAGE_TEXT = 'The table is full'; END IF;
       END`,
    );
    expectComplaint(await world.cli(job, { TIDEMARK_WINDOW_ROWS: '1000' }), 1, reason, 'nothing is lost', 'Next: ');
    expect(await consistent()).toBe(2000);
    await world.main.write('DROP TRIGGER room');
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });
});

describe('addresses of Redis', () => {
  test('a database number that Redis does not have: the run goes on and warns', async () => {
    const world = await World.create(inject('servers'));
    try {
      await world.addCommission({ id: 1 });
      const REDIS_URL = redisUrl(inject('servers'), 99);
      const result = await startCli(job, { ...world.settings, REDIS_URL }).ended;
      expect(result).toMatchObject({ code: 0, stdout: '' });
      await expectCopied(world);
      const other = new Redis(world.settings.REDIS_URL as string);
      const misplaced = await other.get(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:sync-commission-log:1`);
      other.disconnect();
      expect(misplaced, 'written into another database than the one asked for').toBeNull();
    } finally {
      await world.destroy();
    }
  });
});
