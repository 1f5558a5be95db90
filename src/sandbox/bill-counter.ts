/**
 * Where bills of a day are handed out: at an address of their own that lives for a short while. A bill holds what the
 * book has of that day in Beijing: payments and refunds, with a fee of 0.6 per cent, and, as at the real providers, no
 * payouts.
 */
import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { beijingText } from '../payments/beijing.ts';
import type { ProviderName } from '../payments/provider.ts';
import type { Entry } from '../reconciliation/entry.ts';
import { alipayZip, wechatBill } from './bills.ts';
import type { Book } from './book.ts';

const addressLifeMs = 30_000;

interface Ticket {
  readonly content: Buffer;
  readonly until: number;
}

export class BillCounter {
  /** While held, there is no bill of any day yet. */
  isHeld = false;
  readonly #book: Book;
  readonly #tickets = new Map<string, Ticket>();

  constructor(book: Book) {
    this.#book = book;
  }

  /** @returns null when there is no such bill: the day is not over, held, or empty */
  issue(
    provider: ProviderName,
    day: string,
    trouble: 'late' | 'damaged' | null,
  ): { token: string; sha1: string } | null {
    const entries = this.#entriesOf(provider, day);
    if (this.isHeld || entries.length === 0 || day >= beijingText(Date.now()).slice(0, 10)) return null;
    const text = provider === 'alipay' ? alipayZip(entries, day) : wechatBill(entries);
    const sha1 = createHash('sha1').update(text).digest('hex');
    const whole = provider === 'alipay' ? text : gzipSync(text);
    const content = trouble === 'damaged' ? whole.subarray(0, Math.floor(whole.length / 2)) : whole;
    const token = randomBytes(12).toString('hex');
    this.#tickets.set(token, { content, until: trouble === 'late' ? 0 : Date.now() + addressLifeMs });
    return { token, sha1 };
  }

  /** @returns null when the address has lived too long */
  redeem(token: string): Buffer | null {
    const ticket = this.#tickets.get(token);
    return ticket !== undefined && Date.now() < ticket.until ? ticket.content : null;
  }

  #entriesOf(provider: ProviderName, day: string): Entry[] {
    const rows: Entry[] = [];
    for (const trade of this.#book.trades) {
      if (trade.provider !== provider || trade.paidAt === null) continue;
      rows.push(entryOf(trade.orderId, '', trade.amount, trade.paidAt));
      for (const { part, amount, at } of trade.refunds) rows.push(entryOf(trade.orderId, part, -amount, at));
    }
    return rows
      .filter(({ occurredAt }) => occurredAt.startsWith(day))
      .sort((a, b) => (a.occurredAt < b.occurredAt ? -1 : 1));
  }
}

function entryOf(reference: string, part: string, amount: bigint, at: number): Entry {
  const direction = amount < 0n ? 'out' : 'in';
  const fee = (amount * 6n) / 1000n;
  return { reference, direction, part, amount, fee, status: 'success', occurredAt: beijingText(at), line: 0 };
}
