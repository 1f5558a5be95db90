/** Runs of the sync jobs over new windows, broken at every statement and every Redis command. */
import { at, describeScenes, row, runAhead } from '../support/crash-scenes.ts';
import type { World } from '../support/world.ts';

/** One row outside of all windows, so wide that the average lets a page hold but twenty. */
async function widen(world: World): Promise<void> {
  await world.source.write('ALTER TABLE plus_commission_log_1 ADD COLUMN wide LONGTEXT NULL');
  await world.source.write(
    `INSERT INTO plus_commission_log_1 VALUES (999, 1001, 'SN', 0, 1, 1, NULL, NULL, NULL, REPEAT('x', 9000000))`,
  );
  await world.source.tuples('ANALYZE TABLE plus_commission_log_1');
}

const manyInOneSecond = Array.from({ length: 25 }, (_, index) => row(101 + index, 10 + index, '10:40:00'));

describeScenes([
  {
    name: 'a first run of sync-user-extension',
    job: 'sync-user-extension',
    shard: '',
    request: {},
    prepare: async (world) => {
      await world.source.write(`INSERT INTO user_extension VALUES
        (1, 1001, 0, NULL, 'a', 1, '${at('09:00:00')}', '${at('10:00:00')}'),
        (2, 1002, 0, 1001, 'b', 1, '${at('09:00:00')}', '${at('10:01:00')}')`);
    },
    commits: 2,
    pointsMin: 50,
    leaves: [
      /^user_extension: id=1 /,
      /^user_extension: id=2 /,
      /^tidemark_window: .* read 2 2 0 0 refused 0$/,
      /^redis: .*T04:00:01/,
    ],
  },
  {
    name: 'sync-commission-log: a new, an updated, an unchanged and a refused row, and a second with more than a part holds',
    job: 'sync-commission-log',
    shard: '1',
    request: {},
    clock: at('10:40:02'),
    windowRows: 4,
    // A part that is repeated finds its rows unchanged: of a window in parts only the sum is the same.
    journalCounts: `IF(rows_read > 4, CONCAT_WS(' ', 'read', rows_read, 'applied', inserted + updated + unchanged),
      CONCAT_WS(' ', 'read', rows_read, inserted, updated, unchanged, 'refused', dead_letters))`,
    prepare: async (world) => {
      await world.main.write('ALTER TABLE plus_commission_log ADD CONSTRAINT no_666 CHECK (amount <> 666)');
      await world.addCommission(row(1, 100, '09:30:00'));
      await runAhead(world, 'sync-commission-log', '1');
      await world.source.write(`UPDATE plus_commission_log_1 SET amount = 111, update_time = '${at('10:30:00')}'`);
      await world.addCommission(row(2, 200, '10:30:01'), row(3, 300, '10:30:02'), row(4, 666, '10:30:03'));
      await world.main.write(
        `INSERT INTO plus_commission_log SELECT * FROM ${world.source.database}.plus_commission_log_1 WHERE id = 2`,
      );
      await world.addCommission(...manyInOneSecond);
      await widen(world);
    },
    commits: 4,
    pointsMin: 90,
    leaves: [
      /^tidemark_window: .* read 4 1 1 1 refused 1$/,
      /^tidemark_window: .* read 25 applied 25$/,
      /^tidemark_dead_letter: .* row_key=4 .*attempts=1/,
      /^plus_commission_log: id=1 .*amount=111/,
      /^commission_change: /,
    ],
  },
]);
