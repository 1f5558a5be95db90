/**
 * Alipay's trade bill of a day (alipay.data.dataservice.bill.downloadurl.query, bill_type `trade`): the detail file
 * 业务明细, in GBK, usually in a ZIP beside a summary.
 *
 * Head and foot are `#` lines around the rows; the foot states count and sums of payments and of refunds, and must agree.
 * Numbers are followed by a tab. Payments (交易) are positive, refunds (退款) negative, with a number of the refund; the
 * service fee is negative where we pay it, so its sign is turned. Compared is the order's amount; the foot sums up what
 * we received (商家实收) and what we gave as a discount (商家优惠). Rows are of successes only.
 */
import type { Entry } from './entry.ts';
import { columnsOf, expectFields, expectTotal, type Format, fenAt, referenceAt, timeAt } from './format.ts';
import type { Line } from './lines.ts';

/** The columns, in the order in which bills have them. */
export const alipayColumns = [
  '支付宝交易号',
  '商户订单号',
  '业务类型',
  '商品名称',
  '创建时间',
  '完成时间',
  '门店编号',
  '门店名称',
  '操作员',
  '终端号',
  '对方账户',
  '订单金额（元）',
  '商家实收（元）',
  '支付宝红包（元）',
  '集分宝（元）',
  '支付宝优惠（元）',
  '商家优惠（元）',
  '券核销金额（元）',
  '券名称',
  '商家红包消费金额（元）',
  '卡消费金额（元）',
  '退款批次号/请求号',
  '服务费（元）',
  '分润（元）',
  '备注',
] as const;

type Columns = ReturnType<typeof columnsOf<(typeof alipayColumns)[number]>>;

const title = '#支付宝业务明细查询';
const listBegins = /^#-+业务明细列表-+$/;
const listEnds = /^#-+业务明细列表结束-+$/;
const period = /^#起始日期：\[(.+?)\]\s*终止日期：\[(.+?)\]$/;
const paymentTotals = /^#交易合计：(\d+)笔，商家实收共(-?[\d.]+)元，商家优惠共(-?[\d.]+)元$/;
const refundTotals = /^#退款合计：(\d+)笔，商家实收退款共(-?[\d.]+)元，商家优惠退款共(-?[\d.]+)元$/;

class Totals {
  rows = 0n;
  received = 0n;
  discount = 0n;
  stated = false;

  check(line: Line, what: string, [, rows, received, discount]: RegExpExecArray): void {
    expectTotal(line, `${what}笔数`, String(rows), this.rows, 0);
    expectTotal(line, `${what}商家实收`, String(received), this.received, 2);
    expectTotal(line, `${what}商家优惠`, String(discount), this.discount, 2);
    this.stated = true;
  }
}

/** @param day the business day whose bill this must be, `2026-11-20` */
export function alipay(day: string): Format {
  const payments = new Totals();
  const refunds = new Totals();
  let part: 'title' | 'head' | 'columns' | 'rows' | 'foot' = 'title';
  let dated = false;
  let columns: Columns | undefined;

  function head(line: Line): void {
    const text = line.whole().trim();
    if (part === 'title') {
      if (text !== title) throw line.error(`${title} in GBK`, text);
      part = 'head';
    } else if (part === 'columns') {
      columns = columnsOf(line, alipayColumns, 'a trade bill (业务明细)');
      part = 'rows';
    } else if (listBegins.test(text)) part = 'columns';
    else if (text.startsWith('#起始日期')) {
      expectPeriod(line, text, day);
      dated = true;
    } else if (!text.startsWith('#')) throw line.error('a line that begins with #', text);
  }

  function foot(line: Line): void {
    const text = line.whole().trim();
    const ofPayments = paymentTotals.exec(text);
    const ofRefunds = refundTotals.exec(text);
    if (ofPayments !== null) payments.check(line, '交易合计', ofPayments);
    else if (ofRefunds !== null) refunds.check(line, '退款合计', ofRefunds);
    else if (!text.startsWith('#') || /^#(交易|退款)合计/.test(text))
      throw line.error('the totals 交易合计：…笔，商家实收共…元，商家优惠共…元 and 退款合计, or another # line', text);
  }

  return {
    encoding: 'gbk',
    read(line) {
      if (part === 'rows' && columns !== undefined) {
        if (!line.begins('#')) return rowOf(line, columns, day, payments, refunds);
        const text = line.whole().trim();
        if (!listEnds.test(text)) throw line.error('a row, or the line 业务明细列表结束', text);
        part = 'foot';
      } else if (part === 'foot') foot(line);
      else head(line);
      return null;
    },
    finish(line) {
      if (part !== 'foot') throw line.error('the line 业务明细列表结束', 'the end of the file');
      if (!payments.stated || !refunds.stated)
        throw line.error(payments.stated ? '#退款合计' : '#交易合计', 'the end of the file');
      if (!dated) throw line.error('#起始日期 in the head', 'none');
    },
  };
}

/** The bill must begin with the day and end with it: a bill of a month begins like that of its first day. */
function expectPeriod(line: Line, text: string, day: string): void {
  const [, from, to] = period.exec(text) ?? [];
  const next = new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
  const written = (date: string) => `${date.slice(0, 4)}年${date.slice(5, 7)}月${date.slice(8)}日 00:00:00`;
  if (from !== written(day) || to !== written(next))
    throw line.error(`the bill from ${written(day)} to ${written(next)}`, text);
}

function rowOf(line: Line, columns: Columns, day: string, payments: Totals, refunds: Totals): Entry {
  expectFields(line, alipayColumns.length);
  const kind = line.field(columns.业务类型);
  if (kind !== '交易' && kind !== '退款') throw line.error('业务类型 交易 or 退款', kind);
  const refund = kind === '退款';
  const amount = fenAt(line, columns['订单金额（元）'], '订单金额');
  if (refund ? amount > 0n : amount < 0n)
    throw line.error(
      `订单金额 of a ${kind} ${refund ? 'of 0 or less' : 'of 0 or more'}`,
      line.field(columns['订单金额（元）']),
    );
  const totals = refund ? refunds : payments;
  totals.rows++;
  totals.received += fenAt(line, columns['商家实收（元）'], '商家实收');
  totals.discount += fenAt(line, columns['商家优惠（元）'], '商家优惠');
  return {
    reference: referenceAt(line, columns.商户订单号, '商户订单号'),
    direction: refund ? 'out' : 'in',
    part: refund ? referenceAt(line, columns['退款批次号/请求号'], '退款批次号/请求号') : '',
    amount,
    fee: -fenAt(line, columns['服务费（元）'], '服务费'),
    status: 'success',
    occurredAt: timeAt(line, columns.完成时间, '完成时间', day),
    line: line.number,
  };
}
