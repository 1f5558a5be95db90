/**
 * A payment gateway for trying and testing: a local HTTP server that speaks the protocols of Alipay and WeChat Pay with
 * real signatures of its own keys, so that the client libraries run against it as they are. It verifies our signatures,
 * keeps a book of what was really paid and sent, and can be told to fail.
 *
 * Needs a folder for its keys, and for its book when that is to outlive the process. No money, no encryption on the
 * wire, and it obeys whoever can reach it: never for anything but tests and demonstrations.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ProviderName } from '../payments/provider.ts';
import { AlipayDesk } from './alipay-desk.ts';
import { alipayAppId } from './alipay-messages.ts';
import { BillCounter } from './bill-counter.ts';
import { Book, type Fate, leftOf } from './book.ts';
import { control } from './control.ts';
import { type Fault, Faults } from './faults.ts';
import { keysIn, type SandboxKeys } from './keys.ts';
import { type NoticeKind, Notices, noticeKinds } from './notices.ts';
import { perform } from './performance.ts';
import { type Asked, isSent, type Premises, type Sent } from './protocol.ts';
import { WechatDesk } from './wechat-desk.ts';
import { wechatAppId, wechatKeySerial, wechatMerchantId, wechatPublicKeyId } from './wechat-messages.ts';

export interface GatewayOptions {
  readonly folder: string;
  /** Whether the book is kept in the folder, and read from there. */
  readonly keepsBook?: boolean;
  /** 0, the default: any free one. */
  readonly port?: number;
  readonly seed?: number;
  /** The share of requests and notices that go wrong; 0 to 1. */
  readonly faulty?: number;
  /** Requests of a provider in any second; more are refused. */
  readonly ratePerSecond?: number;
  /** Shares of payouts that fail, or come back; and how long it takes. */
  readonly payouts?: {
    readonly fails: number;
    readonly returns: number;
    readonly settleMs: number;
    readonly returnMs: number;
  };
  /** When a notice is sent, and again while nobody takes it. */
  readonly noticeDelaysMs?: readonly number[];
}

/** A request of a client library. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** When it was answered, or the client went away; null before. */
  endedAt: number | null;
  readonly provider: ProviderName;
  readonly action: string;
  readonly id: string;
  readonly fault: Fault | 'over the rate' | 'refused' | null;
}

const usualPayouts = { fails: 0, returns: 0, settleMs: 0, returnMs: 0 };

export class Gateway {
  readonly address: string;
  readonly book: Book;
  readonly bills: BillCounter;
  readonly faults: Faults;
  readonly notices: Notices;
  readonly log: LogLine[] = [];
  readonly #options: GatewayOptions;
  readonly #keys: SandboxKeys;
  readonly #server: Server;
  readonly #alipay: AlipayDesk;
  readonly #wechat: WechatDesk;
  readonly #fates = new Map<string, Fate>();
  readonly #recent: Record<ProviderName, number[]> = { alipay: [], wechat: [] };

