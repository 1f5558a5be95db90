import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lockName } from '../../src/engine/lock.ts';

const part = (maxLength: number) => fc.string({ unit: fc.constantFrom(...'abcxyz0189-_'), minLength: 1, maxLength });
const shardName = fc.tuple(part(64), part(64), fc.oneof(fc.constant(''), part(64)));

describe('the name of a lock', () => {
  test('is plain where it fits', () => {
    expect(lockName('mia', 'sync-commission-log', '3')).toBe('tidemark:mia:sync-commission-log:3');
    expect(lockName('mia', 'rollup-income', '')).toBe('tidemark:mia:rollup-income:');
  });

  test('is left as it is at 64 characters, and shortened from 65 on', () => {
    const fits = lockName('d', 'j'.repeat(64 - 'tidemark:d::1'.length), '1');
    const longer = lockName('d', 'j'.repeat(65 - 'tidemark:d::1'.length), '1');
    expect(fits).toHaveLength(64);
    expect(fits.endsWith(':1')).toBe(true);
    expect(longer).toHaveLength(64);
    expect(longer.endsWith(':1')).toBe(false);
  });

  test('has at most 64 characters, always', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), part(100), fc.string({ unit: 'grapheme' }), (...names) => {
        expect(lockName(...names).length).toBeLessThanOrEqual(64);
      }),
    );
  });

  test('is the same for the same shard, and another for any other', () => {
    fc.assert(
      fc.property(shardName, shardName, (a, b) => {
        expect(lockName(...a) === lockName(...b)).toBe(a.join(':') === b.join(':'));
      }),
    );
  });

  test('differs for shards of a long name that differ only at the end', () => {
    fc.assert(
      fc.property(
        part(64),
        part(64),
        fc.uniqueArray(part(4), { minLength: 2, maxLength: 6 }),
        (database, job, ends) => {
          const names = ends.map((end) => lockName(database, job, `${'s'.repeat(60)}${end}`));
          expect(new Set(names).size).toBe(ends.length);
        },
      ),
    );
  });

  test('differs for the same shard of another database or job', () => {
    const names = [
      lockName('mia', 'sync', '1'),
      lockName('mia', 'sync', '2'),
      lockName('mia', 'sync', ''),
      lockName('mia', 'rollup', '1'),
      lockName('mia_test', 'sync', '1'),
      lockName('x'.repeat(64), 'sync', '1'),
      lockName(`${'x'.repeat(63)}y`, 'sync', '1'),
    ];
    expect(new Set(names).size).toBe(names.length);
  });
});
