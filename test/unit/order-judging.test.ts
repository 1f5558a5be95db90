/** The rules of orders: what each answer asks for, in each state of an order. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isToBeClosed, judge, nextLook, outcomeOf } from '../../src/payments/judging.ts';
import type { Order, OrderState } from '../../src/payments/order.ts';
import type { PaymentAnswer } from '../../src/payments/provider.ts';
import { says } from '../support/scripted-provider.ts';

const hourMs = 3_600_000;
const expiresAt = Date.UTC(2026, 10, 20);
const orderOf = (more: Partial<Order> = {}): Order => ({
  orderId: 1n,
  merchantId: 2n,
  provider: 'alipay',
  amount: 1000n,
  state: 'pending',
  billId: 3n,
  isCredited: false,
  isReturned: false,
  concern: null,
  attempts: 1,
  expiresAt,
  nextAt: expiresAt,
  readAt: expiresAt - 60_000,
  ...more,
});

const answers: Readonly<Record<string, PaymentAnswer>> = {
  paid: says('paid', { amount: 1000n }),
  'paid too little': says('paid', { amount: 999n }),
  'paid, of how much is not told': says('paid'),
  refunded: says('refunded', { amount: 1000n, refunded: 1000n }),
  'refunded of another amount': says('refunded', { amount: 2000n, refunded: 2000n }),
  'refunded in part': says('refunded', { amount: 1000n, refunded: 1n }),
  'refunded, of how much is not told': says('refunded', { amount: 1000n }),
  closed: says('closed'),
  pending: says('pending'),
  'not known there': says('pending', { known: false }),
  failed: says('failed'),
  unknown: says('unknown', { known: false }),
};
type Word = 'paid' | 'refunded' | 'closed' | 'a person' | '-';

/** What each answer asks for, of an order in time, expired a second ago, and a minute ago. */
const rules: Readonly<Record<string, Readonly<Record<string, readonly [Word, Word, Word]>>>> = {
  pending: {
    paid: ['paid', 'paid', 'paid'],
    'paid too little': ['a person', 'a person', 'a person'],
    refunded: ['refunded', 'refunded', 'refunded'],
    'refunded of another amount': ['a person', 'a person', 'a person'],
    'refunded in part': ['a person', 'a person', 'a person'],
    'refunded, of how much is not told': ['a person', 'a person', 'a person'],
    closed: ['-', 'closed', 'closed'],
    'not known there': ['-', '-', 'closed'],
  },
  closed: {
    paid: ['paid', 'paid', 'paid'],
    'paid too little': ['a person', 'a person', 'a person'],
    refunded: ['refunded', 'refunded', 'refunded'],
    'refunded of another amount': ['a person', 'a person', 'a person'],
    'refunded in part': ['a person', 'a person', 'a person'],
    'refunded, of how much is not told': ['a person', 'a person', 'a person'],
  },
  paid: {
    'paid too little': ['a person', 'a person', 'a person'],
    refunded: ['refunded', 'refunded', 'refunded'],
    'refunded of another amount': ['a person', 'a person', 'a person'],
    'refunded in part': ['a person', 'a person', 'a person'],
    'refunded, of how much is not told': ['a person', 'a person', 'a person'],
    closed: ['refunded', 'refunded', 'refunded'],
  },
  refunded: { 'paid too little': ['a person', 'a person', 'a person'] },
};

const wordOf = (order: Order, answer: PaymentAnswer): Word => {
  const verdict = judge(order, answer);
  if (verdict === null) return '-';
  return 'move' in verdict ? verdict.move : 'a person';
};

describe.each(Object.keys(rules) as OrderState[])('an order that is %s', (state) => {
  test.each(Object.entries(answers))('and an answer: %s', (name, answer) => {
    const words = [-60_000, 1000, 60_000].map((behind) =>
      wordOf(orderOf({ state, readAt: expiresAt + behind }), answer),
    );
    expect(words).toEqual(rules[state]?.[name] ?? ['-', '-', '-']);
  });
});

test("WeChat's CLOSED of an order that is paid is for a person", () => {
  expect(wordOf(orderOf({ state: 'paid', provider: 'wechat' }), says('closed'))).toBe('a person');
});

