/**
 * The change log of the total table: who writes or deletes a row there also writes, in the same transaction, which
 * cells (user, hour) the row touched, by its content before and after. The rollup of income drains it, and so comes
 * out right for rows that are late, moved, re-priced, cancelled or repaired, without asking why they changed.
 */
import type { Written } from '../platform/mysql.ts';

/** What of a row decides its cell: expressions over the total table's columns, for before and after images. */
export const cellExpressions = ['user_id', 'LEFT(create_time, 13)'] as const;

interface Image {
  readonly before: readonly (string | null)[] | null;
  readonly after: readonly (string | null)[] | null;
}

/** The distinct cells of some images, as SQL values; a row without a time of creation is in no hour. */
export function cellsOf(images: readonly Image[]): string[] {
  const cells = new Set<string>();
  for (const { before, after } of images) {
    for (const image of [before, after]) {
      const [user, hour] = image ?? [];
      if (user == null || hour == null || hour < '1000') continue;
      cells.add(`(${user},'${hour}:00:00')`);
    }
  }
  return [...cells].sort();
}

export async function logChanges(
  target: { write(sql: string): Promise<Written> },
  images: readonly Image[],
): Promise<void> {
  const cells = cellsOf(images);
  if (cells.length > 0) await target.write(`INSERT INTO commission_change (user_id, hour) VALUES ${cells.join(',')}`);
}
