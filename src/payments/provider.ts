/**
 * A payment provider, as the rest of the payments see it.
 *
 * Promises of every implementation: an answer is verified by the provider's signature before it says anything else than
 * `unknown`; whatever is not known for certain is `unknown`, and moves no money; nothing is thrown for what a provider
 * does or fails to do (timeouts, refusals, broken signatures are `unknown`, with the reason). Sums are fen in `bigint`,
 * times are milliseconds since 1970.
 */

export type ProviderName = 'alipay' | 'wechat';

/**
 * What a payment has come to.
 *
 * - `pending`: not paid so far; it still may be
 * - `paid`: the money is there
 * - `refunded`: it was paid, and went back, whole or (`refunded` tells it, or null) in part
 * - `closed`: it was not paid, and cannot be any more
 * - `failed`: the attempt failed; another may follow
 * - `unknown`: nobody can say
 */
export type PaymentState = 'pending' | 'paid' | 'refunded' | 'closed' | 'failed' | 'unknown';

export interface PaymentAnswer {
  readonly state: PaymentState;
  /** Whether the provider knows the order. A buyer who has not opened the cashier leaves it unknown there: `pending`. */
  readonly known: boolean;
  /** The provider's own number of the payment. */
  readonly providerId: string | null;
  /** Paid, in fen. */
  readonly amount: bigint | null;
  /** Gone back, in fen; null when it is not told. */
  readonly refunded: bigint | null;
  readonly paidAt: number | null;
  /** The provider's own word: `TRADE_SUCCESS`, `ACQ.TRADE_NOT_EXIST`, `timeout`. Kept for people. */
  readonly word: string;
}

/** What a payout has come to. `missing`: the provider says, signed, that it was never asked for it. */
export type TransferState = 'pending' | 'paid' | 'failed' | 'returned' | 'missing' | 'unknown';

export interface TransferAnswer {
  readonly state: TransferState;
  readonly providerId: string | null;
  readonly amount: bigint | null;
  readonly word: string;
}

export interface OrderToPay {
  readonly orderId: bigint;
  readonly amount: bigint;
  readonly subject: string;
  /** From then on the provider takes no money for it. */
  readonly expiresAt: number;
  readonly clientAddress: string | null;
}

/** What the buyer's client needs: an address to open (Alipay), or what a QR code says (WeChat). */
export interface PaymentRequest {
  readonly provider: ProviderName;
  readonly kind: 'address' | 'code';
  readonly content: string;
}

export interface Transfer {
  readonly payoutId: bigint;
  readonly amount: bigint;
  /** The provider's name of whom the money goes to: an open id, a login id. */
  readonly payee: string;
  /** Checked by the provider where it is given. */
  readonly payeeName: string | null;
  readonly title: string;
}

export interface NoticeRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As it came: signatures are over bytes. */
  readonly body: Buffer;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A notice that was verified and decrypted. */
export type Notice =
  | {
      readonly about: 'order';
      readonly orderId: bigint;
      readonly answer: PaymentAnswer;
      /** What a repetition of the very same message has in common with it; null where messages have no such thing. */
      readonly nonce: string | null;
    }
  | { readonly about: 'payout'; readonly payoutId: bigint; readonly nonce: string | null }
  /** Verified, and nothing that concerns us. */
  | { readonly about: 'other'; readonly nonce: string | null };

/** A notice that is not the provider's, was changed on its way, or is too old. */
export class NoticeError extends Error {}

export interface Provider {
  readonly name: ProviderName;
  /** The signed request by which a buyer pays. @throws UnavailableError when the provider has to be asked and does not answer */
  request(order: OrderToPay): Promise<PaymentRequest>;
  query(orderId: bigint): Promise<PaymentAnswer>;
  /** Asks that nobody may pay any more. What it came to, only a query tells. */
  close(orderId: bigint): Promise<void>;
  /** Sends money; the same transfer again is the same transfer. What it came to, only a query decides. */
  transfer(transfer: Transfer): Promise<TransferAnswer>;
  queryTransfer(payoutId: bigint): Promise<TransferAnswer>;
  /** @throws NoticeError */
  readNotice(request: NoticeRequest): Promise<Notice>;
  /** What the provider wants to hear: taken, or to be sent again. */
  reply(isTaken: boolean): Reply;
  /**
   * The bill of a business day, `2026-11-20`, as the provider's file; null while there is none yet.
   *
   * @throws UnavailableError when it cannot be had now
   */
  statement(day: string): Promise<{ readonly ending: string; readonly content: Buffer } | null>;
}
