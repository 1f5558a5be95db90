/** The way from an errand to the call of tidemark's payments, as a program of one's own makes it, and from its answer to the book. */
import { type OpenPayments, openPayments, type Payments, type Payouts } from '../../src/payments/index.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import type { Answer, AskedOrder, AskedPayout, Errand } from './book.ts';

export interface Counter extends OpenPayments {
  serve(errand: Errand): Promise<Answer>;
}

export async function openCounter(): Promise<Counter> {
  const opened = await openPayments();
  const { payments, payouts } = opened;
  return {
    ...opened,
    serve: (errand) => (errand.kind === 'order' ? order(payments, errand) : payOut(payouts, errand)),
  };
}

async function order(payments: Payments, errand: AskedOrder): Promise<Answer> {
  const { key, accountId: merchantId, amount, provider, expiresInSeconds } = errand;
  const answer = await unlessAway(() =>
    payments.createOrder({
      ...{ merchantId, amount, provider, expiresInSeconds },
      subject: `order ${key}`,
      clientAddress: '127.0.0.1',
      idempotencyKey: key,
    }),
  );
  const { code } = answer;
  if ('request' in answer) return { key, code, id: answer.order.orderId, request: answer.request, reason: null };
  return { key, code, id: null, request: null, reason: answer.reason };
}

async function payOut(payouts: Payouts, errand: AskedPayout): Promise<Answer> {
  const { key, accountId, amount, provider, payee, taxRule } = errand;
  const answer = await unlessAway(() =>
    payouts.request({ accountId, amount, provider, payee, title: 'campaign', idempotencyKey: key, taxRule }),
  );
  const { code } = answer;
  if ('payoutId' in answer) return { key, code, id: answer.payoutId, request: null, reason: null };
  return { key, code, id: null, request: null, reason: answer.reason };
}

/** What is thrown because something cannot be reached is as good as an answer below 0: nobody knows. */
async function unlessAway<Result>(call: () => Promise<Result>): Promise<Result | { code: number; reason: string }> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    return { code: -1, reason: error.message };
  }
}
