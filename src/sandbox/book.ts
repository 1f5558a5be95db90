/**
 * The gateway's own book: what was paid, refunded, closed and sent, whatever it has told anybody. It is the truth that
 * wallets are compared with.
 *
 * Every change is a line of its file before it is in memory; a book that is opened again on the file is the same, but
 * for a last line that was cut off. Sums are fen, times milliseconds since 1970.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import type { ProviderName } from '../payments/provider.ts';

export interface Refund {
  readonly part: string;
  readonly amount: bigint;
  readonly at: number;
}

export interface Trade {
  readonly provider: ProviderName;
  readonly orderId: string;
  readonly tradeNo: string;
  readonly amount: bigint;
  readonly subject: string;
  readonly expiresAt: number;
  readonly noticeUrl: string | null;
  readonly state: 'open' | 'paid' | 'closed';
  readonly paidAt: number | null;
  readonly refunds: readonly Refund[];
}

/** What is to become of a payout. */
export type Fate = 'paid' | 'failed' | 'returned';

export interface Payout {
  readonly provider: ProviderName;
  readonly payoutId: string;
  readonly transferNo: string;
  readonly amount: bigint;
  readonly payee: string;
  readonly noticeUrl: string | null;
  readonly fate: Fate;
  /** When it is paid or fails; until then it is under way. */
  readonly settlesAt: number;
  /** When it comes back, for `returned`. */
  readonly returnsAt: number;
}

type Change =
  | { readonly kind: 'opened'; readonly trade: Trade }
  | { readonly kind: 'trade'; readonly orderId: string; readonly change: Partial<Trade> }
  | { readonly kind: 'taken'; readonly payout: Payout }
  | { readonly kind: 'payout'; readonly payoutId: string; readonly change: Partial<Payout> };

export class Book {
  readonly #file: string | null;
  readonly #trades = new Map<string, Trade>();
  readonly #payouts = new Map<string, Payout>();

  /** @param file null: in memory only */
  constructor(file: string | null) {
    this.#file = file;
    if (file !== null && existsSync(file)) this.#replay(file);
  }

  trade(orderId: string): Trade | undefined {
    return this.#trades.get(orderId);
  }

  payout(payoutId: string): Payout | undefined {
    return this.#payouts.get(payoutId);
  }

  get trades(): readonly Trade[] {
    return [...this.#trades.values()];
  }

  get payouts(): readonly Payout[] {
    return [...this.#payouts.values()];
  }

  open(trade: Trade): void {
    this.#write({ kind: 'opened', trade });
  }

  /** @returns false when it is not to be paid (any more) */
  pay(orderId: string, at: number): boolean {
    const trade = this.trade(orderId);
    if (trade?.state !== 'open' || at >= trade.expiresAt) return false;
    this.#write({ kind: 'trade', orderId, change: { state: 'paid', paidAt: at } });
    return true;
  }

  /** @returns false when it was paid */
  close(orderId: string): boolean {
    const trade = this.trade(orderId);
    if (trade === undefined || trade.paidAt !== null) return false;
    if (trade.state === 'open') this.#write({ kind: 'trade', orderId, change: { state: 'closed' } });
    return true;
  }

  /** @returns false when there is not so much left to give back */
  refund(orderId: string, amount: bigint, at: number): boolean {
    const trade = this.trade(orderId);
    if (trade === undefined || trade.paidAt === null || amount <= 0n || amount > leftOf(trade)) return false;
    const refunds = [...trade.refunds, { part: `${orderId}R${trade.refunds.length + 1}`, amount, at }];
    this.#write({ kind: 'trade', orderId, change: { refunds } });
    return true;
  }

  take(payout: Payout): void {
    this.#write({ kind: 'taken', payout });
  }

  /** Decides anew what becomes of a payout. */
  decide(payoutId: string, change: Pick<Payout, 'fate' | 'settlesAt' | 'returnsAt'>): void {
    this.#write({ kind: 'payout', payoutId, change });
  }

  #write(change: Change): void {
    if (this.#file !== null) appendFileSync(this.#file, `${JSON.stringify(change, asText)}\n`);
    this.#apply(change);
  }

  #apply(change: Change): void {
    if (change.kind === 'opened') this.#trades.set(change.trade.orderId, change.trade);
    else if (change.kind === 'taken') this.#payouts.set(change.payout.payoutId, change.payout);
    else if (change.kind === 'trade')
      this.#trades.set(change.orderId, { ...(this.trade(change.orderId) as Trade), ...change.change });
    else this.#payouts.set(change.payoutId, { ...(this.payout(change.payoutId) as Payout), ...change.change });
  }

  #replay(file: string): void {
    const text = readFileSync(file, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    truncateSync(file, Buffer.byteLength(whole));
    for (const line of whole.split('\n')) if (line !== '') this.#apply(JSON.parse(line, fromText) as Change);
  }
}

export function refundedOf(trade: Trade): bigint {
  return trade.refunds.reduce((sum, { amount }) => sum + amount, 0n);
}

/** What of a payment is still with the merchant. */
export function leftOf(trade: Trade): bigint {
  return trade.paidAt === null ? 0n : trade.amount - refundedOf(trade);
}

/** What has become of a payout by then. */
export function payoutState(payout: Payout, at: number): 'processing' | Fate {
  if (at < payout.settlesAt) return 'processing';
  if (payout.fate === 'returned') return at < payout.returnsAt ? 'paid' : 'returned';
  return payout.fate;
}

/** JSON knows no whole numbers of any size. */
export const asText = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
const fromText = (_: string, value: unknown) =>
  typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
