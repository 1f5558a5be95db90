/** What Alipay says of trades and transfers, in its own words, and its signed notices. */
import { createSign } from 'node:crypto';
import { beijingText } from '../payments/beijing.ts';
import { decimal } from '../reconciliation/yuan.ts';
import { leftOf, type Payout, payoutState, refundedOf, type Trade } from './book.ts';
import type { KeyPair } from './keys.ts';

export const alipayAppId = '2021000000000000';

const payoutWords = { processing: 'DEALING', paid: 'SUCCESS', failed: 'FAIL', returned: 'REFUND' } as const;

/** The words of a trade, as queries and notices have them. */
export function tradeFields(trade: Trade): Record<string, string> {
  const isAllBack = trade.paidAt !== null && leftOf(trade) === 0n;
  const status =
    isAllBack || trade.state === 'closed' ? 'TRADE_CLOSED' : trade.paidAt === null ? 'WAIT_BUYER_PAY' : 'TRADE_SUCCESS';
  return {
    out_trade_no: trade.orderId,
    trade_no: trade.tradeNo,
    trade_status: status,
    total_amount: decimal(trade.amount, 2),
  };
}

export function payoutFields(payout: Payout, at: number): Record<string, string> {
  const state = payoutState(payout, at);
  return {
    out_biz_no: payout.payoutId,
    order_id: payout.transferNo,
    pay_fund_order_id: payout.transferNo,
    trans_amount: decimal(payout.amount, 2),
    status: payoutWords[state],
    ...(state === 'failed' ? { error_code: 'PAYEE_NOT_EXIST' } : {}),
  };
}

/** The form of a notice about a trade. */
export function alipayNotice(keys: KeyPair, trade: Trade, at: number): Record<string, string> {
  const back = refundedOf(trade);
  return signedForm(keys, {
    ...tradeFields(trade),
    app_id: alipayAppId,
    charset: 'utf-8',
    notify_id: `${trade.tradeNo}${trade.refunds.length}`,
    notify_time: beijingText(at),
    notify_type: 'trade_status_sync',
    subject: trade.subject,
    version: '1.0',
    ...(trade.paidAt === null ? {} : { gmt_payment: beijingText(trade.paidAt) }),
    ...(back === 0n ? {} : { refund_fee: decimal(back, 2), gmt_refund: beijingText(trade.refunds.at(-1)?.at ?? at) }),
  });
}

/** The form of a message that a transfer has changed. */
export function alipayTransferNotice(keys: KeyPair, payout: Payout, at: number): Record<string, string> {
  return signedForm(keys, {
    app_id: alipayAppId,
    charset: 'utf-8',
    notify_id: `${payout.transferNo}0`,
    utc_timestamp: String(at),
    msg_method: 'alipay.fund.trans.order.changed',
    version: '1.1',
    biz_content: JSON.stringify(payoutFields(payout, at)),
  });
}

/** What is signed of a form: all of it in order of the names, but for the signature and its kind. */
function signedForm(keys: KeyPair, content: Readonly<Record<string, string>>): Record<string, string> {
  const names = Object.keys(content).sort();
  const text = names.map((name) => `${name}=${content[name]}`).join('&');
  const sign = createSign('sha256').update(text).sign(keys.privateKey, 'base64');
  return { ...content, sign_type: 'RSA2', sign };
}
