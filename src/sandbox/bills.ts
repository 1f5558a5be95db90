/**
 * Bills of a day as the providers write them, to the letter, made from entries: Alipay's ZIP in GBK with a detail and a
 * summary, WeChat Pay's text with a backtick before each field. Times are local texts of that day.
 */
import { crc32, deflateRawSync } from 'node:zlib';
import iconv from 'iconv-lite';
import { alipayColumns } from '../reconciliation/alipay.ts';
import type { Entry } from '../reconciliation/entry.ts';
import { wechatColumns, wechatTotals } from '../reconciliation/wechat.ts';
import { decimal } from '../reconciliation/yuan.ts';

const yuan = (fen: bigint) => decimal(fen, 2);
const total = (values: readonly bigint[]) => values.reduce((sum, value) => sum + value, 0n);
const chineseDay = (date: string) => `${date.slice(0, 4)}年${date.slice(5, 7)}月${date.slice(8)}日 00:00:00`;
const dayAfter = (date: string) => new Date(Date.parse(`${date}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);

/** The lines of Alipay's detail file. */
export function alipayLines(entries: readonly Entry[], of: string): string[] {
  const payments = entries.filter(({ direction }) => direction === 'in');
  const refunds = entries.filter(({ direction }) => direction === 'out');
  const sum = (some: readonly Entry[]) => yuan(total(some.map(({ amount }) => amount)));
  return [
    '#支付宝业务明细查询',
    '#账号：[20881234567890120156]',
    `#起始日期：[${chineseDay(of)}]   终止日期：[${chineseDay(dayAfter(of))}]`,
    `#${'-'.repeat(41)}业务明细列表${'-'.repeat(40)}`,
    alipayColumns.join(','),
    ...entries.map(alipayRow),
    `#${'-'.repeat(41)}业务明细列表结束${'-'.repeat(36)}`,
    `#交易合计：${payments.length}笔，商家实收共${sum(payments)}元，商家优惠共0.00元`,
    `#退款合计：${refunds.length}笔，商家实收退款共${sum(refunds)}元，商家优惠退款共0.00元`,
    `#导出时间：[${chineseDay(dayAfter(of)).replace('00:00:00', '06:27:10')}]`,
  ];
}

function alipayRow(entry: Entry, index: number): string {
  const number = `20261120220014${String(index).padStart(14, '0')}`;
  const { reference, direction, occurredAt, amount, fee, part } = entry;
  return (
    `${number}\t,${reference}\t,${direction === 'in' ? '交易' : '退款'}\t,月度会员充值,${occurredAt},${occurredAt},\t,\t,\t,\t,*津水(602***@qq.com)\t,` +
    `${yuan(amount)},${yuan(amount)},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,${part}\t,${yuan(-(fee ?? 0n))},0.00,`
  );
}

export const gbk = (lines: readonly string[]): Buffer => iconv.encode(`${lines.join('\r\n')}\r\n`, 'gbk');

/** Alipay's archive: detail and summary, names in GBK. */
export function alipayZip(entries: readonly Entry[], of: string): Buffer {
  const name = `20881234567890120156_${of.replaceAll('-', '')}`;
  return zip({
    [`${name}_业务明细.csv`]: gbk(alipayLines(entries, of)),
    [`${name}_业务明细(汇总).csv`]: gbk(['#支付宝业务汇总查询', '#账号：[20881234567890120156]']),
  });
}

/** A ZIP of these files, their names in GBK. */
export function zip(files: Readonly<Record<string, Buffer>>): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const title = iconv.encode(name, 'gbk');
    const packed = deflateRawSync(content);
    const sizes = [crc32(content), packed.length, content.length] as const;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(20, 4);
    for (const [header, at] of [
      [local, 4],
      [central, 6],
    ] as const) {
      header.writeUInt16LE(20, at);
      header.writeUInt16LE(8, at + 4);
      for (const [index, value] of sizes.entries()) header.writeUInt32LE(value, at + 10 + 4 * index);
      header.writeUInt16LE(title.length, at + 22);
    }
    central.writeUInt32LE(offset, 42);
    parts.push(local, title, packed);
    directory.push(central, title);
    offset += local.length + title.length + packed.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  for (const at of [8, 10]) end.writeUInt16LE(Object.keys(files).length, at);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listed, end]);
}

/** The rows of WeChat's bill as texts by column. */
export function wechatRow(entry: Entry): Record<(typeof wechatColumns)[number], string> {
  const { reference, direction, occurredAt, amount, fee, part, status } = entry;
  const refund = direction === 'out';
  const [paid, back] = refund ? [0n, -amount] : [amount, 0n];
  return {
    交易时间: occurredAt,
    公众账号ID: 'wx81be3101902f7cb2',
    商户号: '1601959334',
    特约商户号: '0',
    设备号: '',
    微信订单号: '4200000925202611204997714292',
    商户订单号: reference,
    用户标识: 'ofyak5qR_1wYsC99CsWA6R9MJazA',
    交易类型: 'JSAPI',
    交易状态: refund ? 'REFUND' : 'SUCCESS',
    付款银行: 'OTHERS',
    货币种类: 'CNY',
    应结订单金额: yuan(paid),
    代金券金额: '0.00',
    微信退款单号: refund ? '50303108562026112001487282563' : '0',
    商户退款单号: refund ? part : '0',
    退款金额: yuan(back),
    充值券退款金额: '0.00',
    退款类型: refund ? 'ORIGINAL' : '',
    退款状态: refund ? (status === 'success' ? 'SUCCESS' : 'FAIL') : '',
    商品名称: '月度会员充值',
    商户数据包: '',
    手续费: `${yuan(fee ?? 0n)}000`,
    费率: '0.60%',
    订单金额: yuan(paid),
    申请退款金额: yuan(back),
    费率备注: '',
  };
}

const scaled = (text: string, places: number) =>
  BigInt(text.replace('.', '')) * 10n ** BigInt(places - (text.split('.')[1]?.length ?? 0));

/** WeChat's bill of all transactions. */
export function wechatLines(rows: readonly Record<(typeof wechatColumns)[number], string>[]): string[] {
  const totals = wechatTotals.map(([, column, places]) =>
    column === null ? String(rows.length) : decimal(total(rows.map((row) => scaled(row[column], places))), places),
  );
  return [
    wechatColumns.join(','),
    ...rows.map((row) => wechatColumns.map((column) => `\`${row[column]}`).join(',')),
    wechatTotals.map(([name]) => name).join(','),
    totals.map((value) => `\`${value}`).join(','),
  ];
}

export const utf8 = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\r\n')}\r\n`);

export const wechatBill = (entries: readonly Entry[]): Buffer => utf8(wechatLines(entries.map(wechatRow)));
