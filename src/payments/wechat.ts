/**
 * WeChat Pay, APIv3, by wechatpay-axios-plugin.
 *
 * The client verifies only answers of 2xx by itself; here every status is one that it must verify, so that a 404 without
 * WeChat's signature is no 404. What it throws (no connection, no or a false signature) is `unknown`. Redirections are
 * not followed. It is loaded with the first request.
 *
 * WeChat must be asked for the code that a buyer scans. Its bills are not signed, but their hash is, in the answer that
 * names their address.
 */
import type { KeyObject } from 'node:crypto';
import type { Wechatpay } from 'wechatpay-axios-plugin';
import { UnavailableError } from '../platform/errors.ts';
import { failureWord, shortened, textOf, unknownPayment, unknownTransfer } from './answers.ts';
import { beijingIso } from './beijing.ts';
import { jsonFen } from './json-fen.ts';
import type {
  Notice,
  NoticeRequest,
  OrderToPay,
  PaymentAnswer,
  PaymentRequest,
  Provider,
  Reply,
  Transfer,
  TransferAnswer,
} from './provider.ts';
import { type WechatAnswer, wechatPayment, wechatTransfer, wechatWord } from './wechat-answers.ts';
import { hashOf } from './wechat-bill.ts';
import { readWechatNotice } from './wechat-notice.ts';

export interface WechatAccount {
  readonly merchantId: string;
  readonly appId: string;
  readonly privateKey: KeyObject;
  /** The serial number of the merchant's certificate. */
  readonly keySerial: string;
  /** WeChat's, and its id (`PUB_KEY_ID_…`, or a certificate's serial number). */
  readonly publicKey: KeyObject;
  readonly publicKeyId: string;
  /** The APIv3 key, 32 characters: notices are encrypted with it. */
  readonly secret: string;
  readonly gateway: string;
  /** Where WeChat sends its notices. */
  readonly noticeUrl: string;
  /** The scene that transfers are registered for, and what must be told in it. */
  readonly transferScene: string;
  readonly transferReport: readonly { readonly info_type: string; readonly info_content: string }[];
  readonly timeoutMs: number;
}

interface Asked {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly query?: Readonly<Record<string, string>>;
}

const descriptionMax = 127;
const remarkMax = 32;
const downloadLimitMs = 60_000;
const ordersPath = 'v3/pay/transactions/out-trade-no';
const transfersPath = 'v3/fund-app/mch-transfer/transfer-bills';

export class Wechat implements Provider {
  readonly name = 'wechat';
  readonly #account: WechatAccount;
  #api: Promise<Client> | undefined;

  constructor(account: WechatAccount) {
    this.#account = account;
  }

