import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type BillPlace, billFiles, billPlace, keepBill, noBill } from '../../src/payments/statements.ts';

let place: BillPlace;
beforeEach(() => {
  place = billPlace(mkdtempSync(join(tmpdir(), 'tidemark-bills-')), 'alipay', '2026-11-20');
});
afterEach(() => rmSync(place.folder, { recursive: true }));

const bill = (text: string, ending = 'zip') => ({ ending, content: Buffer.from(text) });
const there = () => readdirSync(join(place.folder, 'alipay'));

test('a bill is kept under its day, and nothing is left beside it', async () => {
  expect(await keepBill(place, bill('one'))).toBe(join(place.folder, 'alipay', '2026-11-20.zip'));
  expect(there()).toEqual(['2026-11-20.zip']);
});

test('it takes the place of the same file', async () => {
  await keepBill(place, bill('one'));
  const file = await keepBill(place, bill('two'));
  expect(readFileSync(file, 'utf8')).toBe('two');
});

test('it takes the place of a note that there is none', async () => {
  await keepBill(place, noBill);
  expect(there()).toEqual(['2026-11-20.none']);
  await keepBill(place, bill('late'));
  expect(there()).toEqual(['2026-11-20.zip']);
});

test('it does not come beside a file that somebody else has brought', async () => {
  await keepBill(place, bill('by hand', 'csv'));
  await expect(keepBill(place, bill('fetched'))).rejects.toThrow(/there is already .*2026-11-20\.csv$/);
  expect(there()).toEqual(['2026-11-20.csv']);
});

test('what a killed run has left half written is no bill, and nobody goes on in it', async () => {
  mkdirSync(join(place.folder, 'alipay'));
  writeFileSync(join(place.folder, 'alipay', '2026-11-20.zip.1.part'), 'half');
  expect(await billFiles(place)).toEqual([]);
  await keepBill(place, bill('whole'));
  expect(await billFiles(place)).toEqual(['2026-11-20.zip']);
});

test('several at once: one of them is there, whole', async () => {
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => keepBill(place, bill(text.repeat(100_000)))));
  expect(there()).toEqual(['2026-11-20.zip']);
  expect(readFileSync(join(place.folder, 'alipay', '2026-11-20.zip'), 'utf8')).toMatch(
    /^(a{100000}|b{100000}|c{100000}|d{100000})$/,
  );
});

test('the bill of another day is left alone', async () => {
  await keepBill({ ...place, day: '2026-11-19' }, bill('before'));
  await keepBill(place, bill('one'));
  expect(there()).toEqual(['2026-11-19.zip', '2026-11-20.zip']);
});

test('without a folder nothing is begun', () =>
  expect(() => billPlace(undefined, 'wechat', '2026-11-20')).toThrow(/TIDEMARK_STATEMENTS is missing/));
