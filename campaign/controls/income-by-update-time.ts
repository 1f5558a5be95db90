import { type Naive, readClock, readPosition } from './naive.ts';

/**
 * Wrong: rows that changed since the last time are added to their hour. A row that changes twice counts twice, and one
 * that is cancelled stays. It reads the source, which is complete, with a lock and a position that are right.
 */
export async function incomeByUpdateTime({ source, target, shards, lagSeconds }: Naive): Promise<void> {
  for (const shard of shards) {
    await target.write('START TRANSACTION');
    const from = await readPosition(target, shard, 'FOR UPDATE');
    const to = await readClock(source, lagSeconds);
    const sums = await source.tuples(
      `SELECT user_id, CONCAT(LEFT(create_time, 13), ':00:00'), SUM(amount) FROM plus_commission_log_${shard}
        WHERE status = 1 AND update_time >= ? AND update_time < ? GROUP BY 1, 2 ORDER BY 1, 2`,
      [String(from), to],
    );
    if (sums.length > 0)
      await target.write('INSERT INTO income_hour VALUES ? ON DUPLICATE KEY UPDATE amount = amount + VALUES(amount)', [
        sums,
      ]);
    await target.write('UPDATE position SET at = ? WHERE shard = ?', [to, shard]);
    await target.write('COMMIT');
  }
}
