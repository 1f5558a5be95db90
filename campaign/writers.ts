/**
 * Writers as a busy platform has them: many connections that insert and update a few rows a transaction, stamp them by
 * NOW(), and commit late or roll back; statements that commit themselves or take long; rows that move to another shard.
 *
 * Shared rows are taken in order of shard and id, so that writers do not deadlock one another. A version of a row has a
 * name in `remark`: its serial number, and who wrote it. What is committed is in the book, see stage.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../src/platform/mysql.ts';
import { errorNumber } from '../src/platform/mysql-errors.ts';
import type { Random } from './random.ts';
import { openWhenUp } from './sessions.ts';
import { lockTables } from './table-locks.ts';

export interface WriterOptions {
  /** The source, for an account that may also write the book. */
  readonly url: string;
  readonly random: Random;
  readonly shards: readonly string[];
  /** Rows of each shard that all share, with the ids shard + 10 × (1 … rows). */
  readonly sharedRows: number;
  readonly writers: number;
  readonly holdMsMax: number;
  /** One writer holds its transactions this long, or a little longer. */
  readonly longHoldMs: number;
  readonly tableLockMsMax: number;
}

export interface WriterReport {
  transactions: number;
  rolledBack: number;
  statements: number;
  moves: number;
  /** How often a table was locked for all of them. */
  tableLocks: number;
  connectionsLost: number;
  deadlocks: number;
  /** Other errors of statements that should not fail, by number. */
  readonly errors: Map<number, number>;
}

type Tally = Omit<WriterReport, 'tableLocks'>;

/** Writes until the signal is given; every transaction has ended when it resolves. */
export async function write(options: WriterOptions, signal: AbortSignal): Promise<WriterReport> {
  const report: Tally = {
    transactions: 0,
    rolledBack: 0,
    statements: 0,
    moves: 0,
    connectionsLost: 0,
    deadlocks: 0,
    errors: new Map<number, number>(),
  };
  const all = Array.from({ length: options.writers }, (_, number) =>
    new Writer(number, options, report, signal).work(),
  );
  const longHolder = new Writer(options.writers, options, report, signal);
  const [tableLocks] = await Promise.all([lockTables(options, signal), longHolder.workLong(), ...all]);
  return { ...report, tableLocks };
}

/** Where the ids of a writer's own rows begin; below are the shared ones. */
const ownIdsFrom = 1_000_000;
const ownIds = 1_000_000;
/** Rows of its own that a writer goes on changing. */
const ownRows = 6;

interface OwnRow {
  readonly id: number;
  shard: string;
}

class Writer {
  readonly #number: number;
  readonly #options: WriterOptions;
  readonly #random: Random;
  readonly #report: Tally;
  readonly #signal: AbortSignal;
  #session: Session | null = null;
  #inserted = 0;
  #written = 0;
  readonly #own: OwnRow[] = [];
  /** A row of its own whose last change, of this instant, may not stand in the book. */
  #doubtful: { row: OwnRow; since: string } | null = null;

  constructor(number: number, options: WriterOptions, report: Tally, signal: AbortSignal) {
    this.#number = number;
    this.#options = options;
    this.#random = options.random.fork(`writer ${number}`);
    this.#report = report;
    this.#signal = signal;
  }

