/**
 * Writers as a busy platform has them: many connections that update a few rows a transaction, stamp them by NOW(), and
 * commit late; and one who locks the table, so that statements stall after their NOW() was fixed.
 *
 * Ids are updated in order, so that writers cannot deadlock one another: a deadlock that one of them sees is somebody
 * else's doing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Session } from '../../src/platform/mysql.ts';

export interface WriterOptions {
  readonly url: string;
  readonly table: string;
  readonly rows: number;
  readonly writers: number;
  readonly holdMsMax: number;
  /** So many transactions are held this long. */
  readonly longHolds: number;
  readonly longHoldMs: number;
  /** LOCK TABLES is held this long, once. */
  readonly tableLockMs: number;
  readonly durationMs: number;
}

export interface WriterReport {
  transactions: number;
  rolledBack: number;
  /** Errors that a writer got, by number. */
  readonly errors: Map<number, number>;
}

const connect = (url: string) => Session.open({ url, label: 'source', setting: 'writers', stallTimeoutMs: 600_000 });

/** Runs all writers until the time is over; every transaction has ended when it resolves. */
export async function writeFor(options: WriterOptions): Promise<WriterReport> {
  const report: WriterReport = { transactions: 0, rolledBack: 0, errors: new Map() };
  const until = Date.now() + options.durationMs;
  const all = Array.from({ length: options.writers }, () => write(options, until, report));
  const long = Array.from({ length: options.longHolds }, (_, index) => holdLong(options, index, report));
  await Promise.all([...all, ...long, lockTable(options)]);
  return report;
}

async function session(url: string): Promise<Session> {
  const writer = await connect(url);
  // As an application would: the server's own zone, and its patience with locks.
  await writer.write(
    'SET SESSION time_zone = @@global.time_zone, innodb_lock_wait_timeout = 50, lock_wait_timeout = 3600',
  );
  return writer;
}

async function write(
  { url, table, rows, holdMsMax }: WriterOptions,
  until: number,
  report: WriterReport,
): Promise<void> {
  const writer = await session(url);
  while (Date.now() < until) {
    const count = 2 + Math.floor(Math.random() * 3);
    const ids = Array.from({ length: count }, () => 1 + Math.floor(Math.random() * rows)).sort((a, b) => a - b);
    try {
      await writer.write('START TRANSACTION');
      for (const id of ids) {
        await touch(writer, table, id);
        await sleep(Math.random() * 30);
      }
      await sleep(Math.random() ** 3 * holdMsMax);
      const rollBack = Math.random() < 0.1;
      await writer.write(rollBack ? 'ROLLBACK' : 'COMMIT');
      report[rollBack ? 'rolledBack' : 'transactions'] += 1;
    } catch (error) {
      note(report, error);
      await writer.write('ROLLBACK');
    }
  }
  await writer.close();
}

const touch = (writer: Session, table: string, id: number) =>
  writer.write(`UPDATE ${table} SET amount = amount + 1, update_time = NOW() WHERE id = ${id}`);

/** Rows of its own, behind those of the others, so that it holds nobody up but the watermark. */
async function holdLong(
  { url, table, rows, longHoldMs, tableLockMs }: WriterOptions,
  index: number,
  report: WriterReport,
): Promise<void> {
  const writer = await session(url);
  await sleep(4000 + tableLockMs); // a transaction that is open already would keep the table lock waiting
  await writer.write('START TRANSACTION');
  for (const id of [1, 2]) await touch(writer, table, rows + 2 * index + id);
  await sleep(longHoldMs);
  await writer.write('COMMIT').catch((error) => note(report, error));
  await writer.close();
}

/** Waits until nobody is in the table, then keeps everybody out: statements that came meanwhile stall behind it. */
async function lockTable({ url, table, tableLockMs }: WriterOptions): Promise<void> {
  const locker = await session(url);
  await sleep(2000);
  await locker.write(`LOCK TABLES ${table} WRITE`);
  await sleep(tableLockMs);
  await locker.write('UNLOCK TABLES');
  await locker.close();
}

function note(report: WriterReport, error: unknown): void {
  const number = (error as { errno?: number }).errno ?? 0;
  report.errors.set(number, (report.errors.get(number) ?? 0) + 1);
}
