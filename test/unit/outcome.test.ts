import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Entry } from '../../src/reconciliation/entry.ts';
import { type Difference, judge, usualRules } from '../../src/reconciliation/outcome.ts';
import { day, entryOf } from '../support/statements.ts';

const paid = entryOf();
const failed = entryOf({ status: 'failed' });
const unprocessed = entryOf({ status: 'unprocessed' });
const late = entryOf({ occurredAt: `${day} 23:59:58` });
const refund = (part: string, amount: bigint, occurredAt = `${day} 10:00:00`) =>
  entryOf({ direction: 'out', part, amount, fee: null, occurredAt });

function judged(local: readonly Entry[], channel: readonly Entry[], on = day): Difference[] {
  const [any] = [...local, ...channel] as [Entry];
  return judge({ reference: any.reference, direction: any.direction, local, channel }, { day: on, ...usualRules });
}
const outcomesOf = (local: readonly Entry[], channel: readonly Entry[], on = day) =>
  judged(local, channel, on).map(({ day: of, outcome }) => (of === on ? outcome : `${of} ${outcome}`));

describe('one entry on each side', () => {
  test.each([
    ['the same', [paid], [paid], []],
    ['only ours', [paid], [], ['local_only']],
    ['only theirs', [], [paid], ['channel_only']],
    ['another amount', [paid], [entryOf({ amount: 9901n })], ['amount']],
    ['another fee', [paid], [entryOf({ fee: 60n })], ['fee']],
    ['a fee that we do not know', [entryOf({ fee: null })], [paid], []],
    ['a fee that they do not know', [paid], [entryOf({ fee: null })], []],
    ['another amount and another fee', [paid], [entryOf({ amount: 1n, fee: 1n })], ['amount']],
    ['other times', [paid], [entryOf({ occurredAt: `${day} 10:00:07` })], []],
    ['ours failed', [failed], [paid], ['status']],
    ['ours unprocessed', [unprocessed], [paid], ['status']],
    ['theirs failed', [paid], [failed], ['status']],
    ['both failed', [failed], [failed], []],
    ['only theirs, failed', [], [failed], []],
    ['only ours, failed', [failed], [], []],
    ['ours failed, theirs unprocessed, other amounts', [failed], [entryOf({ status: 'unprocessed', amount: 1n })], []],
  ])('%s', (_, local, channel, expected) => expect(outcomesOf(local, channel)).toEqual(expected));

  test('both sides are told with their values', () => {
    expect(judged([paid], [entryOf({ amount: 1n, fee: null, occurredAt: `${day} 11:00:00` })])).toEqual([
      {
        day,
        reference: 'ORDER-1',
        direction: 'in',
        outcome: 'amount',
        local: { amount: 9900n, fee: 59n, status: 'success', occurredAt: `${day} 10:00:00`, entries: 1, part: '' },
        channel: { amount: 1n, fee: null, status: 'success', occurredAt: `${day} 11:00:00`, entries: 1, part: '' },
      },
    ]);
  });
});

describe('several entries of one key', () => {
  test('the same row twice is a duplicate, on either side, whatever the other side says', () => {
    expect(outcomesOf([paid], [paid, paid])).toEqual(['duplicate']);
    expect(outcomesOf([paid, paid], [paid, paid])).toEqual(['duplicate']);
    expect(outcomesOf([], [paid, paid])).toEqual(['duplicate']);
    expect(outcomesOf([paid], [paid, entryOf({ amount: 1n })])).toEqual(['duplicate']);
  });

  test('refunds of one order in parts are summed', () => {
    const parts = [refund('1', -100n), refund('2', -200n)];
    expect(outcomesOf([refund('', -300n)], parts)).toEqual([]);
    expect(outcomesOf(parts, parts)).toEqual([]);
    expect(outcomesOf([refund('', -301n)], parts)).toEqual(['amount']);
    expect(outcomesOf([refund('1', -100n)], parts)).toEqual(['amount']);
  });

  test('a failed part counts nothing', () => {
    const parts = [refund('1', -100n), { ...refund('2', -200n), status: 'failed' as const }];
    expect(outcomesOf([refund('', -100n)], parts)).toEqual([]);
  });
});

