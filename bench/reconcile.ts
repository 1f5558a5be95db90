/**
 * A day of bills beside a statement of as many rows, with planted differences: the built command line in a process of
 * its own, from the file to the differences and their report, beside doing it in the database.
 *
 * The proof that no bill of the day is still on its way is left out (TIDEMARK_SETTLE_LAG), as the peer has none.
 *
 * The peer loads the columns that are compared from the same file into a table, by LOAD DATA inside the server, and finds
 * by joins what is on one side only and what differs. It checks no total, no encoding and no day, knows no parts of a
 * refund, keeps nothing and writes no report: it is the least that would be done there. Both ways must find what was
 * planted: speed at the wrong work is none.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { grouped } from '../src/cli/output.ts';
import { exitCodes } from '../src/platform/errors.ts';
import { alipayColumns } from '../src/reconciliation/alipay.ts';
import type { Entry } from '../src/reconciliation/entry.ts';
import { addBills } from '../test/support/ledger-rows.ts';
import { alipayLines, day, gbk, plantedDay } from '../test/support/statements.ts';
import type { World } from '../test/support/world.ts';
import type { Benchmark, Options, Report } from './benchmark.ts';
import { tidemark, withSite } from './site.ts';
import { ratioOf, shortSpread, spreadOf } from './statistics.ts';

const planted = 100;
const goal = 2.5;
const memoryGoalMb = 120;
const accounts = 50_000;
const nextDay = '2026-11-21';

interface Round {
  readonly tidemarkMs: number;
  readonly peakMb: number;
  readonly serverMs: number;
}

export const reconcile: Benchmark = {
  summary: 'a day of bills beside a statement, beside LOAD DATA and joins',
  async run(options) {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'));
    const settings = { TIDEMARK_STATEMENTS: folder, TIDEMARK_SETTLE_LAG: '10s' };
    try {
      return await withSite((site) => measure(options, site.world, site.about, folder), { ledger: true, settings });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function measure(options: Options, world: World, about: string, folder: string): Promise<Report> {
  options.note(`booking ${grouped(options.rows)} bills and writing the statement`);
  const file = join(folder, 'alipay', `${day}.csv`);
  await prepare(world, options.rows, file);
  const rounds: Round[] = [];
  for (let round = 0; round < options.rounds; round++) {
    options.note(`round ${round + 1} of ${options.rounds}`);
    await forget(world);
    const ours = await watched(['run', 'reconcile-day', 'alipay', '--from', day, '--to', nextDay], world.settings);
    await expectPlanted('tidemark', await differences(world));
    rounds.push({ tidemarkMs: ours.ms, peakMb: ours.peakMb, serverMs: await bySql(world, file) });
  }
  return report(options, about, rounds);
}

/** Bills and statement rows of a day, in other orders. */
async function prepare(world: World, rows: number, file: string): Promise<void> {
  const made = plantedDay(rows, planted);
  const utc = (local: string) =>
    new Date(world.zone.fromText(local) as number).toISOString().slice(0, 19).replace('T', ' ');
  await addBills(
    world.ledger,
    made.local.toSorted(byTime).map(({ reference, amount, fee, status, occurredAt }, index) => ({
      billId: 5_000_000_000n + BigInt(index),
      amount,
      doneAt: utc(occurredAt),
      channel: amount < 0n ? 'rollback' : 'recharge',
      accountId: 1n + BigInt(index % accounts),
      result: status,
      provider: 'alipay',
      orderId: reference,
      fee,
    })),
  );
  await mkdir(join(file, '..'));
  await writeFile(file, gbk(alipayLines(made.channel)));
  await world.ledger.rows('ANALYZE TABLE bill');
}

/** Bills are numbered as they are written, and most succeed at once. */
const byTime = (a: Entry, b: Entry) => (a.occurredAt < b.occurredAt ? -1 : 1);

async function forget(world: World): Promise<void> {
  for (const table of ['difference', 'reconciliation_day']) await world.ledger.write(`DELETE FROM ${table}`);
}

async function differences(world: World): Promise<number> {
  const [row] = await world.ledger.tuples('SELECT COUNT(*) FROM difference');
  return Number(row?.[0]);
}

async function expectPlanted(way: string, found: number): Promise<void> {
  if (found !== planted) throw new Error(`${way} found ${found} of ${planted} planted differences`);
}

