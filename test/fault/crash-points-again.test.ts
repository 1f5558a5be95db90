/** Runs of a sync job behind its checkpoint, broken at every statement and every Redis command. */
import { at, describeScenes, row, runAhead } from '../support/crash-scenes.ts';
import type { World } from '../support/world.ts';

const job = 'sync-commission-log';
const shard = '1';

/** Two rows are synced; then one of them changes without a new time, as under an application's clock. */
async function changeBehind(world: World): Promise<void> {
  await world.addCommission(row(1, 100, '09:30:00'), row(2, 200, '09:40:00'));
  await runAhead(world, job, shard);
  await world.source.write('UPDATE plus_commission_log_1 SET amount = 111 WHERE id = 1');
  await world.addCommission(row(3, 300, '09:35:00'));
}

const applied = [/^plus_commission_log: id=1 .*amount=111/, /^plus_commission_log: id=3 /, /^commission_change: /];
const range = { start: Date.parse('2025-03-04T09:00:00+08:00'), end: Date.parse('2025-03-04T10:00:00+08:00') };

describeScenes([
  {
    name: 'run --sweep',
    job,
    shard,
    request: { kind: 'sweep' },
    prepare: changeBehind,
    commits: 1,
    pointsMin: 45,
    leaves: applied,
  },
  {
    name: 'run --full',
    job,
    shard,
    request: { kind: 'full' },
    clock: at('10:00:02'), // nothing new is due
    prepare: changeBehind,
    commits: 2,
    pointsMin: 55,
    leaves: applied,
  },
  {
    name: 'run --from --to',
    job,
    shard,
    request: { kind: 'range', range },
    prepare: changeBehind,
    commits: 1,
    pointsMin: 45,
    leaves: applied,
  },
  {
    name: 'run --repair: a row that is accepted now, and one that is gone from the source',
    job,
    shard,
    request: { kind: 'repair' },
    prepare: async (world) => {
      await world.main.write('ALTER TABLE plus_commission_log ADD CONSTRAINT no_666 CHECK (amount <> 666)');
      await world.addCommission(row(1, 100, '09:30:00'), row(2, 666, '09:31:00'), row(3, 666, '09:32:00'));
      await runAhead(world, job, shard);
      await world.source.write(
        `UPDATE plus_commission_log_1 SET amount = 222, update_time = '${at('09:50:00')}' WHERE id = 2`,
      );
      await world.source.write('DELETE FROM plus_commission_log_1 WHERE id = 3');
    },
    commits: 1,
    pointsMin: 40,
    leaves: [
      /^plus_commission_log: id=2 .*amount=222/,
      /^tidemark_dead_letter: .*row_key=2 .*state=resolved attempts=1 .*applied by run \(run\)/,
      /^tidemark_dead_letter: .*row_key=3 .*state=resolved .*gone from the source/,
    ],
  },
]);
