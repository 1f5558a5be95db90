/**
 * Notices of WeChat Pay: signed over time, nonce and body, and encrypted.
 *
 * One is read only when it was signed with the key that we know, at most five minutes ago or ahead, and decrypts with
 * our secret. WeChat sends false ones now and then to see whether anybody verifies; they are refused like any other.
 * Each delivery has a nonce of its own: who sees one twice sees a replay.
 */
import { createDecipheriv, createVerify, type KeyObject } from 'node:crypto';
import { idOf } from './answers.ts';
import { type Notice, NoticeError, type NoticeRequest } from './provider.ts';
import { type WechatAnswer, wechatRefund, wechatTrade } from './wechat-answers.ts';

export interface NoticeKeys {
  readonly merchantId: string;
  readonly publicKey: KeyObject;
  readonly publicKeyId: string;
  readonly secret: string;
}

type Fields = WechatAnswer['fields'];

const ageMaxMs = 300_000;
const tagBytes = 16;

/** @throws NoticeError */
export function readWechatNotice(request: NoticeRequest, keys: NoticeKeys, now: number): Notice {
  const { merchantId } = keys;
  const nonce = verified(request, keys, now);
  const notice = fieldsIn(request.body.toString('utf8'));
  const held = decrypted(notice.resource, keys.secret);
  const kind = String(notice.event_type);
  if (kind.startsWith('MCHTRANSFER.')) {
    const payoutId = idOf(held.out_bill_no);
    return payoutId === null ? { about: 'other', nonce } : { about: 'payout', payoutId, nonce };
  }
  const orderId = idOf(held.out_trade_no);
  if (orderId === null || held.mchid !== merchantId) return { about: 'other', nonce };
  if (kind.startsWith('REFUND.')) return { about: 'order', orderId, answer: wechatRefund(held, merchantId), nonce };
  if (!kind.startsWith('TRANSACTION.')) return { about: 'other', nonce };
  return { about: 'order', orderId, answer: wechatTrade(held, orderId, merchantId), nonce };
}

/** @returns the nonce */
function verified({ headers, body }: NoticeRequest, keys: NoticeKeys, now: number): string {
  const header = (name: string): string => {
    const value = headers[name];
    if (typeof value !== 'string' || value === '') throw new NoticeError(`a notice of WeChat Pay without ${name}`);
    return value;
  };
  const [time, nonce] = [header('wechatpay-timestamp'), header('wechatpay-nonce')];
  const [serial, signature] = [header('wechatpay-serial'), header('wechatpay-signature')];
  if (serial !== keys.publicKeyId)
    throw new NoticeError(`a notice of WeChat Pay signed with ${serial}, which we do not know`);
  if (!/^\d{1,12}$/.test(time) || Math.abs(now - Number(time) * 1000) > ageMaxMs)
    throw new NoticeError(`a notice of WeChat Pay of the time ${time}, more than five minutes from ours`);
  const signed = createVerify('sha256').update(`${time}\n${nonce}\n`).update(body).update('\n');
  if (!signed.verify(keys.publicKey, signature, 'base64'))
    throw new NoticeError('a notice of WeChat Pay whose signature is not right');
  return nonce;
}

/** AES-256-GCM: the last 16 bytes are its tag. */
function decrypted(resource: unknown, secret: string): Fields {
  const { ciphertext, nonce, associated_data: extra } = (resource ?? {}) as Fields;
  if (typeof ciphertext !== 'string' || typeof nonce !== 'string')
    throw new NoticeError('a notice of WeChat Pay that holds nothing');
  try {
    const bytes = Buffer.from(ciphertext, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', secret, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(typeof extra === 'string' ? extra : ''));
    decipher.setAuthTag(bytes.subarray(-tagBytes));
    const text = Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]);
    return fieldsIn(text.toString('utf8'));
  } catch (error) {
    throw new NoticeError(`a notice of WeChat Pay that does not decrypt: ${(error as Error).message}`);
  }
}

function fieldsIn(json: string): Fields {
  const value: unknown = parsed(json);
  if (typeof value !== 'object' || value === null)
    throw new NoticeError('a notice of WeChat Pay that is no JSON object');
  return value as Fields;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
