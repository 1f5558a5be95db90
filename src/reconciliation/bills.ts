/**
 * Our side of a statement: the successful bills of a business day, told as entries.
 *
 * An initiator is told of every bill that moves money and has no provider, but for what tidemark and its operators book
 * by themselves (settlements, corrections); a provider of the bills that name it, by their order. A refund through a
 * provider is told apart by its bill. Bills are never changed after their end, so a day that is over stays as it is.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import { type Counterpart, type Direction, type Entry, keyOf, type Status } from './entry.ts';

/** A stretch of time as the text of TIMESTAMP columns in UTC, its end not included. */
export interface Stretch {
  readonly from: string;
  readonly to: string;
}

export const stretchOf = (start: number, end: number): Stretch => ({ from: utcText(start), to: utcText(end) });

const utcText = (instant: number) => new Date(instant).toISOString().slice(0, 19).replace('T', ' ');

/** The instant of the text of a TIMESTAMP in UTC. */
export const instantOf = (utc: string) => Date.parse(`${utc.replace(' ', 'T')}Z`);

/** The business time of the text of a TIMESTAMP in UTC. */
export type LocalTime = (utc: string) => string;

const pageRows = 4000;
const lookUpRows = 500;

/** Which bills are told to a counterpart, and by which name. */
const told: Readonly<Record<Counterpart, { readonly condition: string; readonly reference: string }>> = {
  initiator: {
    condition: "provider IS NULL AND amount <> 0 AND channel NOT IN ('settlement', 'correction')",
    reference: 'bill_id',
  },
  alipay: { condition: "provider = 'alipay' AND amount <> 0", reference: 'order_id' },
  wechat: { condition: "provider = 'wechat' AND amount <> 0", reference: 'order_id' },
};

/** Few, as a day has many rows. */
const columnsOf = (counterpart: Counterpart) =>
  counterpart === 'initiator'
    ? "bill_id, '', amount, NULL"
    : "IFNULL(order_id, CONCAT('bill ', bill_id)), IF(amount < 0, bill_id, ''), amount, fee";

/** The successful bills of a stretch, in pages in order of their success. */
export async function* billsOf(
  ledger: Reader,
  counterpart: Counterpart,
  { from, to }: Stretch,
  localTime: LocalTime,
): AsyncGenerator<Iterable<Entry>> {
  const timeOf = remembered(localTime);
  for (let [doneAt, id]: [string, Cell] = [from, 0]; ; ) {
    const rows: Cell[][] = await ledger.tuples(
      `SELECT ${columnsOf(counterpart)}, 'success', done_at, id FROM bill
        WHERE done_at >= ? AND done_at < ? AND (done_at > ? OR id > ?) AND result = 'success' AND ${told[counterpart].condition}
        ORDER BY done_at, id LIMIT ${pageRows}`,
      [doneAt, to, doneAt, id],
    );
    const last = rows.at(-1);
    if (last !== undefined) [doneAt, id] = last.slice(-2) as [string, Cell];
    const isLast = rows.length < pageRows;
    yield entriesIn(rows, timeOf);
    if (isLast) return;
  }
}

/**
 * The entries in a page, made one by one as they are asked for, and its rows dropped with the last of them: what is
 * still held when the next page comes grows old in memory before it is given back.
 */
function* entriesIn(rows: Cell[][], timeOf: LocalTime): Generator<Entry> {
  for (const row of rows) yield entryOf(row, timeOf);
  rows.length = 0;
}

/** What became of some references, whatever the day: the bills by `direction reference`; the successful ones alone where there are any. */
export async function billsByKey(
  ledger: Reader,
  counterpart: Counterpart,
  references: readonly string[],
  localTime: LocalTime,
): Promise<Map<string, Entry[]>> {
  const found = new Map<string, Entry[]>();
  const { condition, reference } = told[counterpart];
  const areIds = counterpart === 'initiator';
  const wanted = areIds ? references.filter((text) => /^[1-9]\d{0,18}$/.test(text)) : references;
  for (let from = 0; from < wanted.length; from += lookUpRows) {
    const some = wanted.slice(from, from + lookUpRows);
    // Ids are compared as numbers: compared with a text, both would become fractions, and long ids one another.
    const [list, parameters] = areIds ? [some.join(', '), []] : ['?', [some]];
    const rows = await ledger.tuples(
      `SELECT ${columnsOf(counterpart)}, result, IFNULL(done_at, created_at) FROM bill
        WHERE ${reference} IN (${list}) AND ${condition} ORDER BY id`,
      parameters,
    );
    for (const entry of rows.map((row) => entryOf(row, localTime)))
      found.set(keyOf(entry), [...(found.get(keyOf(entry)) ?? []), entry]);
  }
  for (const [key, entries] of found) {
    const paid = entries.filter(({ status }) => status === 'success');
    if (paid.length > 0) found.set(key, paid);
  }
  return found;
}

/** When the first bill that is told to a counterpart succeeded, in UTC; null when none has. */
export async function firstBill(ledger: Reader, counterpart: Counterpart): Promise<string | null> {
  const [row] = await ledger.tuples(
    `SELECT MIN(done_at) FROM bill WHERE result = 'success' AND ${told[counterpart].condition}`,
  );
  return (row?.[0] ?? null) as string | null;
}

/** Whether a bill that is told to a counterpart succeeded in a stretch. */
export async function hasBills(ledger: Reader, counterpart: Counterpart, { from, to }: Stretch): Promise<boolean> {
  const rows = await ledger.tuples(
    `SELECT 1 FROM bill WHERE done_at >= ? AND done_at < ? AND result = 'success' AND ${told[counterpart].condition} LIMIT 1`,
    [from, to],
  );
  return rows.length > 0;
}

function entryOf([reference, part, amount, fee, result, at]: Cell[], timeOf: LocalTime): Entry {
  const fen = BigInt(amount as string | number);
  const direction: Direction = fen < 0n ? 'out' : 'in';
  return {
    reference: String(reference),
    direction,
    part: String(part),
    amount: fen,
    fee: fee === null || fee === undefined ? null : BigInt(fee),
    status: result as Status,
    occurredAt: timeOf(String(at)),
    line: 0,
  };
}

/** Bills come in order of time: many in a row have the same second. */
function remembered(localTime: LocalTime): LocalTime {
  let last = '';
  let local = '';
  return (utc) => {
    if (utc !== last) local = localTime(utc);
    last = utc;
    return local;
  };
}
