/**
 * The arithmetic of one account's month: what came in is credited, kept back as tax, or carried over.
 *
 * Promises: income + adjustment = credited + tax + carried, to the fen, whatever the numbers; all that is due is credited
 * or nothing of it. What is carried over is due again with the next month; below 0 it is a debt that later income pays.
 */
import { type TaxRule, taxOf } from './tax.ts';

/** By what a month is settled. */
export interface Terms {
  readonly rule: TaxRule;
  /** Fen; a smaller sum is carried over. */
  readonly minimum: bigint;
}

/** What an account brings into a month; all in fen. */
export interface AccountMonth {
  readonly income: bigint;
  readonly adjustment: bigint;
  /** Carried over from the months before; negative: a debt. */
  readonly carriedBefore: bigint;
  /** Why the account is frozen; null when it is not. */
  readonly frozenReason: string | null;
}

export interface Reckoning {
  readonly tax: bigint;
  readonly credited: bigint;
  /** What this month adds to the sum carried over; negative: what it takes from it. */
  readonly carried: bigint;
  readonly carriedTotal: bigint;
  /** Why something is carried over; null when nothing is. */
  readonly reason: 'frozen' | 'debt' | 'minimum' | null;
}

export function reckon(
  { income, adjustment, carriedBefore, frozenReason }: AccountMonth,
  { rule, minimum }: Terms,
): Reckoning {
  const tax = taxOf(rule, income + adjustment);
  const due = carriedBefore + income + adjustment - tax;
  const reason = reasonToCarry(due, frozenReason !== null, minimum);
  const credited = reason === null ? due : 0n;
  return { tax, credited, carried: income + adjustment - tax - credited, carriedTotal: due - credited, reason };
}

function reasonToCarry(due: bigint, frozen: boolean, minimum: bigint): Reckoning['reason'] {
  if (due === 0n) return null;
  if (frozen) return 'frozen';
  if (due < 0n) return 'debt';
  return due < minimum ? 'minimum' : null;
}
