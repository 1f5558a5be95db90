/**
 * Alipay's side of the sandbox: what its gateway does with a signed form, in the words of its documents. It refuses
 * signatures that are not the app's, and times that are not Beijing's.
 */
import { createSign, createVerify } from 'node:crypto';
import { beijingText, instantOfBeijing } from '../payments/beijing.ts';
import { decimal, units } from '../reconciliation/yuan.ts';
import { alipayAppId, payoutFields, tradeFields } from './alipay-messages.ts';
import { payoutState } from './book.ts';
import { takePayout, takeToFail } from './payout-counter.ts';
import { type Asked, type Deed, type Premises, parsed, type Said, type Sent, type Signing } from './protocol.ts';

type Fields = Readonly<Record<string, unknown>>;
type Answers = Omit<Deed, 'render' | 'limited' | 'unsigned404'>;

const timeOffMaxMs = 15 * 60_000;

const fine = (fields: Fields): Said => ({ status: 200, fields: { code: '10000', msg: 'Success', ...fields } });
const refused = (sub_code: string, more: Fields = {}): Said => ({
  status: 200,
  fields: { code: '40004', msg: 'Business Failed', sub_code, sub_msg: 'see sub_code', ...more },
});
const invalid = (sub_code: string): Said => ({
  status: 200,
  fields: { code: '40002', msg: 'Invalid Arguments', sub_code, sub_msg: 'see sub_code' },
});

export class AlipayDesk {
  readonly #at: Premises;

  constructor(premises: Premises) {
    this.#at = premises;
  }

  /** Reads a request of the client library. */
  read(asked: Asked): Deed | Sent {
    const form = this.#form(asked);
    const method = form.method ?? 'error';
    const mistake = this.#mistakeIn(form, asked.at);
    if (mistake !== null) return this.#render(method, mistake, 'right');
    const deed = this.#deed(method, parsed(form.biz_content ?? ''), asked.at);
    if (deed === null) return this.#render(method, invalid('isv.invalid-method'), 'right');
    return {
      ...deed,
      render: (said, signing) => this.#render(method, said, signing),
      limited: () => ({ status: 403, headers: html, body: '<h1>403 Forbidden</h1>' }),
      unsigned404: () => ({ status: 404, headers: html, body: '<h1>404 Not Found</h1>' }),
    };
  }

