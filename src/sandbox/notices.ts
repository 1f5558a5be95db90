/**
 * The notices of the sandbox: sent when something has happened, sent again until they are taken, and sent as they should
 * not be: lost, late, twice, changed on the way, with a wrong serial number, of an old time, with a nonce used before.
 */
import type { Reply } from '../payments/provider.ts';
import { alipayNotice, alipayTransferNotice } from './alipay-messages.ts';
import type { Book, Payout, Trade } from './book.ts';
import type { SandboxKeys } from './keys.ts';
import { type Envelope, wechatNotice, wechatTransferNotice } from './wechat-messages.ts';

export const noticeKinds = ['right', 'lost', 'late', 'duplicate', 'forged', 'wrong-serial', 'old', 'replayed'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

export interface Message {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const lateMs = 3000;
const oldMs = 3_600_000;
const answerMs = 5000;

export class Notices {
  readonly #keys: SandboxKeys;
  readonly #book: Book;
  readonly #delaysMs: readonly number[];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #stopped = new AbortController();
  #nonce: string | undefined;

  constructor(keys: SandboxKeys, book: Book, delaysMs: readonly number[]) {
    this.#keys = keys;
    this.#book = book;
    this.#delaysMs = delaysMs;
  }

  /** The notice of an order's or a payout's present state, as it goes over the wire. */
  message(id: string, kind: NoticeKind = 'right'): Message {
    const subject = this.#book.trade(id) ?? this.#book.payout(id);
    if (subject === undefined) throw new Error(`nothing is known here of ${id}`);
    const message = subject.provider === 'alipay' ? this.#ofAlipay(subject) : this.#ofWechat(subject, kind);
    if (kind !== 'forged') return message;
    // The last digit of all: in an amount, an id, a time or a ciphertext.
    const text = message.body.toString('utf8');
    const changed = text.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10));
    return { ...message, body: Buffer.from(changed) };
  }

  #ofAlipay(subject: Trade | Payout): Message {
    const { provider } = this.#keys.alipay;
    const isTrade = 'orderId' in subject;
    const form = isTrade
      ? alipayNotice(provider, subject, Date.now())
      : alipayTransferNotice(provider, subject, Date.now());
    const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
    return { headers, body: Buffer.from(new URLSearchParams(form).toString()) };
  }

  #ofWechat(subject: Trade | Payout, kind: NoticeKind): Message {
    const time = Date.now() - (kind === 'old' ? oldMs : 0);
    const nonce = kind === 'replayed' ? this.#nonce : undefined;
    const envelope: Envelope = { keys: this.#keys.wechat.provider, secret: this.#keys.wechat.secret, time, nonce };
    const { headers, body } =
      'orderId' in subject ? wechatNotice(envelope, subject) : wechatTransferNotice(envelope, subject);
    const serial = kind === 'wrong-serial' ? { 'wechatpay-serial': 'PUB_KEY_ID_0000' } : {};
    this.#nonce = headers['wechatpay-nonce'];
    return { headers: { ...headers, ...serial }, body: Buffer.from(body) };
  }

  /** Sends one now. @returns what was answered; null when nothing was, or there is nowhere to send it */
  async send(id: string, kind: NoticeKind = 'right'): Promise<Reply | null> {
    const url = (this.#book.trade(id) ?? this.#book.payout(id))?.noticeUrl;
    if (url === null || url === undefined || kind === 'lost') return null;
    const { headers, body } = this.message(id, kind);
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(answerMs)]);
    try {
      const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body), signal });
      return { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
    } catch {
      return null;
    }
  }

  /** Sends one in a while, and again until it is taken or was sent often enough; where it goes wrong, what `kind` says comes first. */
  plan(id: string, kind: NoticeKind, inMs = 0): void {
    const delays = kind === 'late' ? this.#delaysMs.map((delay) => delay + lateMs) : this.#delaysMs;
    let isTaken = false;
    for (const [index, delay] of delays.entries())
      this.#after(inMs + delay, async () => {
        if (isTaken) return;
        const isOdd = index === 0 && kind !== 'late' && kind !== 'duplicate';
        isTaken = this.#takes(id, await this.send(id, isOdd ? kind : 'right'));
        if (kind === 'duplicate' && index === 0) await this.send(id);
      });
  }

  #takes(id: string, reply: Reply | null): boolean {
    const provider = (this.#book.trade(id) ?? this.#book.payout(id))?.provider;
    if (reply === null) return false;
    return provider === 'alipay' ? reply.body === 'success' : reply.status === 200 || reply.status === 204;
  }

  #after(ms: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void work();
    }, ms);
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#stopped.abort();
  }
}