  work(): Promise<void> {
    return this.#untilOver(async () => {
      const drawn = this.#random.next();
      if (drawn < 0.2) await this.#changeOwn();
      else if (drawn < 0.24) await this.#moveOwn();
      else await this.#transaction(this.#random.next() ** 3 * this.#options.holdMsMax);
    });
  }

  /** Transactions that are held for very long, over rows that nobody else wants. */
  workLong(): Promise<void> {
    const { longHoldMs } = this.#options;
    return this.#untilOver(async () => {
      await this.#transaction(longHoldMs * this.#random.between(1, 1.2), false);
      await this.#pause(this.#random.between(0.2, 1) * longHoldMs);
    });
  }

  async #untilOver(step: () => Promise<void>): Promise<void> {
    while (!this.#signal.aborted) {
      this.#session ??= await openWhenUp(this.#options.url, this.#signal);
      if (this.#session === null) return;
      try {
        await this.#settleDoubt();
        await step();
      } catch (error) {
        await this.#recover(error);
      }
    }
    await this.#settleDoubt().catch(() => undefined);
    await this.#session?.close();
  }

  async #recover(error: unknown): Promise<void> {
    const session = this.#session;
    if (session?.lost === true) {
      this.#report.connectionsLost += 1;
      this.#session = null;
      return;
    }
    const number = errorNumber(error);
    if (number === 1213) this.#report.deadlocks += 1;
    else this.#report.errors.set(number, (this.#report.errors.get(number) ?? 0) + 1);
    if (number === 0) process.stderr.write(`campaign: a writer failed: ${(error as Error).stack}\n`);
    await session?.write('ROLLBACK').catch(() => session.destroy());
  }

  /** Over at once when the campaign is. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => undefined);
  }

  get #open(): Session {
    if (this.#session === null) throw new Error('no connection');
    return this.#session;
  }

  /** The name of the next version, without its serial. */
  #mark(): string {
    this.#written += 1;
    return `${this.#number}.${this.#written}`;
  }

  /** Some shared rows and a new one or two, held for a while, committed or not. */
  async #transaction(holdMs: number, shared = true): Promise<void> {
    const session = this.#open;
    const random = this.#random;
    const touched = new Map<string, number[]>();
    await session.write('START TRANSACTION');
    for (const shard of shared ? random.some(this.#options.shards).sort() : [random.pick(this.#options.shards)]) {
      const ids = shared ? this.#sharedIds(shard) : [];
      for (const id of ids) {
        await this.#touch(shard, id);
        if (random.chance(0.1)) await this.#touch(shard, id); // twice in a second, the first version is never seen
        await sleep(random.next() * 20);
      }
      if (ids.length === 0 || random.chance(0.4)) {
        const id = this.#newId(shard);
        await this.#insert(shard, id);
        ids.push(id);
      }
      touched.set(shard, ids);
    }
    await this.#pause(holdMs);
    const rollBack = random.chance(0.1);
    if (!rollBack) for (const [shard, ids] of touched) await this.#book(shard, ids);
    await session.write(rollBack ? 'ROLLBACK' : 'COMMIT');
    this.#report[rollBack ? 'rolledBack' : 'transactions'] += 1;
  }

  #sharedIds(shard: string): number[] {
    const { sharedRows } = this.#options;
    const count = 1 + this.#random.below(3);
    const rows = Array.from({ length: count }, () => 1 + this.#random.below(sharedRows));
    return [...new Set(rows)].sort((a, b) => a - b).map((row) => row * 10 + Number(shard));
  }

  /** Now and then by a statement that takes long: its NOW() is fixed when it begins. */
  async #touch(shard: string, id: number): Promise<void> {
    const random = this.#random;
    const slowly = random.chance(0.03) ? ` + SLEEP(${random.between(0.2, 1.5).toFixed(2)})` : '';
    await this.#open.write(
      `UPDATE plus_commission_log_${shard} SET amount = amount + ${random.below(500) - 100}${slowly}, status = ${random.below(3)},
         remark = CONCAT(SUBSTRING_INDEX(remark, '.', 1) + 1, '.', ?), update_time = NOW() WHERE id = ${id}`,
      [this.#mark()],
    );
  }

  /** A row of the last two days, or of this hour. */
  async #insert(shard: string, id: number): Promise<void> {
    const random = this.#random;
    const user = 1000 + 10 * random.below(20) + Number(shard);
    const age = random.chance(0.2) ? 0 : random.below(48 * 3600);
    await this.#open.write(
      `INSERT INTO plus_commission_log_${shard} VALUES (${id}, ${user}, 'SN${id}', ${random.below(10_000)}, 1, ${random.below(3)},
         CONCAT('1.', ?), NOW() - INTERVAL ${age} SECOND, NOW())`,
      [this.#mark()],
    );
  }

  #newId(shard: string): number {
    this.#inserted += 1;
    return ownIdsFrom + this.#number * ownIds + this.#inserted * 10 + Number(shard);
  }

  /** Notes versions in the book, within the transaction that wrote them. */
  async #book(shard: string, ids: readonly number[], since: string | null = null): Promise<void> {
    const rows = await this.#open.tuples(
      `SELECT id, remark, CAST(SUBSTRING_INDEX(remark, '.', 1) AS UNSIGNED), '${shard}', update_time
         FROM plus_commission_log_${shard} WHERE id IN (${ids.join(',')})`,
    );
    if (rows.length === 0) return;
    const values = rows.map(
      (row) => `(${row.map((cell) => `'${cell}'`).join(',')},${since === null ? 'SYSDATE(6)' : `'${since}'`})`,
    );
    await this.#open.write(
      `INSERT INTO campaign.version (id, version, serial, shard, update_time, booked_at) VALUES ${values.join(',')}
         ON DUPLICATE KEY UPDATE id = VALUES(id)`,
    );
  }

  /** A statement that commits itself, over a row that nobody else writes. The book is written afterwards. */
  async #changeOwn(): Promise<void> {
    const row =
      this.#own.length < ownRows || this.#random.chance(0.2) ? await this.#newOwn() : this.#random.pick(this.#own);
    await this.#alone(row, () => this.#touch(row.shard, row.id));
    // Twice in a second, both versions committed.
    if (this.#random.chance(0.3)) await this.#alone(row, () => this.#touch(row.shard, row.id));
  }

  async #newOwn(): Promise<OwnRow> {
    const shard = this.#random.pick(this.#options.shards);
    const row = { id: this.#newId(shard), shard };
    await this.#alone(row, () => this.#insert(shard, row.id));
    this.#own.push(row);
    if (this.#own.length > ownRows) this.#own.shift();
    return row;
  }

  async #alone(row: OwnRow, change: () => Promise<void>): Promise<void> {
    this.#doubtful = { row, since: await this.#now() };
    await change();
    this.#report.statements += 1;
    await this.#settleDoubt();
  }

  /** Puts what stands now into the book. The answer to the statement may have been lost, so the row itself is asked. */
  async #settleDoubt(): Promise<void> {
    if (this.#doubtful === null) return;
    const { row, since } = this.#doubtful;
    await this.#book(row.shard, [row.id], since);
    this.#doubtful = null;
  }

  async #now(): Promise<string> {
    return String((await this.#open.tuples('SELECT SYSDATE(6)'))[0]?.[0]);
  }

  /** A row of its own goes to another shard, as a new version, in one transaction. */
  async #moveOwn(): Promise<void> {
    const row = this.#own.length === 0 ? await this.#newOwn() : this.#random.pick(this.#own);
    const session = this.#open;
    const [there] = await session.tuples(
      this.#options.shards
        .map((shard) => `SELECT '${shard}' FROM plus_commission_log_${shard} WHERE id = ${row.id}`)
        .join(' UNION ALL '),
    );
    const from = String(there?.[0] ?? row.shard); // the last move's COMMIT may have been lost, or not
    row.shard = from;
    const to = this.#random.pick(this.#options.shards.filter((shard) => shard !== from));
    await session.write('START TRANSACTION');
    // As a writer from the start: a reader who wants to write deadlocks with a table lock that waits for readers.
    await session.tuples(`SELECT id FROM plus_commission_log_${from} WHERE id = ${row.id} FOR UPDATE`);
    await session.write(
      `INSERT INTO plus_commission_log_${to} SELECT id, user_id - user_id MOD 10 + ${to}, order_sn, amount, type, status,
         CONCAT(SUBSTRING_INDEX(remark, '.', 1) + 1, '.', ?), create_time, NOW() FROM plus_commission_log_${from} WHERE id = ${row.id}`,
      [this.#mark()],
    );
    await session.write(`DELETE FROM plus_commission_log_${from} WHERE id = ${row.id}`);
    await sleep(this.#random.next() * 200);
    await this.#book(to, [row.id]);
    await session.write('COMMIT');
    row.shard = to;
    this.#report.moves += 1;
  }
}
