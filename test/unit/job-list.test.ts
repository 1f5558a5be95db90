/** A team's list of jobs is checked before anything begins: JavaScript has no types. */
import { expect, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { checkJobs } from '../../src/cli/job-list.ts';
import type { Job } from '../../src/engine/job.ts';

const nothing = () => undefined;
const table = {
  name: 'sync-a',
  summary: 'copies',
  shards: [],
  schedule: '* * * * *',
  target: 'main',
  source: { table: () => 'a', time: 'b', key: 'c' },
  prepare: nothing,
  apply: nothing,
};
const { source: _, ...bare } = table;
const following = { ...bare, rangeUnit: 'hour', follows: 'sync-a', oldest: nothing, pending: nothing };

test('jobs that are right', () => {
  checkJobs(jobs);
  checkJobs([]);
  checkJobs([table, { ...following, name: 'roll-a' }] as unknown as Job[]);
});

test.each([
  ['no list', undefined, 'cli needs a list of jobs'],
  ['nothing in it', [undefined], 'job number 1 of the list is no job'],
  ['a text', ['sync-a'], 'job number 1 of the list is no job'],
  ['an empty job', [table, {}], 'job number 2 of the list is of no kind'],
  ['a job of no kind', [bare], 'the job sync-a is of no kind'],
  ['a name with capitals', [{ ...table, name: 'SyncA' }], 'the job SyncA: name is wrong: expected small letters'],
  ['a long name', [{ ...table, name: 'a'.repeat(65) }], 'expected 64 characters at the most'],
  ['no summary', [{ ...table, summary: '' }], 'the job sync-a: summary is wrong'],
  ['two of a name', [table, table], 'two jobs are named sync-a'],
  ['a schedule of words', [{ ...table, schedule: 'daily' }], 'schedule is wrong: expected five fields'],
  ['shards as a number', [{ ...table, shards: 10 }], "shards is wrong: expected a list: ['0', '1']"],
  ['shards as numbers', [{ ...table, shards: [0] }], 'shards.0 is wrong: expected texts'],
  ['another database', [{ ...table, target: 'plus' }], "target is wrong: expected 'main' or 'ledger'"],
  ['a table by name', [{ ...table, source: { ...table.source, table: 'a' } }], 'source.table is wrong: expected a fun'],
  ['no apply', [{ ...table, apply: undefined }], 'the job sync-a: apply is missing'],
  ['no schedule', [(({ schedule: __, ...job }) => job)(table)], 'the job sync-a: schedule is missing'],
  ['tables that are no SQL', [{ ...table, tables: 'CREATE …' }], 'tables is wrong: expected a list of SQL'],
  ['an upstream that is not there', [{ ...following, name: 'b' }], 'b follows sync-a, and there is no such job'],
])('%s', (_name, list, what) => {
  expect(() => checkJobs(list as unknown as readonly Job[])).toThrow(what);
});
