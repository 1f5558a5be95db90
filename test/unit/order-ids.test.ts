/** Ids of orders: their digits, their order, and the table that follows from them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  hashOf,
  idOf,
  nodes,
  type Place,
  placeBehind,
  tableOfMerchant,
  tableOfOrder,
  tablesMax,
} from '../../src/payments/order-ids.ts';

const [from, until] = [Date.UTC(2026, 0, 1), Date.UTC(2085, 0, 1)];
const times = fc.integer({ min: from, max: until });
const merchants = fc.bigInt(1n, 2n ** 64n - 1n);
const places = fc.record<Place>({
  time: times,
  hash: fc.nat(tablesMax - 1),
  sequence: fc.nat(63),
});
const anyNode = fc.nat(nodes - 1);

describe('an id', () => {
  test('has 19 digits and fits a signed BIGINT, until 2085', () => {
    fc.assert(
      fc.property(places, anyNode, (place, node) => {
        const id = idOf(place, node);
        return String(id).length === 19 && id < 2n ** 63n;
      }),
    );
  });

  test('says its time first, so that later ones are larger', () => {
    fc.assert(
      fc.property(places, places, anyNode, anyNode, (a, b, nodeOfA, nodeOfB) => {
        fc.pre(a.time < b.time);
        return idOf(a, nodeOfA) < idOf(b, nodeOfB);
      }),
    );
  });

  test('is another wherever the place or the node is another', () => {
    fc.assert(
      fc.property(places, places, anyNode, anyNode, (a, b, nodeOfA, nodeOfB) => {
        const isSame = a.time === b.time && a.hash === b.hash && a.sequence === b.sequence && nodeOfA === nodeOfB;
        return (idOf(a, nodeOfA) === idOf(b, nodeOfB)) === isSame;
      }),
    );
  });

  test.each([Date.UTC(2015, 11, 31), Date.UTC(2090, 0, 1), 1.5, Number.NaN])('cannot say the time %s', (time) => {
    expect(() => idOf({ time, hash: 0, sequence: 0 }, 0)).toThrow(RangeError);
  });

  test('follows the last one of its process, whoever it is for and however far the clock is behind', () => {
    fc.assert(
      fc.property(places, times, merchants, anyNode, (last, now, merchant, node) => {
        const next = placeBehind(last, now, hashOf(merchant));
        expect(idOf(next, node)).toBeGreaterThan(idOf(last, node));
        expect(next.time).toBeGreaterThanOrEqual(now);
        expect(next.time).toBeLessThanOrEqual(Math.max(now, last.time + 1));
      }),
    );
  });
});

test('ids and hashes are made as they always were: orders are found by them', () => {
  expect([1n, 4711n, 2n ** 64n - 1n].map(hashOf)).toEqual([39, 35, 24]);
  expect(idOf({ time: 1_795_289_213_561, hash: 35, sequence: 3 }, 7)).toBe(1441510199652450755n);
});

describe('the table of an order', () => {
  test('is the same from its id as from its merchant', () => {
    fc.assert(
      fc.property(merchants, times, anyNode, fc.integer({ min: 1, max: tablesMax }), (merchant, time, node, tables) => {
        const id = idOf(placeBehind(null, time, hashOf(merchant)), node);
        expect(tableOfOrder(id, tables)).toBe(tableOfMerchant(merchant, tables));
        expect(tableOfOrder(id, tables)).toBeLessThan(tables);
      }),
    );
  });

  test.each([
    ['consecutive', 1n],
    ['multiples of 4', 4n],
    ['multiples of 64', 64n],
    ['multiples of 1000', 1000n],
    ['multiples of 2^32', 2n ** 32n],
  ])('is each of four about as often, where ids of merchants are %s', (_, step) => {
    const counts = [0, 0, 0, 0];
    for (let merchant = 1n; merchant <= 20_000n; merchant++)
      counts[tableOfMerchant(merchant * step, 4)] = (counts[tableOfMerchant(merchant * step, 4)] ?? 0) + 1;
    for (const count of counts) expect(Math.abs(count - 5000)).toBeLessThan(300);
  });
});
