/**
 * How the rows of one table are copied into another: the columns that both sides have, checked once a run.
 *
 * A column that only the source has is told at every run (or is an error, where the job says so); one that only the
 * target has keeps its default. What would make every row fail is an error before the first.
 */
import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Reader } from '../platform/mysql.ts';
import { identifier } from '../platform/mysql.ts';
import { type Column, columnOf, needTable, rowText, type Table } from '../platform/table.ts';

export interface CopyPlan {
  readonly table: Table;
  readonly key: Column;
  readonly time: string;
  /** The columns that are copied, as they are in the source. */
  readonly columns: readonly Column[];
  /** Columns of the source that the target lacks. */
  readonly missing: readonly string[];
  /** The target has columns that the source lacks, or that are not copied. */
  readonly hasOwnColumns: boolean;
  /** The row as the value list of an INSERT; means the same on both sides. */
  readonly text: string;
  readonly insert: string;
  readonly onDuplicate: string;
}

export interface CopyOptions {
  readonly table: string;
  readonly key: string;
  readonly time: string;
  readonly missingColumns: 'warn' | 'error';
}

/** @throws SetupError when the target table, its key or its time column is missing, or a column it insists on */
export async function planCopy(source: Table, target: Reader, options: CopyOptions, log: Log): Promise<CopyPlan> {
  const { key, time, missingColumns } = options;
  const table = await needTable(target, 'main', options.table, 'tidemark migrate');
  const name = identifier(table.name);
  for (const needed of [key, time]) {
    if (columnOf(table, needed) === undefined) {
      throw new SetupError(
        `the target table ${table.name} has no column ${needed}`,
        `ALTER TABLE ${table.name} ADD COLUMN ${needed} … as in the source`,
      );
    }
  }
  if (!table.indexes.some((index) => index.unique && index.columns.length === 1 && index.columns[0] === key)) {
    throw new SetupError(
      `the target table ${table.name} has no unique key on ${key}: rows would be copied twice`,
      `ALTER TABLE ${table.name} ADD PRIMARY KEY (${key})`,
    );
  }
  const missing = source.columns
    .filter((column) => columnOf(table, column.name) === undefined)
    .map((column) => column.name);
  if (missing.length > 0) {
    const message = `the target table ${table.name} lacks columns of the source: ${missing.join(', ')}`;
    const next = `ALTER TABLE ${table.name} ADD COLUMN ${missing[0]} …`;
    if (missingColumns === 'error') throw new SetupError(`${message} (TIDEMARK_MISSING_COLUMNS=error)`, next);
    log.warn(`${message}; they are not copied`, { next });
  }
  const insisted = table.columns.find(
    (column) =>
      !column.nullable && !column.hasDefault && !column.generated && columnOf(source, column.name) === undefined,
  );
  if (insisted !== undefined) {
    throw new SetupError(
      `the target table ${table.name} insists on a column ${insisted.name} that the source lacks`,
      `ALTER TABLE ${table.name} ALTER COLUMN ${insisted.name} SET DEFAULT …`,
    );
  }
  const columns = source.columns.filter((column) => columnOf(table, column.name)?.generated === false);
  const names = columns.map((column) => identifier(column.name));
  return {
    table,
    key: columnOf(source, key) as Column,
    time,
    columns,
    missing,
    hasOwnColumns: table.columns.some((column) => !column.generated && columnOf(source, column.name) === undefined),
    text: rowText(columns),
    insert: `INSERT INTO ${name} (${names.join(',')}) VALUES `,
    onDuplicate: ` ON DUPLICATE KEY UPDATE ${names.map((column) => `${column}=VALUES(${column})`).join(',')}`,
  };
}