  private constructor(options: GatewayOptions, keys: SandboxKeys, server: Server) {
    this.#options = options;
    this.#keys = keys;
    this.#server = server;
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.book = new Book(options.keepsBook === true ? join(options.folder, 'book.jsonl') : null);
    this.bills = new BillCounter(this.book);
    this.faults = new Faults(options.seed ?? 1, options.faulty ?? 0);
    this.notices = new Notices(keys, this.book, options.noticeDelaysMs ?? [0, 1000, 5000]);
    const { book, bills, address } = this;
    const premises: Premises = {
      keys,
      book,
      bills,
      address,
      destiny: (payoutId, at, instead) => this.#destiny(payoutId, at, instead),
      taken: (payoutId) => this.#tellOfPayout(payoutId),
    };
    this.#alipay = new AlipayDesk(premises);
    this.#wechat = new WechatDesk(premises);
    server.on('request', (request, response) => void this.#serve(request, response));
  }

  static async start(options: GatewayOptions): Promise<Gateway> {
    const keys = await keysIn(options.folder);
    const server = createServer({ keepAliveTimeout: 60_000 });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return new Gateway(options, keys, server);
  }

  async stop(): Promise<void> {
    this.notices.stop();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** The settings with which tidemark uses this gateway. @param noticeUrl where notices go; `/alipay` and `/wechat` below it */
  settings(noticeUrl: string): Record<string, string> {
    const { alipay, wechat } = this.#keys;
    return {
      TIDEMARK_NOTICE_URL: noticeUrl,
      TIDEMARK_ALIPAY_APP_ID: alipayAppId,
      TIDEMARK_ALIPAY_KEY_FILE: alipay.merchant.privateFile,
      TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: alipay.provider.publicFile,
      TIDEMARK_ALIPAY_GATEWAY: `${this.address}/gateway.do`,
      TIDEMARK_WECHAT_MERCHANT_ID: wechatMerchantId,
      TIDEMARK_WECHAT_APP_ID: wechatAppId,
      TIDEMARK_WECHAT_KEY_FILE: wechat.merchant.privateFile,
      TIDEMARK_WECHAT_KEY_SERIAL: wechatKeySerial,
      TIDEMARK_WECHAT_PUBLIC_KEY_FILE: wechat.provider.publicFile,
      TIDEMARK_WECHAT_PUBLIC_KEY_ID: wechatPublicKeyId,
      TIDEMARK_WECHAT_SECRET: wechat.secret,
      TIDEMARK_WECHAT_GATEWAY: this.address,
    };
  }

  /** The buyer opens what a payment request holds. An address of Alipay makes the trade known here; WeChat knows it already. */
  opens(content: string): boolean {
    if (!content.startsWith(this.address)) return content.startsWith('weixin://');
    const path = content.slice(this.address.length);
    return this.#alipay.openPage({ method: 'GET', path, headers: {}, body: '', at: Date.now() }).status === 200;
  }

  /** The buyer pays. @returns false when the order is not to be paid here (any more) */
  pays(orderId: string | bigint, at = Date.now()): boolean {
    const isPaid = this.book.pay(String(orderId), at);
    if (isPaid) this.notices.plan(String(orderId), this.#noticeKind());
    return isPaid;
  }

  /** Gives back a part of a payment, or what is left of it. */
  refunds(orderId: string | bigint, amount?: bigint, at = Date.now()): boolean {
    const trade = this.book.trade(String(orderId));
    const isBack = trade !== undefined && this.book.refund(trade.orderId, amount ?? leftOf(trade), at);
    if (isBack) this.notices.plan(String(orderId), this.#noticeKind());
    return isBack;
  }

  /** The provider closes an order of its own accord. @returns false when it was paid */
  closes(orderId: string | bigint): boolean {
    return this.book.close(String(orderId));
  }

  /** Decides what becomes of a payout: of one that is here, from now on; of one to come, when it is taken. */
  decides(payoutId: string | bigint, fate: Fate): void {
    const id = String(payoutId);
    this.#fates.set(id, fate);
    if (this.book.payout(id) === undefined) return;
    this.book.decide(id, { fate, settlesAt: Date.now(), returnsAt: Date.now() });
    this.notices.plan(id, this.#noticeKind());
  }

  #destiny(payoutId: string, at: number, instead: Fate = 'returned') {
    const { fails, returns, settleMs, returnMs } = this.#options.payouts ?? usualPayouts;
    const roll = this.faults.chance();
    const byChance: Fate = roll < fails ? 'failed' : roll < fails + returns ? 'returned' : 'paid';
    const fate = this.#fates.get(payoutId) ?? byChance;
    const settlesAt = at + settleMs;
    return { fate: fate === 'returned' ? instead : fate, settlesAt, returnsAt: settlesAt + returnMs };
  }

  #tellOfPayout(id: string): void {
    const payout = this.book.payout(id);
    if (payout === undefined) return;
    this.notices.plan(id, this.#noticeKind(), Math.max(0, payout.settlesAt - Date.now()));
    if (payout.fate === 'returned') this.notices.plan(id, 'right', Math.max(0, payout.returnsAt - Date.now()));
  }

  #noticeKind(): NoticeKind {
    if (this.faults.chance() >= this.faults.share) return 'right';
    return noticeKinds[Math.floor(this.faults.chance() * noticeKinds.length)] ?? 'right';
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = Date.now();
    try {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      const body = Buffer.concat(pieces).toString('utf8');
      const asked = { method: request.method ?? '', path: request.url ?? '/', headers: request.headers, body, at };
      const logged = this.log.length;
      const sent = this.#answer(asked);
      const line = this.log[logged];
      if (line !== undefined)
        response.once('close', () => {
          line.endedAt = Date.now();
        });
      if (sent === 'silence') return;
      if (sent === 'reset') response.destroy();
      else response.writeHead(sent.status, { ...sent.headers }).end(sent.body);
    } catch (error) {
      if (!response.destroyed) response.writeHead(500).end((error as Error).stack);
    }
  }

  #answer(asked: Asked): Sent | 'silence' | 'reset' {
    const path = asked.path.split('?', 1)[0] ?? '';
    if (path.startsWith('/control/')) return control(this, asked);
    if (path.startsWith('/download/')) return this.#download(path.slice('/download/'.length));
    if (path === '/v3/billdownload/file') return this.#wechat.download(asked);
    if (path === '/gateway.do')
      return asked.method === 'GET' ? this.#alipay.openPage(asked) : this.#ask('alipay', asked);
    return path.startsWith('/v3/') ? this.#ask('wechat', asked) : { status: 404, headers: {}, body: '' };
  }

  #ask(provider: ProviderName, asked: Asked): Sent | 'silence' | 'reset' {
    const isOver = this.#isOver(provider, asked.at);
    const deed = provider === 'alipay' ? this.#alipay.read(asked) : this.#wechat.read(asked);
    const note = (fault: LogLine['fault'], action = '', id = '') => {
      this.log.push({ at: asked.at, endedAt: null, provider, action, id, fault });
    };
    if (isSent(deed)) {
      note('refused');
      return deed;
    }
    const fault = isOver ? 'limited' : this.faults.choose(deed);
    note(isOver ? 'over the rate' : fault, deed.action, deed.id);
    return perform(deed, fault);
  }

  #isOver(provider: ProviderName, at: number): boolean {
    const recent = this.#recent[provider];
    while ((recent[0] ?? at) <= at - 1000) recent.shift();
    recent.push(at);
    return recent.length > (this.#options.ratePerSecond ?? 100);
  }

  #download(token: string): Sent {
    const content = this.bills.redeem(token);
    if (content === null) return { status: 200, headers: {}, body: '<html>the address is too old</html>' };
    return { status: 200, headers: { 'content-type': 'application/zip' }, body: content };
  }
}
