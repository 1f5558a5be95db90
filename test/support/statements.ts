/**
 * Statement files that follow the counterparts' formats to the letter, made from entries; and days of entries of both
 * sides with planted differences, the same for the same seed.
 */
import type { Entry } from '../../src/reconciliation/entry.ts';
import type { Outcome } from '../../src/reconciliation/outcome.ts';
import { alipayLines as linesOfAlipay, utf8, alipayZip as zipOfAlipay } from '../../src/sandbox/bills.ts';

export { gbk, utf8, wechatBill, wechatLines, wechatRow, zip } from '../../src/sandbox/bills.ts';

export const day = '2026-11-20';

export function entryOf(more: Partial<Entry> = {}): Entry {
  const base: Entry = {
    reference: 'ORDER-1',
    direction: 'in',
    part: '',
    amount: 9900n,
    fee: 59n,
    status: 'success',
    occurredAt: `${day} 10:00:00`,
    line: 0,
  };
  return { ...base, ...more };
}

/** The lines of Alipay's detail file. */
export const alipayLines = (entries: readonly Entry[], of = day): string[] => linesOfAlipay(entries, of);

/** Alipay's archive: detail and summary, names in GBK. */
export const alipayZip = (entries: readonly Entry[], of = day): Buffer => zipOfAlipay(entries, of);

const total = (values: readonly bigint[]) => values.reduce((sum, value) => sum + value, 0n);

/** An initiator's record. */
export function initiatorLines(entries: readonly Entry[]): string[] {
  return [
    'reference,amount,fee,status,occurred_at',
    ...entries.map(
      ({ reference, amount, fee, status, occurredAt }) => `${reference},${amount},${fee ?? ''},${status},${occurredAt}`,
    ),
    `#total,${entries.length},${total(entries.map(({ amount }) => amount))}`,
  ];
}

export const initiatorRecord = (entries: readonly Entry[]): Buffer => utf8(initiatorLines(entries));

/** Numbers that look random, the same for the same seed (mulberry32): below `limit`. */
export function dice(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

export interface PlantedDay {
  readonly local: Entry[];
  readonly channel: Entry[];
  /** What must be found: `direction reference` to outcome. */
  readonly expected: Map<string, Outcome>;
}

const kinds = ['local_only', 'channel_only', 'amount', 'fee', 'status', 'duplicate', 'pending_cutoff'] as const;

/** A day of `rows` entries on each side, the sides in other orders, with `planted` differences of all kinds in turn. */
export function plantedDay(rows: number, planted: number, seed = 1, prefix = 'ORD'): PlantedDay {
  const roll = dice(seed);
  const made: PlantedDay = { local: [], channel: [], expected: new Map() };
  for (let index = 0; index < rows; index++) {
    const refund = roll(20) === 0;
    const fen = BigInt(1 + roll(1_000_000));
    const entry = entryOf({
      reference: `${prefix}${seed}${String(index).padStart(12, '0')}`,
      direction: refund ? 'out' : 'in',
      part: refund ? `RF${seed}${index}` : '',
      amount: refund ? -fen : fen,
      fee: (refund ? -1n : 1n) * BigInt(roll(500)),
      occurredAt: `${day} ${timeOf(3600 * 2 + roll(3600 * 20))}`,
    });
    const every = Math.floor(rows / Math.max(planted, 1));
    if (index % every === 0 && index / every < planted)
      plant(made, entry, kinds[(index / every) % kinds.length] ?? 'amount');
    else {
      made.local.push(entry);
      made.channel.push(entry);
    }
  }
  shuffle(made.channel, roll);
  return made;
}

function timeOf(second: number): string {
  return new Date(second * 1000).toISOString().slice(11, 19);
}

function plant({ local, channel, expected }: PlantedDay, entry: Entry, kind: (typeof kinds)[number]): void {
  expected.set(`${entry.direction} ${entry.reference}`, kind);
  const late = { ...entry, occurredAt: `${day} 23:59:58` };
  if (kind === 'pending_cutoff') local.push(late);
  else if (kind !== 'channel_only') local.push(kind === 'status' ? { ...entry, status: 'failed' } : entry);
  if (kind === 'amount') channel.push({ ...entry, amount: entry.amount + (entry.direction === 'out' ? -1n : 1n) });
  else if (kind === 'fee') channel.push({ ...entry, fee: (entry.fee ?? 0n) + 1n });
  else if (kind === 'duplicate') channel.push(entry, entry);
  else if (kind === 'channel_only' || kind === 'status') channel.push(entry);
}

function shuffle<Item>(items: Item[], roll: (limit: number) => number): void {
  for (let index = items.length - 1; index > 0; index--) {
    const other = roll(index + 1);
    [items[index], items[other]] = [items[other] as Item, items[index] as Item];
  }
}
