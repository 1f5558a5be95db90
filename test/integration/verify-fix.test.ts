/** `tidemark verify --data --fix`: the target becomes what the source holds, income with it, whatever comes between. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import type { Compared, Difference } from '../../src/engine/compared.ts';
import { compareJob } from '../../src/engine/comparison.ts';
import { fixShard } from '../../src/engine/fix.ts';
import type { TableJob } from '../../src/engine/job.ts';
import type { Setting } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { expectComplaint, expectCopied, json } from '../support/cli-tools.ts';
import { intercepted } from '../support/intercept.ts';
import { World } from '../support/world.ts';

const sync = 'sync-commission-log';
const job = jobs.find(({ name }) => name === sync) as TableJob;

let world: World;
beforeEach(async () => {
  world = await World.create(inject('servers'));
  await world.addCommission(
    ...Array.from({ length: 40 }, (_, index) => ({
      id: index + 1,
      user: 1000 + index,
      amount: 100 + index,
      created: `2026-11-18 1${index % 2}:00:00`,
    })),
  );
  await world.run(sync);
  await world.run('rollup-income');
});
afterEach(() => world.destroy());

const everyShard = Array.from({ length: 10 }, (_, shard) => `SELECT * FROM plus_commission_log_${shard}`).join(
  ' UNION ALL ',
);
const touch = (sql: string) => world.main.write(sql);
const source = (sql: string) => world.source.write(sql);
const fixByCli = async (code = 0) =>
  json<{ data: (Compared & { fixed: Record<string, number> })[] }>(
    await world.cli(['verify', sync, '--data', '--fix', '--yes', '--json']),
    code,
  ).data[0];

/** Source and target are equal, and so is income after its next run. */
async function expectRight(): Promise<void> {
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  await world.run('rollup-income');
  expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
  expect((await compareJob(job, world.setting())).differences).toEqual([]);
}

/** Rows changed and deleted by hand in the target, deleted in the source, and moved without a new time. */
async function damage(): Promise<void> {
  await touch('UPDATE plus_commission_log SET amount = 7, update_time = NOW() WHERE id IN (2, 3)');
  await touch('UPDATE plus_commission_log SET user_id = 1009, update_time = NOW() + INTERVAL 1 DAY WHERE id = 4');
  await touch('DELETE FROM plus_commission_log WHERE id IN (5, 15, 25)');
  await source('DELETE FROM plus_commission_log_5 WHERE id IN (6, 16)');
  await source('INSERT INTO plus_commission_log_8 SELECT * FROM plus_commission_log_7 WHERE id = 8');
  await source('UPDATE plus_commission_log_8 SET user_id = 1008 WHERE id = 8');
  await source('DELETE FROM plus_commission_log_7 WHERE id = 8');
}

test('changed, deleted and moved rows come right in both, and income follows', async () => {
  await damage();
  const fixed = await fixByCli();
  expect(fixed?.differences).toHaveLength(9);
  expect(fixed?.fixed).toMatchObject({ inserted: 3, updated: 4, deleted: 2, deadLetters: 0 });
  expect(fixed).toMatchObject({ left: [] });
  await expectRight();
});

test('what was done is in the history of runs, and the checkpoints stay', async () => {
  const before = await world.all(world.main, 'tidemark_checkpoint');
  await touch('DELETE FROM plus_commission_log WHERE id = 5');
  await fixByCli();
  expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual(before);
  expect(await world.main.tuples(`SELECT shard, outcome, inserted FROM tidemark_run WHERE kind = 'fix'`)).toEqual([
    ['4', 'done', '1'],
  ]);
});

test('a row that the target refuses becomes a dead letter, and the others are fixed: 65', async () => {
  await touch('DELETE FROM plus_commission_log WHERE id IN (5, 15)');
  await touch('ALTER TABLE plus_commission_log ADD CHECK (id <> 15)');
  expect((await fixByCli(65))?.fixed).toMatchObject({ inserted: 1, deadLetters: 1 });
});