  /** A buyer's browser opens the address of alipay.trade.page.pay: from now on the trade is known here. */
  openPage(asked: Asked): Sent {
    const form = this.#form(asked);
    const mistake = this.#mistakeIn(form, asked.at);
    if (mistake !== null || form.method !== 'alipay.trade.page.pay')
      return { status: 400, headers: html, body: 'refused' };
    const content = parsed(form.biz_content ?? '');
    const [orderId, amount] = [String(content.out_trade_no), units(String(content.total_amount), 2)];
    const expiresAt = instantOfBeijing(content.time_expire);
    if (amount === null || amount <= 0n || expiresAt === null) return { status: 400, headers: html, body: 'refused' };
    if (this.#at.book.trade(orderId) === undefined)
      this.#at.book.open({
        provider: 'alipay',
        orderId,
        tradeNo: `2026112022001${orderId}`,
        amount,
        subject: String(content.subject),
        expiresAt,
        noticeUrl: form.notify_url ?? null,
        state: 'open',
        paidAt: null,
        refunds: [],
      });
    return { status: 200, headers: html, body: `<h1>${orderId}</h1>` };
  }

  #form({ path, body }: Asked): Record<string, string> {
    const query = new URL(path, 'http://sandbox').searchParams;
    return { ...Object.fromEntries(query), ...Object.fromEntries(new URLSearchParams(body)) };
  }

  #mistakeIn(form: Readonly<Record<string, string>>, at: number): Said | null {
    if (form.app_id !== alipayAppId) return invalid('isv.invalid-app-id');
    const { sign = '', ...signed } = form;
    const text = Object.keys(signed)
      .sort()
      .map((name) => `${name}=${signed[name]}`)
      .join('&');
    const key = this.#at.keys.alipay.merchant.publicKey;
    if (form.sign_type !== 'RSA2' || !createVerify('sha256').update(text).verify(key, sign, 'base64'))
      return invalid('isv.invalid-signature');
    const time = instantOfBeijing(form.timestamp);
    return time === null || Math.abs(time - at) > timeOffMaxMs ? invalid('isv.invalid-timestamp') : null;
  }

  #deed(method: string, content: Fields, at: number): Answers | null {
    const orderId = String(content.out_trade_no ?? '');
    const payoutId = String(content.out_biz_no ?? '');
    if (method === 'alipay.trade.query') return this.#query(orderId);
    if (method === 'alipay.trade.close') return this.#close(orderId);
    if (method === 'alipay.fund.trans.uni.transfer') return this.#transfer(payoutId, content, at);
    if (method === 'alipay.fund.trans.common.query') return this.#queryTransfer(payoutId, content, at);
    return method === 'alipay.data.dataservice.bill.downloadurl.query' ? this.#bill(content) : null;
  }

  #query(id: string): Answers {
    const missing = refused('ACQ.TRADE_NOT_EXIST', { out_trade_no: id });
    return {
      action: 'query',
      isQuery: true,
      id,
      do: () => {
        const trade = this.#at.book.trade(id);
        if (trade === undefined) return missing;
        return fine({
          ...tradeFields(trade),
          ...(trade.paidAt === null ? {} : { send_pay_date: beijingText(trade.paidAt) }),
        });
      },
      lie: () => {
        const trade = this.#at.book.trade(id);
        if (trade !== undefined && trade.paidAt !== null) return missing;
        const paid = {
          out_trade_no: id,
          trade_no: '1',
          trade_status: 'TRADE_SUCCESS',
          send_pay_date: '2026-11-20 10:00:00',
        };
        return fine({ ...paid, total_amount: decimal(trade?.amount ?? 1n, 2) });
      },
    };
  }

  #close(id: string): Answers {
    const closed = fine({ out_trade_no: id, trade_no: '1' });
    const mayNot = refused('ACQ.TRADE_STATUS_ERROR', { out_trade_no: id });
    const close = () => {
      if (this.#at.book.trade(id) === undefined) return refused('ACQ.TRADE_NOT_EXIST', { out_trade_no: id });
      return this.#at.book.close(id) ? closed : mayNot;
    };
    return {
      action: 'close',
      isQuery: false,
      id,
      do: close,
      lie: () => closed,
      feign: () => closed,
      deny: () => {
        close();
        return mayNot;
      },
    };
  }

  #transfer(id: string, content: Fields, at: number): Answers {
    const amount = units(String(content.trans_amount), 2);
    const payee = JSON.stringify(content.payee_info ?? null);
    const take = (): Said => {
      if (amount === null || amount <= 0n) return refused('INVALID_PARAMETER');
      const asked = { payoutId: id, transferNo: `20261120110070${id}`, amount, payee };
      const payout = takePayout(this.#at, { ...asked, provider: 'alipay', noticeUrl: null }, at);
      return payout === null ? refused('PAYMENT_INFO_INCONSISTENCY') : fine(payoutFields(payout, at));
    };
    return {
      action: 'transfer',
      isQuery: false,
      id,
      do: take,
      lie: () => fine({ out_biz_no: id, order_id: '1', status: 'SUCCESS' }),
      feign: () => takeToFail(this.#at.book, id, at, take, { status: 'SUCCESS' }),
      deny: () => {
        take();
        return refused('PAYEE_NOT_EXIST', { out_biz_no: id });
      },
    };
  }

  #queryTransfer(id: string, content: Fields, at: number): Answers {
    const missing = refused('ORDER_NOT_EXIST', { out_biz_no: id });
    const isNamed = content.product_code === 'TRANS_ACCOUNT_NO_PWD' && content.biz_scene === 'DIRECT_TRANSFER';
    return {
      action: 'transfer-query',
      isQuery: true,
      id,
      do: () => {
        const payout = this.#at.book.payout(id);
        if (!isNamed) return refused('INVALID_PARAMETER');
        return payout === undefined ? missing : fine(payoutFields(payout, at));
      },
      lie: () => {
        const payout = this.#at.book.payout(id);
        const isPaid = payout !== undefined && payoutState(payout, at) === 'paid';
        const said = { out_biz_no: id, order_id: '1', trans_amount: decimal(payout?.amount ?? 1n, 2) };
        return fine({ ...said, status: isPaid ? 'FAIL' : 'SUCCESS' });
      },
    };
  }

  #bill({ bill_date: day, bill_type: type }: Fields): Answers {
    const hand = (trouble: 'late' | 'damaged' | null): Said => {
      if (type !== 'trade') return refused('isp.invalid_arguments');
      const bill = this.#at.bills.issue('alipay', String(day), trouble);
      if (bill === null) return refused('isp.bill_not_exist');
      return fine({ bill_download_url: `${this.#at.address}/download/${bill.token}` });
    };
    return {
      action: 'bill',
      isQuery: true,
      id: String(day),
      do: () => hand(null),
      lie: () => refused('isp.bill_not_exist'),
      late: () => hand('late'),
      damaged: () => hand('damaged'),
    };
  }

  #render(method: string, { status, fields }: Said, signing: Signing): Sent {
    const content = JSON.stringify(fields);
    const sign = createSign('sha256').update(signing === 'right' ? content : `${content} `);
    const signature = sign.sign(this.#at.keys.alipay.provider.privateKey, 'base64');
    const name = `${method.replaceAll('.', '_')}_response`;
    const body = `{"${name}":${content}${signing === 'none' ? '' : `,"sign":"${signature}"`}}`;
    return { status, headers: { 'content-type': 'text/html;charset=utf-8' }, body };
  }
}

const html = { 'content-type': 'text/html;charset=utf-8' };
