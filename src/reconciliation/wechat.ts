/**
 * WeChat Pay's trade bill of a day (/v3/bill/tradebill, bill_type ALL): UTF-8, plain or in a GZIP, a backtick before
 * each field of a row.
 *
 * After the rows come the names of the totals and the totals, which must agree with the rows: yuan to the fen, fees,
 * which have five decimals, to 10^-5 yuan; the fee of one row is rounded to the fen for its own comparison. A refund row
 * carries the order's number, the refund's number and what was asked back; a row REVOKED takes a payment back likewise.
 *
 * A refund counts when WeChat has taken the money from us: also while it is under way (PROCESSING), not when it failed
 * (FAIL) or came back (CHANGE). Source: pay.weixin.qq.com, 交易账单详细说明.
 */
import type { Entry, Status } from './entry.ts';
import { columnsOf, expectFields, expectTotal, type Format, fenAt, referenceAt, timeAt, unitsAt } from './format.ts';
import type { Line } from './lines.ts';
import { roundToFen } from './yuan.ts';

/** The columns, in the order in which bills of all transactions have them. */
export const wechatColumns = [
  '交易时间',
  '公众账号ID',
  '商户号',
  '特约商户号',
  '设备号',
  '微信订单号',
  '商户订单号',
  '用户标识',
  '交易类型',
  '交易状态',
  '付款银行',
  '货币种类',
  '应结订单金额',
  '代金券金额',
  '微信退款单号',
  '商户退款单号',
  '退款金额',
  '充值券退款金额',
  '退款类型',
  '退款状态',
  '商品名称',
  '商户数据包',
  '手续费',
  '费率',
  '订单金额',
  '申请退款金额',
  '费率备注',
] as const;

/** The totals, and the column that each sums up; the first counts the rows. */
export const wechatTotals = [
  ['总交易单数', null, 0],
  ['应结订单总金额', '应结订单金额', 2],
  ['退款总金额', '退款金额', 2],
  ['充值券退款总金额', '充值券退款金额', 2],
  ['手续费总金额', '手续费', 5],
  ['订单总金额', '订单金额', 2],
  ['申请退款总金额', '申请退款金额', 2],
] as const;

type Columns = ReturnType<typeof columnsOf<(typeof wechatColumns)[number]>>;

const refundStatuses: Readonly<Record<string, Status>> = {
  SUCCESS: 'success',
  PROCESSING: 'success',
  FAIL: 'failed',
  CHANGE: 'failed',
};

/** @param day the business day whose bill this must be, `2026-11-20` */
export function wechat(day: string): Format {
  const sums: bigint[] = wechatTotals.map(() => 0n);
  let part: 'columns' | 'rows' | 'totals' | 'end' = 'columns';
  let columns: Columns | undefined;
  let totals: Readonly<Record<string, number>> = {};

  function checkTotals(line: Line): void {
    expectFields(line, wechatTotals.length);
    for (const [index, [name, , places]] of wechatTotals.entries())
      expectTotal(line, name, line.field(totals[name] as number), sums[index] as bigint, places);
  }

  return {
    encoding: 'utf8',
    read(line) {
      if (part === 'rows' && columns !== undefined) {
        if (line.begins('`')) return rowOf(line, columns, day, sums);
        totals = columnsOf(
          line,
          wechatTotals.map(([name]) => name),
          'the totals',
        );
        part = 'totals';
      } else if (part === 'columns') {
        columns = columnsOf(line, wechatColumns, 'a trade bill of all transactions (ALL)');
        part = 'rows';
      } else if (part === 'totals') {
        checkTotals(line);
        part = 'end';
      } else throw line.error('nothing after the totals', line.whole());
      return null;
    },
    finish(line) {
      if (part !== 'end') throw line.error('the totals (总交易单数 …)', 'the end of the file');
    },
  };
}

function rowOf(line: Line, columns: Columns, day: string, sums: bigint[]): Entry {
  expectFields(line, wechatColumns.length);
  const state = line.field(columns.交易状态);
  if (state !== 'SUCCESS' && state !== 'REFUND' && state !== 'REVOKED')
    throw line.error('交易状态 SUCCESS, REFUND or REVOKED', state);
  const values = wechatTotals.map(([, column, places]) =>
    column === null ? 1n : unitsAt(line, columns[column], places, column),
  );
  for (const [index, value] of values.entries()) sums[index] = (sums[index] as bigint) + value;
  const refund = state !== 'SUCCESS';
  return {
    reference: referenceAt(line, columns.商户订单号, '商户订单号'),
    direction: refund ? 'out' : 'in',
    part: refund ? referenceAt(line, columns.商户退款单号, '商户退款单号') : '',
    amount: refund ? -fenAt(line, columns.申请退款金额, '申请退款金额') : fenAt(line, columns.订单金额, '订单金额'),
    fee: roundToFen(unitsAt(line, columns.手续费, 5, '手续费')),
    status: refund ? refundStatusOf(line, columns) : 'success',
    occurredAt: timeAt(line, columns.交易时间, '交易时间', day),
    line: line.number,
  };
}

function refundStatusOf(line: Line, columns: Columns): Status {
  const text = line.field(columns.退款状态);
  const status = refundStatuses[text];
  if (status === undefined) throw line.error(`退款状态 ${Object.keys(refundStatuses).join(', ')}`, text);
  return status;
}
