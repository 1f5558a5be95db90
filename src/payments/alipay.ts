/**
 * Alipay, by its official client.
 *
 * The client signs and verifies; what it sends and hears goes over the wire here. Its own way of asking repeats a request
 * whose connection broke, unseen by whoever counts requests, and reads another part of an answer than it verifies, when
 * somebody has put two into one. Here an answer is read from the very text whose signature was right. Whatever else comes
 * (nothing, an HTTP status, no or a false signature, no JSON) is `unknown`. The client is told the time in Beijing, where
 * it would take the zone of this process. It is loaded with the first request.
 *
 * A payment is asked for by an address for the buyer's browser, which nobody needs to be asked for.
 */
import type { KeyObject } from 'node:crypto';
import type { AlipaySdk, AlipaySdkConfig } from 'alipay-sdk';
import { UnavailableError } from '../platform/errors.ts';
import { decimal } from '../reconciliation/yuan.ts';
import { type AlipayFields, alipayNotice, alipayPayment, alipayTransfer, alipayWord } from './alipay-answers.ts';
import { failureWord, idOf, shortened, textOf, unknownPayment, unknownTransfer } from './answers.ts';
import { beijingText } from './beijing.ts';
import { download } from './download.ts';
import {
  type Notice,
  NoticeError,
  type NoticeRequest,
  type OrderToPay,
  type PaymentAnswer,
  type PaymentRequest,
  type Provider,
  type Reply,
  type Transfer,
  type TransferAnswer,
} from './provider.ts';

/** Each as PEM. An app that sends money must sign with them. */
export interface AlipayCertificates {
  readonly own: string;
  /** Alipay's, of its public key. */
  readonly provider: string;
  readonly root: string;
}

export interface AlipayAccount {
  readonly appId: string;
  readonly privateKey: KeyObject;
  /** Alipay's, not our own. */
  readonly publicKey: KeyObject;
  readonly certificates: AlipayCertificates | null;
  readonly gateway: string;
  /** Where Alipay sends its notices. */
  readonly noticeUrl: string;
  readonly timeoutMs: number;
}

const textMax = 256;

export class Alipay implements Provider {
  readonly name = 'alipay';
  readonly #account: AlipayAccount;
  #sdk: Promise<AlipaySdk> | undefined;

  constructor(account: AlipayAccount) {
    this.#account = account;
  }

  async request(order: OrderToPay): Promise<PaymentRequest> {
    const sdk = await this.#client();
    const content = sdk.pageExecute('alipay.trade.page.pay', 'GET', {
      ...this.#common(),
      notify_url: this.#account.noticeUrl,
      bizContent: {
        out_trade_no: String(order.orderId),
        total_amount: decimal(order.amount, 2),
        subject: shortened(order.subject.replaceAll(/[/=&]/g, ' '), textMax),
        product_code: 'FAST_INSTANT_TRADE_PAY',
        time_expire: beijingText(order.expiresAt),
      },
    });
    return { provider: 'alipay', kind: 'address', content };
  }

  async query(orderId: bigint): Promise<PaymentAnswer> {
    const heard = await this.#ask('alipay.trade.query', { out_trade_no: String(orderId) });
    return 'failure' in heard ? unknownPayment(heard.failure) : alipayPayment(heard.fields, orderId);
  }

  async close(orderId: bigint): Promise<void> {
    await this.#ask('alipay.trade.close', { out_trade_no: String(orderId) });
  }