test('rows of a shard that is no longer declared are not deleted', async () => {
  await touch(
    `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('${sync}', '12', NOW(), 'x', NOW())`,
  );
  await touch(
    'INSERT INTO plus_commission_log SELECT 77, 1012, order_sn, amount, type, status, remark, create_time, update_time FROM plus_commission_log WHERE id = 1',
  );
  const result = await world.cli(['verify', sync, '--data', '--fix', '--yes']);
  expect(result.code, result.stderr).toBe(78);
  expect(result.stderr).toContain('does not declare: 12');
  expect(await world.main.tuples('SELECT id FROM plus_commission_log WHERE id = 77')).toHaveLength(1);
});

test('--fix of user_extension deletes what is gone', async () => {
  await source(
    "INSERT INTO user_extension SELECT seq, seq, 1, NULL, 'a', 1, '2026-11-18 10:00:00', '2026-11-18 10:00:00' FROM seq_1_to_2",
  );
  await world.run('sync-user-extension');
  await source('DELETE FROM user_extension WHERE id = 1');
  const result = await world.cli(['verify', 'sync-user-extension', '--data', '--fix', '--yes']);
  expect(result.code, result.stderr).toBe(0);
  await expectCopied(world);
});

test('--fix of income puts cells right', async () => {
  await touch('UPDATE user_income_hour SET amount = 7 WHERE user_id = 1001');
  const result = await world.cli(['verify', 'rollup-income', '--data', '--fix', '--yes']);
  expect(result.code, result.stderr).toBe(0);
  expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
});

