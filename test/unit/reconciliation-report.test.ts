import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { outcomes } from '../../src/reconciliation/outcome.ts';
import {
  csvHead,
  csvLine,
  type DayReport,
  htmlPage,
  meanings,
  type ReportedDifference,
} from '../../src/reconciliation/report.ts';
import { day } from '../support/statements.ts';

const side = {
  amount: 123_456_789n,
  fee: -5n,
  status: 'success' as const,
  occurredAt: `${day} 10:00:00`,
  entries: 1,
  part: '',
};
const difference: ReportedDifference = {
  day,
  reference: 'ORDER-1',
  direction: 'in',
  outcome: 'amount',
  local: side,
  channel: { ...side, amount: 123_456_790n, fee: null },
  detail: null,
  resolvedBy: null,
};
const page = (more: Partial<DayReport> = {}) =>
  htmlPage({
    counterpart: 'alipay',
    day,
    madeAt: '2026-11-21T10:00:00+08:00',
    source: '/statements/alipay/2026-11-20.zip',
    localEntries: 1_000_000,
    channelEntries: 1_000_001,
    matched: 999_999,
    totals: [{ outcome: 'amount', differences: 1, local: 123_456_789n, channel: 123_456_790n }],
    differences: [difference],
    ...more,
  });

describe('the CSV', () => {
  const cells = (one: ReportedDifference) =>
    parse(csvHead + csvLine(one), { bom: true, columns: true })[0] as Record<string, string>;

  test('has both sides of a difference, in yuan', () => {
    expect(cells(difference)).toEqual({
      reference: 'ORDER-1',
      direction: 'in',
      outcome: 'amount',
      local_amount: '1234567.89',
      channel_amount: '1234567.90',
      local_fee: '-0.05',
      channel_fee: '',
      local_status: 'success',
      channel_status: 'success',
      local_time: '2026-11-20 10:00:00',
      channel_time: '2026-11-20 10:00:00',
      local_entries: '1',
      channel_entries: '1',
      detail: '',
      resolved_by: '',
    });
  });

  test('leaves the side empty that says nothing', () => {
    expect(cells({ ...difference, channel: null })).toMatchObject({
      channel_amount: '',
      channel_status: '',
      channel_entries: '',
    });
  });

  test('keeps commas and quotes in a reference, and takes the force from what a spreadsheet would calculate', () => {
    expect(cells({ ...difference, reference: 'a,"b"' }).reference).toBe('a,"b"');
    expect(cells({ ...difference, reference: '=HYPERLINK("x")' }).reference).toBe('\'=HYPERLINK("x")');
    expect(cells({ ...difference, local: { ...side, amount: -1n } }).local_amount).toBe('-0.01');
  });
});

describe('the page', () => {
  test('says at the top how many differences wait', () => {
    expect(page()).toContain('1 difference waits for you.');
    expect(page({ totals: [{ outcome: 'fee', differences: 1200, local: 0n, channel: 0n }] })).toContain(
      '1,200 differences wait for you.',
    );
    expect(page({ totals: [], differences: [] })).toContain('Both sides agree.');
    expect(page({ totals: [{ outcome: 'pending_cutoff', differences: 2, local: 0n, channel: 0n }] })).toContain(
      'Nothing to do. 2 near midnight',
    );
  });

  test('shows sums by outcome, both sides and what lies between them', () => {
    for (const text of ['1,234,567.89', '1,234,567.90', '-0.01', '1,000,001', meanings.amount.next])
      expect(page()).toContain(text);
  });

  test('shows what else is known of a difference', () => {
    expect(page({ differences: [{ ...difference, detail: 'a bill is missing' }] })).toContain('a bill is missing');
  });

  test('says how many are left out', () => {
    expect(page({ totals: [{ outcome: 'amount', differences: 900, local: 0n, channel: 0n }] })).toContain(
      'The first 1 of 900',
    );
  });

  test('shows text from outside as text', () => {
    const shown = page({ differences: [{ ...difference, reference: '<script>alert("&")</script>' }], source: '<b>' });
    expect(shown).toContain('&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;');
    expect(shown).not.toContain('<script>');
    expect(shown).not.toContain('<b>');
  });

  test('has a word for every outcome', () => {
    for (const outcome of outcomes)
      expect(page({ totals: [{ outcome, differences: 1, local: 0n, channel: 0n }] })).toContain(meanings[outcome].what);
  });

  test('needs nothing from elsewhere', () => {
    expect(page()).not.toMatch(/<script|<link|<img|https?:|@import|url\(/);
  });
});
