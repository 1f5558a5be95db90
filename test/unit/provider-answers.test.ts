import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { alipayNotice, alipayPayment, alipayTransfer } from '../../src/payments/alipay-answers.ts';
import type { PaymentState, TransferState } from '../../src/payments/provider.ts';
import { wechatPayment, wechatRefund, wechatTransfer } from '../../src/payments/wechat-answers.ts';
import { decimal } from '../../src/reconciliation/yuan.ts';

const id = 7_101_234_567_890_123_456n;
const merchant = '1900000001';

describe('a payment as Alipay tells it', () => {
  const trade = (more: object = {}) => ({
    code: '10000',
    msg: 'Success',
    out_trade_no: String(id),
    trade_no: '2026112022001',
    trade_status: 'TRADE_SUCCESS',
    total_amount: '88.88',
    ...more,
  });
  const stateOf = (fields: object) => alipayPayment(fields as Record<string, unknown>, id).state;

  test.each<[string, PaymentState]>([
    ['WAIT_BUYER_PAY', 'pending'],
    ['TRADE_SUCCESS', 'paid'],
    ['TRADE_FINISHED', 'paid'],
    ['TRADE_CLOSED', 'closed'],
    ['TRADE_PENDING', 'unknown'],
    ['trade_success', 'unknown'],
    ['constructor', 'unknown'],
    ['', 'unknown'],
  ])('trade_status "%s" is %s', (trade_status, state) => expect(stateOf(trade({ trade_status }))).toBe(state));

  test('a trade that closed after it was paid was refunded in full', () => {
    const answer = alipayPayment(trade({ trade_status: 'TRADE_CLOSED', send_pay_date: '2026-11-20 10:00:00' }), id);
    expect(answer).toMatchObject({ state: 'refunded', amount: 8888n, refunded: 8888n });
  });

  test.each<[string, string, PaymentState, boolean]>([
    ['40004', 'ACQ.TRADE_NOT_EXIST', 'pending', false],
    ['40004', 'ACQ.SYSTEM_ERROR', 'unknown', true],
    ['40004', 'ACQ.INVALID_PARAMETER', 'unknown', true],
    ['20000', 'isp.unknow-error', 'unknown', true],
    ['20000', 'ACQ.TRADE_NOT_EXIST', 'unknown', true],
    ['40002', 'isv.invalid-signature', 'unknown', true],
  ])('code %s with sub_code %s is %s', (code, sub_code, state, known) =>
    expect(alipayPayment({ code, sub_code, msg: 'Success' }, id)).toMatchObject({ state, known, word: sub_code }),
  );

  test('its text decides nothing: a failure that says Success in words stays unknown', () => {
    expect(stateOf(trade({ code: '40004', msg: 'Success', sub_msg: '交易不存在' }))).toBe('unknown');
  });

  test.each([
    ['another order', { out_trade_no: '1' }],
    ['no order', { out_trade_no: undefined }],
    ['no amount', { total_amount: undefined }],
    ['an amount that is a number', { total_amount: 88.88 }],
    ['an amount of three places', { total_amount: '88.888' }],
    ['an amount below zero', { total_amount: '-88.88' }],
    ['an amount with a separator', { total_amount: '1,088.88' }],
  ])('about %s it is unknown', (_, more) => expect(stateOf(trade(more))).toBe('unknown'));

  test('a missing trade of another order is unknown', () => {
    expect(stateOf({ code: '40004', sub_code: 'ACQ.TRADE_NOT_EXIST', out_trade_no: '1' })).toBe('unknown');
  });

  test('every sum of fen comes through as yuan and back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), (fen) => {
        expect(alipayPayment(trade({ total_amount: decimal(fen, 2) }), id).amount).toBe(fen);
      }),
    );
  });

  test('the time of payment is Beijing time', () => {
    expect(alipayPayment(trade({ send_pay_date: '2026-11-20 10:00:00' }), id).paidAt).toBe(
      Date.parse('2026-11-20T02:00:00Z'),
    );
  });

  test.each<[string, object, object]>([
    ['paid', { gmt_payment: '2026-11-20 10:00:00' }, { state: 'paid', refunded: null }],
    ['a part back', { refund_fee: '8.88' }, { state: 'refunded', refunded: 888n }],
    ['nothing back', { refund_fee: '0.00' }, { state: 'paid', refunded: null }],
    ['back, but how much is no amount', { refund_fee: 'all' }, { state: 'unknown' }],
    [
      'all back',
      { trade_status: 'TRADE_CLOSED', gmt_payment: '2026-11-20 10:00:00', refund_fee: '88.88' },
      { state: 'refunded', refunded: 8888n },
    ],
    ['timed out', { trade_status: 'TRADE_CLOSED' }, { state: 'closed', refunded: null }],
  ])('a notice: %s', (_, more, expected) => expect(alipayNotice(trade(more), id)).toMatchObject(expected));
});

