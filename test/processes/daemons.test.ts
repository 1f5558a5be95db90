/**
 * Two daemons on one database, of which one is killed again and again: every window once, and no time of a schedule lost.
 * TIDEMARK_TEST_SECONDS=600 for a long run with a kill every minute; its figures are in docs/schedules.md.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, test } from 'vitest';
import { syncCommissionLog } from '../../jobs/sync-commission-log.ts';
import { Daemon } from '../support/daemons.ts';
import { World } from '../support/world.ts';

const seconds = Number(process.env.TIDEMARK_TEST_SECONDS ?? 18);
/** On average. */
const killEverySeconds = Math.min(60, seconds / 4);
/** Seconds between two starts of a shard. A time that is lost would be missed for good; a busy machine only delays. */
const betweenMax = 30;

test(`${seconds} s, one of two killed every ${killEverySeconds} s: all rows once, each shard started at each time`, {
  timeout: (seconds + 120) * 1000,
}, async () => {
  const world = await World.create(inject('servers'));
  await world.source.write("SET SESSION time_zone = '+08:00'"); // rows are stamped in the business zone
  world.main.keepWarm(60_000); // asked at the end only
  const daemons = await Promise.all([Daemon.start(world.settings), Daemon.start(world.settings)]);
  const over = AbortSignal.timeout(seconds * 1000);
  let kills = 0;
  let rows = 0;
  const write = async () => {
    for (; !over.aborted; await sleep(20)) {
      await world.source.write(
        `INSERT INTO plus_commission_log_${rows % 10} SELECT ?, ?, 'SN', 100, 1, 1, NULL, NOW(), NOW()`,
        [rows + 1, 1000 + (rows % 10)],
      );
      rows += 1;
    }
  };
  const kill = async () => {
    for (;;) {
      await sleep(killEverySeconds * 1000 * (0.5 + Math.random()), undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
      const victim = Math.floor(Math.random() * 2);
      await daemons[victim]?.kill();
      kills += 1;
      daemons[victim] = await Daemon.start(world.settings);
      await daemons[victim]?.until('it is back', async () => (await daemons[victim]?.health()) !== null);
    }
  };
  try {
    for (const daemon of daemons) await daemon.until('it is up', async () => (await daemon.health()) !== null);
    await Promise.all([write(), kill()]);
    const first = daemons[0] as Daemon;
    await first.until('all is carried', async () => (await carried(world)) === rows);
    for (const daemon of daemons) daemon.signal('SIGTERM');
    expect(await Promise.all(daemons.map(({ ended }) => ended))).toEqual([143, 143]);

    expect(kills).toBeGreaterThan(0);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
    const [sums = []] = await world.main.tuples(
      "SELECT SUM(inserted), SUM(updated) FROM tidemark_window WHERE job = 'sync-commission-log'",
    );
    expect(sums.map(Number), 'each row was written once').toEqual([rows, 0]);
    const verified = await world.cli(['verify']);
    expect(verified.stdout + verified.stderr).toContain('0 gaps, 0 overlaps');
    const longest = await longestBetween(world);
    if (seconds > 60) console.log({ seconds, kills, rows, longest, ...(await figures(world)) });
    expect(longest, 'seconds between two starts of a shard').toBeLessThanOrEqual(betweenMax);
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.kill()));
    await world.destroy();
  }
});

const number = async (world: World, sql: string) => Number((await world.main.tuples(sql))[0]?.[0]);
const carried = (world: World) => number(world, 'SELECT COUNT(*) FROM plus_commission_log');

/** Over all shards, in seconds. */
async function longestBetween(world: World): Promise<number> {
  expect(await number(world, "SELECT COUNT(DISTINCT shard) FROM tidemark_run WHERE job = 'sync-commission-log'")).toBe(
    syncCommissionLog.shards.length,
  );
  return number(
    world,
    `SELECT MAX(seconds) FROM (
       SELECT TIMESTAMPDIFF(SECOND, LAG(started_at) OVER (PARTITION BY job, shard ORDER BY sequence), started_at) seconds
         FROM tidemark_run WHERE kind = 'windows') between_starts`,
  );
}

async function figures(world: World) {
  return {
    runs: await number(world, 'SELECT COUNT(*) FROM tidemark_run'),
    killed: await number(world, 'SELECT COUNT(*) FROM tidemark_run WHERE outcome IS NULL'),
    sweeps: await number(world, "SELECT COUNT(*) FROM tidemark_run WHERE kind = 'sweep'"),
    windows: await number(world, 'SELECT COUNT(*) FROM tidemark_window'),
  };
}