  async request(order: OrderToPay): Promise<PaymentRequest> {
    const { appId, merchantId, noticeUrl } = this.#account;
    const address = order.clientAddress;
    const heard = await this.#ask('v3/pay/transactions/native', {
      body: {
        appid: appId,
        mchid: merchantId,
        description: shortened(order.subject, descriptionMax),
        out_trade_no: String(order.orderId),
        time_expire: beijingIso(order.expiresAt),
        notify_url: noticeUrl,
        amount: { total: jsonFen(order.amount), currency: 'CNY' },
        ...(address === null ? {} : { scene_info: { payer_client_ip: address } }),
      },
    });
    const content = 'failure' in heard ? null : textOf(heard.fields.code_url);
    if (content !== null) return { provider: 'wechat', kind: 'code', content };
    const word = 'failure' in heard ? heard.failure : wechatWord(heard);
    throw new UnavailableError(`WeChat Pay gives no code to pay the order ${order.orderId} by: ${word}`);
  }

  async query(orderId: bigint): Promise<PaymentAnswer> {
    const { merchantId } = this.#account;
    const heard = await this.#ask(`${ordersPath}/${orderId}`, { query: { mchid: merchantId } });
    return 'failure' in heard ? unknownPayment(heard.failure) : wechatPayment(heard, orderId, merchantId);
  }

  async close(orderId: bigint): Promise<void> {
    await this.#ask(`${ordersPath}/${orderId}/close`, { body: { mchid: this.#account.merchantId } });
  }

  async transfer({ payoutId, amount, payee, payeeName, title }: Transfer): Promise<TransferAnswer> {
    const { appId, noticeUrl, transferScene, transferReport } = this.#account;
    const { encrypt } = await this.#client();
    const heard = await this.#ask(transfersPath, {
      body: {
        appid: appId,
        out_bill_no: String(payoutId),
        transfer_scene_id: transferScene,
        openid: payee,
        ...(payeeName === null ? {} : { user_name: encrypt(payeeName) }),
        transfer_amount: jsonFen(amount),
        transfer_remark: shortened(title, remarkMax),
        notify_url: noticeUrl,
        transfer_scene_report_infos: transferReport,
      },
    });
    if ('failure' in heard) return unknownTransfer(heard.failure);
    if (heard.status !== 200) return unknownTransfer(wechatWord(heard));
    // Also where it says SUCCESS: only a query decides.
    const accepted = unknownTransfer(`accepted: ${textOf(heard.fields.state) ?? 'no state'}`);
    return { ...accepted, state: 'pending', providerId: textOf(heard.fields.transfer_bill_no) };
  }

  async queryTransfer(payoutId: bigint): Promise<TransferAnswer> {
    const heard = await this.#ask(`${transfersPath}/out-bill-no/${payoutId}`, {});
    if ('failure' in heard) return unknownTransfer(heard.failure);
    return wechatTransfer(heard, payoutId, this.#account.merchantId);
  }

  async readNotice(request: NoticeRequest): Promise<Notice> {
    return readWechatNotice(request, this.#account, Date.now());
  }

  reply(isTaken: boolean): Reply {
    if (isTaken) return { status: 204, headers: {}, body: '' };
    const body = JSON.stringify({ code: 'FAIL', message: 'to be sent again' });
    return { status: 500, headers: { 'content-type': 'application/json; charset=utf-8' }, body };
  }

  /** A GZIP. Its address lives for 30 seconds: it is fetched at once, and asked for once more when that was too late. */
  async statement(day: string): ReturnType<Provider['statement']> {
    for (let attempt = 1; ; attempt++) {
      const query = { bill_date: day, bill_type: 'ALL', tar_type: 'GZIP' };
      const heard = await this.#ask('v3/bill/tradebill', { query });
      const word = 'failure' in heard ? heard.failure : wechatWord(heard);
      if (word === 'NO_STATEMENT_EXIST' || word === 'STATEMENT_CREATING') return null;
      const address = 'failure' in heard ? null : textOf(heard.fields.download_url);
      if (address === null || 'failure' in heard) throw noStatement(day, word);
      const { hash_type: kind, hash_value: hash } = heard.fields;
      const content = await this.#download(address).catch((error: unknown) => failureWord(error));
      const isWhole = typeof content !== 'string' && kind === 'SHA1' && (await hashOf(content)) === hash;
      if (isWhole) return { ending: 'csv.gz', content };
      if (attempt === 2) throw noStatement(day, typeof content === 'string' ? content : 'its hash is another one');
    }
  }

  /** @returns the verified answer, whatever its status; or why there is none */
  async #ask(path: string, asked: Asked): Promise<WechatAnswer | { readonly failure: string }> {
    try {
      const { api } = await this.#client();
      const signal = AbortSignal.timeout(this.#account.timeoutMs);
      const config = { signal, ...(asked.query === undefined ? {} : { params: asked.query }) };
      const resource = api.chain(path);
      const { status, data } = await (asked.body === undefined
        ? resource.get(config)
        : resource.post(asked.body, config));
      if (typeof data === 'object' && data !== null) return { status, fields: data };
      return data === '' ? { status, fields: {} } : { failure: `HTTP ${status} with a body that is no JSON` };
    } catch (error) {
      return { failure: failureWord(error) };
    }
  }

  /** Signed by us like any request; what comes has no signature, and the client is told not to look for one. */
  async #download(address: string): Promise<Buffer> {
    const { api } = await this.#client();
    const signal = AbortSignal.timeout(downloadLimitMs);
    const whole = { responseType: 'arraybuffer', decompress: false, transformResponse: [] } as const;
    const { status, data } = await api.chain(address).get({ signal, timeout: downloadLimitMs, ...whole });
    if (status !== 200) throw new Error(`the download answered HTTP ${status}`);
    return Buffer.from(data);
  }

  async #client(): Promise<Client> {
    this.#api ??= connect(this.#account);
    return this.#api;
  }
}

interface Client {
  readonly api: Wechatpay;
  encrypt(text: string): string;
}

async function connect(account: WechatAccount): Promise<Client> {
  const { Wechatpay, Rsa } = await import('wechatpay-axios-plugin');
  const { merchantId, keySerial, privateKey, publicKeyId, publicKey, gateway, timeoutMs } = account;
  const api = new Wechatpay({
    mchid: merchantId,
    serial: keySerial,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certs: { [publicKeyId]: publicKey },
    baseURL: gateway.endsWith('/') ? gateway : `${gateway}/`,
    headers: { 'Wechatpay-Serial': publicKeyId },
    timeout: timeoutMs,
    maxRedirects: 0,
    validateStatus: () => true,
  });
  return { api, encrypt: (text) => Rsa.encrypt(text, publicKey) };
}

function noStatement(day: string, word: string): UnavailableError {
  return new UnavailableError(`WeChat Pay does not give its bill of ${day}: ${word}`);
}