test('no answer but a paid or refunded one of its own amount moves money', () => {
  const anyAnswer = fc.record<PaymentAnswer>({
    state: fc.constantFrom('pending', 'paid', 'refunded', 'closed', 'failed', 'unknown'),
    known: fc.boolean(),
    providerId: fc.constant(null),
    amount: fc.option(fc.constantFrom(0n, 1n, 999n, 1000n, 1001n)),
    refunded: fc.option(fc.constantFrom(0n, 1n, 999n, 1000n, 1001n)),
    paidAt: fc.constant(null),
    word: fc.constant('x'),
  });
  fc.assert(
    fc.property(anyAnswer, fc.constantFrom<OrderState>('pending', 'closed'), fc.integer(), (answer, state, readAt) => {
      const word = wordOf(orderOf({ state, readAt }), answer);
      if (word === 'paid') expect(answer).toMatchObject({ state: 'paid', amount: 1000n });
      if (word === 'refunded') expect(answer).toMatchObject({ state: 'refunded', refunded: 1000n });
    }),
    { numRuns: 2000 },
  );
});

test.each<[string, Partial<Order>, PaymentAnswer, boolean]>([
  ['an expired one that can still be paid', { readAt: expiresAt }, says('pending'), true],
  ['an expired one whose attempt failed', { readAt: expiresAt }, says('failed'), true],
  ['one in time', {}, says('pending'), false],
  ['one that is not known there', { readAt: expiresAt }, says('pending', { known: false }), false],
  ['one of which nobody can say anything', { readAt: expiresAt }, says('unknown'), false],
  ['one that is paid', { readAt: expiresAt, state: 'paid' }, says('pending'), false],
])('%s is closed at the provider, or is not', (_, more, answer, expected) => {
  expect(isToBeClosed(orderOf(more), answer)).toBe(expected);
});

describe('an outcome', () => {
  const credited = { state: 'paid', isCredited: true } as const;
  test.each<[string, Partial<Order>, PaymentAnswer, string]>([
    ['pending', {}, says('pending'), 'waiting'],
    ['unknown a day behind its expiry', { readAt: expiresAt + 24 * hourMs + 1 }, says('unknown'), 'stuck'],
    ['of concern', { concern: 'x', ...credited }, says('paid'), 'stuck'],
    ['paid, and a query says so', credited, says('paid'), 'settled'],
    ['paid, and no query says so', credited, says('pending'), 'waiting'],
    ['paid, not credited', { state: 'paid' }, says('paid'), 'waiting'],
    ['closed', { state: 'closed' }, says('unknown'), 'settled'],
    ['refunded, not returned', { ...credited, state: 'refunded' }, says('refunded'), 'waiting'],
    ['refunded', { state: 'refunded', isCredited: true, isReturned: true }, says('unknown'), 'settled'],
  ])('%s', (_, more, answer, outcome) => {
    expect(outcomeOf(orderOf(more), answer)).toBe(outcome);
  });
});

describe('the next look', () => {
  test('is never for a settled order, and always ahead for another, at most at its expiry', () => {
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.integer({ min: -30 * hourMs, max: 30 * hourMs }),
        (attempts, random, behind) => {
          const order = orderOf({ attempts, readAt: expiresAt + behind });
          expect(nextLook(order, 'settled', random)).toBeNull();
          const next = nextLook(order, 'waiting', random) as number;
          expect(next).toBeGreaterThan(order.readAt);
          expect(next - order.readAt).toBeLessThanOrEqual(660_000);
          if (behind < 0) expect(next).toBeLessThanOrEqual(expiresAt);
        },
      ),
    );
  });

  test.each([
    [0, 10],
    [1, 10],
    [2, 20],
    [3, 40],
    [7, 600],
    [4_000_000_000, 600],
  ])('behind attempt %i is %i s ahead', (attempts, seconds) => {
    const order = orderOf({ attempts, readAt: expiresAt - 24 * hourMs });
    expect(nextLook(order, 'waiting', 0.5)).toBe(order.readAt + seconds * 1000);
    expect(nextLook(order, 'waiting', 0)).toBe(order.readAt + seconds * 900);
  });

  test('at a stuck one is hours ahead', () => {
    const order = orderOf({ readAt: expiresAt + 48 * hourMs });
    expect(nextLook(order, 'stuck', 0.5)).toBe(order.readAt + 6 * hourMs);
  });
});
