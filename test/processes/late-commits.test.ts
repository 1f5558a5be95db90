import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { ShardResult } from '../../src/engine/run.ts';
import { World } from '../support/world.ts';
import { writeFor } from '../support/writers.ts';

/** How long things are held: seconds in the suite; with TIDEMARK_TEST_NIGHT the minutes of a real night. */
const load =
  process.env.TIDEMARK_TEST_NIGHT === undefined
    ? { holdMsMax: 1000, longHolds: 1, longHoldMs: 10_000, tableLockMs: 5000, durationMs: 24_000 }
    : { holdMsMax: 5000, longHolds: 10, longHoldMs: 90_000, tableLockMs: 30_000, durationMs: 200_000 };
const rows = 5000;

describe('rows that commit late', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.create(inject('servers'));
  });
  afterAll(() => world.destroy());

  test(
    'none is missed by a sync in a loop, and no writer sees a deadlock because of it',
    async () => {
      const values = Array.from(
        { length: rows + 2 * load.longHolds },
        (_, index) => `(${index + 1},1001,'SN',0,1,1,NULL,'2026-11-01 00:00:00','2026-11-01 00:00:00')`,
      );
      await world.source.write(`INSERT INTO plus_commission_log_1 VALUES ${values.join(',')}`);
      let writing = true;
      const writers = writeFor({
        ...load,
        table: 'plus_commission_log_1',
        rows,
        writers: 20,
        url: world.settings.SOURCE_DATABASE_URL as string,
      }).finally(() => {
        writing = false;
      });
      const results: ShardResult[] = [];
      while (writing) {
        results.push(await world.runShard('sync-commission-log', '1'));
        await sleep(200);
      }
      const report = await writers;
      await sleep(2500);
      results.push(await world.runShard('sync-commission-log', '1'));

      expect(results.map(({ error }) => error).filter((error) => error !== null)).toEqual([]);
      expect(report.transactions).toBeGreaterThan(load.longHolds * 100);
      expect([...report.errors]).toEqual([]);
      expect(results.some(({ outcome }) => outcome === 'held-back')).toBe(true);
      expect(results.reduce((sum, { windows }) => sum + windows, 0)).toBeGreaterThan(3);
      expect(await world.all(world.main, 'plus_commission_log')).toEqual(
        await world.all(world.source, 'plus_commission_log_1'),
      );
      expect((await world.cli(['verify', 'sync-commission-log', '--json'])).code).toBe(0);
    },
    load.durationMs * 3,
  );
});
