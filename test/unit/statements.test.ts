import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Counterpart, Entry } from '../../src/reconciliation/entry.ts';
import { readStatement } from '../../src/reconciliation/statement.ts';
import { StatementError } from '../../src/reconciliation/statement-error.ts';
import { wechatColumns } from '../../src/reconciliation/wechat.ts';
import {
  alipayLines,
  alipayZip,
  day,
  entryOf,
  gbk,
  initiatorLines,
  initiatorRecord,
  plantedDay,
  utf8,
  wechatBill,
  wechatLines,
  wechatRow,
  zip,
} from '../support/statements.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'statements-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function read(counterpart: Counterpart, content: Buffer, of = day): Promise<Entry[]> {
  const file = join(folder, 'statement');
  writeFileSync(file, content);
  const entries: Entry[] = [];
  for await (const some of readStatement(file, counterpart, of)) entries.push(...some);
  return entries;
}

async function refusal(counterpart: Counterpart, content: Buffer, of = day): Promise<StatementError> {
  const error = await read(counterpart, content, of).then(
    () => 'the file was taken',
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(StatementError);
  return error;
}

const payment = entryOf({ reference: 'ORDER-1', amount: 9900n, fee: 59n });
const refund = entryOf({ reference: 'ORDER-1', direction: 'out', part: 'REFUND-1', amount: -3000n, fee: -18n });
const entries = [
  payment,
  refund,
  entryOf({ reference: 'ORDER-2', amount: 1n, fee: 0n, occurredAt: `${day} 23:59:59` }),
];
const withoutLines = (some: readonly Entry[]) => some.map((entry) => ({ ...entry, line: 0 }));
const replaced = (lines: readonly string[], index: number, from: string | RegExp, to: string) =>
  lines.with(index, (lines.at(index) as string).replace(from, to));

describe("Alipay's bill", () => {
  test('in a ZIP beside its summary is read', async () => {
    expect(withoutLines(await read('alipay', alipayZip(entries)))).toEqual(entries);
  });

  test('as a plain CSV is read, each entry with its line', async () => {
    expect((await read('alipay', gbk(alipayLines(entries)))).map(({ line }) => line)).toEqual([6, 7, 8]);
  });

  test('of a day without a trade is empty', async () => {
    expect(await read('alipay', alipayZip([]))).toEqual([]);
  });

  test('may have its columns in another order', async () => {
    const lines = alipayLines(entries);
    const turned = lines.map((line, index) => (index >= 4 && index <= 7 ? line.split(',').reverse().join(',') : line));
    expect(withoutLines(await read('alipay', gbk(turned)))).toEqual(entries);
  });

  test('may hold a name in quotes, and stray quotes within one', async () => {
    const lines = alipayLines(entries);
    const named = replaced(replaced(lines, 5, '月度会员充值', '"会员, 月度"'), 6, '月度会员充值', '27"显示器');
    expect(withoutLines(await read('alipay', gbk(named)))).toEqual(entries);
  });

  test('is refused when a count or a sum of the foot is not that of the rows, with the line', async () => {
    const lines = alipayLines(entries);
    const wrong = [
      [-3, '2笔', '3笔', 10],
      [-3, '99.01元', '99.02元', 10],
      [-3, '优惠共0.00', '优惠共0.01', 10],
      [-2, '1笔', '0笔', 11],
      [-2, '-30.00元', '-30.01元', 11],
    ] as const;
    for (const [index, from, to, line] of wrong) {
      const error = await refusal('alipay', gbk(replaced(lines, index, from, to)));
      expect(error.line).toBe(line);
      expect(error.message).toMatch(/line 1[01]: expected .+, the sum of the rows, found /);
    }
  });

  test('is refused when a row is missing or there twice', async () => {
    const lines = alipayLines(entries);
    expect((await refusal('alipay', gbk(lines.toSpliced(5, 1)))).line).toBe(9);
    expect((await refusal('alipay', gbk(lines.toSpliced(5, 0, lines[5] as string)))).line).toBe(11);
  });

  test('is refused when it was cut off, wherever that was before its last line', async () => {
    const whole = gbk(alipayLines(entries));
    const lastLine = gbk(alipayLines(entries).slice(0, -1)).length;
    for (let length = 0; length < lastLine - 2; length += 7) await refusal('alipay', whole.subarray(0, length));
  });

  test('is refused when its ZIP was cut off anywhere', async () => {
    const whole = alipayZip(entries);
    for (let length = 1; length < whole.length; length += 11) await refusal('alipay', whole.subarray(0, length));
  });

  test('is refused when a byte in its ZIP has changed its text', async () => {
    const whole = alipayZip(entries);
    const changed = zip({ 'a.csv': gbk(alipayLines(entries)) });
    changed.writeUInt32LE(1, changed.indexOf(Buffer.from('504b0102', 'hex')) + 16); // the checksum in the directory
    expect((await refusal('alipay', changed)).message).toContain('expected a whole ZIP, found the checksum');
    expect(await read('alipay', whole)).toHaveLength(3);
  });

  test('is refused when the ZIP holds no detail file, or two', async () => {
    const detail = gbk(alipayLines(entries));
    expect((await refusal('alipay', zip({ '1_业务明细(汇总).csv': detail }))).message).toContain('one detail file');
    expect((await refusal('alipay', zip({ '1_业务明细.csv': detail, '2_业务明细.csv': detail }))).found).toBe(
      '1_业务明细.csv, 2_业务明细.csv',
    );
  });

  test('is refused in UTF-8, although its bytes may be read as GBK', async () => {
    const error = await refusal('alipay', utf8(alipayLines(entries)));
    expect([error.line, error.expected, error.found]).toEqual([1, 'text in GBK', 'text in UTF-8']);
    // The bytes of these characters in UTF-8 are characters in GBK, too.
    const evenly = utf8(replaced(alipayLines(entries), 0, '#支付宝业务明细查询', '#支付宝业务明细查'));
    expect((await refusal('alipay', evenly)).expected).toBe('#支付宝业务明细查询 in GBK');
  });

  test('is refused where bytes are no GBK', async () => {
    const bytes = gbk(alipayLines(entries));
    bytes.fill(0xff, bytes.indexOf('ORDER-2'), bytes.indexOf('ORDER-2') + 1);
    expect((await refusal('alipay', bytes)).message).toContain('line 8: expected text in GBK');
  });

  test("is refused when it is another day's, or a month's", async () => {
    expect((await refusal('alipay', alipayZip(entries), '2026-11-19')).line).toBe(3);
    const month = replaced(alipayLines(entries), 2, '2026年11月21日', '2026年12月01日');
    expect((await refusal('alipay', gbk(month))).line).toBe(3);
  });

  test.each([
    ['a column is missing', 4, ',备注', '', 5, 'no 备注'],
    ['a column is unknown', 4, '备注', '备注说明', 5, 'also "备注说明"'],
    ['a column is there twice', 4, '备注', '分润（元）', 5, 'also "分润（元）"'],
    ['a row has a field more', 5, '月度', '月,度', 6, '26'],
    ['an amount is malformed', 5, '99.00', '99.0O', 6, '"99.0O"'],
    ['an amount has a separator', 5, '99.00', '"1,099.00"', 6, '"1,099.00"'],
    ['a payment is negative', 5, '99.00', '-99.00', 6, '-99.00'],
    ['a time is malformed', 5, / 10:00:00,\t/, ' 10:61:00,\t', 6, `"${day} 10:61:00"`],
    ['a row is of another day', 5, /,2026-11-20 10:00:00,\t/, ',2026-11-21 10:00:00,\t', 6, '"2026-11-21 10:00:00"'],
    ['the kind of a row is unknown', 5, '交易', '转账', 6, '转账'],
    ['a row has no reference', 5, 'ORDER-1', '', 6, 'nothing'],
    ['a refund has no number', 6, 'REFUND-1', '', 7, 'nothing'],
    ['quotes are not closed', 5, '月度会员充值', '"月度', 6, ''],
  ])('is refused when %s', async (_, index, from, to, line, found) => {
    const error = await refusal('alipay', gbk(replaced(alipayLines(entries), index, from, to)));
    expect(error.line).toBe(line);
    expect(error.found).toContain(found);
  });
});

describe("WeChat Pay's bill", () => {
  test('is read, plain and in a GZIP, with and without a byte order mark', async () => {
    const bill = wechatBill(entries);
    const marked = Buffer.concat([Buffer.from('\ufeff'), bill]);
    for (const content of [bill, gzipSync(bill), marked, gzipSync(marked)])
      expect(withoutLines(await read('wechat', content))).toEqual(entries);
  });

  test('of a day without a transaction is empty', async () => {
    expect(await read('wechat', wechatBill([]))).toEqual([]);
  });

  test('may lack the end of its last line', async () => {
    const bill = wechatBill(entries);
    expect(await read('wechat', bill.subarray(0, bill.length - 2))).toHaveLength(3);
  });

  test('may hold a comma in a name', async () => {
    const rows = entries.map((entry) => ({ ...wechatRow(entry), 商品名称: '会员,月度 "A"' }));
    expect(withoutLines(await read('wechat', utf8(wechatLines(rows))))).toEqual(entries);
  });

  test('rounds the fee of a row to the fen, and its total not at all', async () => {
    const rows = [
      { ...wechatRow(payment), 手续费: '0.59500' },
      { ...wechatRow(payment), 手续费: '0.00499' },
      { ...wechatRow(refund), 手续费: '-0.18500' },
    ];
    const lines = wechatLines(rows);
    expect(lines.at(-1)).toContain('`0.41499');
    expect((await read('wechat', utf8(lines))).map(({ fee }) => fee)).toEqual([60n, 0n, -19n]);
    expect((await refusal('wechat', utf8(replaced(lines, -1, '0.41499', '0.41498')))).line).toBe(6);
  });

  test('a refund under way has left us, one that failed or came back has not', async () => {
    const rows = ['SUCCESS', 'PROCESSING', 'FAIL', 'CHANGE'].map((state) => ({
      ...wechatRow(refund),
      退款状态: state,
    }));
    const read4 = await read('wechat', utf8(wechatLines(rows)));
    expect(read4.map(({ status }) => status)).toEqual(['success', 'success', 'failed', 'failed']);
  });

  test('a payment that was revoked is taken back', async () => {
    const row = { ...wechatRow(refund), 交易状态: 'REVOKED', 商户退款单号: '0' };
    const [taken] = await read('wechat', utf8(wechatLines([row])));
    expect(taken).toMatchObject({ reference: 'ORDER-1', direction: 'out', part: '0', amount: -3000n });
  });

  test('is refused when any total is not that of the rows', async () => {
    const lines = wechatLines(entries.map(wechatRow));
    const values = (lines.at(-1) as string).split(',');
    for (const index of values.keys()) {
      const wrong = values.with(
        index,
        (values[index] as string).replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)),
      );
      expect((await refusal('wechat', utf8(lines.with(-1, wrong.join(','))))).line).toBe(6);
    }
  });

  test('is refused when it was cut off', async () => {
    const whole = wechatBill(entries);
    for (let length = 0; length < whole.length - 4; length += 13) await refusal('wechat', whole.subarray(0, length));
    const packed = gzipSync(whole);
    for (let length = 1; length < packed.length; length += 7) await refusal('wechat', packed.subarray(0, length));
  });

  test('is refused when it holds the payments or the refunds only', async () => {
    const lines = wechatLines(entries.map(wechatRow));
    const refundsOnly = replaced(lines, 0, '代金券金额,', '代金券金额,退款申请时间,退款成功时间,');
    expect((await refusal('wechat', utf8(refundsOnly))).found).toContain('also "退款申请时间"');
    const paymentsOnly = replaced(lines, 0, '微信退款单号,商户退款单号,', '');
    expect((await refusal('wechat', utf8(paymentsOnly))).found).toContain('no 微信退款单号');
  });

  test('is refused when it is not UTF-8', async () => {
    const error = await refusal('wechat', gbk(wechatLines(entries.map(wechatRow))));
    expect([error.line, error.expected]).toEqual([1, 'text in UTF-8']);
  });

  test.each([
    ['a state is unknown', '交易状态', 'CLOSED', '交易状态 SUCCESS, REFUND or REVOKED'],
    ["a refund's state is unknown", '退款状态', 'UNKNOWN', '退款状态 SUCCESS, PROCESSING, FAIL, CHANGE'],
    ['a row is of another day', '交易时间', '2026-11-21 00:00:00', '交易时间 as a time of 2026-11-20'],
    ['an order has no number', '商户订单号', '', '商户订单号'],
    ['a fee has six decimals', '手续费', '0.000001', '手续费'],
  ])('is refused when %s', async (_, column, value, expected) => {
    const lines = wechatLines([wechatRow(refund)]);
    const row = { ...wechatRow(refund), [column]: value };
    const bad = wechatColumns.map((name) => `\`${row[name]}`).join(',');
    const error = await refusal('wechat', utf8(lines.with(1, bad)));
    expect(error.line).toBe(2);
    expect(error.expected).toContain(expected);
  });

  test('is refused when something follows the totals', async () => {
    const bill = wechatBill(entries);
    expect((await refusal('wechat', Buffer.concat([bill, bill]))).line).toBe(7);
  });
});

