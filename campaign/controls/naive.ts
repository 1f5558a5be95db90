/** What the controls work with, and what those of commission have in common: the plain way of reading a window and writing it to the total table. */
import type { Redis } from 'ioredis';
import type { Cell, Session } from '../../src/platform/mysql.ts';

export interface Naive {
  readonly source: Session;
  readonly target: Session;
  readonly targetUrl: string;
  readonly redis: Redis;
  readonly shards: readonly string[];
  readonly lagSeconds: number;
}

/** One pass over all shards; of a caller of the ledger, some calls. */
export type Control = (naive: Naive) => Promise<void>;

export async function readClock(source: Session, lagSeconds: number): Promise<string> {
  const [row] = await source.tuples('SELECT NOW() - INTERVAL ? SECOND', [lagSeconds]);
  return String(row?.[0]);
}

export async function copyWindow(
  { source, target }: Naive,
  shard: string,
  from: Cell | undefined,
  to: string,
): Promise<void> {
  const rows = await source.tuples(
    `SELECT * FROM plus_commission_log_${shard} WHERE update_time >= ? AND update_time < ? ORDER BY id`,
    [String(from), to],
  );
  if (rows.length === 0) return;
  await target.write(
    `INSERT INTO plus_commission_log VALUES ? ON DUPLICATE KEY UPDATE user_id = VALUES(user_id), amount = VALUES(amount),
       status = VALUES(status), remark = VALUES(remark), update_time = VALUES(update_time)`,
    [rows],
  );
}

export async function readPosition(target: Session, shard: string, lock = ''): Promise<Cell | undefined> {
  const [row] = await target.tuples(`SELECT at FROM position WHERE shard = ? ${lock}`, [shard]);
  return row?.[0];
}
