/** What WeChat Pay says of trades and transfers, in its own words, its signatures, and its encrypted notices. */
import { createCipheriv, createSign, randomBytes } from 'node:crypto';
import { beijingIso } from '../payments/beijing.ts';
import { jsonFen } from '../payments/json-fen.ts';
import { leftOf, type Payout, payoutState, type Refund, type Trade } from './book.ts';
import type { KeyPair } from './keys.ts';
import type { Sent, Signing } from './protocol.ts';

export const wechatMerchantId = '1900000001';
export const wechatAppId = 'wx0123456789abcdef';
export const wechatKeySerial = '5157F09EFDC096DE15EBE81A47057A7232F1B8E1';
export const wechatPublicKeyId = 'PUB_KEY_ID_0119000000012024101100000000000001';

type Fields = Readonly<Record<string, unknown>>;

/** Once paid, a transfer does not come back here. */
const payoutWords = { processing: 'PROCESSING', paid: 'SUCCESS', failed: 'FAIL', returned: 'SUCCESS' } as const;

/** The words of a trade, as queries and notices have them. */
export function tradeFields(trade: Trade): Fields {
  const isBack = trade.refunds.length > 0;
  const state = isBack ? 'REFUND' : { open: 'NOTPAY', paid: 'SUCCESS', closed: 'CLOSED' }[trade.state];
  const amount = { total: jsonFen(trade.amount), currency: 'CNY' };
  const common = {
    appid: wechatAppId,
    mchid: wechatMerchantId,
    out_trade_no: trade.orderId,
    trade_state: state,
    amount,
  };
  if (trade.paidAt === null) return common;
  return { ...common, transaction_id: trade.tradeNo, success_time: beijingIso(trade.paidAt) };
}

export function payoutFields(payout: Payout, at: number): Record<string, unknown> {
  const state = payoutState(payout, at);
  return {
    mch_id: wechatMerchantId,
    out_bill_no: payout.payoutId,
    transfer_bill_no: payout.transferNo,
    appid: wechatAppId,
    state: payoutWords[state],
    transfer_amount: jsonFen(payout.amount),
    ...(state === 'failed' || state === 'returned' ? { fail_reason: 'PAYEE_ACCOUNT_ABNORMAL' } : {}),
  };
}

/** The headers over a body. `none` leaves out the signature itself. */
export function signatureOf(
  { privateKey }: KeyPair,
  body: string,
  signing: Signing,
  time: number = Date.now(),
  nonce: string = randomBytes(16).toString('hex'),
): Record<string, string> {
  const seconds = String(Math.floor(time / 1000));
  const text = `${seconds}\n${nonce}\n${signing === 'right' ? body : `${body} `}\n`;
  const signature = createSign('sha256').update(text).sign(privateKey, 'base64');
  return {
    'wechatpay-timestamp': seconds,
    'wechatpay-nonce': nonce,
    'wechatpay-serial': wechatPublicKeyId,
    ...(signing === 'none' ? {} : { 'wechatpay-signature': signature }),
  };
}

export interface Envelope {
  readonly keys: KeyPair;
  readonly secret: string;
  readonly time: number;
  readonly nonce?: string | undefined;
}

/** A notice about a trade, or about its last refund. */
export function wechatNotice(envelope: Envelope, trade: Trade): Sent {
  const refund = trade.refunds.at(-1);
  if (refund === undefined) return noticeOf(envelope, 'TRANSACTION.SUCCESS', 'transaction', tradeFields(trade));
  return noticeOf(envelope, 'REFUND.SUCCESS', 'refund', refundFields(trade, refund));
}

export function wechatTransferNotice(envelope: Envelope, payout: Payout): Sent {
  return noticeOf(envelope, 'MCHTRANSFER.BILL.FINISHED', 'mch_payment', payoutFields(payout, envelope.time));
}

function noticeOf({ keys, secret, time, nonce }: Envelope, event: string, original: string, held: Fields): Sent {
  const iv = randomBytes(6).toString('hex');
  const cipher = createCipheriv('aes-256-gcm', secret, iv).setAAD(Buffer.from(original));
  const packed = Buffer.concat([cipher.update(JSON.stringify(held)), cipher.final(), cipher.getAuthTag()]);
  const body = JSON.stringify({
    id: randomBytes(16).toString('hex'),
    create_time: beijingIso(time),
    resource_type: 'encrypt-resource',
    event_type: event,
    summary: event,
    resource: {
      original_type: original,
      algorithm: 'AEAD_AES_256_GCM',
      ciphertext: packed.toString('base64'),
      associated_data: original,
      nonce: iv,
    },
  });
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    ...signatureOf(keys, body, 'right', time, nonce),
  };
  return { status: 200, headers, body };
}

function refundFields(trade: Trade, { part, amount, at }: Refund): Fields {
  return {
    mchid: wechatMerchantId,
    out_trade_no: trade.orderId,
    transaction_id: trade.tradeNo,
    out_refund_no: part,
    refund_id: `5030${part}`,
    refund_status: 'SUCCESS',
    success_time: beijingIso(at),
    amount: { total: jsonFen(trade.amount), refund: jsonFen(amount), payer_total: jsonFen(leftOf(trade)) },
  };
}
