/**
 * The books of one round: a main database with commission, and a ledger with accounts, bills and statements, of the last
 * three months and the last three days that are over. Everything that settle-month and reconcile-day must find is
 * planted, and stands in tables beside it (`planted_…`) for the checker.
 *
 * Movements of the months go through a provider whose days are not reconciled, so that only the last days are compared.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrations } from '../../migrations/index.ts';
import { Zone } from '../../src/engine/zone.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { alipayZip, entryOf } from '../../test/support/statements.ts';
import type { Random } from '../random.ts';
import { Chains, type Movement } from './chains.ts';

const zone = new Zone('Asia/Shanghai');

export interface Round {
  readonly mainDatabase: string;
  readonly ledgerDatabase: string;
  /** The folder of the statements. */
  readonly statements: string;
  /** Names of the months and days, the earliest first. */
  readonly months: readonly string[];
  readonly days: readonly string[];
  /** What was today when it was begun: up to here everything is due. */
  readonly today: string;
}

/** Ids of accounts and of users with commission; what is not named here is ordinary. */
export const cast = {
  /** Prepaid, with movements in each month. */
  movers: range(1, 40),
  /** Commission accounts without a bill so far. */
  idle: range(41, 50),
  /** Users with commission: some are movers, some idle, and from 51 on they have no account yet. */
  earners: range(31, 70),
  /** Accounts whose bills are compared with the counterparts'. */
  daily: range(71, 90),
  frozen: [35, 45],
  /** Their balance is a fen too high. */
  broken: [20, 38],
  /** A row of this user's commission of the second month was refused. */
  doubtful: 60,
  /** Their commission of the first month changes at some time. */
  changed: [33, 42, 55],
} as const;

export const minimumFen = 500n;

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** The periods before the one of an instant. */
function lastPeriods(unit: 'day' | 'month', now: number, count: number): number[] {
  const starts: number[] = [];
  for (let start = zone.periodStart(unit, now); starts.length < count; ) {
    start = zone.periodStart(unit, start - 1);
    starts.unshift(start);
  }
  return starts;
}

const utc = (instant: number): string => new Date(instant).toISOString().slice(0, 19).replace('T', ' ');

const dayMs = 86_400_000;

export class BooksOfRound {
  readonly #random: Random;
  readonly #months: readonly number[];
  readonly #days: readonly number[];
  readonly #thisMonth: number;
  readonly #today: number;
  readonly #planted: string[] = [];
  readonly #entries: string[] = [];
  readonly #files = new Map<string, ReturnType<typeof entryOf>[]>();
  readonly #chains = new Chains();

  constructor(random: Random, now: number) {
    this.#random = random;
    this.#thisMonth = zone.periodStart('month', now);
    this.#today = zone.periodStart('day', now);
    this.#months = lastPeriods('month', now, 3);
    this.#days = lastPeriods('day', now, 3);
  }

