/**
 * What an answer of a provider asks for: the rules of orders, without any input or output.
 *
 * | order | paid, of its amount | refunded in full | closed | pending, not known there |
 * | --- | --- | --- | --- | --- |
 * | pending | paid | refunded | closed, once expired | closed, once expired for good |
 * | paid | | refunded | Alipay: refunded; else a person | |
 * | closed | paid | refunded | | |
 * | refunded | | | | |
 *
 * Another amount, or a refund in part or of unknown size: nothing moves, a person looks. Everything else moves nothing.
 * Alipay says `closed` also of a payment that was refunded in full; of one that we never saw paid, nothing moves then:
 * no account had the money, and none has it.
 */
import { isSettled, type Order } from './order.ts';
import type { PaymentAnswer } from './provider.ts';

export type Verdict = { readonly move: 'paid' | 'refunded' | 'closed' } | { readonly concern: string } | null;

/** For clocks that differ: so long behind its expiry a provider that does not know an order will never take money for it. */
const graceMs = 10_000;

/** @param order as it was before the provider was asked: what expires while it answers may yet be paid */
export function judge(order: Order, answer: PaymentAnswer): Verdict {
  if (answer.state === 'paid') return judgePaid(order, answer);
  if (answer.state === 'refunded') return judgeRefunded(order, answer);
  if (answer.state === 'closed') return judgeClosed(order, answer);
  const isUnknownThere = answer.state === 'pending' && !answer.known;
  const isOver = order.readAt >= order.expiresAt + graceMs;
  return order.state === 'pending' && isUnknownThere && isOver ? { move: 'closed' } : null;
}

function judgePaid(order: Order, answer: PaymentAnswer): Verdict {
  if (answer.amount === null) return null; // a sum that nobody has told cannot be booked: asked again
  return anotherAmount(order, answer) ?? (isUnpaid(order) ? { move: 'paid' } : null);
}

function judgeRefunded(order: Order, answer: PaymentAnswer): Verdict {
  if (order.state === 'refunded') return null;
  const another = anotherAmount(order, answer);
  if (another !== null) return another;
  if (answer.refunded === order.amount) return { move: 'refunded' };
  const part = answer.refunded === null ? 'an unknown part' : `${answer.refunded} of ${order.amount} fen`;
  return { concern: `${answer.word}: ${part} went back to the buyer` };
}

function judgeClosed(order: Order, answer: PaymentAnswer): Verdict {
  if (order.state === 'pending') return order.readAt >= order.expiresAt ? { move: 'closed' } : null;
  if (order.state !== 'paid') return null;
  if (order.provider !== 'alipay') return { concern: `${answer.word}: closed there, although it was paid` };
  return anotherAmount(order, answer) ?? { move: 'refunded' };
}

const isUnpaid = ({ state }: Order): boolean => state === 'pending' || state === 'closed';

/** Also of an order that is paid already: the provider has more or less than what was credited. */
const anotherAmount = (order: Order, { amount, word }: PaymentAnswer): Verdict =>
  amount === null || amount === order.amount
    ? null
    : { concern: `${word}: ${amount} fen were paid, and the order is of ${order.amount}` };

/** Whether to have an order closed at the provider, before it is asked once more: it has expired, and can still be paid. */
export const isToBeClosed = (order: Order, { state, known }: PaymentAnswer): boolean =>
  order.state === 'pending' &&
  order.readAt >= order.expiresAt &&
  (state === 'failed' || (state === 'pending' && known));

export type Outcome = 'settled' | 'waiting' | 'stuck';

/** What nobody can say for so long behind its expiry, a person must look at. */
const unknownMsMax = 24 * 3_600_000;

/**
 * How an order stands after a look. A paid one is settled when a query has said so: what a notice tells may be older than
 * what has come since.
 *
 * @param answer of the query
 */
export function outcomeOf(order: Order, answer: PaymentAnswer): Outcome {
  if (order.concern !== null) return 'stuck';
  const isTold = answer.state === 'paid' || answer.state === 'refunded' || answer.state === 'closed';
  if (isSettled(order) && (order.state !== 'paid' || isTold)) return 'settled';
  return order.readAt > order.expiresAt + unknownMsMax ? 'stuck' : 'waiting';
}

const firstPauseMs = 10_000;
const longestPauseMs = 600_000;
const rareMs = 6 * 3_600_000;

/**
 * When an order is looked at next: 10 s after it was made, then 10, 20, 40 s ... up to 10 minutes later, each a tenth
 * more or less, so that many do not come at once; at its expiry in any case. A stuck one every 6 hours.
 *
 * @param random from 0 to 1
 * @returns null: never
 */
export function nextLook(order: Order, outcome: Outcome, random: number): number | null {
  if (outcome === 'settled') return null;
  const backOff = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(Math.max(order.attempts - 1, 0), 20));
  const pauseMs = (outcome === 'stuck' ? rareMs : backOff) * (0.9 + random / 5);
  const borders = isSettled(order) ? [] : [order.expiresAt, order.expiresAt + graceMs];
  const ahead = borders.filter((border) => border > order.readAt);
  return Math.round(Math.min(order.readAt + pauseMs, ...ahead));
}
