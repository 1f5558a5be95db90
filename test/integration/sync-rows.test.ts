/**
 * What a sync does with rows: refused ones, moved unique values, every column type, many in one second, stamps of the
 * past and of the future. A run sees the source's clock where the test has put it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { defineJob, type Job } from '../../src/engine/job.ts';
import { proveTiling } from '../../src/engine/proof.ts';
import type { Request, Setting } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { syncTable } from '../../src/sync/sync-table.ts';
import { intercepted } from '../support/intercept.ts';
import { World } from '../support/world.ts';

const at = (time: string) => `2025-03-04 ${time}`;
const owned = 'user_extension tidemark_checkpoint tidemark_window tidemark_dead_letter tidemark_run';
const all = Number.POSITIVE_INFINITY;
const plain = { kind: 'windows', range: null, dryRun: false, maxWindows: all, waitForLock: false } as const;

const jobOf = (name: string, table: string, time = 'update_time', key = 'id'): Job =>
  defineJob({
    name,
    summary: 'for a test',
    shards: [],
    schedule: '* * * * *',
    target: 'main',
    source: { table: () => table, time, key },
    ...syncTable({ table, time, key }),
  });
const users = jobOf('sync-user-extension', 'user_extension');

let world: World;
beforeAll(async () => {
  world = await World.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  await world.source.write('DELETE FROM user_extension');
  for (const table of owned.split(' ')) await world.main.write(`DELETE FROM ${table}`);
  await world.forgetRedis(users.name);
});

const instant = (time: string) => world.zone.fromText(at(time)) as number;
/** Runs a job as if the source's clock stood at this local time. */
async function sync(job: Job, time: string, request: Partial<Request> = {}, more: Partial<Setting> = {}) {
  const openSource = async () => {
    const session = await world.setting().openSource();
    await session.write(`SET timestamp = ${instant(time) / 1000}`);
    return session;
  };
  const setting = world.setting({ jobs: [job], openSource, ...more });
  try {
    return await runShard(job, '', crypto.randomUUID(), { ...plain, ...request }, setting);
  } finally {
    await setting.copies.close();
  }
}

/** Rows of user_extension: id, user_id, time of the last change. */
async function addUsers(session: Session, ...rows: readonly (readonly [number, number, string])[]): Promise<void> {
  const values = rows.map(([id, user, time]) => [id, user, 1, null, `nick ${id}`, 1, at('08:00:00'), at(time)]);
  await session.write('INSERT INTO user_extension VALUES ?', [values as never]);
}
const range = (from: string, to: string): Partial<Request> => {
  return { kind: 'range', range: { start: instant(from), end: instant(to) } };
};
const target = () => world.all(world.main, 'user_extension');
const source = () => world.all(world.source, 'user_extension');
const letters = () => world.main.rows('SELECT * FROM tidemark_dead_letter ORDER BY id');
const touch = (set: string, where: string, time: string) =>
  world.source.write(`UPDATE user_extension SET ${set}, update_time = ? WHERE ${where}`, [at(time)]);

describe('a row that the target refuses', () => {
  beforeEach(async () => {
    await addUsers(world.main, [99, 500, '08:00:00']);
    await addUsers(world.source, [1, 499, '09:00:00'], [2, 500, '09:00:01'], [3, 501, '09:00:02']);
    expect(await sync(users, '10:00:00')).toMatchObject({ outcome: 'dead-letters', inserted: 2, deadLetters: 1 });
  });

  test('becomes a dead letter with content and reason, and the others go on', async () => {
    const [letter] = await letters();
    expect(await letters()).toHaveLength(1);
    expect(letter).toMatchObject({ row_key: '2', state: 'open', attempts: 1, code: 1062, resolution: null });
    expect(letter?.reason).toMatch(/Duplicate entry '500' for key 'user_id'/);
    const content = JSON.parse(String(letter?.content));
    expect(content).toMatchObject({ id: '2', user_id: '500', nickname: 'nick 2', inviter_id: null });
    expect((await target()).map(([id]) => id)).toEqual(['1', '3', '99']);
    expect(await sync(users, '11:00:00')).toMatchObject({ outcome: 'dead-letters', read: 0, deadLetters: 0 });
  });

  test('is repaired when the cause is mended, and not before', async () => {
    expect(await sync(users, '11:00:00', { kind: 'repair' })).toMatchObject({
      outcome: 'dead-letters',
      deadLetters: 1,
    });
    expect(await letters()).toMatchObject([{ state: 'open', attempts: 2 }]);
    await world.main.write('DELETE FROM user_extension WHERE id = 99');
    expect(await sync(users, '11:00:00', { kind: 'repair' })).toMatchObject({
      outcome: 'done',
      inserted: 1,
      deadLetters: 0,
    });
    expect(await letters()).toMatchObject([
      { state: 'resolved', resolution: expect.stringMatching(/^applied by run/) },
    ]);
    expect(await target()).toEqual(await source());
  });

  test('is settled by a later window that applies it', async () => {
    await touch('user_id = 777', 'id = 2', '10:30:00');
    expect(await sync(users, '11:00:00')).toMatchObject({ outcome: 'done', inserted: 1 });
    expect(await letters()).toMatchObject([
      { state: 'resolved', resolution: expect.stringMatching(/^applied by run/) },
    ]);
  });

  test('that is gone from the source is settled, and says so', async () => {
    await world.source.write('DELETE FROM user_extension WHERE id = 2');
    expect(await sync(users, '11:00:00', { kind: 'repair' })).toMatchObject({ outcome: 'done', deadLetters: 0 });
    expect(await letters()).toMatchObject([{ state: 'resolved', resolution: 'the row is gone from the source' }]);
  });
});

