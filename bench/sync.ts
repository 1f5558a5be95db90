/**
 * Rows per second of the sync of ten shards, beside the quickest that the server can do alone and the plain way.
 *
 * Measured is the built command line in a process of its own, start-up, proof of the watermark, journal and change log
 * included: what cron pays. The limit is one INSERT … SELECT … ON DUPLICATE KEY UPDATE for each shard, which moves no
 * row out of the server and keeps no account of anything. Every run's counts are checked: speed at the wrong work is none.
 */
import { randomBytes } from 'node:crypto';
import { grouped } from '../src/cli/output.ts';
import { shards } from '../src/demo/platform-tables.ts';
import { copyStatement } from '../src/platform/table-copy.ts';
import type { Benchmark, Options, Report } from './benchmark.ts';
import { copyRowByRow } from './row-by-row.ts';
import { fill, type Site, tidemark, withSite } from './site.ts';
import { ratioOf, short, shortSpread, spreadOf } from './statistics.ts';

type Way = 'tidemark' | 'server' | 'rowByRow';
type CaseName = 'new rows' | 'all unchanged' | '10 % changed';

interface Case {
  readonly name: CaseName;
  readonly args: readonly string[];
  readonly goal?: number;
  /** Brings the table of a way into the state that the case begins with; the case before has left all rows in it. */
  prepare(site: Site, table: string): Promise<unknown>;
  expected(rows: number): Readonly<Record<'inserted' | 'updated' | 'unchanged', number>>;
}

const tables: Readonly<Record<Way, string>> = {
  tidemark: 'plus_commission_log',
  server: 'bench_server',
  rowByRow: 'bench_row_by_row',
};
const titles: Readonly<Record<Way, string>> = {
  tidemark: 'tidemark run sync-commission-log',
  server: 'one statement a shard, in the server (the limit)',
  rowByRow: 'row by row',
};
const sampleRows = 5000;
const changedShare = 10;

const cases: readonly Case[] = [
  {
    name: 'new rows',
    args: [],
    goal: 0.3,
    prepare: ({ world }, table) => world.main.write(`TRUNCATE TABLE ${table}`),
    expected: (rows) => ({ inserted: rows, updated: 0, unchanged: 0 }),
  },
  {
    name: 'all unchanged',
    args: ['--full'],
    prepare: () => Promise.resolve(),
    expected: (rows) => ({ inserted: 0, updated: 0, unchanged: rows }),
  },
  {
    name: '10 % changed',
    args: ['--full'],
    // The target gets older versions of the rows: that is how a change looks from there.
    prepare: ({ world }, table) =>
      world.main.write(
        `UPDATE ${table} SET amount = amount + 1, update_time = update_time - INTERVAL 1 HOUR WHERE id % ${changedShare} = 0`,
      ),
    expected: (rows) => {
      const updated = Math.floor(rows / changedShare);
      return { inserted: 0, updated, unchanged: rows - updated };
    },
  },
];

/** Rows per second, one for each round. */
type Speeds = Readonly<Record<Way, number[]>>;

export const sync: Benchmark = {
  summary: 'rows per second of the sync, beside one statement in the server and row by row',
  run: (options) =>
    withSite(async (site) => {
      options.note(`filling the source with ${grouped(options.rows)} rows`);
      await fill(site, options.rows);
      await makeTables(site);
      const speeds = new Map<CaseName, Speeds>(
        cases.map(({ name }) => [name, { tidemark: [], server: [], rowByRow: [] }]),
      );
      for (let round = 0; round < options.rounds; round++) await measureRound(site, options, round, speeds);
      return report(site, options, speeds);
    }),
};

async function makeTables({ world }: Site): Promise<void> {
  for (const way of ['server', 'rowByRow'] as const)
    await world.main.write(await copyStatement(world.source, 'plus_commission_log_0', tables[way]));
}

async function measureRound(site: Site, options: Options, round: number, speeds: Map<CaseName, Speeds>): Promise<void> {
  // A new name, so that Redis knows nothing of the checkpoints of the round before.
  const prefix = `bench-${randomBytes(5).toString('hex')}:`;
  await forget(site);
  const ways =
    round % 2 === 0 ? (['tidemark', 'server', 'rowByRow'] as const) : (['rowByRow', 'server', 'tidemark'] as const);
  for (const one of cases) {
    options.note(`round ${round + 1} of ${options.rounds}: ${one.name}`);
    for (const way of ways) {
      await one.prepare(site, tables[way]);
      const speed = await measure[way](site, options.rows, one, prefix);
      speeds.get(one.name)?.[way].push(speed);
    }
  }
}

