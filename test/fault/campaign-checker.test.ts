/** The checker of campaigns must be able to fail: each flaw that it looks for is made once, in a transaction that is rolled back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { check } from '../../campaign/checker.ts';
import { Stage } from '../../campaign/stage.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { openSession } from '../support/cli-tools.ts';

const at = '2026-11-20 10:00:00';
const later = '2026-11-20 12:00:00';
const row = `101, 1001, 'SN1', 500, 1, 1, '1.w', '2026-11-20 09:30:00', '${at}'`;

describe('the checker of campaigns', () => {
  let stage: Stage;
  let session: Session;
  let source: Session;
  const run = (sql: string) => session.write(sql);

  /** One row, written twice; both versions were applied by their windows, and all is drained. */
  beforeAll(async () => {
    stage = await Stage.raise();
    [session, source] = [await stage.open('main'), await stage.open('source')];
    for (const shard of '0123456789')
      await run(
        `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('sync-commission-log', '${shard}', '${later}', 'r', '${later}')`,
      );
    await run(
      `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('rollup-income', '', '${later}', 'r', '${later}')`,
    );
    await run(`UPDATE tidemark_checkpoint SET checkpoint = '${at}' WHERE shard = '1'`);
    await run(`INSERT INTO plus.plus_commission_log_1 VALUES (${row})`);
    await run(`INSERT INTO plus_commission_log VALUES (${row})`);
    await run(`UPDATE tidemark_checkpoint SET checkpoint = '${later}' WHERE shard = '1'`);
    await run(`INSERT INTO campaign.version VALUES (101, '1.w', 1, '1', '${at}', '${at}')`);
    await run(`INSERT INTO tidemark_window (job, shard, window_start, window_end, run_id, proven, rows_read, inserted, updated, unchanged, dead_letters, closed_at) VALUES
      ('sync-commission-log', '1', '${at}', '2026-11-20 11:00:00', 'r', 1, 1, 1, 0, 0, 0, '2026-11-20 11:00:05'),
      ('sync-commission-log', '1', '2026-11-20 11:00:00', '${later}', 'r', 1, 0, 0, 0, 0, 0, '2026-11-20 12:00:05')`);
    await run(`INSERT INTO user_income_hour VALUES (1001, '2026-11-20 09:00:00', 500, 1)`);
    await run('INSERT INTO user_income VALUES (1001, 500, 1)');
  });
  afterAll(async () => {
    await Promise.all([session.close(), source.close()]);
    await stage.strike();
  });

  async function failuresAfter(...statements: readonly string[]): Promise<readonly string[]> {
    await run('START TRANSACTION');
    try {
      for (const statement of statements) await run(statement);
      return (await check(session, source)).failures;
    } finally {
      await run('ROLLBACK');
    }
  }

  test('finds nothing where all is well', async () => {
    expect(await failuresAfter()).toEqual([]);
  });

  test.each([
    {
      flaw: 'a row that is missing in the target',
      sql: [`DELETE FROM plus_commission_log`],
      found: /^1 rows differ between source and target: in the source only 101/,
    },
    {
      flaw: 'a row that is in the target only',
      sql: [`DELETE FROM plus.plus_commission_log_1`],
      found: /^1 rows differ .*in the target only 101/,
    },
    {
      flaw: 'a last version that was never applied',
      sql: [`DELETE FROM campaign_audit`],
      found: /^1 versions that stood when their window closed were not applied: 101 1\.w/,
    },
    {
      flaw: 'a version that was replaced only after its window had closed, and was never applied',
      sql: [
        `DELETE FROM campaign_audit`,
        `INSERT INTO campaign.version VALUES (101, '2.w', 2, '1', '${at}', '2026-11-20 11:00:07')`,
      ],
      found: /^\d versions that stood when their window closed were not applied: 101 1\.w/,
    },
    {
      flaw: 'a version that was applied behind the checkpoint',
      sql: [`UPDATE campaign_audit SET position = '2026-11-20 10:00:01'`],
      found: /^1 versions were applied behind the checkpoint: 101/,
    },
    {
      flaw: 'a version that was applied twice, though it changed nothing',
      sql: [
        `INSERT INTO plus_commission_log VALUES (${row}) ON DUPLICATE KEY UPDATE amount = VALUES(amount), remark = VALUES(remark)`,
      ],
      found: /^1 versions were applied more than once: 101 1\.w 2/,
    },
    {
      flaw: 'a version that was never committed',
      sql: [`UPDATE campaign_audit SET version = '1.ghost'`],
      found: /^1 versions were applied that were never committed: 101 1\.ghost/,
    },
    {
      flaw: 'a gap between windows',
      sql: [`UPDATE tidemark_window SET window_end = '2026-11-20 10:59:00' WHERE rows_read = 1`],
      found: /^1 flaws in the tiling/,
    },
    {
      flaw: 'windows that end before the checkpoint',
      sql: [`UPDATE tidemark_checkpoint SET checkpoint = '2026-11-20 13:00:00' WHERE shard = '1'`],
      found: /^1 flaws in the tiling.*is not where the windows end/,
    },
    {
      flaw: 'a row before the first window',
      sql: [`UPDATE tidemark_window SET window_start = '2026-11-20 10:00:01' WHERE rows_read = 1`],
      found: /^1 flaws in the tiling.*is before the first window/,
    },
    {
      flaw: 'a journal that tells of more than was written',
      sql: [`UPDATE tidemark_window SET updated = 1 WHERE rows_read = 1`],
      found: /^1 sums of the journal differ from what was written: 1 1 1 0/,
    },
    {
      flaw: 'a cell with a wrong amount',
      sql: [`UPDATE user_income_hour SET amount = 501`, `UPDATE user_income SET amount = 501`],
      found: /^2 cells of income differ/,
    },
    {
      flaw: 'a cell of an hour that is still open',
      sql: [
        `INSERT INTO user_income_hour VALUES (1001, '${later}', 1, 1)`,
        `UPDATE user_income SET amount = 501, entries = 2`,
      ],
      found: /^1 cells of income differ.*in the target only 1001/,
    },
    {
      flaw: 'a total that is not the sum of its hours',
      sql: [`UPDATE user_income SET amount = 501`],
      found: /^2 totals of income/,
    },
    {
      flaw: 'a change log that was not drained',
      sql: [`INSERT INTO commission_change (user_id, hour) VALUES (1001, '2026-11-20 09:00:00')`],
      found: /^1 entries of complete hours are left/,
    },
    {
      flaw: 'a dead letter',
      sql: [
        `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
           VALUES ('sync-commission-log', '1', '101', '{}', 'why', 1, 1, 'r', '${at}', '${at}')`,
      ],
      found: /^1 dead letters/,
    },
  ])('finds $flaw', async ({ sql, found }) => {
    expect(await failuresAfter(...sql)).toEqual(expect.arrayContaining([expect.stringMatching(found)]));
  });

  test.each([
    { place: 'source', database: 'plus' },
    { place: 'target', database: 'mia' },
  ])(
    'finds a connection that tidemark has left open in the $place, and its named lock',
    async ({ place, database }) => {
      const left = await openSession(stage.url('runner', database));
      try {
        await left.tuples(`SELECT GET_LOCK('tidemark:mia:sync-commission-log:3', 0)`);
        expect(await failuresAfter()).toEqual([
          expect.stringMatching(`^1 connections or transactions are left open in the ${place}: \\d+ campaign_runner`),
          expect.stringMatching(`^1 named locks are left in the ${place}: tidemark:mia:sync-commission-log:3`),
        ]);
      } finally {
        await left.close();
      }
    },
  );

  test('works on what the source and the book hold when they are brought over', async () => {
    await stage.bringOver('plus', session);
    await stage.bringOver('campaign', session);
    for (const table of ['plus.plus_commission_log_2', 'campaign.version']) {
      const all = `SELECT * FROM ${table} ORDER BY 1, 3`;
      const copied = await session.tuples(all);
      expect(copied.length).toBeGreaterThanOrEqual(300);
      expect(copied).toEqual(await source.tuples(all));
    }
  });

  test('finds a trigger in the source, because then no campaign tries how exact times are used', async () => {
    await source.write('CREATE TABLE plus.noticed (id BIGINT)');
    await source.write(
      'CREATE TRIGGER plus.notice AFTER UPDATE ON plus.plus_commission_log_5 FOR EACH ROW INSERT INTO plus.noticed VALUES (NEW.id)',
    );
    await source.write('UPDATE plus.plus_commission_log_5 SET amount = 1');
    expect(await failuresAfter()).toContainEqual(expect.stringMatching('^1 kinds of triggers were met by the source'));
  });
});
