/**
 * Books for tests of settle-month: commission in the main database, accounts and bills in the ledger, at times that a
 * test says, and what a settlement leaves, as lines of text.
 */
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { flawsOf } from './ledger-world.ts';
import type { ServerAddresses } from './servers.ts';
import { World, type WorldOptions } from './world.ts';

const job = 'settle-month';

/** Each of these selects what must not be in settled books. */
const flaws: Readonly<Record<string, string>> = {
  'a sum does not divide up': `
    SELECT account_id, month FROM settlement WHERE income + adjustment <> credited + tax + carried`,
  'an adjustment is not the sum of its lines': `
    SELECT s.account_id, s.month FROM settlement s LEFT JOIN settlement_adjustment a USING (account_id, month)
     GROUP BY s.account_id, s.month, s.adjustment HAVING IFNULL(SUM(a.amount), 0) <> s.adjustment`,
  'what is carried over is not the sum of what was carried': `
    SELECT account_id, month FROM (SELECT account_id, month, carried_total,
      SUM(carried) OVER (PARTITION BY account_id ORDER BY month) running FROM settlement) s WHERE carried_total <> running`,
  'a credit is not its bill': `
    SELECT s.account_id, s.month FROM settlement s LEFT JOIN bill b ON b.bill_id = s.bill_id AND b.channel = 'settlement'
     WHERE s.credited <> IFNULL(b.amount, 0) OR s.account_id <> IFNULL(b.account_id, s.account_id)`,
  'a bill of a settlement is nobody`s': `
    SELECT b.id FROM bill b LEFT JOIN settlement s ON s.bill_id = b.bill_id WHERE b.channel = 'settlement' AND s.month IS NULL`,
  'a statement does not continue the one before': `
    SELECT s.account_id, s.month FROM settlement s JOIN settlement p ON p.account_id = s.account_id
       AND p.month = LEFT(CONCAT(s.month, '-01') - INTERVAL 1 MONTH, 7) WHERE p.closing <> s.opening`,
};

const statement = `opening, recharges, charges, rollbacks, settlements, confirms, corrections, closing`;

export class SettlementBooks {
  readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  static async create(addresses: ServerAddresses, options: WorldOptions = {}): Promise<SettlementBooks> {
    return new SettlementBooks(await World.create(addresses, { ...options, ledger: true }));
  }

  get ledger(): Session {
    return this.world.ledger;
  }

  get main(): Session {
    return this.world.main;
  }

  destroy(): Promise<void> {
    return this.world.destroy();
  }

  /** As if nothing had ever been. */
  async clear(): Promise<void> {
    const tables = `settlement_adjustment settlement settlement_month open_hold account_event bill account bill_number
      tidemark_checkpoint tidemark_window tidemark_run tidemark_dead_letter`;
    await this.ledger.write('SET foreign_key_checks = 0');
    for (const table of tables.split(/\s+/)) await this.ledger.write(`DELETE FROM ${table}`);
    await this.ledger.write('SET foreign_key_checks = 1');
    for (const table of [
      'user_income',
      'user_income_hour',
      'plus_commission_log',
      'tidemark_checkpoint',
      'tidemark_dead_letter',
    ])
      await this.main.write(`DELETE FROM ${table}`);
    await this.world.forgetRedis(job);
  }

  /** rollup-income is past this local time. */
  async rolledUpTo(time: string): Promise<void> {
    await this.main.write(`REPLACE INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at)
      VALUES ('rollup-income', '', '${time}', 'test', '${time}')`);
  }

  /** Commission in an hour, local text; on top of what is there. */
  async earn(user: number | bigint, hour: string, fen: number | bigint | string): Promise<void> {
    await this.main.write(`INSERT INTO user_income_hour (user_id, hour, amount, entries) VALUES (${user}, '${hour}', ${fen}, 1)
      ON DUPLICATE KEY UPDATE amount = amount + VALUES(amount), entries = entries + 1`);
    await this.main.write(`INSERT INTO user_income (user_id, amount, entries) VALUES (${user}, ${fen}, 1)
      ON DUPLICATE KEY UPDATE amount = amount + VALUES(amount), entries = entries + 1`);
  }

  async open(account: number | bigint, at: string, kind = 'commission'): Promise<void> {
    await this.ledger.write(`INSERT INTO account (account_id, kind, opened_at, changed_at)
      VALUES (${account}, '${kind}', '${this.utc(at)}', '${this.utc(at)}')`);
  }

  /** A successful bill at a local time, and the account moved by it. */
  async bill(
    account: number | bigint,
    channel: string,
    fen: number | bigint,
    at: string,
    heldChange: number | bigint = 0,
  ): Promise<void> {
    const [row] = await this.ledger.tuples(
      `SELECT balance, held, IFNULL(sequence, 0) FROM account WHERE account_id = ${account}`,
    );
    const [balance, held, sequence] = (row as string[]).map(BigInt) as [bigint, bigint, bigint];
    const after = { balance: balance + BigInt(fen), held: held + BigInt(heldChange), sequence: sequence + 1n };
    const previous = sequence === 0n ? 'NULL' : sequence;
    const time = this.utc(at);
    await this.ledger.write('INSERT INTO bill_number VALUES (1, 100000001) ON DUPLICATE KEY UPDATE last = last + 1');
    await this.ledger.write(`INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, sequence, previous,
        balance_before, balance_after, held_before, held_after, caller, created_at, done_at)
      SELECT last, '${channel}', ${account}, ${fen}, ${heldChange}, 'success', ${after.sequence}, ${previous},
        ${balance}, ${after.balance}, ${held}, ${after.held}, '', '${time}', '${time}' FROM bill_number`);
    await this.ledger.write(`UPDATE account SET balance = ${after.balance}, held = ${after.held},
      sequence = ${after.sequence}, changed_at = '${time}' WHERE account_id = ${account}`);
  }

