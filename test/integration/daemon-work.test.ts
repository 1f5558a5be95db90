/** What daemons that share the work do when a time has come for all of them. */
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { Workshop } from '../../src/cli/daemon-work.ts';
import { noHalt } from '../../src/engine/clock.ts';
import { lastFulfilled } from '../../src/engine/runs.ts';
import { Databases } from '../../src/platform/databases.ts';
import { silentLog } from '../../src/platform/log.ts';
import { startsOf, timetableOf } from '../../src/schedule/timetable.ts';
import { ownApp } from '../support/in-process.ts';
import { World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await World.create(inject('servers'));
});
afterEach(() => world.destroy());

const workshop = () => {
  const { config, zone } = world;
  const surroundings = { config, zone, databases: new Databases(config) };
  return new Workshop({ app: ownApp, surroundings, halt: noHalt, log: silentLog, ofRuns: silentLog, observers: [] });
};
const repairs = async () =>
  Number((await world.main.tuples("SELECT COUNT(*) FROM tidemark_run WHERE kind = 'repair'"))[0]?.[0]);

test('of three that come to a repair at the same moment one makes it, and a letter has failed it once', async () => {
  await world.main.write('ALTER TABLE plus_commission_log ADD CONSTRAINT refused CHECK (amount <> 666)');
  await world.addCommission({ id: 1 }, { id: 2, amount: 666 });
  expect((await world.runShard('sync-commission-log', '1')).outcome).toBe('dead-letters');
  const [repair] = timetableOf(ownApp.jobs, [])
    .filter(({ name }) => name === 'sync-commission-log --repair')
    .flatMap(startsOf);
  if (repair === undefined) throw new Error('it has no repair');
  const due = Math.floor(Date.now() / 1000) * 1000;
  const work = () => workshop().work(repair, due);
  expect(await Promise.all([work(), work(), work()])).toEqual(['done', 'done', 'done']);
  expect(await repairs()).toBe(10);
  expect(await world.main.tuples('SELECT repairs FROM tidemark_dead_letter')).toEqual([[1]]);
  await work();
  expect(await repairs()).toBe(10);
});

test('a run that a pause has ended in its midst is made up for, as one that was interrupted', async () => {
  const [job, shard, at] = ['rollup-income', '', '2026-11-20 03:30:00'];
  const ended = (outcome: string) =>
    world.main.write(
      `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at, outcome)
       VALUES (UUID(), ?, ?, 'full', 'db1', 1, ?, ?, ?)`,
      [job, shard, at, at, outcome],
    );
  for (const outcome of ['interrupted', 'paused']) await ended(outcome);
  const last = () => lastFulfilled(world.main, { job, shard }, 'full', world.zone);
  expect(await last()).toEqual({ at: null, tried: true });
  await ended('done');
  expect(await last()).toEqual({ at: world.zone.fromText(at), tried: true });
});

test('the last sweep is found behind thousands of runs; who asks again and again since when reads few of them', async () => {
  const [job, shard, swept] = ['sync-user-extension', '', '2026-11-01 03:30:00'];
  await world.main.write(
    `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at, outcome)
     VALUES (UUID(), ?, ?, 'sweep', 'db1', 1, ?, ?, 'done')`,
    [job, shard, swept, swept],
  );
  await world.main.write(
    `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at, outcome)
     WITH RECURSIVE run (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM run WHERE number < 900)
     SELECT '', ?, ?, 'windows', 'db1', 1, TIMESTAMPADD(MINUTE, 2 * number, ?), ?, 'nothing-due' FROM run ORDER BY number`,
    [job, shard, swept, swept],
  );
  const read = async () => {
    const counters = await world.main.tuples("SHOW SESSION STATUS LIKE 'Handler_read_prev'");
    return Number(counters[0]?.[1]);
  };
  const last = (since?: number) => lastFulfilled(world.main, { job, shard }, 'sweep', world.zone, since);
  expect(await last()).toEqual({ at: world.zone.fromText(swept), tried: true });
  const before = await read();
  const due = (world.zone.fromText(swept) as number) + 1_700 * 60_000;
  expect(await last(due)).toEqual({ at: null, tried: false });
  expect(await read()).toBeLessThan(before + 300);
});
