/** Runs of rollup-income of every kind, broken at every statement and every Redis command. */
import { at, describeScenes, row, runAhead, setOtherShards } from '../support/crash-scenes.ts';
import type { World } from '../support/world.ts';

const job = 'rollup-income';
const shard = '';
const sync = 'sync-commission-log';

/** Three rows of two users are synced, and no income is computed yet. */
async function synced(world: World): Promise<void> {
  await setOtherShards(world);
  await world.addCommission(row(1, 100, '09:30:00'), row(2, 200, '09:31:00', { created: at('08:10:00') }));
  await world.addCommission(row(3, 300, '09:32:00', { user: 2001 }));
  await runAhead(world, sync, '1', at('10:30:02'));
}

/** Income is computed; then one row is re-priced, one is cancelled, one changes its hour, and one is new. */
async function changed(world: World): Promise<void> {
  await synced(world);
  await runAhead(world, job, shard, at('10:30:02'));
  for (const [id, set] of ['amount = 111', `create_time = '${at('07:10:00')}'`, 'status = 2'].entries())
    await world.source.write(
      `UPDATE plus_commission_log_1 SET ${set}, update_time = '${at('10:40:00')}' WHERE id = ${id + 1}`,
    );
  await world.addCommission(row(4, 400, '10:41:00', { created: at('10:10:00') }));
  await runAhead(world, sync, '1', at('11:30:02'));
}

/** Computed, and then a cell and a total are wrong. */
async function tampered(world: World): Promise<void> {
  await synced(world);
  await runAhead(world, job, shard, at('10:30:02'));
  await world.main.write('UPDATE user_income_hour SET amount = 1 WHERE user_id = 1001');
  await world.main.write('UPDATE user_income SET amount = 7 WHERE user_id = 2001');
}

const income = [
  /^user_income_hour: .*user_id=1001 .*hour=2025-03-04 09:00:00 amount=111 /,
  /^user_income: user_id=1001 amount=711 entries=3/,
];
const untouched = [
  /^user_income_hour: .*user_id=1001 .*hour=2025-03-04 09:00:00 amount=100 /,
  /^user_income: user_id=2001 amount=300/,
];
const range = { start: Date.parse('2025-03-04T08:00:00+08:00'), end: Date.parse('2025-03-04T10:00:00+08:00') };

describeScenes([
  { name: 'a first run', job, shard, request: {}, prepare: synced, commits: 3, pointsMin: 30, leaves: untouched },
  {
    name: 'the change log drained',
    job,
    shard,
    request: {},
    prepare: changed,
    commits: 2,
    pointsMin: 25,
    leaves: income,
  },
  {
    name: 'the change log drained in several transactions',
    job,
    shard,
    request: {},
    windowRows: 2,
    // Who is killed between two parts takes the counts of the first ones along.
    journalCounts: `'in parts'`,
    prepare: changed,
    commits: 4,
    pointsMin: 35,
    leaves: income,
  },
  {
    name: 'run --full over wrong cells',
    job,
    shard,
    request: { kind: 'full' },
    prepare: tampered,
    commits: 2,
    pointsMin: 25,
    leaves: untouched,
  },
  {
    name: 'run --from --to over wrong cells',
    job,
    shard,
    request: { kind: 'range', range },
    prepare: tampered,
    commits: 1,
    pointsMin: 20,
    leaves: untouched,
  },
]);
