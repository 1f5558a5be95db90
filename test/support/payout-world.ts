/** A ledger database with payouts, a bank beside it, and what both must agree on when all has come to an end. */
import type { Ledger } from '../../src/ledger/index.ts';
import type { Payout } from '../../src/payments/payout-record.ts';
import type { PayoutRequest } from '../../src/payments/payout-request.ts';
import { Payouts, type PayoutsOptions } from '../../src/payments/payouts.ts';
import type { Provider } from '../../src/payments/provider.ts';
import { LedgerWorld } from './ledger-world.ts';
import { Bank } from './payout-bank.ts';
import type { ServerAddresses } from './servers.ts';

/** What every wallet of a test begins with. */
export const wealth = 1_000_000n;
const firstPayout = 4_000_000_000_000_000_000n;

export class PayoutWorld {
  readonly ledgers: LedgerWorld;
  readonly ledger: Ledger;
  bank = new Bank();
  #ids = firstPayout;
  #keys = 0;
  readonly #opened: Payouts[] = [];

  private constructor(ledgers: LedgerWorld, ledger: Ledger) {
    this.ledgers = ledgers;
    this.ledger = ledger;
  }

  static async create(addresses: ServerAddresses): Promise<PayoutWorld> {
    const ledgers = await LedgerWorld.create(addresses);
    return new PayoutWorld(ledgers, await ledgers.connect({ caller: 'test' }));
  }

  /** A wallet with money in it. */
  account(fen = wealth): Promise<bigint> {
    return this.ledgers.account(fen);
  }

  /** What is in a wallet, and how much of it is held. */
  async wallet(accountId: bigint): Promise<{ balance: bigint; held: bigint }> {
    const answer = await this.ledger.balance(accountId);
    if (answer.code !== 0) throw new Error(answer.reason);
    return { balance: answer.balance, held: answer.held };
  }

  nextId = async (): Promise<bigint> => ++this.#ids;

  /** Payouts of a process of its own, closed with the world. */
  async payouts(provider: Provider = this.bank, options: Partial<PayoutsOptions> = {}): Promise<Payouts> {
    const payouts = await Payouts.connect({
      url: this.ledgers.url,
      providers: [provider],
      nextId: this.nextId,
      connections: 2,
      ...options,
    });
    this.#opened.push(payouts);
    return payouts;
  }

  /** A request that nobody has made before. */
  requestOf(accountId: bigint, more: Partial<PayoutRequest> = {}): PayoutRequest {
    const key = `key ${++this.#keys}`;
    return {
      accountId,
      amount: 300_000n,
      provider: 'alipay',
      payee: 'ann',
      title: 'sales',
      idempotencyKey: key,
      ...more,
    };
  }

  /** A payout that is held, of a wallet of its own. */
  async held(payouts: Payouts, more: Partial<PayoutRequest> = {}): Promise<Payout> {
    const answer = await payouts.request(this.requestOf(await this.account(), more));
    if (answer.code !== 0) throw new Error(`${answer.code}: ${answer.reason}`);
    return answer;
  }

  /** Looks again and again, whatever the clock says, until all that can be decided is. */
  async untilPeace(payouts: Payouts): Promise<void> {
    const book = payouts.book();
    for (let round = 0; round < 40; round++) {
      const open = await this.ledgers.rows(
        `SELECT payout_id FROM payout WHERE state IN ('held', 'sending') OR (state IN ('paid', 'returned') AND taken_at IS NULL)
            OR (state = 'failed' AND released_at IS NULL) OR (state = 'returned' AND given_back_at IS NULL)`,
      );
      if (open.length === 0) return;
      for (const [id] of open) await book.look(BigInt(String(id)));
    }
    throw new Error('there is no peace');
  }

  /** As if so much time had gone by since everything that is written. */
  async pass(seconds: number): Promise<void> {
    const times = ['requested_at', 'sent_at', 'decided_at', 'next_at'];
    await this.ledgers.session.write(
      `UPDATE payout SET ${times.map((time) => `${time} = ${time} - INTERVAL ${seconds} SECOND`).join(', ')}`,
    );
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#opened.map((payouts) => payouts.close()));
    await this.ledgers.destroy();
  }
}

/** A payout as it stands now. */
export async function read(payouts: Payouts, { payoutId }: Payout): Promise<Payout> {
  return (await payouts.payout(payoutId)) as Payout;
}

/** Seconds from now until a payout is looked at next; null when it never is. */
export async function waitOf(payouts: Payouts, payout: Payout): Promise<number | null> {
  const { nextAt, now } = await read(payouts, payout);
  return nextAt === null ? null : (nextAt - now) / 1000;
}

/**
 * What is wrong between the wallets, the payouts and the bank's own book, when all has come to an end: nothing, or what.
 * It asks no code of the payouts.
 */
export async function disagreements(world: PayoutWorld, bank: Bank): Promise<string[]> {
  const wrong = [...bank.complaints];
  for (const [flaw, rows] of Object.entries(await world.ledgers.flaws())) wrong.push(`${flaw}: ${rows.join('; ')}`);
  const rows = await world.ledgers.rows('SELECT payout_id, account_id, state, gross, net, tax FROM payout');
  const gone = new Map<string, bigint>();
  for (const [id, accountId, state, gross, net] of rows) {
    const payoutId = BigInt(String(id));
    const entry = bank.book.get(payoutId);
    const isPaid = entry?.state === 'paid';
    if (isPaid !== (state === 'paid'))
      wrong.push(`payout ${id} is ${state}, and the bank says ${entry?.state ?? 'nothing'}`);
    if (entry !== undefined && entry.transfer.amount !== BigInt(String(net)))
      wrong.push(`payout ${id} is of ${net}, and the bank was asked for ${entry.transfer.amount}`);
    if (isPaid) gone.set(String(accountId), (gone.get(String(accountId)) ?? 0n) + BigInt(String(gross)));
  }
  const known = new Set(rows.map(([id]) => BigInt(String(id))));
  for (const id of bank.book.keys()) if (!known.has(id)) wrong.push(`the bank has payout ${id}, and nobody else`);
  const accounts = await world.ledgers.rows(
    `SELECT a.account_id, a.balance, a.held, (SELECT IFNULL(SUM(amount), 0) FROM bill b
        WHERE b.account_id = a.account_id AND b.channel = 'recharge' AND b.result = 'success') FROM account a`,
  );
  for (const [id, balance, held, came] of accounts) {
    const should = BigInt(String(came)) - (gone.get(String(id)) ?? 0n);
    if (BigInt(String(balance)) !== should) wrong.push(`account ${id} has ${balance}, and should have ${should}`);
    if (BigInt(String(held)) !== 0n) wrong.push(`of account ${id} ${held} are held, and all is over`);
  }
  return wrong;
}
