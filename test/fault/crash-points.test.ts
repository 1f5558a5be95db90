import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Request } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { intercepted } from '../support/intercept.ts';
import { World, writtenTables } from '../support/world.ts';

/** Ways in which a statement can go wrong; each is thrown or done at every statement of a run, one after another. */
const faults: Readonly<Record<string, (session: Session, send: () => Promise<unknown>) => Promise<void>>> = {
  'a deadlock': async (session) => {
    await session.write('ROLLBACK').catch(() => undefined); // the server has rolled the transaction back
    throw Object.assign(new Error('Deadlock found when trying to get lock'), { errno: 1213, code: 'ER_LOCK_DEADLOCK' });
  },
  'a lock wait timeout': async () => {
    throw Object.assign(new Error('Lock wait timeout exceeded'), { errno: 1205, code: 'ER_LOCK_WAIT_TIMEOUT' });
  },
  'a connection lost before the statement arrives': async (session) => {
    session.destroy();
  },
  'a connection lost after the statement was done, its answer with it': async (session, send) => {
    await send();
    session.destroy();
  },
};

class Killed extends Error {}

describe('a run that is broken at one of its statements', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission(
      ...Array.from({ length: 12 }, (_, index) => ({
        id: index + 1,
        user: 1001,
        amount: index * 10,
        created: `2026-11-18 1${index % 2}:00:00`,
      })),
    );
  });
  afterAll(() => world.destroy());
  beforeEach(() => reset());

  async function reset(): Promise<void> {
    for (const table of writtenTables) await world.main.write(`DELETE FROM ${table}`);
    await world.forgetRedis('sync-commission-log', '1');
    await world.forgetRedis('rollup-income');
  }

  /** Runs one job of shard 1, then, where it does not end well, again as cron would. */
  async function runBroken(
    job: string,
    before: (session: Session, send: () => Promise<unknown>) => Promise<void>,
  ): Promise<void> {
    const setting = world.setting();
    const breaking = (session: Session) => intercepted(session, (_, send) => before(session, send));
    const shard = job === 'rollup-income' ? '' : '1';
    const request: Partial<Request> = {};
    await world.runShard(job, shard, request, {
      windowRows: 6,
      clock: { now: setting.clock.now, sleep: async () => undefined },
      openTarget: async (one) => breaking(await setting.openTarget(one)),
      openSource: async () => breaking(await setting.openSource()),
    });
    const again = await world.runShard(job, shard, request, { windowRows: 6 });
    expect(again.error).toBeNull();
  }

  async function expectAllRight(): Promise<void> {
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
    const flaws = await world.main.tuples(`
      SELECT job, window_start FROM (SELECT job, shard, window_start, LAG(window_end) OVER (PARTITION BY job, shard ORDER BY window_start) previous
        FROM tidemark_window) w WHERE previous <> window_start`);
    expect(flaws).toEqual([]);
    const [tail] = await world.main.tuples(`
      SELECT COUNT(*) FROM tidemark_checkpoint c WHERE c.checkpoint <> (SELECT MAX(window_end) FROM tidemark_window w WHERE w.job = c.job AND w.shard = c.shard)`);
    expect(tail).toEqual(['0']);
  }

  for (const [name, fault] of Object.entries(faults)) {
    test(`syncs every row once after ${name}, whichever statement it strikes`, async () => {
      let struck = true;
      let strike = 0;
      while (struck) {
        strike += 1;
        await reset();
        let count = 0;
        await runBroken('sync-commission-log', async (session, send) => {
          count += 1;
          if (count === strike) await fault(session, send);
        });
        struck = count >= strike;
        await expectAllRight();
        const [applied] = await world.main.tuples('SELECT CAST(SUM(rows_read) AS CHAR) FROM tidemark_window');
        expect(applied, `struck at statement ${strike}`).toEqual(['12']);
      }
      expect(strike).toBeGreaterThan(30);
    });
  }

  test('syncs every row once when the process dies at any named step', async () => {
    for (const step of [
      'locked',
      'checkpoint-locked',
      'applied',
      'recorded',
      'moved',
      'committed',
      'published',
    ] as const) {
      for (const occurrence of [1, 2, 3]) {
        await reset();
        let count = 0;
        const onStep = (reached: string) => {
          if (reached !== step) return;
          count += 1;
          if (count === occurrence) throw new Killed(step);
        };
        await world.runShard('sync-commission-log', '1', {}, { windowRows: 6, onStep });
        expect((await world.runShard('sync-commission-log', '1', {}, { windowRows: 6 })).error).toBeNull();
        await expectAllRight();
      }
    }
  });

  test('rolls income up right, whichever statement of the rollup is struck by a lost connection', async () => {
    for (const shard of ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
      await world.runShard('sync-commission-log', shard);
    let struck = true;
    let strike = 0;
    while (struck) {
      strike += 1;
      for (const table of ['user_income', 'user_income_hour']) await world.main.write(`DELETE FROM ${table}`);
      await world.main.write(`DELETE FROM tidemark_checkpoint WHERE job = 'rollup-income'`);
      await world.main.write(`DELETE FROM tidemark_window WHERE job = 'rollup-income'`);
      await world.forgetRedis('rollup-income');
      let count = 0;
      await runBroken('rollup-income', async (session) => {
        count += 1;
        if (count === strike) session.destroy();
      });
      struck = count >= strike;
      expect(await world.incomeOfTarget(), `struck at statement ${strike}`).toEqual(
        await world.incomeOfSource('2026-11-19'),
      );
      const totals = await world.main.tuples(
        'SELECT user_id, CAST(amount AS CHAR), CAST(entries AS CHAR) FROM user_income',
      );
      expect(totals).toEqual([['1001', '660', '12']]);
    }
    expect(strike).toBeGreaterThan(15);
  });
});