describe("an initiator's record", () => {
  const own = [
    entryOf({ reference: '7300000012345', amount: 9900n, fee: null }),
    entryOf({ reference: '7300000012346', amount: -1n, fee: 3n, status: 'failed', direction: 'out' }),
    entryOf({ reference: '9007199254740993', amount: 9223372036854770000n, fee: 0n, status: 'unprocessed' }),
  ];

  test('is read, with and without its totals', async () => {
    expect(withoutLines(await read('initiator', initiatorRecord(own)))).toEqual(own);
    expect(withoutLines(await read('initiator', utf8(initiatorLines(own).slice(0, -1))))).toEqual(own);
  });

  test('may have every field in quotes', async () => {
    const lines = initiatorLines(own).map((line) =>
      line
        .split(',')
        .map((field) => `"${field}"`)
        .join(','),
    );
    expect(withoutLines(await read('initiator', utf8(lines)))).toEqual(own);
  });

  test('is refused when its totals are not those of its rows', async () => {
    const lines = initiatorLines(own);
    expect((await refusal('initiator', utf8(replaced(lines, -1, '#total,3', '#total,2')))).line).toBe(5);
    expect((await refusal('initiator', utf8(lines.toSpliced(1, 1)))).line).toBe(4);
  });

  test('is refused when it was cut off within a line', async () => {
    const lines = utf8(initiatorLines(own).slice(0, -1));
    await refusal('initiator', lines.subarray(0, lines.length - 2));
    expect((await refusal('initiator', Buffer.alloc(0))).expected).toBe('reference,amount,fee,status,occurred_at');
  });

  test.each([
    ['an amount has a fraction', '9900', '99.00'],
    ['an amount is no number', '9900', 'NaN'],
    ['an amount is more than a BIGINT holds', '9900', '9223372036854775808'],
    ['an amount is missing', '9900', ''],
    ['a status is unknown', 'success', 'SUCCESS'],
    ['a day does not exist', '2026-11-20 10', '2026-11-31 10'],
    ['a field is missing', ',success', ''],
  ])('is refused when %s', async (_, from, to) => {
    expect((await refusal('initiator', utf8(replaced(initiatorLines(own), 1, from, to)))).line).toBe(2);
  });

  test('is refused when something follows the totals, or a line is too long', async () => {
    const lines = initiatorLines(own);
    expect((await refusal('initiator', utf8([...lines, '1,1,,success,x']))).line).toBe(6);
    expect((await refusal('initiator', Buffer.alloc(300_000, 'x'))).message).toContain('at most 65536 bytes a line');
  });
});

describe('files of any size', () => {
  test('are read alike, wherever the pieces end in which they come', async () => {
    const { channel } = plantedDay(3000, 0, 7);
    for (const [counterpart, content] of [
      ['alipay', alipayZip(channel)],
      ['alipay', gbk(alipayLines(channel))],
      ['wechat', wechatBill(channel)],
      ['wechat', gzipSync(wechatBill(channel))],
    ] as const)
      expect(withoutLines(await read(counterpart, content))).toEqual(channel);
  });

  test('never break the reader: whatever a line holds, it is read or refused', async () => {
    const lines = alipayLines(entries);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: lines.length - 1 }),
        fc.uint8Array({ maxLength: 60 }),
        async (index, bytes) => {
          const content = Buffer.concat([
            gbk(lines.slice(0, index)),
            bytes,
            Buffer.from('\r\n'),
            gbk(lines.slice(index + 1)),
          ]);
          const error = await read('alipay', content).then(
            () => null,
            (thrown) => thrown,
          );
          expect(error === null || error instanceof StatementError).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a file that is not there is no statement error', async () => {
    const error = await readStatement(join(folder, 'none'), 'alipay', day)
      .next()
      .catch((thrown) => thrown);
    expect(error.code).toBe('ENOENT');
  });
});