describe('unique values that change hands in one window', () => {
  beforeEach(async () => {
    await addUsers(world.source, [1, 10, '09:00:00'], [2, 20, '09:00:00'], [3, 30, '09:00:00']);
    await sync(users, '10:00:00');
  });
  const equal = async () => {
    expect(await sync(users, '11:00:00')).toMatchObject({ outcome: 'done', deadLetters: 0 });
    expect(await target()).toEqual(await source());
  };

  test('one after another, against the order of the keys', async () => {
    await touch('user_id = 40', 'id = 3', '10:30:02');
    await touch('user_id = 30', 'id = 2', '10:30:01');
    await touch('user_id = 20', 'id = 1', '10:30:00');
    await equal();
  });

  test('two rows that exchange theirs through a third value', async () => {
    await touch('user_id = 99', 'id = 1', '10:30:00');
    await touch('user_id = 10', 'id = 2', '10:30:01');
    await touch('user_id = 20', 'id = 1', '10:30:02');
    await equal();
  });
});

describe('every column type', () => {
  const types = `tiny TINYINT, small SMALLINT UNSIGNED, medium MEDIUMINT, whole INT, big BIGINT, ubig BIGINT UNSIGNED,
    price DECIMAL(30,10), f FLOAT, d DOUBLE, bits BIT(64), c CHAR(5), utf VARCHAR(50) CHARACTER SET utf8mb4,
    latin VARCHAR(20) CHARACTER SET latin1, sorted VARCHAR(20) COLLATE utf8mb4_unicode_ci, b BINARY(4), vb VARBINARY(20),
    blobs BLOB, texts TEXT, e ENUM('a','b''c'), s SET('x','y','z'), day DATE, t TIME, t6 TIME(6), dt6 DATETIME(6),
    ts TIMESTAMP, y YEAR, doc JSON, \`order\` INT`.split(/,\s+/);
  const names = types.map((type) => type.slice(0, type.indexOf(' ')));
  const create = `CREATE TABLE every_type (id BIGINT UNSIGNED PRIMARY KEY, ${types.join(' NULL, ')},
    made INT AS (whole + 1) STORED, update_time DATETIME, KEY (update_time, id)) CHARSET utf8mb4`;
  const lowest = `-128,0,-8388608,-2147483648,-9223372036854775808,0,-99999999999999999999.9999999999,-3.4028234e38,-1.7976931348623157e308,b'0','','','','','','','','','a','','1000-01-01','-838:59:59','-838:59:59.999999','1000-01-01 00:00:00.000001','1970-01-01 00:00:01',1901,'{}',-1`;
  const highest = `127,65535,8388607,2147483646,9223372036854775807,18446744073709551615,99999999999999999999.9999999999,3.4028234e38,1.7976931348623157e308,b'${'1'.repeat(64)}','abc','O''Neil \\\\ "q" 📞 \\0\\Z\\n','é\u00ffü€','Straße',x'00ff2700',x'00275cff0a',x'${'00ff275c'.repeat(20)}','100% _x_\\r\\n','b''c','x,z','9999-12-31','838:59:59','838:59:59.999999','9999-12-31 23:59:59.999999','2038-01-19 03:14:07',2155,'{"a":[1,"é"]}',1`;
  const odd = `0,1,0,0,9007199254740993,9007199254740993,0.0000000001,0.1,0.1,b'1','a ','a ',' ','ß',x'20','  ',x'','','a','y','0000-00-00','00:00:00','00:00:00.000001','0000-00-00 00:00:00','2025-03-30 01:30:00',2000,'"x"',0`;
  const job = jobOf('sync-every-type', 'every_type');

  test('is copied byte for byte, and not written again when it has not changed', async () => {
    for (const session of [world.source, world.main]) await session.write(create);
    const nulls = names.map(() => 'NULL').join(',');
    const rows = [lowest, highest, odd, nulls, odd.replace(',0.1,0.1,', ',1.17549435e-38,5e-324,')];
    for (const [index, row] of rows.entries())
      await world.source.write(
        `INSERT INTO every_type (id, ${names.join(',')}, update_time) VALUES (${index},${row},'${at(`09:00:0${index}`)}')`,
      );
    expect(await sync(job, '10:00:00')).toMatchObject({ outcome: 'done', inserted: rows.length });
    for (const name of names) {
      const [count] = await world.main.tuples(
        `SELECT COUNT(*) FROM every_type t JOIN ${world.source.database}.every_type s USING (id) WHERE s.${name} <=> t.${name} AND HEX(s.${name}) <=> HEX(t.${name})`,
      );
      expect(count, name).toEqual([String(rows.length)]);
    }
    const sums = await world.main.tuples(`CHECKSUM TABLE ${world.source.database}.every_type, every_type`);
    expect(sums[0]?.[1]).toBe(sums[1]?.[1]);
    const sent: string[] = [];
    const openTarget = async (one: Job) =>
      intercepted(await world.setting().openTarget(one), (sql) => void sent.push(sql));
    const again = await sync(job, '10:00:00', range('09:00:00', '09:00:05'), { openTarget });
    expect(again).toMatchObject({ read: rows.length, unchanged: rows.length });
    expect(sent.filter((sql) => /^(INSERT|UPDATE|REPLACE|DELETE).*every_type/s.test(sql))).toEqual([]);
  });
});

