/** What an order is: its state at the provider, and how far its money has come on our side. */
import type { ProviderName } from './provider.ts';

/**
 * - `pending`: nobody has shown us that it was paid; it may be
 * - `paid`: the provider says so
 * - `refunded`: it was paid, and went back in full
 * - `closed`: given up; should it be paid all the same, it is credited
 */
export type OrderState = 'pending' | 'paid' | 'refunded' | 'closed';

/** What is read at every step. Times are milliseconds since 1970, by the database's clock. */
export interface Order {
  readonly orderId: bigint;
  /** The account that the money goes to. */
  readonly merchantId: bigint;
  readonly provider: ProviderName;
  /** Fen. */
  readonly amount: bigint;
  readonly state: OrderState;
  /** Of the bill that credits the account. */
  readonly billId: bigint;
  /** Whether that bill has taken effect. */
  readonly isCredited: boolean;
  /** Whether it was rolled back. */
  readonly isReturned: boolean;
  /** Why a person must look; null: nobody must. */
  readonly concern: string | null;
  /** How often it was taken to be asked about. */
  readonly attempts: number;
  readonly expiresAt: number;
  /** When the provider is asked next; null: never. */
  readonly nextAt: number | null;
  /** When this was read. */
  readonly readAt: number;
}

/** What people read. */
export interface OrderDetail {
  readonly subject: string;
  readonly clientAddress: string | null;
  readonly expiresInSeconds: number;
  /** The provider's number of the payment. */
  readonly providerId: string | null;
  /** Of the provider's last answer, and since when it says so. */
  readonly word: string | null;
  readonly answeredAt: number | null;
  /** By the provider. */
  readonly paidAt: number | null;
  readonly createdAt: number;
}

export type OrderView = Order & OrderDetail;

/** Whether the account has what the state asks for. */
export function isSettled({
  state,
  isCredited,
  isReturned,
}: Pick<Order, 'state' | 'isCredited' | 'isReturned'>): boolean {
  if (state === 'paid') return isCredited;
  return state === 'refunded' ? isReturned : state === 'closed';
}
