/** What each answer means in each state; whatever is not certain decides nothing. */
import { describe, expect, test } from 'vitest';
import { judge } from '../../src/payments/payout-verdict.ts';
import type { TransferState } from '../../src/payments/provider.ts';
import { answer } from '../support/payout-bank.ts';

const dayMs = 86_400_000;
const payout = (state: 'sending' | 'paid' | 'failed', ageMs = 0) => ({ state, net: 500n, requestedAt: 0, now: ageMs });
const verdict = (state: 'sending' | 'paid' | 'failed', told: TransferState, amount: bigint | null = 500n) => {
  const found = judge(payout(state), answer(told, amount));
  return found.what === 'decide' ? found.decision : found.what;
};

test.each([
  ['sending', 'pending', 'wait'],
  ['sending', 'unknown', 'wait'],
  ['sending', 'missing', 'send'],
  ['sending', 'paid', 'paid'],
  ['sending', 'failed', 'failed'],
  ['sending', 'returned', 'returned'],
  ['paid', 'pending', 'wait'],
  ['paid', 'unknown', 'wait'],
  ['paid', 'missing', 'contradiction'],
  ['paid', 'paid', 'agrees'],
  ['paid', 'failed', 'contradiction'],
  ['paid', 'returned', 'returned'],
  ['failed', 'pending', 'wait'],
  ['failed', 'unknown', 'wait'],
  ['failed', 'missing', 'agrees'],
  ['failed', 'paid', 'contradiction'],
  ['failed', 'failed', 'agrees'],
  ['failed', 'returned', 'contradiction'],
] as const)('%s, and the provider says %s: %s', (state, told, what) => {
  expect(verdict(state, told)).toBe(what);
});

describe('another sum than was sent', () => {
  test.each(['paid', 'failed', 'returned'] as const)('decides nothing: %s', (told) => {
    expect(verdict('sending', told, 499n)).toBe('contradiction');
  });
  test('is none where the provider tells no sum', () => {
    expect(verdict('sending', 'paid', null)).toBe('paid');
  });
});

test.each([
  [15, 'send'],
  [15.1, 'contradiction'],
] as const)('one that the provider does not know is sent again for 15 days: after %d', (days, what) => {
  expect(judge(payout('sending', days * dayMs), answer('missing', null)).what).toBe(what);
});
