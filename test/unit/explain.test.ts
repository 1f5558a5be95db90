import { describe, expect, test } from 'vitest';
import { createIndex, judge, merged } from '../../src/explain/judge.ts';
import { planOf } from '../../src/explain/plan.ts';
import { shapeOf } from '../../src/explain/recording.ts';
import type { Table } from '../../src/platform/table.ts';

const table = (...indexes: string[][]): Table => ({
  name: 'orders',
  columns: [],
  indexes: indexes.map((columns, at) => ({ name: at === 0 ? 'PRIMARY' : `k${at}`, unique: at === 0, columns })),
  averageRowBytes: 100,
});

interface Read {
  readonly type?: string;
  readonly rows?: number;
  readonly kept?: number;
  readonly condition?: string;
}

/** As MariaDB's ANALYZE tells it, with the rows sorted where a sort is named. */
function plan({ type = 'ALL', rows = 50_000, kept, condition = '' }: Read, sort?: string) {
  const measured = kept === undefined ? {} : { r_loops: 1, r_rows: rows, r_filtered: (kept / rows) * 100 };
  const read = { table: { table_name: 'o', access_type: type, rows, ...measured, attached_condition: condition } };
  const body = sort === undefined ? read : { filesort: { sort_key: sort, ...read } };
  return planOf(JSON.stringify({ query_block: { nested_loop: [body] } }));
}

const judged = (read: Read, indexes: string[][], sort?: string) => judge(plan(read, sort), () => table(...indexes));

describe('the verdict on a plan', () => {
  const few = { kept: 3, condition: "o.city = 'x' and o.at >= '2026-01-01'" };

  test('many rows read for few is bad, and the index has what is equal before what is a range', () => {
    const { isBad, says, indexes } = judged(few, [['id']]);
    expect(isBad).toBe(true);
    expect(says).toEqual(['reads all 50,000 rows of orders and keeps 3: no index is used']);
    expect(indexes).toEqual([{ table: 'orders', columns: ['city', 'at'] }]);
  });

  test('the same of a small table is fine', () => {
    expect(judged({ ...few, rows: 9_000 }, [['id']])).toEqual({ isBad: false, says: [], indexes: [] });
  });

  test('a table that is read whole because all of it is wanted is fine', () => {
    expect(judged({ kept: 50_000, condition: "o.at >= '2026-01-01'" }, [['id']]).isBad).toBe(false);
    expect(judged({ kept: 50_000 }, [['id']]).isBad).toBe(false);
  });

  test('where the index is there the server has its reasons', () => {
    expect(judged(few, [['id'], ['city', 'at', 'more']]).isBad).toBe(false);
  });

  test('where no index can help it is bad all the same, and nothing is recommended', () => {
    const { isBad, indexes } = judged({ kept: 3, condition: "lcase(o.city) = 'x'" }, [['id']]);
    expect({ isBad, indexes }).toEqual({ isBad: true, indexes: [] });
  });

  test('a large sort that an index has in order already is bad', () => {
    const { isBad, indexes } = judged({ kept: 50_000, condition: "o.at >= '2026-01-01'" }, [['no']], 'o.at, o.`id`');
    expect({ isBad, indexes }).toEqual({ isBad: true, indexes: [{ table: 'orders', columns: ['at', 'id'] }] });
    // InnoDB has the primary key behind each index.
    expect(judged({ kept: 50_000 }, [['id'], ['at']], 'o.at, o.`id`').isBad).toBe(false);
  });

  test('a large sort by an expression is told, and not bad: no index has it', () => {
    const { isBad, says } = judged({ kept: 50_000 }, [['id']], 'left(o.at,7)');
    expect(isBad).toBe(false);
    expect(says).toContain('sorts 50,000 rows by left(o.at,7)');
  });

  test('a write that looks for its rows without an index is bad by what the server expects', () => {
    const { isBad, says, indexes } = judged({ type: 'index', condition: "o.city = 'x'" }, [['id']]);
    expect(isBad).toBe(true);
    expect(says[0]).toMatch(/^reads about 50,000 rows of orders/);
    expect(indexes).toEqual([{ table: 'orders', columns: ['city'] }]);
  });

  test('values that look like columns are none', () => {
    expect(judged({ kept: 1, condition: "o.note = 'o.city = 5'" }, [['id']]).indexes[0]?.columns).toEqual(['note']);
  });

  test('a column that is compared with another table counts as equal, on either side', () => {
    for (const condition of ['o.user = u.id', 'u.id = o.user'])
      expect(judged({ kept: 1, condition }, [['id']]).indexes[0]?.columns).toEqual(['user']);
  });
});

test('of two indexes where one begins the other, the longer is enough', () => {
  const index = (...columns: string[]) => ({ table: 't', columns });
  expect(merged([index('a'), index('a', 'b'), index('a', 'b'), index('b')])).toEqual([index('a', 'b'), index('b')]);
  expect(createIndex('plus', index('a', 'b'))).toBe('CREATE INDEX `by_a_b` ON `plus`.`t` (`a`, `b`);');
});

describe('statements that differ in their values alone are one', () => {
  test.each([
    [`SELECT a FROM t WHERE b = 5 AND c = 'it''s \\' 6'`, 'SELECT a FROM t WHERE b = ? AND c = ?'],
    ['SELECT a\n  FROM t_3 WHERE id IN (1, 2,3)', 'SELECT a FROM t_3 WHERE id IN (?, …)'],
    [`INSERT INTO t VALUES (1,'a'),(2,'b')`, 'INSERT INTO t VALUES (?, …), …'],
    [`SELECT x'00ff', -1.5`, 'SELECT ?, ?'],
  ])('%s', (sql, shape) => expect(shapeOf(sql)).toBe(shape));
});
