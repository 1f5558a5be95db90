/**
 * Sample data that looks like the real thing: a few heavy users and many light ones, refunds, cancellations, rows whose
 * state changed long after their creation, ties within one second, and text that breaks careless copying.
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
const rowsPerInsert = 1000;

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

/** A user's id: one in four rows belongs to one of ten heavy users, one for each last digit. */
function pickUser(random: () => number, users: number): number {
  return random() < 0.25 ? 1000 + Math.floor(random() * 10) : 1000 + Math.floor(random() * users);
}

function commissionRow(id: number, sample: Sample, random: () => number, zone: Zone): Value[] {
  const user = pickUser(random, sample.users);
  // Ids are handed out as time goes by, and business grows: more rows in the last days than in the first.
  const age = (1 - Math.sqrt(id / sample.rows)) * sample.days * 86_400_000;
  const created = Math.floor((sample.end - 1000 - age) / 1000) * 1000;
  const kind = random();
  const status = kind < 0.1 ? 0 : kind < 0.16 ? 2 : 1;
  const settledLater = random() < 0.3 ? Math.floor(random() * Math.min(age, 5 * 86_400_000)) : 0;
  const updated = Math.floor((created + settledLater) / 1000) * 1000;
  const fen = Math.floor(10 + random() ** 4 * 200_000);
  const amount = random() < 0.05 ? -fen : fen;
  const remark = remarks[Math.floor(random() * remarks.length * 2)] ?? null;
  return [
    id,
    user,
    `SN${String(20_260_000_000_000 + id)}`,
    amount,
    1 + Math.floor(random() * 4),
    status,
    remark,
    zone.text(created),
    zone.text(updated),
  ];
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
  const users = Array.from({ length: sample.users }, (_, index): Value[] => {
    const time = zone.text(Math.floor((sample.end - 1000 - random() * sample.days * 86_400_000) / 1000) * 1000);
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
  const waiting = new Map<string, Value[][]>(shards.map((shard) => [shard, []]));
  for (let id = 1; id <= sample.rows; id++) {
    const row = commissionRow(id, sample, random, zone);
    const shard = String(row[1]).at(-1) as string;
    const rows = waiting.get(shard) as Value[][];
    rows.push(row);
    if (rows.length === rowsPerInsert) {
      await insert(source, `plus_commission_log_${shard}`, rows.splice(0));
      progress(rowsPerInsert);
    }
  }
  for (const [shard, rows] of waiting) {
    await insert(source, `plus_commission_log_${shard}`, rows);
    progress(rows.length);
  }
}
