import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cellsOf, logChanges } from '../../src/commission/change-log.ts';

const ten = ['7', '2026-11-20 10'];
const eleven = ['7', '2026-11-20 11'];

describe('the cells that written rows touch', () => {
  test('of a new row: the one it is in now', () => {
    expect(cellsOf([{ before: null, after: ten }])).toEqual(["(7,'2026-11-20 10:00:00')"]);
  });

  test('of a deleted row: the one it was in', () => {
    expect(cellsOf([{ before: ten, after: null }])).toEqual(["(7,'2026-11-20 10:00:00')"]);
  });

  test('of a row that changed where it was: that one, once', () => {
    expect(cellsOf([{ before: ten, after: ten }])).toEqual(["(7,'2026-11-20 10:00:00')"]);
  });

  test('of a row that moved to another hour or user: both', () => {
    expect(cellsOf([{ before: ten, after: eleven }])).toEqual([
      "(7,'2026-11-20 10:00:00')",
      "(7,'2026-11-20 11:00:00')",
    ]);
    expect(cellsOf([{ before: ten, after: ['8', '2026-11-20 10'] }])).toEqual([
      "(7,'2026-11-20 10:00:00')",
      "(8,'2026-11-20 10:00:00')",
    ]);
  });

  test.each([
    ['a NULL time', ['7', null]],
    ['a zero time', ['7', '0000-00-00 00']],
    ['no user', [null, '2026-11-20 10']],
  ])('of a row with %s: none, but the one it had before counts', (_, image) => {
    expect(cellsOf([{ before: null, after: image }])).toEqual([]);
    expect(cellsOf([{ before: image, after: null }])).toEqual([]);
    expect(cellsOf([{ before: ten, after: image }])).toEqual(["(7,'2026-11-20 10:00:00')"]);
    expect(cellsOf([{ before: image, after: ten }])).toEqual(["(7,'2026-11-20 10:00:00')"]);
  });

  test('of nothing: none', () => {
    expect(cellsOf([])).toEqual([]);
    expect(cellsOf([{ before: null, after: null }])).toEqual([]);
  });

  test('keep every digit of a user id', () => {
    expect(cellsOf([{ before: null, after: ['18446744073709551615', '2026-11-20 10'] }])).toEqual([
      "(18446744073709551615,'2026-11-20 10:00:00')",
    ]);
  });

  test('are distinct, in one order, and just those of the images, whatever the images are', () => {
    const user = fc.constantFrom(null, '1', '2', '10');
    const hour = fc.constantFrom(null, '0000-00-00 00', '2026-11-20 09', '2026-11-20 10');
    const image = fc.option(fc.tuple(user, hour), { nil: null });
    const images = fc.array(fc.record({ before: image, after: image }), { maxLength: 12 });
    fc.assert(
      fc.property(images, (written) => {
        const cells = cellsOf(written);
        expect(cells).toEqual([...new Set(cells)].sort());
        expect(cellsOf(written.toReversed())).toEqual(cells);
        const touched = written.flatMap(({ before, after }) => [before, after]).filter((one) => one !== null);
        const expected = touched
          .filter(([who, when]) => who !== null && when !== null && !when.startsWith('0000'))
          .map(([who, when]) => `(${who},'${when}:00:00')`);
        expect(new Set(cells)).toEqual(new Set(expected));
      }),
    );
  });
});

describe('the change log', () => {
  const noting = () => {
    const statements: string[] = [];
    const write = async (sql: string) => {
      statements.push(sql);
      return { affected: 1, insertId: 0 };
    };
    return { statements, target: { write } };
  };

  test('gets the cells of a page in one statement', async () => {
    const { statements, target } = noting();
    await logChanges(target, [
      { before: null, after: eleven },
      { before: ten, after: null },
    ]);
    expect(statements).toEqual([
      "INSERT INTO commission_change (user_id, hour) VALUES (7,'2026-11-20 10:00:00'),(7,'2026-11-20 11:00:00')",
    ]);
  });

  test('gets no statement when no row is in any hour', async () => {
    const { statements, target } = noting();
    await logChanges(target, [{ before: null, after: ['7', null] }]);
    expect(statements).toEqual([]);
  });
});
