import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { Source } from '../../src/engine/source.ts';
import { provenEnd } from '../../src/engine/watermark.ts';
import { Session } from '../../src/platform/mysql.ts';
import { needTable } from '../../src/platform/table.ts';
import { intercepted } from '../support/intercept.ts';
import { World, writtenTables } from '../support/world.ts';

const shard = '1';
const table = 'plus_commission_log_1';

describe('a row version in flight', () => {
  let world: World;
  let first: Session;
  let second: Session;

  const connect = () =>
    Session.open({
      url: world.settings.SOURCE_DATABASE_URL as string,
      label: 'source',
      setting: '-',
      stallTimeoutMs: 600_000,
    });
  const sync = (more = {}) => world.runShard('sync-commission-log', shard, {}, more);
  const inTotal = async () =>
    (await world.main.tuples('SELECT amount, update_time FROM plus_commission_log WHERE id = 1'))[0];
  const stamp = (session: Session, amount: number, time: string) =>
    session.write(`UPDATE ${table} SET amount = ${amount}, update_time = ${time} WHERE id = 1`);

  beforeAll(async () => {
    world = await World.create(inject('servers'));
    [first, second] = await Promise.all([connect(), connect()]);
  });
  afterAll(async () => {
    await Promise.all([first.close(), second.close()]);
    await world.destroy();
  });
  beforeEach(async () => {
    await Promise.all([first.write('ROLLBACK'), second.write('ROLLBACK')]);
    await world.source.write(`DELETE FROM ${table}`);
    for (const table of writtenTables) await world.main.write(`DELETE FROM ${table}`);
    await world.forgetRedis('sync-commission-log', shard);
    await world.addCommission(
      { id: 1, amount: 1, created: '2026-11-18 09:00:00' },
      { id: 2, created: '2026-11-18 12:00:00' },
    );
  });

  test('ends the window before its second, and is taken when it is committed', async () => {
    await first.write('START TRANSACTION');
    await stamp(first, 10, "'2026-11-18 10:00:00'");
    const held = await sync();
    expect(held).toMatchObject({ windows: 1, to: world.zone.parse('2026-11-18T10:00:00') });
    expect(await sync()).toMatchObject({ outcome: 'held-back', windows: 0 });
    await first.write('COMMIT');
    expect(await sync()).toMatchObject({ outcome: 'done', windows: 1, read: 2 });
    expect(await inTotal()).toEqual(['10', '2026-11-18 10:00:00']);
  });

  test('does not hold the window back when it is rolled back', async () => {
    await first.write('START TRANSACTION');
    await stamp(first, 10, "'2026-11-18 10:00:00'");
    await sync();
    await first.write('ROLLBACK');
    expect(await sync()).toMatchObject({ outcome: 'done', windows: 1 });
    expect(await inTotal()).toEqual(['1', '2026-11-18 09:00:00']);
  });

  test('that is the only row of the table holds the first run at its second', async () => {
    await world.source.write(`DELETE FROM ${table}`);
    await first.write('START TRANSACTION');
    await first.write(
      `INSERT INTO ${table} VALUES (7, 1001, 'SN', 5, 1, 1, NULL, '2026-11-18 10:00:00', '2026-11-18 10:00:00')`,
    );
    await sync();
    await first.write('COMMIT');
    await sync();
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.all(world.source, table));
  });

  test('is not missed when it commits, and another transaction covers it and is rolled back, at any instant of the run', async () => {
    let sent = Number.POSITIVE_INFINITY;
    for (let instant = 1; instant <= sent; instant++) {
      await world.main.write('DELETE FROM tidemark_checkpoint');
      await world.main.write('DELETE FROM tidemark_window');
      await world.forgetRedis('sync-commission-log', shard);
      await stamp(world.source, 1, "'2026-11-18 09:00:00'");
      await first.write('START TRANSACTION');
      await stamp(first, 10, "'2026-11-18 10:00:00'");
      let count = 0;
      const switchOver = async () => {
        count += 1;
        if (count !== instant) return;
        await first.write('COMMIT');
        await second.write('START TRANSACTION');
        await stamp(second, 20, 'NOW()');
      };
      const result = await sync({
        openSource: async () => intercepted(await world.setting().openSource(), switchOver),
      });
      sent = count;
      expect(result.error).toBeNull();
      await first.write('COMMIT');
      await second.write('ROLLBACK');
      await sync();
      expect(await inTotal(), `at statement ${instant}`).toEqual(['10', '2026-11-18 10:00:00']);
    }
    expect(sent).toBeGreaterThan(10);
  });

  test('is found although other rows get later times while the window is read', async () => {
    const many = 4000;
    const values = Array.from(
      { length: many },
      (_, index) => `(${index + 10},1001,'SN',0,1,1,NULL,'2026-11-18 00:00:00','2026-11-18 09:30:00')`,
    );
    await world.source.write(`INSERT INTO ${table} VALUES ${values.join(',')}`);
    await first.write('START TRANSACTION');
    await stamp(first, 10, "'2026-11-18 10:00:00'");
    const inFlight = world.zone.parse('2026-11-18T10:00:00') as number;
    const window = { start: world.zone.parse('2026-11-18T00:00:00') as number, end: inFlight + 3_600_000 };
    const source = new Source(
      await needTable(world.source, 'source', table, '-'),
      { time: 'update_time', key: 'id' },
      world.zone,
    );
    for (let round = 0; round < 40; round++) {
      await second.write('START TRANSACTION');
      const moving = second.write(`UPDATE ${table} SET update_time = '2026-11-18 12:00:00' WHERE id >= 10`);
      const { end } = await provenEnd(source, window, world.source, world.zone);
      await moving;
      await second.write('ROLLBACK');
      expect(end).toBeLessThanOrEqual(inFlight);
    }
  });
});
