/**
 * What WeChat Pay's answers mean. Each is decided by codes (HTTP status with `code`, `trade_state`, `state`), never by
 * text; a code that is not listed here is `unknown`, and so is an answer about another order or merchant, or with an
 * amount that is none.
 *
 * Everything here has passed the check of its signature. Source: pay.weixin.qq.com, APIv3, 商户订单号查询订单,
 * 商户单号查询转账单 and 支付成功回调通知.
 */
import { shortened, textOf, unknownPayment, unknownTransfer } from './answers.ts';
import { instantOfIso } from './beijing.ts';
import { fenIn } from './json-fen.ts';
import type { PaymentAnswer, PaymentState, TransferAnswer, TransferState } from './provider.ts';

/** A verified answer, or what a notice held. */
export interface WechatAnswer {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What is kept of a word, in characters. */
const wordMax = 120;

const tradeStates: ReadonlyMap<string, PaymentState> = new Map([
  ['SUCCESS', 'paid'],
  ['REFUND', 'refunded'],
  ['NOTPAY', 'pending'],
  ['USERPAYING', 'pending'],
  ['CLOSED', 'closed'],
  ['REVOKED', 'closed'],
  ['PAYERROR', 'failed'],
]);

const transferStates: ReadonlyMap<string, TransferState> = new Map([
  ['ACCEPTED', 'pending'],
  ['PROCESSING', 'pending'],
  ['WAIT_USER_CONFIRM', 'pending'],
  ['TRANSFERING', 'pending'],
  ['CANCELING', 'pending'],
  ['SUCCESS', 'paid'],
  ['FAIL', 'failed'],
  ['CANCELLED', 'failed'],
]);

/** The word of a verified answer that is no success. */
export function wechatWord({ status, fields }: WechatAnswer): string {
  return textOf(fields.code) ?? `HTTP ${status}`;
}

/** Reads the answer to a query for this order of this merchant. */
export function wechatPayment(answer: WechatAnswer, orderId: bigint, merchantId: string): PaymentAnswer {
  const { status, fields } = answer;
  if (status === 200) return wechatTrade(fields, orderId, merchantId);
  const word = wechatWord(answer);
  const isMissing = status === 404 && (word === 'ORDER_NOT_EXIST' || word === 'ORDERNOTEXIST');
  return isMissing ? { ...unknownPayment(word), state: 'pending', known: false } : unknownPayment(word);
}

/**
 * Reads a trade as queries and notices tell it. How much of a payment went back it does not say, only that some did.
 */
export function wechatTrade(fields: WechatAnswer['fields'], orderId: bigint, merchantId: string): PaymentAnswer {
  const word = textOf(fields.trade_state) ?? 'no trade_state';
  const state = tradeStates.get(word);
  if (state === undefined) return unknownPayment(word);
  if (textOf(fields.out_trade_no) !== String(orderId)) return unknownPayment(`${word} of another order`);
  if (textOf(fields.mchid) !== merchantId) return unknownPayment(`${word} of another merchant`);
  const amount = totalOf(fields.amount, 'total');
  const needsAmount = state === 'paid' || state === 'refunded';
  if (needsAmount && amount === null) return unknownPayment(`${word} without an amount`);
  const paidAt = instantOfIso(fields.success_time);
  return { state, known: true, providerId: textOf(fields.transaction_id), amount, refunded: null, paidAt, word };
}

/** Reads a notice that a refund of an order has come to its end: of one refund, among several perhaps. */
export function wechatRefund(fields: WechatAnswer['fields'], merchantId: string): PaymentAnswer {
  const word = `refund ${textOf(fields.refund_status) ?? 'without a status'}`;
  const [amount, refunded] = [totalOf(fields.amount, 'total'), totalOf(fields.amount, 'refund')];
  const isDone = fields.refund_status === 'SUCCESS' && textOf(fields.mchid) === merchantId;
  if (!isDone || amount === null || refunded === null) return unknownPayment(word);
  const providerId = textOf(fields.transaction_id);
  return { state: 'refunded', known: true, providerId, amount, refunded, paidAt: null, word };
}

/** Reads the answer to a query for this payout of this merchant. */
export function wechatTransfer(answer: WechatAnswer, payoutId: bigint, merchantId: string): TransferAnswer {
  const { status, fields } = answer;
  if (status !== 200) {
    const word = wechatWord(answer);
    const isMissing = status === 404 && word === 'NOT_FOUND';
    return isMissing ? { ...unknownTransfer(word), state: 'missing' } : unknownTransfer(word);
  }
  const word = textOf(fields.state) ?? 'no state';
  const state = transferStates.get(word);
  const amount = fenIn(fields.transfer_amount);
  if (state === undefined) return unknownTransfer(word);
  if (textOf(fields.out_bill_no) !== String(payoutId)) return unknownTransfer(`${word} of another transfer`);
  if (textOf(fields.mch_id) !== merchantId) return unknownTransfer(`${word} of another merchant`);
  if (amount === null) return unknownTransfer(`${word} without an amount`);
  const reason = textOf(fields.fail_reason);
  const told = reason === null ? word : shortened(`${word} ${reason}`, wordMax);
  return { state, providerId: textOf(fields.transfer_bill_no), amount, word: told };
}

function totalOf(amount: unknown, name: string): bigint | null {
  return fenIn((amount as Readonly<Record<string, unknown>> | null | undefined)?.[name]);
}
