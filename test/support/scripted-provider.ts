/**
 * A provider that says what the test has it say, and counts what it was asked. Its notices are JSON, signed by the word
 * `signed`.
 */
import {
  type Notice,
  NoticeError,
  type NoticeRequest,
  type PaymentAnswer,
  type PaymentState,
  type Provider,
  type ProviderName,
} from '../../src/payments/provider.ts';

/** An answer in a few words; the provider knows the order unless it is said. */
export function says(state: PaymentState, more: Partial<PaymentAnswer> = {}): PaymentAnswer {
  const paid = state === 'paid' || state === 'refunded';
  return {
    state,
    known: true,
    providerId: paid ? 'P1' : null,
    amount: null,
    refunded: null,
    paidAt: null,
    word: state.toUpperCase(),
    ...more,
  };
}

type Script = (orderId: bigint, isClosed: boolean) => PaymentAnswer | Promise<PaymentAnswer>;

export class ScriptedProvider implements Provider {
  readonly name: ProviderName;
  /** What a query answers. */
  script: Script = () => says('pending');
  /** What happens when a payment request is asked for. */
  onRequest: () => void = () => undefined;
  readonly queried: bigint[] = [];
  readonly closed: bigint[] = [];

  constructor(name: ProviderName = 'alipay') {
    this.name = name;
  }

  /** It says and does again what it did before any test had its say. */
  reset(): void {
    this.script = () => says('pending');
    this.onRequest = () => undefined;
  }

  async request({ orderId }: { orderId: bigint }) {
    this.onRequest();
    return { provider: this.name, kind: 'address' as const, content: `https://pay.example/${orderId}` };
  }

  async query(orderId: bigint) {
    this.queried.push(orderId);
    return this.script(orderId, this.closed.includes(orderId));
  }

  async close(orderId: bigint) {
    this.closed.push(orderId);
  }

  async transfer(): Promise<never> {
    throw new Error('no payouts here');
  }

  async queryTransfer(): Promise<never> {
    throw new Error('no payouts here');
  }

  async statement() {
    return null;
  }

  async readNotice({ headers, body }: NoticeRequest): Promise<Notice> {
    if (headers.signature !== 'signed') throw new NoticeError('not signed');
    return JSON.parse(String(body), (_, value) =>
      typeof value === 'string' && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
    ) as Notice;
  }

  reply(isTaken: boolean) {
    return { status: isTaken ? 200 : 500, headers: {}, body: isTaken ? 'success' : 'fail' };
  }
}

export function noticeOf(notice: Notice, signature = 'signed'): NoticeRequest {
  const text = JSON.stringify(notice, (_, value) => (typeof value === 'bigint' ? `${value}n` : value));
  return { headers: { signature }, body: Buffer.from(text) };
}