/** Runs the command line, and watches the most memory that it has had. */
async function watched(args: readonly string[], settings: Readonly<Record<string, string>>) {
  const startedAt = performance.now();
  const child = spawn(tidemark, [...args], {
    env: { PATH: process.env.PATH, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  let peakKb = 0;
  const watch = setInterval(async () => {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    peakKb = Math.max(peakKb, Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? 0));
  }, 20);
  const [code] = await once(child, 'close');
  clearInterval(watch);
  if (code !== exitCodes.waitsForPerson) throw new Error(`tidemark ${args.join(' ')} ended with ${code}: ${said}`);
  return { ms: performance.now() - startedAt, peakMb: peakKb / 1024 };
}

/** The same in the server, from the file to the list of differences. */
async function bySql({ ledger, settings }: World, file: string): Promise<number> {
  const startedAt = performance.now();
  await ledger.write('DROP TABLE IF EXISTS bench_statement');
  await ledger.write(`CREATE TABLE bench_statement (reference VARCHAR(64) NOT NULL, direction CHAR(3) NOT NULL, amount BIGINT NOT NULL,
    fee BIGINT NOT NULL, KEY (reference, direction)) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin`);
  await load(settings.LEDGER_DATABASE_URL as string, file);
  const found = await ledger.tuples(joins);
  await expectPlanted('SQL', found.length);
  return performance.now() - startedAt;
}

const loaded: Readonly<Record<string, string>> = {
  商户订单号: '@order',
  业务类型: '@kind',
  '订单金额（元）': '@amount',
  '服务费（元）': '@fee',
};
const loading = `LOAD DATA LOCAL INFILE 'statement' INTO TABLE bench_statement CHARACTER SET gbk
  FIELDS TERMINATED BY ',' LINES TERMINATED BY '\\r\\n' IGNORE 5 LINES
  (${alipayColumns.map((column) => loaded[column] ?? '@other').join(', ')})
  SET reference = IFNULL(TRIM('\\t' FROM @order), ''), direction = IF(@kind LIKE '退款%', 'out', 'in'),
      amount = IFNULL(@amount * 100, 0), fee = IFNULL(-@fee * 100, 0)`;

async function load(url: string, file: string): Promise<void> {
  const connection = await createConnection({ uri: url, flags: ['+LOCAL_FILES'] });
  await connection.query("SET SESSION sql_mode = ''"); // the foot is no row
  await connection.query({
    sql: loading,
    infileStreamFactory: () => createReadStream(file, { highWaterMark: 2 ** 20 }),
  });
  await connection.query("DELETE FROM bench_statement WHERE reference = ''");
  await connection.end();
}

const ours = `SELECT order_id reference, IF(amount < 0, 'out', 'in') direction, amount, fee FROM bill
  WHERE provider = 'alipay' AND result = 'success' AND done_at >= '2026-11-19 16:00:00' AND done_at < '2026-11-20 16:00:00'`;
const joins = `
  SELECT b.reference FROM (${ours}) b LEFT JOIN bench_statement s ON s.reference = b.reference AND s.direction = b.direction
   WHERE s.reference IS NULL
  UNION ALL SELECT s.reference FROM bench_statement s
    LEFT JOIN bill b ON b.order_id = s.reference AND b.provider = 'alipay' AND b.result = 'success' AND (b.amount < 0) = (s.direction = 'out')
   WHERE b.id IS NULL
  UNION ALL SELECT b.reference FROM (${ours}) b JOIN bench_statement s ON s.reference = b.reference AND s.direction = b.direction
   WHERE b.amount <> s.amount OR b.fee <> s.fee
  UNION ALL SELECT MAX(reference) FROM bench_statement GROUP BY reference, direction HAVING COUNT(*) > 1`;

function report({ rows }: Options, about: string, rounds: readonly Round[]): Report {
  const speedup = ratioOf(
    rounds.map(({ serverMs }) => serverMs),
    rounds.map(({ tidemarkMs }) => tidemarkMs),
  );
  const peakMb = Math.max(...rounds.map(({ peakMb: peak }) => peak));
  const seconds = (pick: (round: Round) => number) => {
    const { median, min, max } = spreadOf(rounds.map(pick));
    return `${(median / 1000).toFixed(1)} s (${(min / 1000).toFixed(1)}-${(max / 1000).toFixed(1)})`;
  };
  return {
    figures: { rows, planted, rounds, speedup, peakMb },
    method: [
      `${grouped(rows)} bills and as many rows of a statement, ${planted} differences, all found by both; ${about}`,
      'tidemark: the whole process, from the file to differences and report, without the proof that the day is complete',
      'SQL: LOAD DATA and joins, nothing proven, checked or kept',
    ],
    head: ['WAY', 'TIME', 'PEAK MEMORY'],
    table: [
      ['tidemark run reconcile-day alipay', seconds(({ tidemarkMs }) => tidemarkMs), `${peakMb.toFixed(0)} MB`],
      ['LOAD DATA and joins', seconds(({ serverMs }) => serverMs), 'in the server'],
    ],
    closing: [
      `${shortSpread(speedup)} times as fast as SQL; the goal for 1,000,000 rows is ${goal}`,
      `peak ${peakMb.toFixed(0)} MB; the goal is less than ${memoryGoalMb}`,
    ],
  };
}