describe('a payment as WeChat tells it', () => {
  const trade = (more: object = {}) => ({
    mchid: merchant,
    out_trade_no: String(id),
    transaction_id: '420000',
    trade_state: 'SUCCESS',
    success_time: '2026-11-20T10:00:00+08:00',
    amount: { total: 8888, currency: 'CNY' },
    ...more,
  });
  const answerOf = (more: object, status = 200) => wechatPayment({ status, fields: trade(more) }, id, merchant);

  test.each<[string, PaymentState]>([
    ['SUCCESS', 'paid'],
    ['REFUND', 'refunded'],
    ['NOTPAY', 'pending'],
    ['USERPAYING', 'pending'],
    ['CLOSED', 'closed'],
    ['REVOKED', 'closed'],
    ['PAYERROR', 'failed'],
    ['ACCEPT', 'unknown'],
    ['success', 'unknown'],
    ['toString', 'unknown'],
  ])('trade_state %s is %s', (trade_state, state) => expect(answerOf({ trade_state }).state).toBe(state));

  test('paid: the amount in fen, and the time', () => {
    expect(answerOf({})).toMatchObject({ amount: 8888n, refunded: null, paidAt: Date.parse('2026-11-20T02:00:00Z') });
  });

  test('how much went back, a query does not say', () => {
    expect(answerOf({ trade_state: 'REFUND' })).toMatchObject({ state: 'refunded', amount: 8888n, refunded: null });
  });

  test.each<[number, string, PaymentState, boolean]>([
    [404, 'ORDER_NOT_EXIST', 'pending', false],
    [404, 'RESOURCE_NOT_EXISTS', 'unknown', true],
    [400, 'ORDER_NOT_EXIST', 'unknown', true],
    [429, 'FREQUENCY_LIMITED', 'unknown', true],
    [500, 'SYSTEM_ERROR', 'unknown', true],
    [202, 'ACCEPTED', 'unknown', true],
  ])('HTTP %i %s is %s', (status, code, state, known) =>
    expect(wechatPayment({ status, fields: { code } }, id, merchant)).toMatchObject({ state, known, word: code }),
  );

  test.each([
    ['another order', { out_trade_no: '1' }],
    ['another merchant', { mchid: '1900000002' }],
    ['no amount', { amount: undefined }],
    ['a fraction of a fen', { amount: { total: 88.5 } }],
    ['an amount beyond what a double holds', { amount: { total: 2 ** 53 } }],
    ['an amount that is a text', { amount: { total: '8888' } }],
    ['an amount below zero', { amount: { total: -1 } }],
  ])('about %s it is unknown', (_, more) => expect(answerOf(more).state).toBe('unknown'));

  test.each<[string, object, object]>([
    ['in full', {}, { state: 'refunded', amount: 8888n, refunded: 8888n }],
    ['in part', { amount: { total: 8888, refund: 88 } }, { state: 'refunded', refunded: 88n }],
    ['that failed', { refund_status: 'ABNORMAL' }, { state: 'unknown' }],
    ['of another merchant', { mchid: '1' }, { state: 'unknown' }],
    ['of no amount', { amount: { total: 8888 } }, { state: 'unknown' }],
  ])('a notice of a refund %s', (_, more, expected) => {
    const refund = { ...trade(), refund_status: 'SUCCESS', amount: { total: 8888, refund: 8888 } };
    expect(wechatRefund({ ...refund, ...more }, merchant)).toMatchObject(expected);
  });
});

