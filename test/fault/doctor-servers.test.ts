import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withAccount } from '../support/cli-tools.ts';
import { complaints, findings, saying } from '../support/patient.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

describe('doctor and servers that are not as they should be', () => {
  let servers: TestServers;
  let world: World;
  const look = (group?: Parameters<typeof findings>[1], more: Record<string, string> = {}) =>
    findings({ ...world.settings, ...more }, group);

  beforeAll(async () => {
    const variables = { log_bin: 'binlog', binlog_format: 'MIXED' };
    servers = await startTestServers({ variables });
    world = await World.create(servers.addresses, { migrated: false });
    expect((await world.cli(['migrate'])).code).toBe(0);
  });
  afterAll(async () => {
    await world.destroy();
    await servers.stop();
  });

  /** Sets a variable of the server for as long as one looks. */
  async function withVariable<Result>(name: string, value: string, work: () => Promise<Result>): Promise<Result> {
    const [row] = await world.main.tuples(`SELECT @@global.${name}`);
    const before = String(row?.[0]);
    await world.main.write(`SET GLOBAL ${name} = ${value}`);
    try {
      return await work();
    } finally {
      await world.main.write(`SET GLOBAL ${name} = ?`, [/^\d+$/.test(before) ? Number(before) : before]);
    }
  }

  test('a binary log by statement is broken, since the server then refuses what tidemark writes', async () => {
    const told = await withVariable('binlog_format', `'STATEMENT'`, () => look('servers'));
    const { next } = saying(told, /^the server of the main database writes its binary log by statement$/, 'broken');
    expect(next[0]).toMatch(/^SET GLOBAL binlog_format = 'MIXED'/);
    expect(complaints(await look('servers'))).toEqual([]);
  });

  test('a server that is not strict, or may lose the last second, is doubtful', async () => {
    const lax = await withVariable('sql_mode', `''`, () => look('servers'));
    saying(lax, /^the server of the main database is not strict by default$/, 'doubtful');
    const hasty = await withVariable('innodb_flush_log_at_trx_commit', '2', () => look('servers'));
    saying(hasty, /may lose the last second of commits/, 'doubtful');
  });

  test('a server that takes no writes is broken, as source and as target', async () => {
    const told = await withVariable('read_only', '1', () => look('servers'));
    saying(told, /^the source is read-only/, 'broken');
    saying(told, /^the database of MAIN_DATABASE_URL is read-only/, 'broken');
  });

  test('a default zone that is not the business zone is told, where the rows do not show which is theirs', async () => {
    await world.addCommission({ id: 1, user: 1001 });
    const told = await withVariable('time_zone', `'-04:00'`, () => look('time'));
    const { next } = saying(
      told,
      /^the source's default time zone \(-04:00: .*\) is not TIDEMARK_TIMEZONE .*plus_commission_log_1 /,
      'doubtful',
    );
    expect(next).toEqual(['SELECT @@session.time_zone, NOW(), in a session of an application']);
  });

  test("a server's clock that is a minute ahead is doubtful, one that is a day behind broken", async () => {
    const grants = ['PROCESS ON *.*', `SELECT ON ${world.source.database}.*`];
    await withAccount(world, grants, async ({ url }) => {
      const settings = { SOURCE_DATABASE_URL: url('SOURCE_DATABASE_URL') };
      const at = (offset: string) =>
        withVariable('init_connect', `'SET timestamp = UNIX_TIMESTAMP() ${offset}'`, () => look('time', settings));
      saying(await at('+ 60'), /^the clock of the source database is \d+ s ahead of this host's$/, 'doubtful');
      saying(await at('- 86400'), /^the clock of the source database is 14\d\d min behind this host's$/, 'broken');
    });
  });

  describe('Redis', () => {
    const withRedisSetting = async (name: string, value: string) => {
      await world.redis.config('SET', name, value);
      return look('redis');
    };

    test('that evicts any key when it is full is doubtful, until it does so no more', async () => {
      saying(
        await withRedisSetting('maxmemory-policy', 'allkeys-lru'),
        /\(maxmemory-policy allkeys-lru\)$/,
        'doubtful',
      );
      saying(await withRedisSetting('maxmemory-policy', 'noeviction'), /\(maxmemory-policy noeviction\)$/, 'fine');
      saying(await withRedisSetting('maxmemory-policy', 'volatile-ttl'), /\(maxmemory-policy volatile-ttl\)$/, 'fine');
    });

    test('that is full and refuses writes is broken, with what it says', async () => {
      const told = await withRedisSetting('maxmemory', '1');
      saying(told, /^Redis refuses to write: OOM/, 'broken');
      saying(told, /^Redis uses \d+ MB of 1 MB$/, 'doubtful');
      await world.redis.config('SET', 'maxmemory', '0');
    });

    test('that is a replica is broken', async () => {
      await world.redis.replicaof('127.0.0.1', 1);
      saying(await look('redis'), /^REDIS_URL leads to a replica$/, 'broken');
      await world.redis.replicaof('NO', 'ONE');
    });

    test('that keeps nothing over a restart is doubtful, one that saves is fine', async () => {
      saying(await withRedisSetting('save', ''), /^Redis keeps its data in memory only$/, 'doubtful');
      saying(await withRedisSetting('save', '3600 1'), /^Redis saves its data$/, 'fine');
      await world.redis.config('SET', 'save', '');
    });
  });

  test('a server that has stopped to answer is told as one that is away, within fifteen seconds', async () => {
    const pid = Number(readFileSync(join(servers.folder, 'mariadb.pid'), 'utf8'));
    process.kill(pid, 'SIGSTOP');
    const begin = Date.now();
    try {
      const told = await world.cli(['doctor']);
      expect(told.code).toBe(78);
      expect(told.stdout).toMatch(/the source database \w+ at \S+\s+cannot\s+be\s+reached/);
      expect(Date.now() - begin).toBeLessThan(15_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('a table that is locked keeps nothing but its own check from an answer', async () => {
    await world.source.write('LOCK TABLES plus_commission_log_1 WRITE');
    const told = await Promise.race([look(), sleep(15_000, null)]);
    await world.source.write('UNLOCK TABLES');
    expect(told).not.toBeNull();
    saying(told ?? [], /^tables of sync-commission-log: no answer in 5 s$/, 'doubtful');
    saying(told ?? [], /^sync-user-extension: 1 source tables and their target fit/, 'fine');
  });
});
