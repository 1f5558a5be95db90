/**
 * The gateway's controls over HTTP, for who runs it as a process of its own: POST /control/<verb> with a JSON object,
 * GET /control/book and /control/log. Sums are texts such as "100n", since JSON has no whole numbers of any size.
 */
import { asText, type Book, type Fate } from './book.ts';
import { type Faults, isFault } from './faults.ts';
import { type NoticeKind, type Notices, noticeKinds } from './notices.ts';
import { type Asked, parsed, type Sent } from './protocol.ts';

/** The gateway, as far as it is controlled from here. */
export interface Controlled {
  readonly book: Book;
  readonly log: readonly unknown[];
  readonly faults: Faults;
  readonly notices: Notices;
  opens(content: string): boolean;
  pays(orderId: string, at?: number): boolean;
  refunds(orderId: string, amount?: bigint): boolean;
  closes(orderId: string): boolean;
  decides(payoutId: string, fate: Fate): void;
}

type Arguments = Readonly<Record<string, unknown>>;

const fates: readonly unknown[] = ['paid', 'failed', 'returned'] satisfies Fate[];

const verbs: Readonly<Record<string, (gateway: Controlled, given: Arguments) => unknown>> = {
  book: ({ book }) => ({ trades: book.trades, payouts: book.payouts }),
  log: ({ log }) => log,
  opens: (gateway, { content }) => gateway.opens(String(content)),
  pays: (gateway, { order, at }) => gateway.pays(String(order), typeof at === 'number' ? at : undefined),
  refunds: (gateway, { order, amount }) =>
    gateway.refunds(String(order), amount === undefined ? undefined : BigInt(String(amount).replace(/n$/, ''))),
  closes: (gateway, { order }) => gateway.closes(String(order)),
  decides: (gateway, { payout, fate }) => {
    if (!fates.includes(fate)) throw new Error(`the fate of a payout is one of ${fates.join(', ')}`);
    gateway.decides(String(payout), fate as Fate);
  },
  /** The next requests, of any action or of one. */
  fault: ({ faults }, { fault, times, action }) => {
    if (!isFault(fault)) throw new Error(`there is no fault ${fault}`);
    faults.next(fault, typeof times === 'number' ? times : 1, typeof action === 'string' ? action : null);
  },
  /** The share of requests and notices that go wrong. */
  faulty: ({ faults }, { share }) => {
    faults.share = Number(share);
  },
  notice: ({ notices }, { id, kind }) => {
    if (kind !== undefined && !noticeKinds.includes(kind as NoticeKind)) throw new Error(`there is no notice ${kind}`);
    notices.plan(String(id), (kind as NoticeKind | undefined) ?? 'right');
  },
};

export function control(gateway: Controlled, { path, body }: Asked): Sent {
  const verb = verbs[path.slice('/control/'.length)];
  const headers = { 'content-type': 'application/json' };
  if (verb === undefined)
    return {
      status: 404,
      headers,
      body: JSON.stringify({ error: `expected one of ${Object.keys(verbs).join(', ')}` }),
    };
  try {
    return { status: 200, headers, body: JSON.stringify({ answer: verb(gateway, parsed(body)) ?? null }, asText) };
  } catch (error) {
    return { status: 400, headers, body: JSON.stringify({ error: (error as Error).message }) };
  }
}
