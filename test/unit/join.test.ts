import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/reconciliation/entry.ts';
import { join, type Pair } from '../../src/reconciliation/join.ts';
import { judge, usualRules } from '../../src/reconciliation/outcome.ts';
import { hashOf } from '../../src/reconciliation/record.ts';
import { Spool } from '../../src/reconciliation/spool.ts';
import { day, dice, entryOf, plantedDay } from '../support/statements.ts';

function joined(local: readonly Entry[], channel: readonly Entry[], bytesMax?: number) {
  const ours = new Spool(bytesMax);
  const theirs = new Spool(bytesMax);
  ours.add(local);
  theirs.add(channel);
  const pairs: Pair[] = [];
  let matched = 0;
  for (const share of join(ours, theirs)) {
    matched += share.matched;
    pairs.push(...share.pairs);
  }
  const spilled = ours.spilled;
  ours.close();
  theirs.close();
  return { matched, pairs, spilled };
}

const keyOf = ({ direction, reference }: Pick<Entry, 'direction' | 'reference'>) => `${direction} ${reference}`;

/** The same, by a map. */
function grouped(local: readonly Entry[], channel: readonly Entry[]): Map<string, Pair> {
  const pairs = new Map<string, Pair & { local: Entry[]; channel: Entry[] }>();
  for (const [side, entries] of [
    ['local', local],
    ['channel', channel],
  ] as const)
    for (const entry of entries) {
      const pair = pairs.get(keyOf(entry)) ?? { ...entry, local: [], channel: [] };
      pair[side].push(entry);
      pairs.set(keyOf(entry), pair);
    }
  return pairs;
}

const anyEntry = fc.record({
  reference: fc.oneof(fc.constantFrom('A', 'B', 'C', '会员-1', 'é', '𝄞'), fc.string({ minLength: 1, maxLength: 128 })),
  direction: fc.constantFrom('in' as const, 'out' as const),
  part: fc.constantFrom('', '1', '2', '退款-3'),
  amount: fc.oneof(
    fc.constantFrom(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 32n),
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  ),
  fee: fc.option(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
  status: fc.constantFrom('success' as const, 'failed' as const, 'unprocessed' as const),
  occurredAt: fc.constantFrom(`${day} 10:00:00`, `${day} 23:59:59`),
  line: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});
const anySide = fc.array(anyEntry, { maxLength: 30 });

describe('the join of two sides', () => {
  test('brings the entries of a key together as they were, and passes over keys that agree only', () => {
    fc.assert(
      fc.property(anySide, anySide, fc.constantFrom(1000, undefined), (local, channel, bytesMax) => {
        const { matched, pairs } = joined(local, channel, bytesMax);
        const wanted = grouped(local, channel);
        expect(matched + pairs.length).toBe(wanted.size);
        for (const pair of pairs) {
          expect(pair.local).toEqual(wanted.get(keyOf(pair))?.local);
          expect(pair.channel).toEqual(wanted.get(keyOf(pair))?.channel);
          wanted.delete(keyOf(pair));
        }
        for (const pair of wanted.values()) expect(judge(pair, { day, ...usualRules })).toEqual([]);
      }),
    );
  });

  test('passes over every key that has one equal success on each side', () => {
    const entries = plantedDay(5000, 0, 3).local;
    const { matched, pairs } = joined(entries, entries.toReversed());
    // Two keys whose hashes agree in the bits that a share sorts by are told in full.
    expect(matched + pairs.length).toBe(5000);
    expect(pairs.length).toBeLessThan(10);
    expect(pairs.flatMap((pair) => judge(pair, { day, ...usualRules }))).toEqual([]);
  });

  test('keeps keys with the same hash apart', () => {
    const [one, other] = sameHash();
    expect(hashOf(one)).toBe(hashOf(other));
    const { matched, pairs } = joined([one, other], [other]);
    expect(matched).toBe(0);
    expect(pairs.flatMap((pair) => judge(pair, { day, ...usualRules }))).toMatchObject([
      { reference: one.reference, outcome: 'local_only' },
    ]);
  });

  test('an entry of an earlier day is told although it agrees', () => {
    const ours = new Spool();
    const theirs = new Spool();
    ours.addEarlier([entryOf()]);
    theirs.add([entryOf()]);
    expect([...join(ours, theirs)].flatMap(({ pairs }) => pairs)).toHaveLength(1);
  });

  test('finds exactly the planted differences, with and without the disk', () => {
    for (const bytesMax of [100_000, 2000]) {
      const { local, channel, expected } = plantedDay(20_000, 70, 5);
      const { pairs, spilled } = joined(local, channel, bytesMax);
      expect(spilled).toBe(bytesMax === 2000);
      const found = pairs
        .flatMap((pair) => judge(pair, { day, ...usualRules }))
        .map((each) => [keyOf(each), each.outcome] as const);
      expect(new Map(found)).toEqual(expected);
      expect(found).toHaveLength(70);
    }
  });

  test('leaves nothing on the disk, not even while it is there', () => {
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('tidemark-spool-'));
    const before = folders();
    const spool = new Spool(1000);
    spool.add(plantedDay(1000, 0).local);
    expect(spool.spilled).toBe(true);
    expect(folders()).toEqual(before);
    spool.close();
  });
});

/** Two references with one hash: there is such a pair among some hundred thousand. */
function sameHash(): [Entry, Entry] {
  const roll = dice(1);
  const known = new Map<number, Entry>();
  for (;;) {
    const entry = entryOf({ reference: `${roll(2 ** 31)}-${roll(2 ** 31)}` });
    const other = known.get(hashOf(entry));
    if (other !== undefined && other.reference !== entry.reference) return [other, entry];
    known.set(hashOf(entry), entry);
  }
}
