/**
 * Sample data that looks like the real thing: a few heavy users and many light ones, refunds, cancellations, rows that
 * arrived late or were settled in a nightly batch that stamps thousands of them with one second, a few amounts beyond
 * 2^53, and text that breaks careless copying.
 *
 * The same seed makes the same rows. Times end before `end`, so that everything is in the past.
 */
import type { Instant, Zone } from '../engine/zone.ts';
import type { Session } from '../platform/mysql.ts';
import { shards } from './platform-tables.ts';

export interface Sample {
  readonly rows: number;
  readonly users: number;
  readonly days: number;
  readonly end: Instant;
  readonly seed: number;
}

type Value = string | number | bigint | null;

const remarks = [
  null,
  "buyer's note: call first",
  '满200减30，请勿拆单',
  '发货前请打电话 📞',
  'C:\\temp\\order "A"',
  'refund: wrong size',
  '100% _wild_ %s',
  '👨‍👩‍👧 family order',
  'line one\nline two\ttabbed',
];
const nicknames = ['小明', 'Anna', "O'Neil", 'emoji 🐼', 'back\\slash', '"quoted"', '李雷', 'zoë'];
const rowsPerInsert = 2000;
const dayMs = 86_400_000;
const quarterMs = 900_000;
/** No double holds them. All in one shard, so that the sums of the others stay readable. */
const hugeUser = 1008;
const hugeFen = [9_007_199_254_740_993n, -9_007_199_254_740_995n, 9_007_199_254_741_001n];

/** A small generator of numbers in [0, 1); good enough to look at, the same on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const literal = (value: Value): string =>
  typeof value === 'string' ? `'${value.replace(/['\\]/g, '\\$&')}'` : value === null ? 'NULL' : String(value);

async function insert(session: Session, table: string, rows: readonly (readonly Value[])[]): Promise<void> {
  if (rows.length > 0)
    await session.write(
      `INSERT INTO ${table} VALUES ${rows.map((row) => `(${row.map(literal).join(',')})`).join(',')}`,
    );
}

/** Texts of instants, quickly: a zone's offset is asked for once in each quarter of an hour, where alone it changes. */
function textsOf(zone: Zone): (instant: Instant) => string {
  const offsets = new Map<number, number>();
  return (instant) => {
    const quarter = Math.floor(instant / quarterMs) * quarterMs;
    let offset = offsets.get(quarter);
    if (offset === undefined) {
      offset = Date.parse(`${zone.text(quarter).replace(' ', 'T')}Z`) - quarter;
      offsets.set(quarter, offset);
    }
    return new Date(instant + offset).toISOString().slice(0, 19).replace('T', ' ');
  };
}

/** A user's id: one in four rows belongs to one of ten heavy users, one for each last digit. */
function pickUser(random: () => number, users: number): number {
  return random() < 0.25 ? 1000 + Math.floor(random() * 10) : 1000 + Math.floor(random() * users);
}

/** When a row was created, and when it was last changed: at once, some time later, or in the batch of 03:00 the next day. */
function timesOf(id: number, sample: Sample, random: () => number): { created: Instant; updated: Instant } {
  const wholeSecond = (instant: number) => Math.floor(instant / 1000) * 1000;
  const last = sample.end - 1000;
  // Ids are handed out as time goes by, and business grows: more rows in the last days than in the first.
  const age = (1 - Math.sqrt(id / sample.rows)) * sample.days * dayMs;
  const arrived = wholeSecond(last - age);
  const kind = random();
  if (kind < 0.02) return { created: wholeSecond(arrived - random() * 3 * dayMs), updated: arrived };
  if (kind < 0.2) return { created: arrived, updated: wholeSecond(arrived + random() * Math.min(age, 5 * dayMs)) };
  const batch = Math.ceil(arrived / dayMs) * dayMs - 5 * 3_600_000; // 19:00 UTC is 03:00 in China
  if (kind < 0.35 && batch >= arrived && batch <= last) return { created: arrived, updated: batch };
  return { created: arrived, updated: arrived };
}

function amountOf(random: () => number): number {
  const fen = Math.floor(10 + random() ** 4 * 200_000);
  return random() < 0.05 ? -fen : fen;
}

function commissionRow(
  id: number,
  sample: Sample,
  random: () => number,
  text: (instant: Instant) => string,
): { user: number; row: Value[] } {
  const huge =
    id % Math.ceil(sample.rows / hugeFen.length) === 1
      ? hugeFen[Math.floor((id * hugeFen.length) / sample.rows)]
      : undefined;
  const user = huge === undefined ? pickUser(random, sample.users) : hugeUser;
  const { created, updated } = timesOf(id, sample, random);
  const kind = random();
  const status = huge !== undefined ? 1 : kind < 0.1 ? 0 : kind < 0.16 ? 2 : 1;
  const amount = huge ?? amountOf(random);
  const type = 1 + Math.floor(random() * 4);
  const remark = remarks[Math.floor(random() * remarks.length * 2)] ?? null;
  const createdText = text(created);
  const updatedText = updated === created ? createdText : text(updated);
  const row = [id, user, `SN${20_260_000_000_000 + id}`, amount, type, status, remark, createdText, updatedText];
  return { user, row };
}

/**
 * Fills the source's tables; they should be empty.
 *
 * @param progress called with the number of rows written since the last call
 */
export async function fillSource(
  source: Session,
  sample: Sample,
  zone: Zone,
  progress: (rows: number) => void = () => undefined,
): Promise<void> {
  const random = randomFrom(sample.seed);
  await fillUsers(source, sample, random, zone);
  await fillCommission(source, sample, random, zone, progress);
}

async function fillUsers(source: Session, sample: Sample, random: () => number, zone: Zone): Promise<void> {
  const text = textsOf(zone);
  const users = Array.from({ length: sample.users }, (_, index): Value[] => {
    const time = text(Math.floor((sample.end - 1000 - random() * sample.days * dayMs) / 1000) * 1000);
    const inviter = random() < 0.6 ? 1000 + Math.floor(random() * sample.users) : null;
    return [
      index + 1,
      1000 + index,
      random() < 0.8 ? 0 : 1 + Math.floor(random() * 3),
      inviter,
      `${nicknames[index % nicknames.length]} ${index}`,
      1,
      time,
      time,
    ];
  });
  for (let from = 0; from < users.length; from += rowsPerInsert)
    await insert(source, 'user_extension', users.slice(from, from + rowsPerInsert));
}

async function fillCommission(
  source: Session,
  sample: Sample,
  random: () => number,
  zone: Zone,
  progress: (rows: number) => void,
): Promise<void> {
  const text = textsOf(zone);
  const waiting: Value[][][] = shards.map(() => []);
  // Rows are made up while the ones before them are being written.
  let writing: Promise<void> = Promise.resolve();
  for (let id = 1; id <= sample.rows; id++) {
    const { user, row } = commissionRow(id, sample, random, text);
    const rows = waiting[user % 10] as Value[][];
    rows.push(row);
    if (rows.length === rowsPerInsert) {
      await writing;
      writing = insert(source, `plus_commission_log_${user % 10}`, rows.splice(0)).then(() => progress(rowsPerInsert));
      writing.catch(() => undefined); // it is awaited before the next
    }
  }
  await writing;
  for (const [shard, rows] of waiting.entries()) {
    await insert(source, `plus_commission_log_${shard}`, rows);
    progress(rows.length);
  }
}
