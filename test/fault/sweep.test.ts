import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { OvertakenError } from '../../src/engine/checkpoint.ts';
import { intercepted } from '../support/intercept.ts';
import { World, writtenTables } from '../support/world.ts';

const job = 'sync-commission-log';
const shard = '1';
const table = 'plus_commission_log_1';

describe('a sweep', () => {
  let world: World;
  const run = (kind: 'windows' | 'sweep' = 'windows', more = {}) =>
    world.runShard(job, shard, { kind }, { windowRows: 3, ...more });
  const digests = () =>
    world.main.tuples(
      'SELECT window_start, source_rows, CAST(source_sum AS CHAR) FROM tidemark_window ORDER BY window_start',
    );
  const expectCopied = async () =>
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.all(world.source, table));
  /** Minutes ago, on a whole minute of an hour ago: times that a sweep of the last day reaches. */
  const at = (minute: number) =>
    `(SELECT DATE_FORMAT(NOW() + INTERVAL 7 HOUR, '%Y-%m-%d %H:00:00') + INTERVAL ${minute} MINUTE)`;
  const add = (id: number, amount: number, minute: number) =>
    world.source.write(
      `INSERT INTO ${table} SELECT ${id}, 1001, 'SN', ${amount}, 1, 1, NULL, t, t FROM (SELECT ${at(minute)} t) t`,
    );

  beforeAll(async () => {
    world = await World.create(inject('servers'));
  });
  afterAll(() => world.destroy());
  beforeEach(async () => {
    await world.source.write(`DELETE FROM ${table}`);
    for (const name of writtenTables) await world.main.write(`DELETE FROM ${name}`);
    await world.forgetRedis(job, shard);
    for (const [id, amount, minute] of [
      [1, 100, 1],
      [2, 200, 2],
      [3, 300, 3],
      [4, 400, 4],
      [5, 500, 5],
    ] as const)
      await add(id, amount, minute);
    expect((await run()).error).toBeNull();
  });

  test('finds count and sum of every closed window in the journal', async () => {
    expect((await digests()).map(([, rows, sum]) => [rows, sum])).toEqual([
      ['3', '600'],
      ['2', '900'],
    ]);
  });

  test('reads no row again where the closed windows hold what they held', async () => {
    expect(await run('sweep')).toMatchObject({ outcome: 'done', windows: 0, read: 0, findings: [] });
  });

  test('applies a row that an application stamped in the past, and says in which window', async () => {
    await add(6, 600, 2);
    const before = (await world.main.tuples('SELECT COUNT(*) FROM commission_change'))[0]?.[0];
    const swept = await run('sweep');
    expect(swept).toMatchObject({ windows: 1, read: 4, inserted: 1, updated: 0, unchanged: 3 });
    expect(swept.findings).toEqual([
      expect.objectContaining({
        was: '3 rows with the sum 600',
        is: '4 rows with the sum 1200: 1 rows were missing, 0 were others',
      }),
    ]);
    await expectCopied();
    const after = (await world.main.tuples('SELECT COUNT(*) FROM commission_change'))[0]?.[0];
    expect(Number(after)).toBeGreaterThan(Number(before));
    expect(await run('sweep')).toMatchObject({ windows: 0, findings: [] });
  });

  test('takes a row that was written again since for no finding', async () => {
    await world.source.write(`UPDATE ${table} SET amount = 7, update_time = NOW() + INTERVAL 8 HOUR WHERE id = 2`);
    expect(await run('sweep')).toMatchObject({ windows: 1, inserted: 0, updated: 0, findings: [] });
    expect((await digests())[0]?.slice(1)).toEqual(['2', '400']);
  });

  test('does not put an older version, of a shard that a row has left behind, over a younger one', async () => {
    const other = 'plus_commission_log_2';
    await world.source.write(`DELETE FROM ${other}`);
    await world.forgetRedis(job, '2');
    await world.source.write(`INSERT INTO ${other} SELECT * FROM ${table} WHERE id = 1`);
    await world.source.write(`UPDATE ${other} SET user_id = 1002, amount = 777, update_time = ${at(9)} WHERE id = 1`);
    expect((await world.runShard(job, '2')).error).toBeNull();
    await world.source.write(`UPDATE ${table} SET amount = 7, update_time = NOW() + INTERVAL 8 HOUR WHERE id = 2`);
    expect(await run('sweep')).toMatchObject({ windows: 1, updated: 0, findings: [] });
    expect(await world.main.tuples('SELECT amount FROM plus_commission_log WHERE id = 1')).toEqual([['777']]);
    await world.source.write(`DELETE FROM ${other}`);
  });

  test('finds a row that came behind the first part of a window, between its parts', async () => {
    await world.source.write(
      `INSERT INTO ${table} SELECT seq * 10, 1001, 'SN', 1, 1, 1, NULL, t, t FROM seq_1_to_4500, (SELECT NOW() + INTERVAL 8 HOUR t) t`,
    );
    const isSettled = `SELECT MAX(update_time) < NOW() + INTERVAL 28797 SECOND FROM ${table}`;
    await expect.poll(async () => world.source.tuples(isSettled), { timeout: 20_000 }).toEqual([[1]]);
    let isLate = false;
    const onStep = async (step: string) => {
      const [[rows] = []] =
        step === 'committed' ? await world.main.tuples('SELECT COUNT(*) FROM plus_commission_log') : [];
      if (isLate || rows !== '2005') return;
      isLate = true;
      await world.source.write(
        `INSERT INTO ${table} SELECT 15, user_id, order_sn, 9, 1, 1, NULL, create_time, update_time FROM ${table} WHERE id = 10`,
      );
    };
    expect((await run('windows', { windowRows: 2000, onStep })).error).toBeNull();
    expect(isLate).toBe(true);
    expect(await run('sweep', { windowRows: 2000 })).toMatchObject({ inserted: 1, findings: [expect.anything()] });
    await expectCopied();
  });

  test('that is a dry run finds, and changes nothing', async () => {
    await add(6, 600, 2);
    const before = [await digests(), await world.all(world.main, 'plus_commission_log')];
    const swept = await world.runShard(job, shard, { kind: 'sweep', dryRun: true }, { windowRows: 3 });
    expect(swept.findings).toHaveLength(1);
    expect([await digests(), await world.all(world.main, 'plus_commission_log')]).toEqual(before);
  });

  test('finds a row that comes between its two looks at a window the next time, if not at once', async () => {
    await add(6, 600, 2);
    let late = false;
    const setting = world.setting();
    const swept = await run('sweep', {
      openSource: async () =>
        intercepted(await setting.openSource(), async (sql) => {
          if (late || !sql.startsWith('START TRANSACTION')) return;
          late = true;
          await add(7, 700, 3);
        }),
    });
    expect(swept.error).toBeNull();
    await run('sweep');
    await expectCopied();
    expect(await run('sweep')).toMatchObject({ windows: 0 });
  });
});

