/** The checks of a job's source table before the first window: what is missing is told with the statement that mends it. */
import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Session } from '../platform/mysql.ts';
import { columnOf, needTable, type Table } from '../platform/table.ts';
import type { TableJob } from './job.ts';

/** Types whose text compares as the column does. */
const keyTypes = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'char', 'varchar']);

const integerTypes = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint']);

/** @throws SetupError when the table, its time column or its unique key is missing */
export async function describeSource(session: Session, job: TableJob, shard: string, log: Log): Promise<Table> {
  const { table: nameOf, time, key } = job.source;
  const table = await needTable(
    session,
    'source',
    nameOf(shard),
    `check SOURCE_DATABASE_URL, and the table's name in jobs/${job.name}`,
  );
  for (const [name, purpose] of [
    [time, 'the time of its last change'],
    [key, 'its key'],
  ] as const) {
    if (columnOf(table, name) === undefined) {
      throw new SetupError(
        `the source table ${table.name} has no column ${name}, which holds ${purpose}`,
        `ALTER TABLE ${table.name} ADD COLUMN ${name} …, or name another in jobs/${job.name}`,
      );
    }
  }
  const type = columnOf(table, time)?.type;
  if (type !== 'datetime' && type !== 'timestamp') {
    throw new SetupError(
      `the column ${time} of the source table ${table.name} is ${type}: windows need DATETIME or TIMESTAMP`,
      `ALTER TABLE ${table.name} MODIFY ${time} DATETIME`,
    );
  }
  const { sum } = job.source;
  if (sum !== undefined && !integerTypes.has(columnOf(table, sum)?.type ?? '')) {
    throw new SetupError(
      `the column ${sum} of the source table ${table.name} is ${columnOf(table, sum)?.type ?? 'missing'}: what is summed must be an integer, such as fen`,
      `name another in jobs/${job.name}, or none`,
    );
  }
  if (!table.indexes.some((index) => index.unique && index.columns.length === 1 && index.columns[0] === key)) {
    throw new SetupError(
      `the source table ${table.name} has no unique key on ${key}: its rows cannot be told apart`,
      `ALTER TABLE ${table.name} ADD PRIMARY KEY (${key})`,
    );
  }
  const keyColumn = columnOf(table, key);
  if (keyColumn?.nullable !== false || !keyTypes.has(keyColumn.type)) {
    throw new SetupError(
      `the key ${key} of the source table ${table.name} is ${keyColumn?.nullable ? 'nullable' : keyColumn?.type}: pages need a NOT NULL key of an integer, DECIMAL, CHAR or VARCHAR type`,
      `name another key in jobs/${job.name}`,
    );
  }
  if (!table.indexes.some((index) => index.columns[0] === time)) {
    log.warn(`no index of ${table.name} begins with ${time}: every window reads the whole table`, {
      next: `ALTER TABLE ${table.name} ADD KEY (${time}, ${key})`,
    });
  }
  return table;
}
