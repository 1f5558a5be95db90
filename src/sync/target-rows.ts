/**
 * The target's side of copying rows: what it holds of them, and writing them in statements of bounded size.
 *
 * A row that the target refuses is found by halving, and set aside; every other error is the caller's.
 */
import { identifier, type Reader, type Written } from '../platform/mysql.ts';
import { failureOf } from '../platform/mysql-errors.ts';
import { keyLiteral } from '../platform/table.ts';
import type { CopyPlan } from './plan.ts';

export interface SourceRow {
  readonly time: string;
  readonly key: string;
  readonly values: readonly (string | null)[];
}

export interface CopySource {
  pages(expressions: readonly string[]): AsyncIterable<readonly SourceRow[]>;
  current(keys: readonly string[], expressions: readonly string[]): Promise<SourceRow[]>;
  content(key: string): Promise<Record<string, string | null>>;
}

export interface CopyTarget extends Reader {
  readonly dryRun: boolean;
  readonly statementBytesMax: number;
  write(sql: string): Promise<Written>;
}

export interface CopyRun {
  readonly plan: CopyPlan;
  readonly source: CopySource;
  readonly target: CopyTarget;
  /**
   * `again`: behind the checkpoint, because somebody asked for it; then the source is right even where the target holds
   * a younger version of a row, which otherwise came from another shard, to which the row has moved.
   */
  readonly mode: 'closing' | 'again' | 'sweep' | 'repair';
  /** Expressions over a row, the same on both sides, whose values `written` gets. */
  readonly observe: readonly string[];
  /** Called for each page with the observed values of the rows that were written: before (null for a new row) and after. */
  readonly written: (images: readonly Image[]) => Promise<void>;
  readonly refuse: (refusal: {
    key: string;
    content: Record<string, string | null>;
    reason: string;
    code: number;
  }) => Promise<void>;
  readonly progress: (rows: number) => void;
}

export interface Image {
  readonly before: readonly (string | null)[] | null;
  /** Null for a row that was removed. */
  readonly after: readonly (string | null)[] | null;
}

export interface Row {
  readonly key: string;
  readonly time: string;
  readonly text: string | null;
  readonly digest: string;
  readonly observed: readonly (string | null)[];
}

export interface Known {
  readonly time: string;
  readonly digest: string;
  readonly observed: readonly (string | null)[];
}

export interface Refused {
  readonly row: Row;
  readonly error: Error;
}

const statementBytes = 1_000_000;
/** So many refusals without a single row accepted mean that the table refuses, not the rows. */
export const refusalsMax = 50;

const digest = (text: string) => `MD5(${text})`;

export function expressionsOf({ plan, observe }: CopyRun): string[] {
  return [plan.text, digest(plan.text), ...observe];
}

export function toRow({ key, time, values: [text, hash, ...observed] }: SourceRow): Row {
  return { key, time, text: text ?? null, digest: hash ?? '', observed };
}

/** What the target holds for these keys; the rows stay locked until the transaction ends. */
export async function lookUp({ plan, target, observe }: CopyRun, rows: readonly Row[]): Promise<Map<string, Known>> {
  if (rows.length === 0) return new Map();
  const keys = rows.map((row) => keyLiteral(plan.key, row.key)).join(',');
  const key = identifier(plan.key.name);
  const found = await target.tuples(
    `SELECT ${[key, `IFNULL(${identifier(plan.time)},'')`, digest(plan.text), ...observe].join(', ')}
       FROM ${identifier(plan.table.name)} WHERE ${key} IN (${keys})${target.dryRun ? '' : ' FOR UPDATE'}`,
  );
  return new Map(
    found.map(([id, time, hash, ...observed]) => [
      String(id),
      {
        time: String(time),
        digest: String(hash),
        observed: observed.map((value) => (value === null ? null : String(value))),
      },
    ]),
  );
}

/** Writes rows in statements of bounded size; what the target refuses is found by halving. */
export async function write(
  run: CopyRun,
  rows: readonly Row[],
  onDuplicate: string,
  refused: Refused[],
): Promise<Row[]> {
  const accepted: Row[] = [];
  const fitting = rows.filter((row) => fits(run, row));
  for (const row of rows) if (!fits(run, row)) refused.push({ row, error: tooLarge() });
  for (const batch of batches(run, fitting)) await writeBatch(run, batch, onDuplicate, accepted, refused);
  return accepted;
}

async function writeBatch(
  run: CopyRun,
  rows: readonly Row[],
  onDuplicate: string,
  accepted: Row[],
  refused: Refused[],
): Promise<void> {
  const [only] = rows;
  if (only === undefined) return;
  try {
    await run.target.write(`${run.plan.insert}${rows.map((row) => row.text).join(',')}${onDuplicate}`);
    accepted.push(...rows);
  } catch (error) {
    if (failureOf(error) !== 'row') throw error;
    if (rows.length === 1) {
      refused.push({ row: only, error: error as Error });
      return;
    }
    const middle = Math.ceil(rows.length / 2);
    await writeBatch(run, rows.slice(0, middle), onDuplicate, accepted, refused);
    await writeBatch(run, rows.slice(middle), onDuplicate, accepted, refused);
  }
}

const sizeOf = (row: Row): number => Buffer.byteLength(row.text ?? '');

/** Whether a row can be sent at all: a server drops the connection over a statement that is larger than it takes. */
export function fits({ plan, target }: CopyRun, row: Row): boolean {
  return (
    row.text !== null && sizeOf(row) + plan.insert.length + plan.onDuplicate.length + 100 < target.statementBytesMax
  );
}

function tooLarge(): Error {
  return Object.assign(new Error('the row is larger than max_allowed_packet of the source or the target'), {
    errno: 1153,
  });
}

/** Rows in groups of about a megabyte, or what the target takes. */
export function* batches({ target }: CopyRun, rows: readonly Row[]): Generator<readonly Row[]> {
  const bytesMax = Math.min(statementBytes, target.statementBytesMax / 2);
  let batch: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (batch.length > 0 && bytes + size > bytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(row);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