/** What tidemark knows of earlier rounds. */
async function forget({ world }: Site): Promise<void> {
  for (const table of ['tidemark_checkpoint', 'tidemark_window', 'tidemark_run', 'commission_change'])
    await world.main.write(`TRUNCATE TABLE ${table}`);
}

/** Each answers in rows per second. */
const measure: Readonly<Record<Way, (site: Site, rows: number, one: Case, prefix: string) => Promise<number>>> = {
  async tidemark(site, rows, one, prefix) {
    await site.world.main.write('TRUNCATE TABLE commission_change');
    const args = ['run', 'sync-commission-log', '--json', ...one.args];
    const { ms, stdout } = await site.time(tidemark, args, { TIDEMARK_REDIS_PREFIX: prefix });
    checkCounts(one, rows, JSON.parse(stdout));
    return (rows / ms) * 1000;
  },
  async server({ world }, rows) {
    const columns = (await world.main.tuples(`SHOW COLUMNS FROM ${tables.server}`)).map(([name]) => String(name));
    const assignments = columns.map((name) => `${name} = VALUES(${name})`).join(', ');
    const startedAt = performance.now();
    for (const shard of shards) {
      await world.main.write(
        `INSERT INTO ${tables.server} (${columns.join(', ')})
           SELECT ${columns.join(', ')} FROM ${world.source.database}.plus_commission_log_${shard}
           ON DUPLICATE KEY UPDATE ${assignments}`,
      );
    }
    return (rows / (performance.now() - startedAt)) * 1000;
  },
  async rowByRow({ world }) {
    const startedAt = performance.now();
    const copied = await copyRowByRow(world.source, world.main, tables.rowByRow, sampleRows / shards.length);
    return (copied / (performance.now() - startedAt)) * 1000;
  },
};

type ShardCounts = Readonly<Record<'inserted' | 'updated' | 'unchanged', number>>;

function checkCounts(one: Case, rows: number, result: { shards: readonly ShardCounts[] }): void {
  const expected = one.expected(rows);
  for (const count of ['inserted', 'updated', 'unchanged'] as const) {
    const found = result.shards.reduce((sum, shard) => sum + shard[count], 0);
    if (found !== expected[count])
      throw new Error(`sync, ${one.name}: ${found} rows ${count}, and ${expected[count]} were expected`);
  }
}

function report(site: Site, { rows, rounds }: Options, speeds: ReadonlyMap<CaseName, Speeds>): Report {
  const figures: Record<string, unknown> = { rows, rounds, about: site.about };
  const table: string[][] = [];
  const closing: string[] = [];
  for (const { name, goal } of cases) {
    const speed = speeds.get(name);
    if (speed === undefined) continue;
    const toLimit = ratioOf(speed.tidemark, speed.server);
    const toRowByRow = ratioOf(speed.tidemark, speed.rowByRow);
    for (const way of ['tidemark', 'server', 'rowByRow'] as const) {
      const ratio = way === 'server' ? '1' : shortSpread(ratioOf(speed[way], speed.server));
      const perSecond = grouped(Math.round(spreadOf(speed[way]).median));
      table.push([way === 'tidemark' ? name : '', titles[way], perSecond, ratio]);
    }
    figures[name] = { rowsPerSecond: speed, toLimit, toRowByRow, goal: goal ?? null };
    const verdict = goal === undefined ? '' : `; the goal of ${goal} is ${toLimit.median >= goal ? 'met' : 'missed'}`;
    closing.push(
      `sync, ${name}: ${short(toLimit.median)} of the server-side statement (${short(toLimit.min)}-${short(toLimit.max)} over ${rounds} ${rounds === 1 ? 'round' : 'rounds'}), ${short(toRowByRow.median)} x row by row${verdict}`,
    );
  }
  const method = [
    `${grouped(rows)} rows in ten shards; ${site.about}`,
    'tidemark: bin/tidemark in a process of its own, start-up and change log included; unchanged and changed rows by --full',
    `row by row: ${grouped(sampleRows)} rows of them, one connection, each statement committed`,
  ];
  return { figures, method, head: ['CASE', 'WAY', 'ROWS/S', 'OF THE LIMIT'], table, closing };
}
