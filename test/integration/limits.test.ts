import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { World } from '../support/world.ts';

describe('what is at a limit', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
  });
  afterEach(() => world.destroy());

  async function withBadNames(isBad: (id: number) => boolean, total: number) {
    await world.main.write('ALTER TABLE user_extension MODIFY nickname VARCHAR(5) NOT NULL');
    const time = `'2026-11-01 10:00:00'`;
    const rows = Array.from(
      { length: total },
      (_, index) => `(${index + 1},${index + 1},0,NULL,'${isBad(index + 1) ? 'too long' : 'fits'}',1,${time},${time})`,
    );
    await world.source.write(`INSERT INTO user_extension VALUES ${rows.join(',')}`);
    return world.runShard('sync-user-extension', '');
  }

  test('many refused rows in one page hold up none of the pages behind it', async () => {
    const result = await withBadNames((id) => id <= 1200 && id % 20 === 0, 4500);
    expect(result).toMatchObject({ error: null, outcome: 'dead-letters', deadLetters: 60, inserted: 4440 });
  });

  test('refused rows that come first hold up none behind them', async () => {
    const result = await withBadNames((id) => id <= 50, 1000);
    expect(result).toMatchObject({ error: null, deadLetters: 50, inserted: 950 });
  });

  test('a table that refuses every row fails the run, and keeps no dead letters', async () => {
    const result = await withBadNames(() => true, 200);
    expect(String(result.error)).toContain('refuses every row');
    expect(await world.main.tuples('SELECT COUNT(*) FROM tidemark_dead_letter')).toEqual([['0']]);
  });

  test('a row larger than the target takes becomes a dead letter, cut to what can be read; the others go on', async () => {
    for (const session of [world.source, world.main])
      await session.write('ALTER TABLE user_extension ADD COLUMN big LONGTEXT NULL');
    const time = `'2026-11-01 10:00:00'`;
    await world.source.write(
      `INSERT INTO user_extension VALUES (1,1,0,NULL,'a',1,${time},${time},NULL), (2,2,0,NULL,'b',1,${time},${time},REPEAT('x',3000000))`,
    );
    const setting = world.setting();
    const [usual] = await world.main.tuples('SELECT @@global.max_allowed_packet');
    const result = await world.runShard(
      'sync-user-extension',
      '',
      {},
      {
        openTarget: async (job) => {
          await world.main.write('SET GLOBAL max_allowed_packet = 1048576');
          return setting
            .openTarget(job)
            .finally(() => world.main.write(`SET GLOBAL max_allowed_packet = ${usual?.[0]}`));
        },
      },
    );
    expect(result).toMatchObject({ error: null, outcome: 'dead-letters', inserted: 1, deadLetters: 1 });
    const [letter] = await world.main.tuples(
      'SELECT row_key, reason, LENGTH(content) < 20000 FROM tidemark_dead_letter',
    );
    expect(letter).toEqual(['2', expect.stringContaining('max_allowed_packet'), 1]);
  });

  test('a total that is too low is told with the command that mends it, and --full mends it', async () => {
    await world.addCommission({ id: 1, amount: 5 }, { id: 2, amount: 7, created: '2026-11-18 12:00:00' });
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    await world.main.write('DELETE FROM user_income');
    await world.source.write('UPDATE plus_commission_log_1 SET status = 2 WHERE id = 1');
    expect((await world.runShard('sync-commission-log', '1', { kind: 'full' })).error).toBeNull();
    expect((await world.runShard('rollup-income', '')).error).toMatchObject({
      next: 'tidemark run rollup-income --full',
    });
    expect(await world.runShard('rollup-income', '', { kind: 'full' })).toMatchObject({ error: null });
    expect(await world.main.tuples('SELECT user_id, amount, entries FROM user_income')).toEqual([['1001', '7', 1]]);
    expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
  });

  test('a key whose text does not compare as the column does is refused before the first row', async () => {
    await world.source.write('ALTER TABLE user_extension MODIFY id BINARY(8) NOT NULL');
    const result = await world.runShard('sync-user-extension', '');
    expect(result.error).toMatchObject({ exitCode: 78, message: expect.stringContaining('binary') });
  });
});
