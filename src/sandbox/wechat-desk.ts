/**
 * WeChat Pay's side of the sandbox: what APIv3 does with a signed request, in the words of its documents. It refuses
 * signatures that are not the merchant's, and times more than five minutes from its own.
 */
import { createVerify, privateDecrypt } from 'node:crypto';
import { beijingIso, instantOfIso } from '../payments/beijing.ts';
import { fenIn, jsonFen } from '../payments/json-fen.ts';
import { payoutState } from './book.ts';
import { takePayout, takeToFail } from './payout-counter.ts';
import {
  type Asked,
  type Deed,
  idFrom,
  type Premises,
  parsed,
  type Said,
  type Sent,
  type Signing,
} from './protocol.ts';
import {
  payoutFields,
  signatureOf,
  tradeFields,
  wechatAppId,
  wechatKeySerial,
  wechatMerchantId,
} from './wechat-messages.ts';

type Fields = Readonly<Record<string, unknown>>;
type Answers = Omit<Deed, 'render' | 'limited' | 'unsigned404'>;

const timeOffMaxMs = 300_000;
const json = { 'content-type': 'application/json; charset=utf-8' };

const fine = (fields: Fields): Said => ({ status: 200, fields });
const refused = (status: number, code: string): Said => ({ status, fields: { code, message: 'see code' } });
const done: Said = { status: 204, fields: null };
const unknownOrder = refused(404, 'ORDER_NOT_EXIST');

export class WechatDesk {
  readonly #at: Premises;

  constructor(premises: Premises) {
    this.#at = premises;
  }

  /** Reads a request of the client library. */
  read(asked: Asked): Deed | Sent {
    if (!this.#isSigned(asked)) return { status: 401, headers: json, body: JSON.stringify({ code: 'SIGN_ERROR' }) };
    const deed = this.#deed(asked, parsed(asked.body));
    if (deed === null) return this.#render(refused(400, 'PARAM_ERROR'), 'right');
    return {
      ...deed,
      render: (said, signing) => this.#render(said, signing),
      limited: () => this.#render(refused(429, 'FREQUENCY_LIMITED'), 'right'),
      unsigned404: () =>
        this.#render(
          { ...deed.lie(), ...refused(404, deed.action === 'query' ? 'ORDER_NOT_EXIST' : 'NOT_FOUND') },
          'none',
        ),
    };
  }

  #isSigned({ method, path, headers, body, at }: Asked): boolean {
    const [scheme, rest = ''] = String(headers.authorization).split(' ', 2);
    const part = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(rest)?.[1] ?? '';
    const time = part('timestamp');
    if (scheme !== 'WECHATPAY2-SHA256-RSA2048' || part('mchid') !== wechatMerchantId) return false;
    if (part('serial_no') !== wechatKeySerial || Math.abs(Number(time) * 1000 - at) > timeOffMaxMs) return false;
    const text = `${method}\n${path}\n${time}\n${part('nonce_str')}\n${body}\n`;
    return createVerify('sha256')
      .update(text)
      .verify(this.#at.keys.wechat.merchant.publicKey, part('signature'), 'base64');
  }

