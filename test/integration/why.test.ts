import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectComplaint, json, openSession } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

interface Story {
  shard: string | null;
  state: string;
  says: string;
  next: string | null;
  runId: string | null;
  window: object | null;
  heldBackBy: { thread: number } | null;
}

describe('why', () => {
  let world: World;
  const why = async (table: string, id: number, code = 0) =>
    json<Story>(await world.cli(['why', table, String(id), '--json']), code);

  beforeAll(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission(
      { id: 1, user: 1003 },
      { id: 2, user: 1003 },
      { id: 3, user: 1004, updated: null },
      { id: 21, user: 1007 },
    );
    await addExtensions(world.source, { id: 1, user: 10 });
    await world.run('sync-commission-log');
    await world.run('sync-user-extension');
  });
  afterAll(() => world.destroy());

  test('names window, shard, run and time of a row that was carried, by the table of either side', async () => {
    const [run] = await world.main.tuples(`SELECT run_id FROM tidemark_run WHERE shard = '3'`);
    for (const table of ['plus_commission_log', 'plus_commission_log_3'])
      expect(await why(table, 1)).toMatchObject({
        state: 'carried',
        shard: '3',
        runId: run?.[0],
        window: { from: '2026-11-18T10:00:00+08:00' },
      });
    const told = await world.cli(['why', 'plus_commission_log', '1']);
    expect(told.stdout).toMatch(
      /plus_commission_log 1 \(version of 2026-11-18 10:00:00\), sync-commission-log 3: was carried/,
    );
  });

  test('says that a row waits for the next run, and for which watermark', async () => {
    await world.source.write(`UPDATE plus_commission_log_3 SET update_time = NOW() + INTERVAL 10 HOUR WHERE id = 2`);
    const story = await why('plus_commission_log', 2);
    expect(story).toMatchObject({ state: 'waiting', next: 'tidemark status sync-commission-log' });
    expect(story.says).toMatch(/waits for the watermark to pass it, which is at 20/);
  });

  test('names the thread whose transaction keeps a row', async () => {
    const writer = await openSession(world.settings.SOURCE_DATABASE_URL as string);
    await writer.write('START TRANSACTION');
    await writer.write('UPDATE plus_commission_log_3 SET amount = 7 WHERE id = 1');
    const story = await why('plus_commission_log', 1);
    expect(story).toMatchObject({
      state: 'in-flight',
      says: expect.stringContaining(`thread ${writer.facts.connectionId} `),
    });
    await writer.write('ROLLBACK');
    await writer.close();
  });

  test('shows the dead letter of a row that was refused', async () => {
    await world.main.write('UPDATE user_extension SET id = 99 WHERE id = 1');
    await world.source.write(
      `UPDATE user_extension SET nickname = 'b', update_time = '2026-11-18 11:00:00' WHERE id = 1`,
    );
    expect((await world.cli(['run', 'sync-user-extension', '--full'])).code).toBe(65);
    expect(await why('user_extension', 1, 65)).toMatchObject({
      state: 'dead-letter',
      next: expect.stringMatching(/^tidemark dead-letters show \d+$/),
    });
  });

  test('tells of a row that was refused once, and repaired, or given up', async () => {
    const [letter] = await world.main.tuples("SELECT id FROM tidemark_dead_letter WHERE state = 'open'");
    const discard = ['dead-letters', 'discard', String(letter?.[0]), '--reason', 'twice there', '--yes'];
    expect((await world.cli(discard)).code).toBe(0);
    expect(await why('user_extension', 1, 65)).toMatchObject({
      state: 'dead-letter',
      says: expect.stringMatching(/^is a dead letter that was given up: .*twice there/),
    });
    await world.main.write("UPDATE tidemark_dead_letter SET state = 'open', resolution = NULL");
    await world.main.write('UPDATE user_extension SET id = 1 WHERE id = 99');
    expect((await world.cli(['run', 'sync-user-extension', '--repair'])).code).toBe(0);
    expect(await why('user_extension', 1)).toMatchObject({
      state: 'carried',
      says: expect.stringMatching(/^was refused \(.*\), and then applied by run /),
    });
  });

  test('finds a row that should be in the copy, or is another there, or is gone from the source', async () => {
    const mend = 'tidemark verify sync-commission-log --data --fix';
    await world.main.write(`UPDATE plus_commission_log SET update_time = '2026-11-18 09:00:00' WHERE id = 1`);
    expect(await why('plus_commission_log', 1, 65)).toMatchObject({ state: 'differs', next: mend });
    await world.main.write('DELETE FROM plus_commission_log WHERE id = 1');
    expect(await why('plus_commission_log', 1, 65)).toMatchObject({
      says: expect.stringContaining('lacks it'),
      next: mend,
    });
    await world.source.write('DELETE FROM plus_commission_log_4 WHERE id = 3');
    expect(await why('plus_commission_log', 3, 65)).toMatchObject({ state: 'gone', next: mend });
  });

  test('says that a row without a time is in no window', async () => {
    await world.source.write('UPDATE user_extension SET update_time = NULL WHERE id = 1').catch(() => undefined);
    await world.main.write('DELETE FROM tidemark_dead_letter');
    expect(await why('user_extension', 1, 65)).toMatchObject({ state: 'timeless' });
  });

  test('finds a row that the named shard lacks where it is, and reads times to the second', async () => {
    expect(await why('plus_commission_log_3', 21)).toMatchObject({ state: 'carried', shard: '7' });
    await world.source.write('ALTER TABLE plus_commission_log_7 MODIFY update_time DATETIME(3)');
    await world.source.write(`UPDATE plus_commission_log_7 SET update_time = '2026-11-18 10:00:00.9' WHERE id = 21`);
    expect(await why('plus_commission_log', 21)).toMatchObject({ state: 'carried' });
  });

  test.each([
    [['orders', '1'], 'no job carries the table orders'],
    [['plus_commission_log', '4711'], 'there is no row 4711'],
    [['plus_commission_log', 'one'], 'one is no id of plus_commission_log_0'],
  ])('refuses %j with the reason', async (args, reason) => {
    expectComplaint(await world.cli(['why', ...args]), 64, reason);
  });
});