  async freeze(account: number, reason: string | null): Promise<void> {
    await this.ledger.write('UPDATE account SET frozen_reason = ? WHERE account_id = ?', [reason, account]);
  }

  /** A refused row of commission; content as `sync-commission-log` keeps it. */
  async letter(key: string, content: Readonly<Record<string, string | null>>, shard = '1'): Promise<void> {
    await this.main.write(
      `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
       VALUES ('sync-commission-log', ?, ?, ?, 'refused', 4025, 1, 'test', NOW(), NOW())`,
      [shard, key, JSON.stringify(content)],
    );
  }

  async resolveLetters(): Promise<void> {
    await this.main.write(`UPDATE tidemark_dead_letter SET state = 'resolved', resolution = 'test'`);
  }

  utc(local: string): string {
    return new Date(this.world.zone.fromText(local.padEnd(19, ':00')) as number)
      .toISOString()
      .slice(0, 19)
      .replace('T', ' ');
  }

  /** What makes a run see the ledger's clock at this local time. */
  clockAt(time: string): Pick<Setting, 'openTarget'> {
    const seconds = (this.world.zone.fromText(time) as number) / 1000;
    const { openTarget } = this.world.setting();
    return {
      openTarget: async (one) => {
        const session = await openTarget(one);
        await session.write(`SET timestamp = ${seconds}`);
        return session;
      },
    };
  }

  /** A run on the ledger's clock; rollup-income is as far. A failure is in the result. */
  async run(time: string, request: Partial<Request> = {}, more: Partial<Setting> = {}): Promise<ShardResult> {
    await this.rolledUpTo(`${time.slice(0, 13)}:00:00`);
    return this.world.runShard(job, '', request, { ...this.clockAt(time), ...more });
  }

  /** Local months, the second not included. */
  range(from: string, to: string): Partial<Request> {
    const [start, end] = [from, to].map((month) => this.world.zone.fromText(`${month}-01 00:00:00`) as number);
    return { kind: 'range', range: { start: start as number, end: end as number } };
  }

  /** `account month: income+adjustment -tax =credited ~carried over (why)` */
  async settlements(condition = 'TRUE'): Promise<string[]> {
    const rows = await this.ledger.tuples(
      `SELECT account_id, month, income, adjustment, tax, credited, carried_total, IFNULL(reason, '') FROM settlement
        WHERE ${condition} ORDER BY month, account_id`,
    );
    return rows.map(([account, month, income, adjustment, tax, credited, carried, why]) =>
      `${account} ${month}: ${income} ${adjustment} ${tax} ${credited} ${carried} ${why}`.trim(),
    );
  }

  /** `account month: opening recharges charges rollbacks settlements confirms corrections closing` */
  async statements(condition = 'TRUE'): Promise<string[]> {
    const rows = await this.ledger.tuples(
      `SELECT account_id, month, ${statement} FROM settlement WHERE ${condition} ORDER BY month, account_id`,
    );
    return rows.map(([account, month, ...sums]) => `${account} ${month}: ${sums.join(' ')}`);
  }

  /** `account month for month: fen` */
  async lines(): Promise<string[]> {
    const rows = await this.ledger.tuples(
      'SELECT account_id, month, for_month, amount FROM settlement_adjustment ORDER BY month, account_id, for_month',
    );
    return rows.map(([account, month, forMonth, fen]) => `${account} ${month} for ${forMonth}: ${fen}`);
  }

  /** Open letters of settle-month, with the reason. */
  async waiting(): Promise<string[]> {
    const rows = await this.ledger.tuples(
      `SELECT row_key, reason FROM tidemark_dead_letter WHERE state = 'open' ORDER BY row_key`,
    );
    return rows.map(([key, reason]) => `${key}: ${reason}`);
  }

  async balance(account: number): Promise<string> {
    const [row] = await this.ledger.tuples(`SELECT balance FROM account WHERE account_id = ${account}`);
    return String(row?.[0]);
  }

  /** What is wrong with the books: an empty object when all is well. */
  flaws(): Promise<Record<string, unknown>> {
    return flawsOf(this.ledger, flaws);
  }

  /** Everything in the ledger but when and by which run, for comparison. */
  async all(): Promise<string> {
    const parts = [
      await this.settlements(),
      await this.statements(),
      await this.lines(),
      await this.ledger.tuples(
        `SELECT account_id, channel, amount, sequence, balance_after, result, info, operator FROM bill ORDER BY account_id, sequence`,
      ),
      await this.ledger.tuples('SELECT account_id, kind, balance, sequence FROM account ORDER BY account_id'),
      await this.ledger.tuples('SELECT account_id, what, reason FROM account_event ORDER BY account_id, id'),
      await this.ledger.tuples('SELECT month, tax_rule, minimum, whole FROM settlement_month ORDER BY month'),
      await this.waiting(),
    ];
    return parts.map((part) => part.join('\n')).join('\n\n');
  }
}
