/**
 * What large tables cost: a few changes among many rows are found by the index, and one second with very many rows is
 * taken in bounded memory. On a server of its own, whose counters nobody else moves.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { setCheckpoint } from '../../src/engine/set-checkpoint.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { watched } from '../support/watched.ts';
import { World } from '../support/world.ts';

const job = 'sync-commission-log';
const table = 'plus_commission_log_1';
/** Rows in one second; 2000000 takes minutes. */
const rows = Number(process.env.TIDEMARK_TEST_ROWS ?? 200_000);
const memoryMaxMb = 200;

let servers: TestServers;
let world: World;
beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true, variables: { innodb_buffer_pool_size: '1G' } });
});
afterAll(() => servers?.stop());

/** Rows of one shard, made by the server; `updated` is an expression. */
const fill = (count: number, updated: string) =>
  world.source.write(`INSERT INTO ${table}
    SELECT seq, 1001 + 10 * (seq % 1000), CONCAT('SN', seq), seq, 1, 1, NULL, '2025-03-04 09:00:00' + INTERVAL seq SECOND, ${updated}
      FROM seq_1_to_${count}`);

describe('a million rows', () => {
  beforeAll(async () => {
    world = await World.create(servers.addresses);
    await fill(1_000_000, `'2025-03-04 09:00:00' + INTERVAL seq SECOND`);
    await world.main.write(`INSERT INTO plus_commission_log SELECT * FROM ${world.source.database}.${table}`);
    const set = { to: world.zone.fromText('2025-04-01 00:00:00') as number, runId: 'test', now: Date.now() };
    await setCheckpoint(world.main, { job, shard: '1' }, set, world.zone);
  });
  afterAll(() => world.destroy());

  /** Rows that the server has read so far, through an index or not. */
  const rowsRead = async () => {
    const counters = await world.main.tuples(`SHOW GLOBAL STATUS LIKE 'Handler_read_%'`);
    return counters.reduce((sum, [, value]) => sum + Number(value), 0);
  };

  test('100 changed ones cost fewer than 5,000 rows read', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => (index + 1) * 9973);
    await world.source.write(
      `UPDATE ${table} SET amount = -amount, update_time = '2025-05-01 00:00:00' + INTERVAL id DIV 10000 SECOND WHERE id IN (?)`,
      [ids],
    );
    const before = await rowsRead();
    const result = await world.runShard(job, '1');
    const cost = (await rowsRead()) - before;
    expect(result).toMatchObject({ error: null, outcome: 'done', read: 100, updated: 100 });
    expect(cost).toBeGreaterThan(100);
    expect(cost).toBeLessThan(5000);
    const idle = await rowsRead();
    expect(await world.runShard(job, '1')).toMatchObject({ error: null, read: 0 });
    expect((await rowsRead()) - idle).toBeLessThan(1000);
    const [sums] = await world.main.tuples(`SELECT SUM(amount), COUNT(*) FROM plus_commission_log`);
    expect(await world.source.tuples(`SELECT SUM(amount), COUNT(*) FROM ${table}`)).toEqual([sums]);
  });
});

describe('one single second', () => {
  beforeAll(async () => {
    world = await World.create(servers.addresses);
    await fill(rows, `'2025-03-04 09:00:00'`);
  });
  afterAll(() => world.destroy());

  test.skipIf(process.platform !== 'linux')(
    `with ${rows} rows is one window, in less than ${memoryMaxMb} MB`,
    async () => {
      const { code, output, peakMb, seconds } = await watched(world, ['run', job, '1', '--json']);
      process.stderr.write(`${rows} rows in ${seconds} s, peak ${peakMb.toFixed(0)} MB\n`);
      expect(code, output).toBe(0);
      expect(JSON.parse(output).shards[0]).toMatchObject({ outcome: 'done', read: rows, inserted: rows });
      expect(peakMb).toBeGreaterThan(20);
      expect(peakMb).toBeLessThan(memoryMaxMb);
      const windows = await world.main.tuples('SELECT rows_read FROM tidemark_window WHERE rows_read > 0');
      expect(windows).toEqual([[String(rows)]]);
      const sums = `SELECT COUNT(*), SUM(amount), SUM(CRC32(CONCAT_WS(',', id, user_id, order_sn, create_time, update_time)))`;
      const source = await world.source.tuples(`${sums} FROM ${table}`);
      expect(await world.main.tuples(`${sums} FROM plus_commission_log`)).toEqual(source);
    },
    60_000 + rows,
  );
});
