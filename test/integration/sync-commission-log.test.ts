import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { World } from '../support/world.ts';

describe('sync-commission-log', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
  });
  afterEach(() => world.destroy());

  test('copies rows of every shard byte for byte into the total table', async () => {
    const strange = ['O\'Neil \\ "quoted"', '📞 满200减30', '', 'line\nbreak\ttab\u0000nul\u001a', null, '100% _x_'];
    for (let digit = 0; digit < 10; digit++) {
      for (const [index, remark] of strange.entries()) {
        await world.addCommission({
          id: digit * 100 + index + 1,
          user: 1000 + digit,
          remark,
          amount: index % 2 === 0 ? -5 : '9007199254740993',
        });
      }
    }
    const results = await world.run('sync-commission-log');
    expect(results.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(60);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  });

  test('tells inserted, updated and unchanged rows apart and does not rewrite an unchanged one', async () => {
    await world.addCommission({ id: 1 }, { id: 2 }, { id: 3 });
    expect(await world.runShard('sync-commission-log', '1')).toMatchObject({ outcome: 'done', read: 3, inserted: 3 });
    await world.source.write(
      `UPDATE plus_commission_log_1 SET amount = 7, update_time = '2026-11-18 11:00:00' WHERE id = 2`,
    );
    await world.addCommission({ id: 4, created: '2026-11-18 11:00:00' });
    const { start, end } = {
      start: world.zone.parse('2026-11-18T10:00:00') as number,
      end: world.zone.parse('2026-11-18T12:00:00') as number,
    };
    expect(await world.runShard('sync-commission-log', '1', { kind: 'range', range: { start, end } })).toMatchObject({
      read: 4,
      inserted: 1,
      updated: 1,
      unchanged: 2,
    });
  });

  test('income equals the sum over the source by user and hour', async () => {
    await world.addCommission(
      { id: 1, user: 1001, amount: 100 },
      { id: 2, user: 1001, amount: '9007199254740993', created: '2026-11-18 10:59:59' },
      { id: 3, user: 1002, amount: -30, created: '2026-11-18 11:00:00' },
      { id: 4, user: 1002, status: 0 },
    );
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    const income = await world.incomeOfTarget();
    expect(income).toEqual(await world.incomeOfSource('2026-11-20'));
    expect(income).toHaveLength(2);
  });
});
