/** The tables of the sync jobs, both sides: what the engine asks of them before a run, and the indexes that windows need. */
import { isTableJob, shardNames, type TableJob } from '../engine/job.ts';
import { Source } from '../engine/source.ts';
import { describeSource } from '../engine/source-table.ts';
import { silentLog } from '../platform/log.ts';
import { identifier, type Reader, type Session } from '../platform/mysql.ts';
import type { Table } from '../platform/table.ts';
import { broken, type Check, doubtful, type Finding, fine } from './check.ts';
import { folded, Notes } from './notes.ts';
import type { Patient } from './patient.ts';
import { jobsInUse } from './patient.ts';

export const tableChecks = (patient: Patient): Check[] =>
  jobsInUse(patient)
    .filter(isTableJob)
    .map((job) => ({
      group: 'tables',
      about: `tables of ${job.name}`,
      needs: ['source', job.target],
      async look(access) {
        const [source, target] = await Promise.all([access.session('source'), access.session(job.target)]);
        const found: { table: string; finding: Finding }[] = [];
        for (const shard of shardNames(job)) {
          const table = job.source.table(shard);
          for (const finding of await lookAt(patient, job, shard, source, target)) found.push({ table, finding });
        }
        const engine = job.targetTable === undefined ? [] : await transactional(target, job.targetTable);
        const all = [...folded(found), ...engine];
        return all.length > 0
          ? all
          : [
              fine(
                `${job.name}: ${shardNames(job).length} source tables and their target fit, with the indexes that windows need`,
              ),
            ];
      },
    }));

async function lookAt(
  patient: Patient,
  job: TableJob,
  shard: string,
  source: Session,
  target: Session,
): Promise<Finding[]> {
  const notes = new Notes('');
  const table = await notes.tried(() => describeSource(source, job, shard, silentLog));
  if (table === null) return notes.findings;
  const found = index(table, job);
  const isQuick = table.indexes.some(({ columns }) => columns[0] === job.source.time);
  const timeless = isQuick ? await new Source(table, job.source, patient.zone).timeless(source) : 0;
  if (timeless > 0)
    found.push(
      doubtful(
        `${timeless} rows of ${table.name} have no ${job.source.time} (NULL or zero)`,
        'they are in no window and are not copied',
        `SELECT * FROM ${table.name} WHERE ${job.source.time} IS NULL OR ${job.source.time} < '1000-01-01' LIMIT 20`,
      ),
    );
  const sides = new Notes('what the source has there does not arrive');
  const log = sides.log;
  const missingColumns = patient.config.get('TIDEMARK_MISSING_COLUMNS') ?? 'warn';
  await sides.tried(() => job.prepare({ table, target, log, missingColumns }));
  return [...found, ...sides.findings, ...(await inInnodb(source, table.name))];
}

/** Windows go by time, pages by (time, key); an index of InnoDB has the primary key behind its own columns. */
export function index(table: Table, { source: { time, key } }: Pick<TableJob, 'source'>): Finding[] {
  const isPrimary = table.indexes.some(
    ({ name, columns }) => name === 'PRIMARY' && columns.length === 1 && columns[0] === key,
  );
  const fits = ({ columns }: Table['indexes'][number]) =>
    columns[0] === time && (columns[1] === key || (columns.length === 1 && isPrimary));
  if (table.indexes.some(fits)) return [];
  const begins = table.indexes.some(({ columns }) => columns[0] === time);
  return [
    doubtful(
      `no index of ${table.name} ${begins ? `is on (${time}, ${key})` : `begins with ${time}`}`,
      begins ? 'each page of a window sorts the rest of it anew' : 'every window reads the whole table, more than once',
      `ALTER TABLE ${identifier(table.name)} ADD KEY (${identifier(time)}, ${identifier(key)});`,
    ),
  ];
}

async function engineOf(reader: Reader, table: string): Promise<string | null> {
  const [row] = await reader.tuples(
    'SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?',
    [table],
  );
  return row?.[0] === null || row === undefined ? null : String(row[0]); // a view has none
}

async function inInnodb(source: Reader, table: string): Promise<Finding[]> {
  const engine = await engineOf(source, table);
  if (engine === null || engine === 'InnoDB') return [];
  return [
    doubtful(
      `${table} of the source is ${engine}, and not InnoDB`,
      'there are no transactions in it, so what is in flight cannot be told from what is committed',
      `ALTER TABLE ${identifier(table)} ENGINE = InnoDB;`,
    ),
  ];
}

async function transactional(target: Reader, table: string): Promise<Finding[]> {
  const engine = await engineOf(target, table);
  if (engine === null || engine === 'InnoDB') return [];
  return [
    broken(
      `${table} of the target is ${engine}, and not InnoDB`,
      'what a window wrote there is not rolled back with it, so rows would be applied twice',
      `ALTER TABLE ${identifier(table)} ENGINE = InnoDB;`,
    ),
  ];
}