  /** @param root a session that may make databases, in none of them */
  async make(
    root: Session,
    open: (database: string) => Promise<Session>,
    name: string,
    folder: string,
  ): Promise<Round> {
    const round = {
      mainDatabase: `closing_main_${name}`,
      ledgerDatabase: `closing_ledger_${name}`,
      statements: join(folder, `statements-${name}`),
      months: this.#months.map((start) => zone.periodName('month', start)),
      days: this.#days.map((start) => zone.periodName('day', start)),
      today: zone.periodName('day', this.#today),
    };
    for (const database of [round.mainDatabase, round.ledgerDatabase])
      await root.write(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    const [main, ledger] = [await open(round.mainDatabase), await open(round.ledgerDatabase)];
    try {
      for (const { sql } of migrations.main) await main.write(sql);
      await main.write('CREATE TABLE plus_commission_log LIKE plus.plus_commission_log_0');
      for (const { sql } of migrations.ledger) await ledger.write(sql);
      await this.#earn(main);
      this.#move();
      this.#compare();
      await this.#write(ledger);
      await this.#bring(round.statements);
    } finally {
      await Promise.all([main.close(), ledger.close()]);
    }
    return round;
  }

  /** Commission by the hour, also in the first and the last one of a month, and rollup-income past it all. */
  async #earn(main: Session): Promise<void> {
    const rows: string[] = [];
    for (const [index, start] of this.#months.entries()) {
      const end = this.#months[index + 1] ?? this.#thisMonth;
      for (const user of cast.earners) {
        const isSure = user === cast.doubtful || (cast.changed as readonly number[]).includes(user);
        if (!isSure && this.#random.chance(0.2)) continue;
        for (const hour of [start, start + dayMs * 9, end - 3_600_000])
          rows.push(`(${user}, '${zone.text(hour)}', ${this.#random.below(900) - 200}, 1)`);
      }
    }
    await main.write(`INSERT INTO user_income_hour (user_id, hour, amount, entries) VALUES ${rows.join(',')}`);
    const hour = zone.text(zone.hour(Date.now()));
    await main.write(
      `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('rollup-income', '', ?, 'campaign', ?)`,
      [hour, hour],
    );
    await main.write('CREATE TABLE planted_change (user_id BIGINT UNSIGNED PRIMARY KEY, month CHAR(7), amount BIGINT)');
    const content = JSON.stringify({
      user_id: String(cast.doubtful),
      create_time: zone.text((this.#months[1] as number) + dayMs),
    });
    await main.write(
      `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
       VALUES ('sync-commission-log', '0', '1', ?, 'refused', 4025, 1, 'campaign', ?, ?)`,
      [content, hour, hour],
    );
  }

  /** Bills of each month, also in its first and its last second. */
  #move(): void {
    const provided = { provider: 'wechat', orderId: 'm', fee: null };
    for (const [index, start] of this.#months.entries()) {
      const end = this.#months[index + 1] ?? this.#thisMonth;
      for (const accountId of cast.movers) {
        const amount = 100_000 + this.#random.below(50_000);
        const add = (movement: Pick<Movement, 'channel' | 'amount' | 'at'>) =>
          this.#chains.add({ ...provided, accountId, result: 'success', ...movement });
        add({ channel: 'recharge', amount, at: start });
        add({ channel: 'charge', amount: -(1 + this.#random.below(amount)), at: start + dayMs * 11 });
        if (accountId % 5 === 0) add({ channel: 'correction', amount: 7, at: start + dayMs * 20 });
        add({ channel: 'recharge', amount: 1 + this.#random.below(1000), at: end - 1000 });
      }
    }
    this.#chains.add({
      ...provided,
      accountId: 1,
      channel: 'charge',
      amount: -5,
      result: 'unprocessed',
      at: Date.now() - 3 * 3_600_000,
    });
  }

  /** Bills of the last days, and what their counterparts say of them. */
  #compare(): void {
    for (const accountId of cast.daily)
      this.#chains.add({
        accountId,
        channel: 'correction',
        amount: 1_000_000,
        result: 'success',
        at: this.#months[0] as number,
        provider: null,
        orderId: null,
        fee: null,
      });
    for (const counterpart of ['initiator', 'alipay'] as const)
      for (const [index] of this.#days.entries())
        for (let row = 0; row < 40; row++) this.#plant(counterpart, index, row);
  }

  #plant(counterpart: 'initiator' | 'alipay', index: number, row: number): void {
    const start = this.#days[index] as number;
    const next = this.#days[index + 1];
    const isLate = row === 6;
    const at = isLate ? start + dayMs - 10_000 : start + dayMs / 12 + row * 1_500_000;
    const amount = 1 + this.#random.below(5000);
    const movement: Movement = {
      accountId: this.#random.pick(cast.daily),
      channel: counterpart === 'initiator' && row % 2 === 1 ? 'charge' : 'recharge',
      amount: counterpart === 'initiator' && row % 2 === 1 ? -amount : amount,
      result: row === 3 ? 'failed' : 'success',
      at,
      provider: counterpart === 'alipay' ? counterpart : null,
      orderId: counterpart === 'alipay' ? `A${index}-${row}` : null,
      fee: counterpart === 'alipay' ? row : null,
    };
    // Alone on the other side: an id that no bill has.
    const billId = row === 1 ? BigInt(900_000_000 + 100 * index + row) : this.#chains.add(movement);
    const reference = movement.orderId ?? String(billId);
    const told = {
      amount: BigInt(movement.amount) + (row === 2 ? 1n : 0n),
      fee: movement.fee === null ? null : BigInt(movement.fee + (row === 5 ? 1 : 0)),
    };
    const tell = (when: number) => this.#tell(counterpart, reference, { ...told, at: when });
    if (row !== 0 && !isLate) tell(at);
    if (row === 4) tell(at);
    if (isLate && next !== undefined) tell(next + 5000);
    const outcome = isLate ? (next === undefined ? 'pending_cutoff' : 'resolved') : outcomeOf(counterpart, row);
    const direction = movement.amount < 0 ? 'out' : 'in';
    if (outcome !== null)
      this.#planted.push(
        `('${counterpart}', '${zone.periodName('day', start)}', '${direction}', '${reference}', '${outcome}')`,
      );
  }

  #tell(
    counterpart: 'initiator' | 'alipay',
    reference: string,
    { amount, fee, at }: { amount: bigint; fee: bigint | null; at: number },
  ): void {
    const [day, time] = [zone.periodName('day', at), zone.text(at)];
    if (counterpart === 'initiator') {
      this.#entries.push(`('initiator', '${day}', '${reference}', ${amount}, NULL, 'success', '${time}')`);
      return;
    }
    const entry = entryOf({ reference, amount, fee, occurredAt: time });
    this.#files.set(day, [...(this.#files.get(day) ?? []), entry]);
  }

  async #write(ledger: Session): Promise<void> {
    const opened = utc(this.#months[0] as number);
    await ledger.write('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
    await this.#chains.write(ledger, {
      opened,
      prepaid: [...cast.movers, ...cast.daily],
      commission: cast.idle,
    });
    await ledger.write(`UPDATE account SET frozen_reason = 'asked by a court' WHERE account_id IN (?)`, [cast.frozen]);
    await ledger.write('UPDATE account SET balance = balance + 1 WHERE account_id IN (?)', [cast.broken]);
    await ledger.write('SET SESSION foreign_key_checks = 1, check_constraint_checks = 1');
    await ledger.write(
      `INSERT INTO statement_entry (counterpart, day, reference, amount, fee, status, occurred_at) VALUES ${this.#entries.join(',')}`,
    );
    await ledger.write(
      `CREATE TABLE planted_difference (counterpart VARCHAR(32), day DATE, direction VARCHAR(3), reference VARCHAR(128), outcome VARCHAR(16))`,
    );
    await ledger.write(`INSERT INTO planted_difference VALUES ${this.#planted.join(',')}`);
    await ledger.write(
      'CREATE TABLE planted_month (month CHAR(7), begins TIMESTAMP NOT NULL, ends TIMESTAMP NOT NULL)',
    );
    const months = this.#months.map((start, index) => {
      const end = this.#months[index + 1] ?? this.#thisMonth;
      return `('${zone.periodName('month', start)}', '${utc(start)}', '${utc(end)}')`;
    });
    await ledger.write(`INSERT INTO planted_month VALUES ${months.join(',')}`);
  }

  async #bring(folder: string): Promise<void> {
    await mkdir(join(folder, 'alipay'), { recursive: true });
    for (const [day, entries] of this.#files)
      await writeFile(join(folder, 'alipay', `${day}.zip`), alipayZip(entries, day));
  }
}

function outcomeOf(counterpart: 'initiator' | 'alipay', row: number): string | null {
  if (row === 5) return counterpart === 'alipay' ? 'fee' : null;
  return ['local_only', 'channel_only', 'amount', 'status', 'duplicate'][row] ?? null;
}