  async transfer({ payoutId, amount, payee, payeeName, title }: Transfer): Promise<TransferAnswer> {
    const heard = await this.#ask('alipay.fund.trans.uni.transfer', {
      ...transferKind,
      out_biz_no: String(payoutId),
      trans_amount: decimal(amount, 2),
      order_title: shortened(title, textMax),
      payee_info: {
        identity: payee,
        identity_type: identityOf(payee),
        ...(payeeName === null ? {} : { name: payeeName }),
      },
    });
    if ('failure' in heard) return unknownTransfer(heard.failure);
    const word = alipayWord(heard.fields);
    if (heard.fields.code !== '10000') return unknownTransfer(word);
    // Also where it says SUCCESS: only a query decides.
    return {
      ...unknownTransfer(`accepted: ${textOf(heard.fields.status) ?? 'no status'}`),
      state: 'pending',
      providerId: textOf(heard.fields.order_id),
    };
  }

  async queryTransfer(payoutId: bigint): Promise<TransferAnswer> {
    const heard = await this.#ask('alipay.fund.trans.common.query', { ...transferKind, out_biz_no: String(payoutId) });
    return 'failure' in heard ? unknownTransfer(heard.failure) : alipayTransfer(heard.fields, payoutId);
  }

  /** A repetition is the very same message, and must be taken again: it has no nonce. */
  async readNotice({ body }: NoticeRequest): Promise<Notice> {
    const fields: Record<string, string> = Object.fromEntries(new URLSearchParams(body.toString('utf8')));
    const sdk = await this.#client();
    if (fields.sign_type !== 'RSA2' || !isSigned(sdk, fields))
      throw new NoticeError('a notice of Alipay whose signature is not right');
    if (fields.app_id !== this.#account.appId) return { about: 'other', nonce: null };
    if (fields.msg_method === 'alipay.fund.trans.order.changed') return aboutTransfer(fields.biz_content);
    const orderId = fields.notify_type === 'trade_status_sync' ? idOf(fields.out_trade_no) : null;
    if (orderId === null) return { about: 'other', nonce: null };
    return { about: 'order', orderId, answer: alipayNotice(fields, orderId), nonce: null };
  }

  reply(isTaken: boolean): Reply {
    const headers = { 'content-type': 'text/plain; charset=utf-8' };
    return isTaken ? { status: 200, headers, body: 'success' } : { status: 500, headers, body: 'fail' };
  }

  /** A ZIP. Its address lives for 30 seconds: it is fetched at once, and asked for once more when that was too late. */
  async statement(day: string): ReturnType<Provider['statement']> {
    for (let attempt = 1; ; attempt++) {
      const heard = await this.#ask('alipay.data.dataservice.bill.downloadurl.query', {
        bill_type: 'trade',
        bill_date: day,
      });
      const word = 'failure' in heard ? heard.failure : alipayWord(heard.fields);
      const address = 'failure' in heard ? null : textOf(heard.fields.bill_download_url);
      if (word === 'isp.bill_not_exist') return null;
      if (address === null) throw noStatement(day, word);
      const content = await download(address).catch((error: unknown) => failureWord(error));
      if (typeof content !== 'string' && isZip(content)) return { ending: 'zip', content };
      if (attempt === 2) throw noStatement(day, typeof content === 'string' ? content : 'what came is no whole ZIP');
    }
  }

  /** @returns the verified answer, whatever it says; or why there is none */
  async #ask(
    method: string,
    content: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly fields: AlipayFields } | { readonly failure: string }> {
    try {
      const sdk = await this.#client();
      const body = sdk.sdkExecute(method, { ...this.#common(), bizContent: content });
      const text = await this.#send(body);
      return { fields: signedIn(sdk, text, `${method.replaceAll('.', '_')}_response`) };
    } catch (error) {
      return { failure: failureWord(error) };
    }
  }

  async #send(body: string): Promise<string> {
    const response = await fetch(this.#account.gateway, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', accept: 'application/json' },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(this.#account.timeoutMs),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
    return text;
  }

  readonly #common = () => ({ timestamp: beijingText(Date.now()) });

  async #client(): Promise<AlipaySdk> {
    this.#sdk ??= import('alipay-sdk').then(({ AlipaySdk }) => new AlipaySdk(configOf(this.#account)));
    return this.#sdk;
  }
}

function configOf({ appId, privateKey, publicKey, certificates, gateway }: AlipayAccount): AlipaySdkConfig {
  const privatePem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const common = { appId, privateKey: privatePem, keyType: 'PKCS8', gateway } as const;
  if (certificates === null)
    return { ...common, alipayPublicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
  const { own, provider, root } = certificates;
  return { ...common, appCertContent: own, alipayPublicCertContent: provider, alipayRootCertContent: root };
}

/** The kind of transfer that a query has to name too. */
const transferKind = { product_code: 'TRANS_ACCOUNT_NO_PWD', biz_scene: 'DIRECT_TRANSFER' };

/** By the form of the name: Alipay's own ids, mail addresses and mobile numbers, ids of an app's user. */
function identityOf(payee: string): string {
  if (/^2088\d{12}$/.test(payee)) return 'ALIPAY_USER_ID';
  return /@|^\d{11}$/.test(payee) ? 'ALIPAY_LOGON_ID' : 'ALIPAY_OPEN_ID';
}

/** The part of an answer that is signed. @throws Error when the signature is not right */
function signedIn(sdk: AlipaySdk, text: string, name: string): AlipayFields {
  const { sign } = JSON.parse(text) as { sign?: unknown };
  if (typeof sign !== 'string') throw new Error('an answer without a signature');
  if (!sdk.rsaCheck(sdk.getSignStr(text, name), sign)) throw new Error('an answer whose signature is not right');
  return JSON.parse(sdk.getSignStr(text, name)) as AlipayFields;
}

function isSigned(sdk: AlipaySdk, fields: Readonly<Record<string, string>>): boolean {
  try {
    return sdk.checkNotifySignV2(fields);
  } catch {
    return false;
  }
}

function aboutTransfer(content: string | undefined): Notice {
  const payoutId = idOf(fieldsIn(content ?? '').out_biz_no);
  return payoutId === null ? { about: 'other', nonce: null } : { about: 'payout', payoutId, nonce: null };
}

function fieldsIn(json: string): AlipayFields {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as AlipayFields) : {};
  } catch {
    return {};
  }
}

/** Whether it begins like a ZIP and has the directory that ends one. */
function isZip(content: Buffer): boolean {
  const isBegun = content.subarray(0, 4).equals(Buffer.from('504b0304', 'hex'));
  return isBegun && content.lastIndexOf(Buffer.from('504b0506', 'hex')) >= 0;
}

function noStatement(day: string, word: string): UnavailableError {
  return new UnavailableError(`Alipay does not give its bill of ${day}: ${word}`);
}
