/**
 * An entry: one movement of money as one side tells it, whichever file or table it came from.
 *
 * Both sides are told in one way, so that they can be compared: money that comes to us is `in` and positive, money that
 * leaves us `out` and negative; a fee is what it costs us, so a fee that is given back is negative.
 */

/** With whom the ledger is compared: applications that call it, and payment providers. */
const counterparts = ['initiator', 'alipay', 'wechat'] as const;
export type Counterpart = (typeof counterparts)[number];

export const isCounterpart = (name: string): name is Counterpart => counterparts.includes(name as Counterpart);

/** A payment is `in`, a refund `out`. Part of the key: an order and its refund carry one reference. */
export type Direction = 'in' | 'out';

/** The words of the ledger's bills. Only a success moves money. */
export type Status = 'success' | 'failed' | 'unprocessed';

export interface Entry {
  /** What both sides know it by: a bill id, or the order id that we gave to the provider. */
  readonly reference: string;
  readonly direction: Direction;
  /** Tells the refunds of one order apart: the number of the refund; empty for a payment. */
  readonly part: string;
  /** In fen, signed. */
  readonly amount: bigint;
  /** In fen; null when this side does not know it. */
  readonly fee: bigint | null;
  readonly status: Status;
  /** In the business zone: `2026-11-20 10:00:00`. */
  readonly occurredAt: string;
  /** The line in the statement file; 0 when it comes from elsewhere. */
  readonly line: number;
}

/** The business day of an entry: `2026-11-20`. */
export function dayOf(entry: Entry): string {
  return entry.occurredAt.slice(0, 10);
}

/** What entries of both sides have in common. */
export function keyOf({ direction, reference }: Pick<Entry, 'direction' | 'reference'>): string {
  return `${direction} ${reference}`;
}