describe('while the differences are applied', () => {
  const noSleep = () => ({ now: world.setting().clock.now, sleep: async () => undefined });

  /** What was written last needs a second or two until its window closes. */
  const syncUntilEqual = async () => {
    do await world.run(sync);
    while ((await compareJob(job, world.setting())).waiting > 0);
  };

  /** Compares, lets `meanwhile` happen, and applies what was found. */
  async function fix(meanwhile: () => Promise<void>, more: Partial<Setting> = {}): Promise<void> {
    const { differences } = await compareJob(job, world.setting());
    await meanwhile();
    await apply(differences, more);
  }

  async function apply(differences: readonly Difference[], more: Partial<Setting> = {}): Promise<void> {
    for (const shard of job.shards) {
      const share = differences.filter((one) => (one.shard ?? '0') === shard);
      if (share.length === 0) continue;
      const setting = world.setting(more);
      await fixShard(job, shard, share, crypto.randomUUID(), setting).finally(() => setting.copies.close());
    }
  }

  test('rows that were written since in the source are left to their window', async () => {
    await damage();
    await fix(async () => {
      await source('UPDATE plus_commission_log_1 SET amount = 55, update_time = NOW() + INTERVAL 8 HOUR WHERE id = 2');
      await source('UPDATE plus_commission_log_4 SET amount = 66, update_time = NOW() + INTERVAL 8 HOUR WHERE id = 5');
    });
    expect(await world.main.tuples('SELECT amount FROM plus_commission_log WHERE id = 2')).toEqual([['7']]);
    await syncUntilEqual();
    await expectRight();
  });

  test('a row that has come to life again is not deleted', async () => {
    const [row] = await world.source.tuples('SELECT * FROM plus_commission_log_5 WHERE id = 6');
    await source('DELETE FROM plus_commission_log_5 WHERE id = 6');
    await fix(async () => {
      await world.source.write('INSERT INTO plus_commission_log_6 VALUES (?)', [row as string[]]);
    });
    expect(await world.main.tuples('SELECT id FROM plus_commission_log WHERE id = 6')).toHaveLength(1);
  });

  test('a younger version that another shard brings meanwhile stays', async () => {
    await touch('DELETE FROM plus_commission_log WHERE id = 5');
    await touch("INSERT INTO commission_change (user_id, hour) VALUES (1004, '2026-11-18 10:00:00')"); // as whoever deletes should
    const { differences } = await compareJob(job, world.setting());
    let brought = false;
    // Shard 8 gets a younger copy and its window is applied just before shard 4 reads its own older one.
    const setting = world.setting();
    const openSource = async () =>
      intercepted(await setting.openSource(), async (sql) => {
        if (brought || !sql.startsWith('SELECT IFNULL(`update_time`')) return;
        brought = true;
        await source('INSERT INTO plus_commission_log_8 SELECT * FROM plus_commission_log_4 WHERE id = 5');
        await source(
          "UPDATE plus_commission_log_8 SET user_id = 1008, amount = 1, update_time = '2026-11-18 12:00:00' WHERE id = 5",
        );
        const [from, to] = ['2026-11-18T12:00:00', '2026-11-18T12:00:01'].map(
          (text) => world.zone.parse(text) as number,
        );
        const range = { start: from as number, end: to as number };
        expect((await world.runShard(sync, '8', { kind: 'range', range })).error).toBeNull();
      });
    await apply(differences, { openSource });
    expect(brought).toBe(true);
    expect(await world.main.tuples('SELECT user_id, amount FROM plus_commission_log WHERE id = 5')).toEqual([
      ['1008', '1'],
    ]);
    await source('DELETE FROM plus_commission_log_4 WHERE id = 5');
    await expectRight();
  });

  test('live writers: what the source holds arrives, and no younger version is lost', async () => {
    const endAt = Date.now() + 4000;
    const writing = [1, 2, 3].map((lane) => writeLive(lane, endAt));
    const syncing = (async () => {
      while (Date.now() < endAt) await world.run(sync);
    })();
    let found = 0;
    while (Date.now() < endAt) {
      await touch('UPDATE plus_commission_log SET amount = -1 WHERE id % 4 = 1 ORDER BY RAND() LIMIT 3');
      await touch('DELETE FROM plus_commission_log WHERE id % 4 = 2 ORDER BY RAND() LIMIT 2');
      const { differences } = await compareJob(job, world.setting());
      found += differences.length;
      await apply(differences);
    }
    await Promise.all([...writing, syncing]);
    expect(found).toBeGreaterThan(10);
    await syncUntilEqual();
    const { differences } = await compareJob(job, world.setting());
    // By hand, in its last round, or deleted in the source while a window that held it was applied.
    const all = await world.main.tuples('SELECT id FROM plus_commission_log WHERE amount = -1');
    const byHand = new Set(all.map(([id]) => String(id)));
    const unexplained = differences.filter(({ kind, key }) =>
      kind === 'different' ? !byHand.has(key) : kind === 'missing in target' && Number(key) % 4 !== 2,
    );
    expect(unexplained).toEqual([]);
    await apply(differences);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  });

  /** Updates, moves, deletes and inserts rows of its own, stamped when the statement runs and committed a little later. */
  async function writeLive(lane: number, endAt: number): Promise<void> {
    const session = await world.setting().openSource();
    const now = 'NOW() + INTERVAL 8 HOUR'; // the session is in UTC
    let shard = lane;
    for (let round = 0; Date.now() < endAt; round++) {
      const id = lane + 4 * (round % 10);
      const next = (shard + 1) % 10;
      await session.write('START TRANSACTION');
      const [row] = await session.tuples(`SELECT user_id % 10 FROM (${everyShard}) l WHERE id = ${id}`);
      if (row === undefined) {
        await session.write(
          `INSERT INTO plus_commission_log_${shard} VALUES (${id}, 100${shard}, 'SN', ${round}, 1, 1, NULL, '2026-11-18 10:00:00', ${now})`,
        );
      } else {
        const table = `plus_commission_log_${row[0]}`;
        if (round % 3 === 0) await session.write(`DELETE FROM ${table} WHERE id = ${id}`);
        else {
          await session.write(
            `UPDATE ${table} SET amount = amount + 1, user_id = IF(${round % 3} = 1, 1000 + ${next}, user_id), update_time = ${now} WHERE id = ${id}`,
          );
          if (round % 3 === 1 && String(next) !== String(row[0])) {
            await session.write(`INSERT INTO plus_commission_log_${next} SELECT * FROM ${table} WHERE id = ${id}`);
            await session.write(`DELETE FROM ${table} WHERE id = ${id}`);
          }
        }
      }
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      await session.write('COMMIT');
      shard = next;
    }
    await session.close();
  }

  const faults: Readonly<Record<string, (session: Session, send: () => Promise<unknown>) => Promise<void>>> = {
    'before a statement arrives': async (session) => session.destroy(),
    'after a statement was done': async (session, send) => {
      await send();
      session.destroy();
    },
  };

  test.each(Object.keys(faults))('a connection lost %s, anywhere: the whole is done, once', async (name) => {
    const setting = world.setting();
    const oneShard = { ...job, shards: ['4'] };
    const differences: Difference[] = [
      { kind: 'missing in target', shard: '4', key: '5', columns: [] },
      { kind: 'different', shard: '4', key: '15', columns: ['amount'] },
      { kind: 'only in target', shard: null, key: '99', columns: [] },
    ];
    for (let broken = 1; ; broken++) {
      await touch('DELETE FROM plus_commission_log WHERE id = 5');
      await touch('UPDATE plus_commission_log SET amount = 7 WHERE id = 15');
      await touch(
        'INSERT INTO plus_commission_log SELECT 99, 1004, order_sn, amount, type, status, remark, create_time, update_time FROM plus_commission_log WHERE id = 1',
      );
      await touch('DELETE FROM commission_change');
      let statements = 0;
      const breaking = (session: Session) =>
        intercepted(session, async (_, send) => {
          statements += 1;
          if (statements === broken) await faults[name]?.(session, send);
        });
      const more = {
        clock: noSleep(),
        openTarget: async () => breaking(await setting.openTarget(job)),
        openSource: async () => breaking(await setting.openSource()),
      };
      // The lock, and the run's row, are taken once: a connection that is lost there fails the run, which is asked for again.
      await fixShard(oneShard, '4', differences, 'one', world.setting(more)).catch(() =>
        fixShard(oneShard, '4', differences, 'again', setting),
      );
      expect(await world.all(world.main, 'plus_commission_log'), `statement ${broken}`).toEqual(
        await world.allShards(),
      );
      const cells = await world.main.tuples('SELECT DISTINCT user_id FROM commission_change ORDER BY 1');
      expect(cells, `statement ${broken}`).toEqual([['1004'], ['1014']]);
      if (statements < broken) break;
      expect(broken, 'more statements than a fix of three rows can need').toBeLessThan(200);
    }
    await setting.copies.close();
    await expectRight();
  });

  test('a fix that was killed in the middle leaves whole transactions, and another goes on', async () => {
    await touch('DELETE FROM plus_commission_log');
    const { differences } = await compareJob(job, world.setting());
    let applied = 0;
    const onStep = (step: string) => {
      if (step === 'applied' && ++applied === 4) throw new Error('killed');
    };
    await expect(apply(differences, { onStep })).rejects.toThrow('killed');
    const rows = await world.main.tuples('SELECT user_id % 10, COUNT(*) FROM plus_commission_log GROUP BY 1');
    expect(rows.map(([, count]) => Number(count))).toEqual([4, 4, 4]);
    await apply(differences);
    await expectRight();
  });
});

test('a source without a single row is taken for the wrong one: nothing is deleted', async () => {
  for (let shard = 0; shard < 10; shard += 1) await source(`DELETE FROM plus_commission_log_${shard}`);
  const before = await world.all(world.main, 'plus_commission_log');
  expectComplaint(
    await world.cli(['verify', sync, '--data', '--fix', '--yes']),
    78,
    'the source tables hold no row at all',
  );
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(before);
});
