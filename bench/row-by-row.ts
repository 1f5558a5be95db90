/** The plain way to copy rows, as one would write it first: for each row a look by its id, then an INSERT or an UPDATE. */

import { shards } from '../src/demo/platform-tables.ts';
import type { Parameter, Session } from '../src/platform/mysql.ts';

/**
 * Copies the first rows of each shard, one statement after another, each committed for itself.
 *
 * @returns how many rows were copied
 */
export async function copyRowByRow(
  source: Session,
  target: Session,
  table: string,
  rowsPerShard: number,
): Promise<number> {
  let copied = 0;
  for (const shard of shards) {
    const rows = await source.rows<{ id: string }>(
      `SELECT * FROM plus_commission_log_${shard} ORDER BY id LIMIT ${rowsPerShard}`,
    );
    for (const row of rows) await copyRow(target, table, row);
    copied += rows.length;
  }
  return copied;
}

async function copyRow(target: Session, table: string, row: { id: string }): Promise<void> {
  const values = Object.values(row) as Parameter[];
  const names = Object.keys(row);
  const [there] = await target.tuples(`SELECT id FROM ${table} WHERE id = ?`, [row.id]);
  if (there === undefined) {
    await target.write(`INSERT INTO ${table} (${names.join(', ')}) VALUES (?)`, [values as (string | number | null)[]]);
  } else {
    const assignments = names.map((name) => `${name} = ?`).join(', ');
    await target.write(`UPDATE ${table} SET ${assignments} WHERE id = ?`, [...values, row.id]);
  }
}
