/**
 * What Alipay's answers mean. Each is decided by codes (`code`, `sub_code`, `trade_status`, `status`), never by text;
 * a code that is not listed here is `unknown`, and so is an answer about another order or with an amount that is none.
 *
 * Everything here has passed the check of its signature. Source: opendocs.alipay.com, alipay.trade.query,
 * alipay.fund.trans.common.query and 异步通知 of alipay.trade.page.pay.
 */
import { units } from '../reconciliation/yuan.ts';
import { textOf, unknownPayment, unknownTransfer } from './answers.ts';
import { instantOfBeijing } from './beijing.ts';
import type { PaymentAnswer, PaymentState, TransferAnswer, TransferState } from './provider.ts';

/** A verified answer or notice, its names as Alipay writes them. */
export type AlipayFields = Readonly<Record<string, unknown>>;

const tradeStates: ReadonlyMap<string, PaymentState> = new Map([
  ['WAIT_BUYER_PAY', 'pending'],
  ['TRADE_SUCCESS', 'paid'],
  ['TRADE_FINISHED', 'paid'],
  ['TRADE_CLOSED', 'closed'],
]);

const transferStates: ReadonlyMap<string, TransferState> = new Map([
  ['SUCCESS', 'paid'],
  ['WAIT_PAY', 'pending'],
  ['DEALING', 'pending'],
  ['CLOSED', 'failed'],
  ['FAIL', 'failed'],
  ['REFUND', 'returned'],
]);

/** The word of a verified answer: its finest code. */
export function alipayWord({ code, sub_code }: AlipayFields): string {
  return textOf(sub_code) ?? `code ${textOf(code) ?? 'missing'}`;
}

/** Reads the answer to alipay.trade.query for this order. */
export function alipayPayment(fields: AlipayFields, orderId: bigint): PaymentAnswer {
  if (textOf(fields.code) === '10000') return tradeOf(fields, orderId, textOf(fields.send_pay_date));
  const word = alipayWord(fields);
  const isMissing = textOf(fields.code) === '40004' && word === 'ACQ.TRADE_NOT_EXIST';
  if (!isMissing || !isAbout(fields.out_trade_no ?? String(orderId), orderId)) return unknownPayment(word);
  // The buyer may not have opened the cashier yet, and may still do so.
  return { ...unknownPayment(word), state: 'pending', known: false };
}

/** Reads a notice about a payment, which names its order. */
export function alipayNotice(fields: AlipayFields, orderId: bigint): PaymentAnswer {
  return tradeOf(fields, orderId, textOf(fields.gmt_payment));
}

/**
 * A trade that closes after it was paid has been refunded in full. A part that went back leaves it TRADE_SUCCESS, and
 * only a notice tells how much.
 */
function tradeOf(fields: AlipayFields, orderId: bigint, paidAt: string | null): PaymentAnswer {
  const word = textOf(fields.trade_status) ?? 'no trade_status';
  const told = tradeStates.get(word);
  const amount = fenOf(fields.total_amount);
  if (told === undefined) return unknownPayment(word);
  if (!isAbout(fields.out_trade_no, orderId)) return unknownPayment(`${word} of another order`);
  if (amount === null) return unknownPayment(`${word} without an amount`);
  const back = fields.refund_fee === undefined ? 0n : fenOf(fields.refund_fee);
  if (back === null) return unknownPayment(`${word} with a refund of no amount`);
  const wentBack = (told === 'closed' && paidAt !== null) || (told === 'paid' && back > 0n);
  const refunded = told === 'closed' ? amount : back;
  return {
    state: wentBack ? 'refunded' : told,
    known: true,
    providerId: textOf(fields.trade_no),
    amount,
    refunded: wentBack ? refunded : null,
    paidAt: instantOfBeijing(paidAt),
    word,
  };
}

/** Reads the answer to alipay.fund.trans.common.query for this payout. */
export function alipayTransfer(fields: AlipayFields, payoutId: bigint): TransferAnswer {
  const word = alipayWord(fields);
  if (textOf(fields.code) === '10000') {
    const status = textOf(fields.status) ?? 'no status';
    const state = transferStates.get(status);
    const amount = fenOf(fields.trans_amount);
    if (state === undefined) return unknownTransfer(status);
    if (!isAbout(fields.out_biz_no, payoutId)) return unknownTransfer(`${status} of another transfer`);
    if (amount === null) return unknownTransfer(`${status} without an amount`);
    return { state, providerId: textOf(fields.order_id), amount, word: wordOf(status, fields.error_code) };
  }
  if (textOf(fields.code) !== '40004' || word !== 'ORDER_NOT_EXIST') return unknownTransfer(word);
  return { ...unknownTransfer(word), state: 'missing' };
}

const wordOf = (status: string, error: unknown) => (textOf(error) === null ? status : `${status} ${textOf(error)}`);

function isAbout(number: unknown, id: bigint): boolean {
  return textOf(number) === String(id);
}

/** An amount of yuan, never below zero, in fen. */
function fenOf(value: unknown): bigint | null {
  const fen = typeof value === 'string' ? units(value, 2) : null;
  return fen === null || fen < 0n ? null : fen;
}