describe('a payout', () => {
  test.each<[string, TransferState]>([
    ['SUCCESS', 'paid'],
    ['WAIT_PAY', 'pending'],
    ['DEALING', 'pending'],
    ['CLOSED', 'failed'],
    ['FAIL', 'failed'],
    ['REFUND', 'returned'],
    ['INIT', 'unknown'],
    ['UNKNOWN', 'unknown'],
  ])('of Alipay with the status %s is %s', (status, state) => {
    const fields = { code: '10000', out_biz_no: String(id), order_id: '1', trans_amount: '5.00', status };
    expect(alipayTransfer(fields, id)).toMatchObject({ state, ...(state === 'unknown' ? {} : { amount: 500n }) });
  });

  test.each<[string, string, TransferState]>([
    ['40004', 'ORDER_NOT_EXIST', 'missing'],
    ['40004', 'SYSTEM_ERROR', 'unknown'],
    ['20000', 'ORDER_NOT_EXIST', 'unknown'],
    ['40004', 'INVALID_PARAMETER', 'unknown'],
  ])('of Alipay with code %s, %s is %s', (code, sub_code, state) =>
    expect(alipayTransfer({ code, sub_code }, id).state).toBe(state),
  );

  test.each<[string, TransferState]>([
    ['ACCEPTED', 'pending'],
    ['PROCESSING', 'pending'],
    ['WAIT_USER_CONFIRM', 'pending'],
    ['TRANSFERING', 'pending'],
    ['CANCELING', 'pending'],
    ['SUCCESS', 'paid'],
    ['FAIL', 'failed'],
    ['CANCELLED', 'failed'],
    ['CLOSED', 'unknown'],
  ])('of WeChat in the state %s is %s', (word, state) => {
    const fields = { mch_id: merchant, out_bill_no: String(id), state: word, transfer_amount: 500 };
    expect(wechatTransfer({ status: 200, fields }, id, merchant).state).toBe(state);
  });

  test.each<[number, string, TransferState]>([
    [404, 'NOT_FOUND', 'missing'],
    [404, 'ORDER_NOT_EXIST', 'unknown'],
    [400, 'NOT_FOUND', 'unknown'],
    [500, 'SYSTEM_ERROR', 'unknown'],
  ])('of WeChat with HTTP %i %s is %s', (status, code, state) =>
    expect(wechatTransfer({ status, fields: { code } }, id, merchant).state).toBe(state),
  );

  test.each([
    [
      'another payout of Alipay',
      alipayTransfer({ code: '10000', out_biz_no: '1', trans_amount: '5.00', status: 'SUCCESS' }, id),
    ],
    [
      'a payout of Alipay without an amount',
      alipayTransfer({ code: '10000', out_biz_no: String(id), status: 'SUCCESS' }, id),
    ],
    [
      'another payout of WeChat',
      wechatTransfer(
        { status: 200, fields: { mch_id: merchant, out_bill_no: '1', state: 'SUCCESS', transfer_amount: 5 } },
        id,
        merchant,
      ),
    ],
    [
      'another merchant of WeChat',
      wechatTransfer(
        { status: 200, fields: { mch_id: '1', out_bill_no: String(id), state: 'SUCCESS', transfer_amount: 5 } },
        id,
        merchant,
      ),
    ],
  ])('%s is unknown', (_, answer) => expect(answer.state).toBe('unknown'));
});