  #deed({ method, path, at }: Asked, content: Fields): Answers | null {
    const { pathname, searchParams } = new URL(path, 'http://sandbox');
    const transfers = '/v3/fund-app/mch-transfer/transfer-bills';
    if (method === 'POST') {
      if (pathname === '/v3/pay/transactions/native') return this.#prepay(content);
      if (pathname === transfers) return this.#transfer(content, at);
      const closed = idFrom(pathname, /^\/v3\/pay\/transactions\/out-trade-no\/(\d+)\/close$/);
      return closed === null || content.mchid !== wechatMerchantId ? null : this.#close(closed);
    }
    if (pathname === '/v3/bill/tradebill') return this.#bill(searchParams);
    const queried = idFrom(pathname, /^\/v3\/pay\/transactions\/out-trade-no\/(\d+)$/);
    if (queried !== null) return searchParams.get('mchid') === wechatMerchantId ? this.#query(queried) : null;
    const payout = idFrom(pathname, new RegExp(`^${transfers}/out-bill-no/(\\d+)$`));
    return payout === null ? null : this.#queryTransfer(payout, at);
  }

  #prepay(content: Fields): Answers {
    const id = String(content.out_trade_no);
    const amount = fenIn((content.amount as Fields | undefined)?.total);
    const expiresAt = instantOfIso(content.time_expire);
    const code = fine({ code_url: `weixin://wxpay/bizpayurl?pr=${id}` });
    const open = (): Said => {
      const before = this.#at.book.trade(id);
      if (amount === null || amount === 0n || expiresAt === null) return refused(400, 'PARAM_ERROR');
      if (before !== undefined && before.amount !== amount) return refused(403, 'OUT_TRADE_NO_USED');
      if (before?.state === 'closed') return refused(400, 'ORDER_CLOSED');
      if (before?.state === 'paid') return refused(400, 'ORDERPAID');
      if (before === undefined)
        this.#at.book.open({
          provider: 'wechat',
          orderId: id,
          tradeNo: `420000${id}`,
          amount,
          subject: String(content.description),
          expiresAt,
          noticeUrl: String(content.notify_url),
          state: 'open',
          paidAt: null,
          refunds: [],
        });
      return code;
    };
    const failed = refused(500, 'SYSTEM_ERROR');
    return {
      action: 'prepay',
      isQuery: false,
      id,
      do: open,
      lie: () => fine({ code_url: 'weixin://wxpay/bizpayurl?pr=somebody-else' }),
      feign: () => code,
      deny: () => {
        open();
        return failed;
      },
    };
  }

  #query(id: string): Answers {
    return {
      action: 'query',
      isQuery: true,
      id,
      do: () => {
        const trade = this.#at.book.trade(id);
        return trade === undefined ? unknownOrder : fine(tradeFields(trade));
      },
      lie: () => {
        const trade = this.#at.book.trade(id);
        if (trade !== undefined && trade.paidAt !== null) return unknownOrder;
        const amount = { total: jsonFen(trade?.amount ?? 1n) };
        return fine({ mchid: wechatMerchantId, out_trade_no: id, trade_state: 'SUCCESS', transaction_id: '1', amount });
      },
    };
  }

  #close(id: string): Answers {
    const close = (): Said => {
      if (this.#at.book.trade(id) === undefined) return unknownOrder;
      return this.#at.book.close(id) ? done : refused(400, 'ORDERPAID');
    };
    return {
      action: 'close',
      isQuery: false,
      id,
      do: close,
      lie: () => done,
      feign: () => done,
      deny: () => {
        close();
        return refused(500, 'SYSTEM_ERROR');
      },
    };
  }

  #transfer(content: Fields, at: number): Answers {
    const id = String(content.out_bill_no);
    const amount = fenIn(content.transfer_amount);
    const payee = JSON.stringify([content.openid, this.#nameIn(content.user_name)]);
    const take = (): Said => {
      if (amount === null || amount === 0n || content.appid !== wechatAppId) return refused(400, 'PARAM_ERROR');
      const asked = { payoutId: id, transferNo: `1330000${id}`, amount, payee };
      const noticeUrl = String(content.notify_url);
      const payout = takePayout(this.#at, { ...asked, provider: 'wechat', noticeUrl }, at, 'paid');
      if (payout === null) return refused(400, 'INVALID_REQUEST');
      const { transfer_bill_no, state } = payoutFields(payout, at);
      return fine({ out_bill_no: id, transfer_bill_no, create_time: beijingIso(at), state });
    };
    return {
      action: 'transfer',
      isQuery: false,
      id,
      do: take,
      lie: () => fine({ out_bill_no: id, transfer_bill_no: '1', state: 'SUCCESS' }),
      feign: () => takeToFail(this.#at.book, id, at, take, { state: 'SUCCESS' }),
      deny: () => {
        take();
        return refused(400, 'INVALID_REQUEST');
      },
    };
  }

  /** A name comes encrypted with the provider's key, each time in other bytes. */
  #nameIn(secret: unknown): string | null {
    if (typeof secret !== 'string') return null;
    const key = { key: this.#at.keys.wechat.provider.privateKey, oaepHash: 'sha1' };
    return privateDecrypt(key, Buffer.from(secret, 'base64')).toString('utf8');
  }

  #queryTransfer(id: string, at: number): Answers {
    return {
      action: 'transfer-query',
      isQuery: true,
      id,
      do: () => {
        const payout = this.#at.book.payout(id);
        return payout === undefined ? refused(404, 'NOT_FOUND') : fine(payoutFields(payout, at));
      },
      lie: () => {
        const payout = this.#at.book.payout(id);
        const isPaid = payout !== undefined && payoutState(payout, at) === 'paid';
        const said = { mch_id: wechatMerchantId, out_bill_no: id, transfer_bill_no: '1' };
        return fine({ ...said, state: isPaid ? 'FAIL' : 'SUCCESS', transfer_amount: jsonFen(payout?.amount ?? 1n) });
      },
    };
  }

  #bill(query: URLSearchParams): Answers {
    const day = query.get('bill_date') ?? '';
    const hand = (trouble: 'late' | 'damaged' | null): Said => {
      if (query.get('bill_type') !== 'ALL' || query.get('tar_type') !== 'GZIP') return refused(400, 'PARAM_ERROR');
      const bill = this.#at.bills.issue('wechat', day, trouble);
      if (bill === null) return refused(400, this.#at.bills.isHeld ? 'STATEMENT_CREATING' : 'NO_STATEMENT_EXIST');
      const download_url = `${this.#at.address}/v3/billdownload/file?token=${bill.token}`;
      return fine({ hash_type: 'SHA1', hash_value: bill.sha1, download_url });
    };
    return {
      action: 'bill',
      isQuery: true,
      id: day,
      do: () => hand(null),
      lie: () => refused(400, 'NO_STATEMENT_EXIST'),
      late: () => hand('late'),
      damaged: () => hand('damaged'),
    };
  }

  /** A bill at the address that was told; as at WeChat, the request is signed and the answer is not. */
  download(asked: Asked): Sent {
    const token = new URL(asked.path, 'http://sandbox').searchParams.get('token') ?? '';
    if (!this.#isSigned(asked)) return { status: 401, headers: json, body: JSON.stringify({ code: 'SIGN_ERROR' }) };
    const content = this.#at.bills.redeem(token);
    if (content === null) return { status: 400, headers: json, body: JSON.stringify({ code: 'INVALID_REQUEST' }) };
    return { status: 200, headers: { 'content-type': 'application/x-gzip' }, body: content };
  }

  #render({ status, fields }: Said, signing: Signing): Sent {
    const body = fields === null ? '' : JSON.stringify(fields);
    return { status, headers: { ...json, ...signatureOf(this.#at.keys.wechat.provider, body, signing) }, body };
  }
}
