/** What callers ask for, checked as a whole, and what of it stands on the bill. */
import { balanceMax } from './account.ts';
import { codes, type Refusal, refuse } from './answer.ts';
import { checkAmount, checkFen, checkId, checkText, firstOf } from './arguments.ts';
import type { BillContent, BillNotes } from './bill.ts';
import type { Items } from './prices.ts';

/** Who asks, and what they say of it. */
export interface Noted {
  readonly operator?: string;
  readonly clientAddress?: string;
  readonly info?: string;
}

export interface Named extends Noted {
  /** From `nextBillId`. */
  readonly billId: bigint;
  readonly accountId: bigint;
}

/** A payment provider's part in it: what `reconcile-day` compares with the provider's statement. */
interface Provided {
  readonly provider?: string;
  readonly orderId?: string;
  /** Fen, kept by the provider. */
  readonly fee?: bigint;
}

export interface Recharge extends Named, Provided {
  /** Fen, 1 or more. */
  readonly amount: bigint;
}

export interface Charge extends Named {
  /** Fen, 1 or more; or `items`. Both: they must agree. */
  readonly amount?: bigint;
  /** How many of which, at the prices of the moment. */
  readonly items?: Items;
}

export interface HoldRequest extends Named {
  /** Fen, 1 or more. */
  readonly amount: bigint;
  /** When it is released by itself; never, unless given: money that may have left must not come back by itself. */
  readonly expiresInSeconds?: number;
}

export interface Confirm extends Named, Provided {
  /** Fen, up to what is held, the default; the rest is released. */
  readonly amount?: bigint;
}

export interface Correction extends Named {
  /** Fen, signed. */
  readonly amount: bigint;
  readonly operator: string;
  readonly info: string;
}

type OfProvider = Pick<BillContent, 'provider' | 'orderId' | 'fee'>;

/** What a bill says beside its names. */
export type Wanted = Pick<BillContent, 'amount' | 'heldChange'> &
  OfProvider &
  Partial<Pick<BillContent, 'items' | 'expiresInSeconds'>>;

export const notProvided: OfProvider = { provider: null, orderId: null, fee: null };

export const providedOf = ({ provider, orderId, fee }: Provided): OfProvider => ({
  provider: provider ?? null,
  orderId: orderId ?? null,
  fee: fee ?? null,
});

export const checkNamed = ({ billId, accountId, operator, clientAddress, info }: Named): Refusal | null =>
  firstOf(
    checkId('billId', billId),
    checkId('accountId', accountId),
    checkText('operator', operator, 128),
    checkText('clientAddress', clientAddress, 64),
    checkText('info', info, 1000),
  );

/** An order id alone, or a provider alone, could never be compared with a statement. */
export function checkProvided({ provider, orderId, fee }: Provided): Refusal | null {
  const isNeeded = provider !== undefined || orderId !== undefined;
  return firstOf(
    checkText('provider', provider, 32, isNeeded),
    checkText('orderId', orderId, 64, isNeeded),
    fee === undefined ? null : checkFen('fee', fee),
    fee !== undefined && !isNeeded
      ? refuse(codes.badArgument, 'a fee belongs to a provider: provider and orderId')
      : null,
  );
}

/** Either a sum, or things with a price; both must agree, which is seen when the prices are known. */
export function checkCharge({ amount, items }: Charge): Refusal | null {
  if (amount === undefined && items === undefined)
    return refuse(codes.badArgument, 'neither amount nor items are given');
  return firstOf(amount === undefined ? null : checkAmount(amount), items === undefined ? null : checkItems(items));
}

/** More would not fit on a bill. */
const itemsMax = 100;

function checkItems(items: unknown): Refusal | null {
  const entries = typeof items === 'object' && items !== null ? Object.entries(items) : [];
  const isSound = entries.every(
    ([, quantity]) => typeof quantity === 'bigint' && quantity > 0n && quantity <= balanceMax,
  );
  if (isSound && entries.length > 0 && entries.length <= itemsMax) return null;
  return refuse(codes.badArgument, `items is not 1 to ${itemsMax} names, each with a bigint of 1 or more`);
}

export const notesOf = ({ info, operator, clientAddress }: Noted): BillNotes => ({
  info: info ?? null,
  operator: operator ?? null,
  clientAddress: clientAddress ?? null,
});
