/** A ledger database of its own for a test file, with the tables, a connection beside, and what a ledger must always be. */
import { migrations } from '../../migrations/index.ts';
import { type Answer, Ledger, type LedgerOptions } from '../../src/ledger/index.ts';
import { type Cell, Session } from '../../src/platform/mysql.ts';
import { newDatabase, type ServerAddresses } from './servers.ts';

/** Each of these selects what must not be: nothing, whatever has happened. */
const flaws: Readonly<Record<string, string>> = {
  'balance is not the sum of the successful bills': `
    SELECT a.account_id FROM account a LEFT JOIN bill b ON b.account_id = a.account_id AND b.result = 'success'
     GROUP BY a.account_id, a.balance, a.held
    HAVING a.balance <> IFNULL(SUM(b.amount), 0) OR a.held <> IFNULL(SUM(b.held_change), 0)`,
  'held is not the sum of the open holds': `
    SELECT a.account_id FROM account a LEFT JOIN open_hold h ON h.account_id = a.account_id
     GROUP BY a.account_id, a.held HAVING a.held <> IFNULL(SUM(h.amount), 0)`,
  'the account is not where its last bill left it': `
    SELECT a.account_id FROM account a LEFT JOIN bill b ON b.account_id = a.account_id AND b.result = 'success'
     GROUP BY a.account_id, a.sequence HAVING IFNULL(a.sequence, 0) <> IFNULL(MAX(b.sequence), 0) OR COUNT(b.id) <> IFNULL(a.sequence, 0)`,
  'a bill does not continue the one before': `
    SELECT b.id FROM bill b JOIN bill p ON p.account_id = b.account_id AND p.sequence = b.sequence - 1
     WHERE b.balance_before <> p.balance_after OR b.held_before <> p.held_after OR b.done_at < p.done_at`,
  'a hold has two ends': `
    SELECT bill_id FROM bill WHERE channel IN ('confirm', 'cancel') AND result = 'success' GROUP BY bill_id HAVING COUNT(*) > 1`,
};

/**
 * What is wrong with the books of a ledger: an empty object when all is well.
 *
 * @param more further queries that must select nothing, by what their rows would be
 */
export async function flawsOf(
  ledger: Session,
  more: Readonly<Record<string, string>> = {},
): Promise<Record<string, Cell[][]>> {
  const found: Record<string, Cell[][]> = {};
  for (const [flaw, sql] of Object.entries({ ...flaws, ...more })) {
    const rows = await ledger.tuples(sql);
    if (rows.length > 0) found[flaw] = rows;
  }
  return found;
}

export class LedgerWorld {
  readonly url: string;
  readonly session: Session;
  readonly #drop: () => Promise<void>;
  readonly #ledgers: Ledger[] = [];
  /** Lower ids are for the test to choose. */
  #lastAccount = 1000n;

  private constructor(url: string, session: Session, drop: () => Promise<void>) {
    this.url = url;
    this.session = session;
    this.#drop = drop;
  }

  static async create(addresses: ServerAddresses): Promise<LedgerWorld> {
    const { url, drop } = await newDatabase(addresses, 'ledger');
    const session = await Session.open({ url, label: 'ledger', setting: 'ledger', stallTimeoutMs: 600_000 });
    for (const { sql } of migrations.ledger) await session.write(sql);
    return new LedgerWorld(url, session, drop);
  }

  /** A ledger that is closed with the world. */
  async connect(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
    const ledger = await Ledger.connect({ url: this.url, ...options });
    this.#ledgers.push(ledger);
    return ledger;
  }

  /** A new account with so much money in it, through the ledger that was connected first. */
  async account(fen: bigint): Promise<bigint> {
    const ledger = this.#ledgers[0] ?? (await this.connect());
    const accountId = ++this.#lastAccount;
    const answers: Answer<object>[] = [await ledger.openAccount(accountId)];
    if (fen > 0n) answers.push(await ledger.recharge({ billId: await ledger.nextBillId(), accountId, amount: fen }));
    for (const answer of answers) if (answer.code !== 0) throw new Error(answer.reason);
    return accountId;
  }

  rows(sql: string): Promise<Cell[][]> {
    return this.session.tuples(sql);
  }

  flaws(): Promise<Record<string, Cell[][]>> {
    return flawsOf(this.session);
  }

  /** Bills, without what differs from one time to the next. */
  bills(): Promise<Cell[][]> {
    return this.rows(
      'SELECT bill_id, channel, account_id, amount, held_change, result, code, sequence, balance_after, held_after FROM bill ORDER BY bill_id, channel',
    );
  }

  accounts(): Promise<Cell[][]> {
    return this.rows('SELECT account_id, balance, held, sequence FROM account ORDER BY account_id');
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#ledgers.map((ledger) => ledger.close()));
    await this.session.close();
    await this.#drop();
  }
}