describe('a source whose clock', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission({ id: 1, user: 1001, created: '2026-11-18 10:00:00' });
  });
  afterAll(() => world.destroy());
  const runAt = (seconds: number, kind: 'windows' | 'sweep' = 'windows', more = {}) => {
    const setting = world.setting();
    const openSource = async () => {
      const session = await setting.openSource();
      await session.write(`SET SESSION timestamp = UNIX_TIMESTAMP() + ${seconds}`);
      return session;
    };
    return world.runShard(job, shard, { kind }, { openSource, ...more });
  };

  test('goes on is no matter', async () => {
    expect((await runAt(0)).error).toBeNull();
    expect((await runAt(60)).error).toBeNull();
  });

  test('has stepped back halts the job, saying until when and what to do', async () => {
    const { error, outcome } = await runAt(-30);
    expect(outcome).toBe('failed');
    expect(String(error)).toMatch(/clock of the source says .* rows may now be stamped behind the checkpoint/);
    expect((error as { next: string }).next).toContain('tidemark run sync-commission-log 1 --sweep');
  });

  test('has stepped back does not keep a sweep from looking', async () => {
    expect(await runAt(-30, 'sweep')).toMatchObject({ outcome: 'done', error: null });
  });

  test('is not blamed for a run that was paused, cut off and overtaken', async () => {
    const setting = world.setting();
    let isOvertaken = false;
    const openTarget: typeof setting.openTarget = async (of) => {
      const session = await setting.openTarget(of);
      return intercepted(session, async (sql) => {
        if (isOvertaken || !sql.startsWith('SELECT source_now')) return;
        isOvertaken = true;
        await world.main.write(`KILL ${session.facts.connectionId}`);
        expect((await runAt(70)).error).toBeNull();
      });
    };
    expect((await runAt(61, 'windows', { openTarget })).error).toBeInstanceOf(OvertakenError);
    expect(isOvertaken).toBe(true);
  });

  test('has caught up is trusted again', async () => {
    expect((await runAt(71)).error).toBeNull();
  });
});
