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

const pageRows = 1000;
/** More than a page takes: order ids have at most 64 characters. */
const pageBytesMax = 2 ** 20;
const lookUpRows = 500;
/** Of a BIGINT UNSIGNED, filled up with zeros, so that ids are in order as texts. */
const idDigits = 20;

/** Which bills are told to a counterpart, and by which name. */
const told: Readonly<Record<Counterpart, { readonly condition: string; readonly reference: string }>> = {
  initiator: {
    condition: "provider IS NULL AND amount <> 0 AND channel NOT IN ('settlement', 'correction')",
    reference: 'bill_id',
  },
  alipay: { condition: "provider = 'alipay' AND amount <> 0", reference: 'order_id' },
  wechat: { condition: "provider = 'wechat' AND amount <> 0", reference: 'order_id' },
};

const columnsOf = (counterpart: Counterpart) =>
  counterpart === 'initiator'
    ? "bill_id reference, '' part, amount, NULL fee"
    : "IFNULL(order_id, CONCAT('bill ', bill_id)) reference, IF(amount < 0, bill_id, '') part, amount, fee";

/**
 * The successful bills of a stretch, in pages. A page comes as one text, a line for each bill: the driver would take
 * longer over the fields of a million rows than we need for all the rest.
 */
export async function* billsOf(
  ledger: Reader,
  counterpart: Counterpart,
  { from, to }: Stretch,
  localTime: LocalTime,
): AsyncGenerator<Iterable<Entry>> {
  const page = `
    SELECT GROUP_CONCAT(CONCAT_WS(',', done_at, part, amount, IFNULL(fee, ''), REPLACE(reference, '\n', ' ')) SEPARATOR '\n'),
           COUNT(*), MAX(CONCAT(done_at, LPAD(id, ${idDigits}, '0')))
      FROM (SELECT done_at, id, ${columnsOf(counterpart)} FROM bill
             WHERE done_at >= ? AND done_at < ? AND (done_at > ? OR id > CAST(? AS UNSIGNED)) AND result = 'success' AND ${told[counterpart].condition}
             ORDER BY done_at, id LIMIT ${pageRows}) page`;
  await ledger.rows(`SET SESSION group_concat_max_len = ${pageBytesMax}`);
  const timeOf = remembered(localTime);
  const read = async (last: string) => {
    const [doneAt, id] = [last.slice(0, -idDigits), last.slice(-idDigits)];
    const [row] = await ledger.tuples(page, [doneAt, to, doneAt, id]);
    return { lines: new Lines(String(row?.[0] ?? ''), timeOf), count: Number(row?.[1]), last: String(row?.[2]) };
  };
  for (let part = await read(from + '0'.repeat(idDigits)); ; part = await read(part.last)) {
    yield part.lines;
    if (part.lines.taken !== part.count) throw new Error(`${part.count} bills came as ${part.lines.taken} lines`);
    if (part.count < pageRows) return;
  }
}

/**
 * The bills in a page. They are made one by one, as they are asked for, and the text is dropped with the last of them:
 * what is still held when the next page comes grows old in memory before it is given back.
 */
class Lines implements Iterable<Entry> {
  readonly #timeOf: LocalTime;
  #text: string;
  taken = 0;

  constructor(text: string, timeOf: LocalTime) {
    this.#text = text;
    this.#timeOf = timeOf;
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (let start = 0; start < this.#text.length; this.taken++) {
      const found = this.#text.indexOf('\n', start);
      const end = found < 0 ? this.#text.length : found;
      yield this.#entry(this.#text.slice(start, end));
      start = end + 1;
    }
    this.#text = '';
  }

  /** The reference is the last field, and may hold commas. */
  #entry(line: string): Entry {
    const [doneAt, part, amount, fee] = line.split(',', 4) as [string, string, string, string];
    const reference = line.slice(doneAt.length + part.length + amount.length + fee.length + 4);
    return entryOf([reference, part, amount, fee === '' ? null : fee, 'success', doneAt], this.#timeOf);
  }
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