describe('the time column', () => {
  test('one second with rows for several transactions is one window, also when the run dies between them', async () => {
    await world.source.write(
      `INSERT INTO user_extension SELECT seq, seq, 0, NULL, '', 0, NULL, IF(seq % 50 = 0, '${at('09:00:01')}', '${at('09:00:00')}') FROM seq_1_to_5000`,
    );
    let commits = 0;
    const dies = (step: string) => {
      if (step === 'committed' && ++commits === 2) throw new Error('killed');
    };
    expect(await sync(users, '10:00:00', {}, { windowRows: 3, onStep: dies })).toMatchObject({ outcome: 'failed' });
    expect(Number((await world.main.tuples('SELECT COUNT(*) FROM user_extension'))[0]?.[0])).toBe(4000);
    expect(await world.all(world.main, 'tidemark_window')).toEqual([]);
    expect((await sync(users, '10:00:00', {}, { windowRows: 3 })).error).toBeNull();
    expect(await target()).toEqual(await source());
    const windows = await world.main.tuples(
      'SELECT window_start, rows_read, unchanged FROM tidemark_window ORDER BY 1',
    );
    expect(windows[0]).toEqual([at('09:00:00'), '4900', '4000']);
    expect(windows.reduce((sum, [, read]) => sum + Number(read), 0)).toBe(5000);
  });

  test('may be a TIMESTAMP, beside a key of text', async () => {
    const create =
      'CREATE TABLE tags (name VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY, n INT, changed TIMESTAMP NULL, KEY (changed, name)) CHARSET utf8mb4';
    for (const session of [world.source, world.main]) await session.write(create);
    const job = jobOf('sync-tags', 'tags', 'changed', 'name');
    const names = ["O'Neil", 'back\\slash', 'nul\0', '📞', 'a', 'A', 'ä', '', '10', '9'];
    for (const [index, name] of names.entries()) // 01:00 UTC is 09:00 here
      await world.source.write(`INSERT INTO tags VALUES (?, ?, '2025-03-04 01:00:0${index < 5 ? 0 : 1}')`, [
        name,
        index,
      ]);
    const first = await sync(job, '10:00:00', {}, { windowRows: 2 });
    expect(first).toMatchObject({ outcome: 'done', inserted: 10, from: instant('09:00:00') });
    await world.source.write(`UPDATE tags SET n = n + 100, changed = '2025-03-04 02:30:00' WHERE n < 8`);
    expect(await sync(job, '11:00:00')).toMatchObject({ read: 8, updated: 8 });
    expect(await world.all(world.main, 'tags')).toEqual(await world.all(world.source, 'tags'));
    expect(await sync(job, '11:00:00', range('09:00:01', '09:00:02'))).toMatchObject({ read: 2, unchanged: 2 });
  });

  test.each(['sweep', 'full'] as const)('--%s applies what an application clock stamped in the past', async (kind) => {
    await addUsers(world.source, [1, 10, '09:00:00'], [2, 20, '09:30:00']);
    await sync(users, '12:00:00');
    await addUsers(world.source, [3, 30, '10:00:00']);
    await touch('user_id = 21', 'id = 2', '09:10:00');
    expect(await sync(users, '13:00:00')).toMatchObject({ read: 0 });
    expect(await sync(users, '13:00:00', { kind })).toMatchObject({ outcome: 'done', inserted: 1, updated: 1 });
    expect(await target()).toEqual(await source());
  });

  test('a stamp of the future does not move the checkpoint, and is taken when its time has come', async () => {
    await addUsers(world.source, [1, 10, '09:00:00'], [2, 20, '12:00:03']);
    const early = await sync(users, '12:00:00');
    expect(early).toMatchObject({ read: 1, inserted: 1 });
    expect(early.checkpoint).toBeLessThan(instant('12:00:00'));
    expect(await sync(users, '12:01:00')).toMatchObject({ read: 1, inserted: 1 });
    expect(await target()).toEqual(await source());
  });

  test('an empty table has a first run, and empty time is one window that grows', async () => {
    for (const time of ['10:00:00', '10:10:00', '10:20:00'])
      expect(await sync(users, time)).toMatchObject({ read: 0, error: null });
    expect(await world.main.tuples('SELECT COUNT(*) FROM tidemark_window')).toEqual([['1']]);
    await addUsers(world.source, [1, 10, '10:30:00']);
    expect(await sync(users, '11:00:00')).toMatchObject({ outcome: 'done', inserted: 1 });
    const { checkpoint } = await sync(users, '11:30:00');
    const proof = await proveTiling(world.main, { job: users.name, shard: '' }, checkpoint, world.zone);
    expect(proof).toEqual({ checked: 3, journalEnd: checkpoint, gaps: [], overlaps: [], disagreement: null });
  });
});