describe('near midnight', () => {
  test.each([
    ['23:59:59', 'pending_cutoff'],
    ['23:00:00', 'pending_cutoff'],
    ['22:59:59', 'local_only'],
    ['00:00:00', 'pending_cutoff'],
    ['00:59:59', 'pending_cutoff'],
    ['01:00:00', 'local_only'],
  ])('one that is alone at %s is %s', (time, expected) => {
    expect(outcomesOf([entryOf({ occurredAt: `${day} ${time}` })], [])).toEqual([expected]);
  });

  test('one that is not alone does not wait', () => {
    expect(outcomesOf([late], [entryOf({ amount: 1n })])).toEqual(['amount']);
    expect(outcomesOf([late], [failed])).toEqual(['status']);
  });

  test('its other half on a later day resolves the earlier one, which says so', () => {
    const morning = entryOf({ occurredAt: '2026-11-21 00:00:03' });
    expect(outcomesOf([late], [morning], '2026-11-21')).toEqual([`${day} resolved`]);
    expect(outcomesOf([morning], [late], '2026-11-21')).toEqual([`${day} resolved`]);
    expect(outcomesOf([late], [entryOf({ occurredAt: '2026-11-23 00:00:03' })], '2026-11-23')).toEqual([
      `${day} resolved`,
    ]);
  });

  test.each([
    ['amount', { amount: 9901n }],
    ['fee', { fee: 1n }],
    ['status', { status: 'failed' as const }],
  ])('its other half with another %s makes a difference of it', (outcome, other) => {
    const half = entryOf({ occurredAt: '2026-11-21 00:00:03', ...other });
    expect(outcomesOf([late], [half], '2026-11-21')).toEqual([`${day} ${outcome}`]);
  });

  test('it waits for three days, and is then a difference', () => {
    const after = ['2026-11-21', '2026-11-22', '2026-11-23'].map((on) => outcomesOf([late], [], on));
    expect(after).toEqual([[`${day} pending_cutoff`], [`${day} pending_cutoff`], [`${day} local_only`]]);
    expect(outcomesOf([], [late], '2026-11-24')).toEqual([`${day} channel_only`]);
  });

  test('a difference of an earlier day that was not near midnight is resolved all the same', () => {
    const theirs = entryOf({ occurredAt: '2026-11-22 15:00:00' });
    expect(outcomesOf([paid], [], '2026-11-22')).toEqual([`${day} local_only`]);
    expect(outcomesOf([paid], [theirs], '2026-11-22')).toEqual([`${day} resolved`]);
  });

  test('a refund that waits makes no difference of the parts before it', () => {
    const first = refund('1', -100n);
    const second = refund('2', -200n, `${day} 23:59:00`);
    const [waiting, ...others] = judged([first, second], [first]);
    expect(others).toEqual([]);
    expect(waiting).toMatchObject({ outcome: 'pending_cutoff', local: { amount: -200n, entries: 1 }, channel: null });
    const theirs = refund('2', -200n, '2026-11-21 00:00:01');
    expect(outcomesOf([second], [theirs], '2026-11-21')).toEqual([`${day} resolved`]);
  });

  test('a refund of an earlier day stays what it was beside the refunds of today', () => {
    const lost = refund('1', -100n);
    const today = refund('2', -200n, '2026-11-22 10:00:00');
    expect(outcomesOf([lost, today], [today], '2026-11-22')).toEqual([`${day} local_only`]);
  });

  test('refunds of several days that are alone stay apart', () => {
    const [first, second] = [refund('1', -100n), refund('2', -200n, '2026-11-21 10:00:00')];
    expect(judged([first, second], [], '2026-11-22')).toMatchObject([
      { day, outcome: 'local_only', local: { amount: -100n, part: '1' } },
      { day: '2026-11-21', outcome: 'local_only', local: { amount: -200n, part: '2' } },
    ]);
  });

  test('one part comes and another still waits', () => {
    const [came, waits] = [refund('1', -100n, `${day} 23:50:00`), refund('2', -200n, '2026-11-21 23:59:00')];
    const there = refund('1', -100n, '2026-11-21 00:01:00');
    expect(outcomesOf([came, waits], [there], '2026-11-21')).toEqual([`${day} resolved`, 'pending_cutoff']);
  });
});

describe('whatever the entries', () => {
  const anyEntry = fc
    .record({
      part: fc.constantFrom('', '1', '2'),
      amount: fc.constantFrom(-100n, -200n, -300n),
      fee: fc.constantFrom(null, 0n, 1n),
      status: fc.constantFrom('success' as const, 'failed' as const, 'unprocessed' as const),
      occurredAt: fc.constantFrom(`${day} 10:00:00`, `${day} 23:30:00`, '2026-11-19 23:30:00', '2026-11-16 23:30:00'),
    })
    .map((more) => entryOf({ direction: 'out', ...more }));
  const anySides = fc
    .tuple(fc.array(anyEntry, { maxLength: 4 }), fc.array(anyEntry, { maxLength: 4 }))
    .filter(([a, b]) => a.length + b.length > 0);
  const turned: Record<string, string> = { local_only: 'channel_only', channel_only: 'local_only' };

  test('the sides are judged alike', () => {
    fc.assert(
      fc.property(anySides, ([local, channel]) => {
        const there = judged(local, channel).map(({ day: of, outcome }) => [of, turned[outcome] ?? outcome]);
        expect(judged(channel, local).map(({ day: of, outcome }) => [of, outcome])).toEqual(there);
      }),
      { numRuns: 2000 },
    );
  });

  test('nothing is left out: without a difference both sides have the same money', () => {
    fc.assert(
      fc.property(anySides, ([local, channel]) => {
        const money = (side: readonly Entry[]) =>
          side.filter(({ status }) => status === 'success').reduce((sum, { amount }) => sum + amount, 0n);
        if (judged(local, channel).every(({ outcome }) => outcome === 'resolved'))
          expect(money(local)).toBe(money(channel));
      }),
      { numRuns: 2000 },
    );
  });

  test('there is one difference a day at most, and none waits longer than three days', () => {
    fc.assert(
      fc.property(anySides, ([local, channel]) => {
        const found = judged(local, channel);
        expect(new Set(found.map(({ day: of }) => of)).size).toBe(found.length);
        expect(found.some((each) => each.outcome === 'pending_cutoff' && each.day === '2026-11-16')).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
