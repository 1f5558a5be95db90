/**
 * The ledger that an application calls: prepaid accounts and commission accounts, in fen.
 *
 * Promises: a bill is durable before its account changes, and names what was asked for; each takes effect at most once,
 * however often it is asked for, by however many processes, whatever is killed; the same bill id and channel with the
 * same content answers as the first time. A bill that a crash left unprocessed has changed nothing: a repeat or a person
 * (`resolve`) ends it, and the daily reconciliation names it. Changes of an account are serial; its balance is the sum of
 * its successful bills. Refusals are answers (answer.ts). Corrections are new bills.
 *
 * Limits: one MySQL or MariaDB primary; a call waits for its account and for a lost server up to `patienceMs`.
 */
import { SetupError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import {
  type Account,
  type AccountKind,
  available,
  insertAccount,
  noteEvent,
  readAccount,
  type Who,
} from './account.ts';
import { type Answer, codes, type Refusal, refuse } from './answer.ts';
import { checkAmount, checkFen, checkId, checkSeconds, checkSigned, checkText, firstOf } from './arguments.ts';
import { type Bill, findBills, type PricedItem, readBill } from './bill.ts';
import { answered, type Booked, Booking, noAccount } from './booking.ts';
import { BillNumbers } from './numbers.ts';
import { isSameItems, listPrices, type Price, priceItems, sumOf, writePrice } from './prices.ts';
import { expireHolds, lockAccount } from './process.ts';
import {
  type Charge,
  type Confirm,
  type Correction,
  checkCharge,
  checkProvided,
  type HoldRequest,
  type Named,
  notProvided,
  providedOf,
  type Recharge,
  type Wanted,
} from './request.ts';
import { findUnprocessed, type Resolution, resolveBill } from './resolving.ts';
import { Sessions } from './sessions.ts';
import { type AccountView, viewAccount } from './view.ts';

export interface LedgerOptions {
  /** `mysql://user:password@host:port/database`, as in LEDGER_DATABASE_URL. */
  readonly url: string;
  /** The name of the calling application: what it has begun, only it may end or roll back. Default: none. */
  readonly caller?: string;
  /** Connections at the most; more calls wait for one. Default 8. */
  readonly connections?: number;
  /** How long a call may wait for a locked account or a lost server. Default 10,000. */
  readonly patienceMs?: number;
  /** How long a process that has stopped may keep what it has locked. Default 60,000. */
  readonly stallTimeoutMs?: number;
}

export interface Balance {
  /** Fen: the sum of the successful bills. */
  readonly balance: bigint;
  /** Fen, of the balance, spoken for. */
  readonly held: bigint;
  /** Fen: what can be spent. */
  readonly available: bigint;
  /** Why the account is frozen; null when it is not. */
  readonly frozen: string | null;
}

const holdsPerLook = 200;

export class Ledger {
  readonly #sessions: Sessions;
  readonly #booking: Booking;
  readonly #numbers: BillNumbers;

  private constructor(sessions: Sessions, caller: string) {
    this.#sessions = sessions;
    this.#numbers = new BillNumbers(sessions);
    this.#booking = new Booking(sessions, this.#numbers, caller);
  }

  /**
   * Connects, and looks whether the tables are there.
   *
   * @throws UnavailableError when the server does not answer; SetupError when it refuses us or lacks the tables
   */
  static async connect(options: LedgerOptions): Promise<Ledger> {
    const { url, caller = '', connections = 8, patienceMs = 10_000, stallTimeoutMs = 60_000 } = options;
    const mistake = checkText('caller', caller, 64);
    if (mistake !== null) throw new SetupError(mistake.reason);
    const sessions = new Sessions({ url, connections, patienceMs, stallTimeoutMs });
    try {
      await sessions.run((session) => session.tuples('SELECT 1 FROM bill JOIN open_hold USING (bill_id) LIMIT 1'));
    } catch (error) {
      await sessions.close();
      if (errorNumber(error) !== 1146) throw error;
      throw new SetupError('the ledger database lacks its tables', 'tidemark migrate', error);
    }
    return new Ledger(sessions, caller);
  }

  /** Waits for calls under way. */
  close(): Promise<void> {
    return this.#sessions.close();
  }

  /**
   * A bill id of one's own: to be kept before the call that uses it, and used again when that call is repeated.
   *
   * @throws when the database cannot be reached or written
   */
  nextBillId(): Promise<bigint> {
    return this.#numbers.next();
  }

  /** Opens an account, empty. Opened before with the same kind: 0 again; with another: 6. */
  async openAccount(accountId: bigint, options: Who & { kind?: AccountKind } = {}): Promise<Answer<Balance>> {
    const kind = options.kind ?? 'prepaid';
    const isKnown = kind === 'prepaid' || kind === 'commission';
    const mistake =
      checkAccount(accountId, options) ?? (isKnown ? null : refuse(codes.badArgument, `there is no kind "${kind}"`));
    if (mistake !== null) return mistake;
    return this.#changeAccount(async (session) => {
      if (await insertAccount(session, accountId, kind))
        await noteEvent(session, accountId, 'opened', `as a ${kind} account`, options);
      const account = (await readAccount(session, accountId)) as Account;
      return account.kind === kind
        ? account
        : refuse(codes.badArgument, `account ${accountId} is a ${account.kind} one`);
    });
  }

  /** The balance; holds whose time is over are released first. */
  async balance(accountId: bigint): Promise<Answer<Balance>> {
    const mistake = checkId('accountId', accountId);
    if (mistake !== null) return mistake;
    return answered(codes.readError, async () => {
      const account = await this.#sessions.run((session) => readAccount(session, accountId));
      if (account === null) return noAccount(accountId);
      return { code: 0, ...balanceOf(account.held === 0n ? account : await this.#expire(accountId)) };
    });
  }

  /** Puts money in. */
  recharge(request: Recharge): Promise<Answer<Booked>> {
    const mistake = checkAmount(request.amount) ?? checkProvided(request);
    const wanted = { amount: request.amount, heldChange: 0n, ...providedOf(request) };
    return this.#booking.begin('recharge', request, mistake, wanted);
  }

  /** Takes money out, of what is not held. */
  async charge(request: Charge): Promise<Answer<Booked>> {
    const mistake = checkCharge(request);
    const take = (amount: bigint): Wanted => ({ amount: -amount, heldChange: 0n, ...notProvided });
    if (mistake !== null || request.items === undefined)
      return this.#booking.begin('charge', request, mistake, take(request.amount ?? 0n));
    return answered(codes.readError, async () => {
      const charge = async () => {
        const priced = await this.#sessions.run((session) => pricesOf(session, request));
        if ('code' in priced) return priced;
        const sum = sumOf(priced);
        if (request.amount !== undefined && request.amount !== sum)
          return refuse(codes.badArgument, `amount is ${request.amount}, and the items come to ${sum}`);
        return this.#booking.begin('charge', request, checkAmount(sum), take(sum), priced);
      };
      const answer = await charge();
      // The same call, asked before and still on its way, may have come in meanwhile, with the prices of its moment.
      return answer.code === codes.badArgument ? charge() : answer;
    });
  }

  /** Speaks for money, which stays in the balance until it is confirmed, cancelled, or its time is over. */
  hold(request: HoldRequest): Promise<Answer<Booked>> {
    const mistake = checkAmount(request.amount) ?? checkSeconds('expiresInSeconds', request.expiresInSeconds);
    return this.#booking.begin('hold', request, mistake, { amount: 0n, heldChange: request.amount, ...notProvided });
  }

  /** Books what a person found to be wrong, in either direction; it needs a name and a reason. */
  correct(request: Correction): Promise<Answer<Booked>> {
    const mistake = firstOf(
      checkSigned(request.amount),
      checkText('operator', request.operator, 128, true),
      checkText('info', request.info, 1000, true),
    );
    return this.#booking.begin('correction', request, mistake, {
      amount: request.amount,
      heldChange: 0n,
      ...notProvided,
    });
  }

  /** Takes what is held, or a part of it; the rest is released. A hold that has not taken effect never will: 1. */
  confirm(request: Confirm): Promise<Answer<Booked>> {
    const mistake = (request.amount === undefined ? null : checkAmount(request.amount)) ?? checkProvided(request);
    return this.#booking.follow('confirm', request, mistake, (origin) => {
      if (origin.channel !== 'hold') return noHold(origin);
      const amount = request.amount ?? origin.heldChange;
      if (amount > origin.heldChange)
        return refuse(codes.badArgument, `amount is ${amount}, and ${origin.heldChange} are held`);
      return { amount: -amount, heldChange: -origin.heldChange, ...providedOf(request) };
    });
  }

  /** Releases what is held. A hold that has not taken effect never will: 1. */
  cancel(request: Named): Promise<Answer<Booked>> {
    return this.#booking.follow('cancel', request, null, (origin) =>
      origin.channel === 'hold' ? { amount: 0n, heldChange: -origin.heldChange, ...notProvided } : noHold(origin),
    );
  }

  /** Takes a charge, a recharge or a confirmed hold back, whole. One that never took effect never will: 1. */
  rollback(request: Named): Promise<Answer<Booked>> {
    return this.#booking.follow('rollback', request, null, async (origin, session) => {
      const { billId, channel } = origin;
      if (channel === 'settlement' || channel === 'correction')
        return refuse(codes.notAllowed, `a ${channel} is not rolled back: correct it`);
      const done = channel === 'hold' ? await readBill(session, { billId, channel: 'confirm' }) : origin;
      if (done?.result !== 'success' && channel === 'hold')
        return refuse(codes.badArgument, `bill ${billId} is a hold that is not confirmed: cancel it`);
      const { amount, provider, orderId } = done as Bill;
      return { amount: -amount, heldChange: 0n, provider, orderId, fee: null };
    });
  }

  /** From now on nothing new, and nothing that takes money from it. Frozen before: the first reason stays. */
  freeze(accountId: bigint, options: Who & { reason?: string } = {}): Promise<Answer<Balance>> {
    return this.#setFrozen(accountId, options.reason ?? 'no reason given', options);
  }

  unfreeze(accountId: bigint, options: Who & { reason?: string } = {}): Promise<Answer<Balance>> {
    return this.#setFrozen(accountId, null, options);
  }

  /** The price list. @throws when the database cannot be reached or read */
  prices(): Promise<Price[]> {
    return this.#sessions.run(listPrices);
  }

  /** Sets a unit price, in fen; bills that are written keep theirs. */
  async setPrice(price: Omit<Price, 'info'> & { info?: string }): Promise<Answer<Price>> {
    const full = { info: '', ...price };
    const mistake = firstOf(
      checkText('name', full.name, 64, true),
      checkText('info', full.info, 1000),
      checkFen('price', full.price),
    );
    if (mistake !== null) return mistake;
    return answered(codes.writeError, async () => {
      await this.#sessions.run((session) => writePrice(session, full));
      return { code: 0, ...full };
    });
  }

  /** An account with its open holds, and what was done to it without a bill; null when there is none. @throws when it cannot be read */
  view(accountId: bigint): Promise<AccountView | null> {
    return this.#sessions.run((session) => viewAccount(session, accountId));
  }

  /** Bills of an account, the latest first; `before` is the `id` of the last one seen. @throws when they cannot be read */
  bills(accountId: bigint, { before = null as bigint | null, limit = 50 } = {}): Promise<Bill[]> {
    const older = before === null ? '' : ` AND id < ${before}`;
    const condition = `account_id = ?${older} ORDER BY id DESC LIMIT ${Math.trunc(limit)}`;
    return this.#sessions.run((session) => findBills(session, condition, [String(accountId)]));
  }

  /**
   * Releases holds whose time is over, of all accounts: what a call on an account does for that one by itself.
   *
   * @returns how many accounts had some
   * @throws when the database cannot be reached or written
   */
  async expireHolds(): Promise<number> {
    for (let expired = 0; ; ) {
      const rows = await this.#sessions.run((session) =>
        session.tuples(
          `SELECT DISTINCT account_id FROM open_hold WHERE expires_at <= NOW() ORDER BY account_id LIMIT ${holdsPerLook}`,
        ),
      );
      for (const [accountId] of rows) await this.#expire(BigInt(accountId as string));
      expired += rows.length;
      if (rows.length < holdsPerLook) return expired;
    }
  }

  /** Bills written at least so long ago that have no end: what a crash has left. @throws when they cannot be read */
  unprocessed({ olderThanSeconds = 0, limit = 1000 } = {}): Promise<Bill[]> {
    return this.#sessions.run((session) => findUnprocessed(session, { billId: null, olderThanSeconds, limit }));
  }

  /**
   * Ends the bills of an id that a crash has left unprocessed: closes them without effect (nobody got an answer), or
   * gives them their effect. What follows a bill (rollback, confirm, cancel) is always given its effect.
   */
  async resolve(resolution: Resolution): Promise<Answer<{ readonly bills: readonly Bill[] }>> {
    const { billId, reason } = resolution;
    const mistake = checkId('billId', billId) ?? checkText('reason', reason, 200) ?? checkWho(resolution);
    if (mistake !== null) return mistake;
    return answered(codes.writeError, async () => {
      const open = await this.#sessions.run((session) =>
        findUnprocessed(session, { billId, olderThanSeconds: 0, limit: 10 }),
      );
      if (open.length === 0) return refuse(codes.noData, `bill ${billId} is not unprocessed`);
      const bills: Bill[] = [];
      for (const bill of open)
        bills.push(await this.#sessions.transaction((session) => resolveBill(session, bill, resolution)));
      return { code: 0, bills };
    });
  }

  #expire(accountId: bigint): Promise<Account> {
    return this.#sessions.transaction(async (session) => expireHolds(session, await lockAccount(session, accountId)));
  }

  async #setFrozen(accountId: bigint, frozen: string | null, who: Who & { reason?: string }): Promise<Answer<Balance>> {
    const mistake = checkAccount(accountId, who) ?? checkText('reason', who.reason, 255);
    if (mistake !== null) return mistake;
    return this.#changeAccount(async (session) => {
      const account = await readAccount(session, accountId, true);
      if (account === null) return noAccount(accountId);
      if ((account.frozenReason === null) === (frozen === null)) return account;
      await session.write('UPDATE account SET frozen_reason = ? WHERE account_id = ?', [frozen, String(accountId)]);
      await noteEvent(
        session,
        accountId,
        frozen === null ? 'unfrozen' : 'frozen',
        who.reason ?? 'no reason given',
        who,
      );
      return { ...account, frozenReason: frozen };
    });
  }

  #changeAccount(work: (session: Session) => Promise<Account | Refusal>): Promise<Answer<Balance>> {
    return answered(codes.writeError, async () => {
      const result = await this.#sessions.transaction(work);
      return 'code' in result ? result : { code: 0, ...balanceOf(result) };
    });
  }
}

const balanceOf = (account: Account): Balance => ({
  balance: account.balance,
  held: account.held,
  available: available(account),
  frozen: account.frozenReason,
});

const noHold = ({ billId, channel }: Bill): Refusal =>
  refuse(codes.badArgument, `bill ${billId} is a ${channel}, no hold`);

const checkWho = ({ operator, clientAddress }: Who): Refusal | null =>
  checkText('operator', operator, 128) ?? checkText('clientAddress', clientAddress, 64);

const checkAccount = (accountId: unknown, who: Who): Refusal | null => checkId('accountId', accountId) ?? checkWho(who);

/** Prices of the moment; of the first time, where the same was asked for before. */
async function pricesOf(session: Session, { billId, items }: Charge): Promise<PricedItem[] | Refusal> {
  const wanted = items as NonNullable<typeof items>;
  const known = typeof billId === 'bigint' ? await readBill(session, { billId, channel: 'charge' }) : null;
  if (known?.items && isSameItems(wanted, known.items)) return [...known.items];
  return priceItems(session, wanted);
}