describe('a row of which the target has a younger version than the one in hand', () => {
  const logs = (session: Session) => world.all(session, 'plus_commission_log');
  const commission = (user: string, amount: number, updated: string) => {
    return { id: 1, user, amount, created: at('08:00:00'), updated: at(updated) };
  };
  const lag = { settleLagMs: 1000 };
  const both = async () => {
    for (const shard of ['2', '1']) await world.runShard('sync-commission-log', shard, {}, lag);
  };
  beforeEach(async () => {
    for (const shard of ['1', '2']) {
      await world.source.write(`DELETE FROM plus_commission_log_${shard}`);
      await world.forgetRedis('sync-commission-log', shard);
    }
    await world.main.write('DELETE FROM plus_commission_log');
  });

  test('is left alone when the row has moved to another shard since it was read', async () => {
    await world.addCommission(commission('1001', 1, '09:00:00'));
    let moved = false;
    const openTarget = async (job: Job) =>
      intercepted(await world.setting().openTarget(job), async (sql) => {
        if (moved || !/FROM `plus_commission_log`.*FOR UPDATE/s.test(sql)) return;
        moved = true;
        await world.source.write('DELETE FROM plus_commission_log_1');
        await world.addCommission(commission('1002', 2, '09:30:00'));
        expect(await world.runShard('sync-commission-log', '2', {}, lag)).toMatchObject({ inserted: 1 });
      });
    expect((await world.runShard('sync-commission-log', '1', {}, { ...lag, openTarget })).error).toBeNull();
    expect(await logs(world.main)).toEqual(await world.allShards());
  });

  test('is left alone when both shards still hold the row, and the old one loses it later', async () => {
    await world.addCommission(commission('1001', 1, '09:00:00'), commission('1002', 2, '09:30:00'));
    await both();
    await world.source.write('DELETE FROM plus_commission_log_1');
    await both();
    expect(await logs(world.main)).toEqual(await world.allShards());
  });
});
