/**
 * The ledger that an application calls: prepaid accounts and commission accounts, in fen.
 *
 * Promises: a bill is durable before its account changes, and names what was asked for; each takes effect at most once,
 * however often it is asked for, by however many processes, whatever is killed; the same bill id and channel with the
 * same content answers as the first time. A bill that a crash left unprocessed has changed nothing: a repeat or a person
 * (`resolve`) ends it, and the daily reconciliation names it. Changes of an account are serial; its balance is the sum of
 * its successful bills. Refusals are answers (answer.ts). Corrections are new bills.
 *
 * Limits: one MySQL or MariaDB primary. Each step of a call (it has three or four) waits for its turn, for the account and
 * for a lost server up to `patienceMs`.
 */
import { SetupError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import type { AccountKind, Who } from './account.ts';
import { Accounts, type Balance, checkWho, type Expiry, noReason, type WhoAndWhy } from './accounts.ts';
import { type Answer, codes, type Refusal, refuse, refusedAs } from './answer.ts';
import { checkAmount, checkFen, checkId, checkSeconds, checkSigned, checkText, firstOf } from './arguments.ts';
import { type Bill, findBills, type PricedItem, readBill } from './bill.ts';
import { answered, type Booked, Booking, called } from './booking.ts';
import { connectSessions, withDefaults } from './connecting.ts';
import { BillNumbers } from './numbers.ts';
import { isSameItems, listPrices, type Price, priceItems, sumOf, writePrice } from './prices.ts';
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
} from './request.ts';
import { findUnprocessed, type Resolution, resolveBill } from './resolving.ts';
import type { Sessions } from './sessions.ts';
import { Turns } from './turns.ts';
import { type AccountView, viewAccount } from './view.ts';

export interface LedgerOptions {
  /** `mysql://user:password@host:port/database`, as in LEDGER_DATABASE_URL. */
  readonly url: string;
  /** The name of the calling application: what it has begun, only it may end or roll back. Default: none. */
  readonly caller?: string;
  /** Connections at the most; more calls wait for one. Default 8. */
  readonly connections?: number;
  /** How long a step of a call may wait. Default 10,000. */
  readonly patienceMs?: number;
  /** How long a process that has stopped may keep what it has locked. Default 60,000. */
  readonly stallTimeoutMs?: number;
}

export class Ledger {
  readonly #sessions: Sessions;
  readonly #booking: Booking;
  readonly #accounts: Accounts;
  readonly #numbers: BillNumbers;

  private constructor(sessions: Sessions, patienceMs: number, caller: string) {
    this.#sessions = sessions;
    this.#numbers = new BillNumbers(sessions);
    this.#accounts = new Accounts(sessions);
    this.#booking = new Booking(sessions, new Turns(patienceMs), this.#numbers, caller);
  }

  /**
   * Connects, and looks whether the tables are there.
   *
   * @throws UnavailableError when the server does not answer; SetupError when it refuses us, lacks the tables, or an
   *   option is wrong
   */
  static async connect(options: LedgerOptions): Promise<Ledger> {
    const { caller = '' } = options;
    const mistake = checkText('caller', caller, 64);
    if (mistake !== null) throw new SetupError(mistake.reason);
    const settings = withDefaults(options);
    const sessions = await connectSessions(settings, 'SELECT 1 FROM bill JOIN open_hold USING (bill_id) LIMIT 1');
    return new Ledger(sessions, settings.patienceMs, caller);
  }

  /** Waits for calls under way; later ones are answered -1. */
  close(): Promise<void> {
    return this.#sessions.close();
  }

  /**
   * A bill id of one's own: to be kept before the call that uses it, and used again when that call is repeated.
   *
   * @throws when the database cannot be reached or written
   */
  nextBillId(): Promise<bigint> {
    return this.#sessions.call(() => this.#numbers.next());
  }

  /** Opens an account, empty. Opened before with the same kind: 0 again; with another: 6. */
  openAccount(accountId: bigint, options: Who & { kind?: AccountKind } = {}): Promise<Answer<Balance>> {
    return this.#accounts.open(accountId, given(options).kind ?? 'prepaid', given(options));
  }

  /** The balance; holds whose time is over are released first. */
  balance(accountId: bigint): Promise<Answer<Balance>> {
    return this.#accounts.balance(accountId);
  }

  /** Puts money in. */
  recharge(request: Recharge): Promise<Answer<Booked>> {
    const asked = given(request);
    return this.#booking.begin('recharge', asked, checkAmount(asked.amount) ?? checkProvided(asked), () => ({
      amount: asked.amount,
      heldChange: 0n,
      ...providedOf(asked),
    }));
  }

  /** Takes money out, of what is not held. */
  async charge(request: Charge): Promise<Answer<Booked>> {
    const asked = given(request);
    const mistake = checkCharge(asked);
    const take = (sum: bigint, items: readonly PricedItem[] | null) => () => ({
      amount: -sum,
      heldChange: 0n,
      items,
      ...notProvided,
    });
    if (mistake !== null || asked.items === undefined)
      return this.#booking.begin('charge', asked, mistake, () => take(asked.amount as bigint, null)());
    const charge = async () => {
      const priced = await this.#sessions.run((session) => pricesOf(session, asked));
      if ('code' in priced) return priced;
      const sum = sumOf(priced);
      if (asked.amount !== undefined && asked.amount !== sum)
        return refuse(codes.badArgument, `amount is ${asked.amount}, and the items come to ${sum}`);
      return this.#booking.begin('charge', asked, checkAmount(sum), take(sum, priced));
    };
    return answered(codes.readError, async () => {
      const answer = await charge();
      // The same call, asked before and still on its way, may have come in meanwhile, with the prices of its moment.
      return answer.code === codes.badArgument ? charge() : answer;
    });
  }

  /** Speaks for money, which stays in the balance until it is confirmed, cancelled, or its time is over. */
  hold(request: HoldRequest): Promise<Answer<Booked>> {
    const asked = given(request);
    const mistake = checkAmount(asked.amount) ?? checkSeconds('expiresInSeconds', asked.expiresInSeconds);
    return this.#booking.begin('hold', asked, mistake, () => ({
      amount: 0n,
      heldChange: asked.amount,
      expiresInSeconds: asked.expiresInSeconds ?? null,
      ...notProvided,
    }));
  }

  /** Books what a person found to be wrong, in either direction, also on a frozen account; it needs a name and a reason. */
  correct(request: Correction): Promise<Answer<Booked>> {
    const asked = given(request);
    const mistake = firstOf(
      checkSigned(asked.amount),
      checkText('operator', asked.operator, 128, true),
      checkText('info', asked.info, 1000, true),
    );
    const wanted = () => ({ amount: asked.amount, heldChange: 0n, ...notProvided });
    return this.#booking.begin('correction', asked, mistake, wanted);
  }

  /** Takes what is held, or a part of it; the rest is released. A hold that was written and has not taken effect never will: 1. */
  confirm(request: Confirm): Promise<Answer<Booked>> {
    const asked = given(request);
    const mistake = (asked.amount === undefined ? null : checkAmount(asked.amount)) ?? checkProvided(asked);
    return this.#booking.follow('confirm', asked, mistake, (origin) => {
      if (origin.channel !== 'hold') return noHold(origin);
      const amount = asked.amount ?? origin.heldChange;
      if (amount > origin.heldChange)
        return refuse(codes.badArgument, `amount is ${amount}, and ${origin.heldChange} are held`);
      return { amount: -amount, heldChange: -origin.heldChange, ...providedOf(asked) };
    });
  }

  /** Releases what is held. A hold that was written and has not taken effect never will: 1. */
  cancel(request: Named): Promise<Answer<Booked>> {
    return this.#booking.follow('cancel', given(request), null, (origin) =>
      origin.channel === 'hold' ? { amount: 0n, heldChange: -origin.heldChange, ...notProvided } : noHold(origin),
    );
  }

  /**
   * Takes a charge, a recharge or a confirmed hold back, whole. One that was written and has not taken effect never will:
   * 1. An id of which no bill is written answers 1, too; a call with it that is still under way may yet write one.
   */
  rollback(request: Named): Promise<Answer<Booked>> {
    return this.#booking.follow('rollback', given(request), null, async (origin, session) => {
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
  freeze(accountId: bigint, options: WhoAndWhy = {}): Promise<Answer<Balance>> {
    return this.#accounts.setFrozen(accountId, given(options).reason ?? noReason, given(options));
  }

  unfreeze(accountId: bigint, options: WhoAndWhy = {}): Promise<Answer<Balance>> {
    return this.#accounts.setFrozen(accountId, null, given(options));
  }

  /** The price list. @throws when the database cannot be reached or read */
  prices(): Promise<Price[]> {
    return this.#sessions.run(listPrices);
  }

  /** Sets a unit price, in fen; bills that are written keep theirs. */
  async setPrice(price: Omit<Price, 'info'> & { info?: string }): Promise<Answer<Price>> {
    const { name, price: fen, info = '' } = given(price);
    const mistake = firstOf(checkText('name', name, 64, true), checkText('info', info, 1000), checkFen('price', fen));
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.writeError, async () => {
      await this.#sessions.run((session) => writePrice(session, { name, price: fen, info }));
      return { code: 0, name, price: fen, info };
    });
  }

  /** An account with its open holds, and what was done to it without a bill; null when there is none. @throws when it cannot be read */
  async view(accountId: bigint): Promise<AccountView | null> {
    if (checkId('accountId', accountId) !== null) return null;
    return this.#sessions.run((session) => viewAccount(session, accountId));
  }

  /** Bills of an account, the latest first; `before` is the `id` of the last one seen. @throws when they cannot be read */
  async bills(accountId: bigint, { before = null as bigint | null, limit = 50 } = {}): Promise<Bill[]> {
    if (checkId('accountId', accountId) !== null) return [];
    const older = before === null ? [] : [String(BigInt(before))];
    const condition = `account_id = ?${older.length === 0 ? '' : ' AND id < ?'} ORDER BY id DESC LIMIT ?`;
    return this.#sessions.run((session) =>
      findBills(session, condition, [String(accountId), ...older, countOf(limit)]),
    );
  }

  /**
   * Releases holds whose time is over, of all accounts: what a call on an account does for that one by itself. A hold
   * whose confirm is written and unprocessed stays.
   *
   * @throws when the database cannot be reached or written
   */
  expireHolds(): Promise<Expiry> {
    return this.#sessions.call(() => this.#accounts.expireAll());
  }

  /** Bills written at least so long ago that have no end, of one id or any: what a crash has left. @throws when they cannot be read */
  unprocessed({ billId = null as bigint | null, olderThanSeconds = 0, limit = 1000 } = {}): Promise<Bill[]> {
    const asked = { billId, olderThanSeconds: countOf(olderThanSeconds), limit: countOf(limit) };
    return this.#sessions.run((session) => findUnprocessed(session, asked));
  }

  /**
   * Ends the bills of an id that a crash has left unprocessed: closes them without effect (nobody got an answer), or
   * gives them their effect. What follows a bill (rollback, confirm, cancel) is given its effect, or stays as it is while
   * its account stands in the way: 3, 4 or 6.
   */
  async resolve(resolution: Resolution): Promise<Answer<{ readonly bills: readonly Bill[] }>> {
    const asked = given(resolution);
    const { billId, reason } = asked;
    const mistake = checkId('billId', billId) ?? checkText('reason', reason, 200) ?? checkWho(asked);
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.writeError, async () => {
      const open = await this.unprocessed({ billId });
      if (open.length === 0) return refuse(codes.noData, `bill ${billId} is not unprocessed`);
      const bills: Bill[] = [];
      for (const bill of open) bills.push(await this.#end(bill, asked));
      const [stuck] = bills.filter(({ result }) => result === 'unprocessed');
      return stuck === undefined ? { code: 0, bills } : refusedAs(stuck.code as number);
    });
  }

  async #end(bill: Bill, resolution: Resolution): Promise<Bill> {
    for (;;) {
      const ended = await this.#sessions.transaction((session) => resolveBill(session, bill, resolution));
      if (ended !== null) return ended;
    }
  }
}

/** A program without types may hand in nothing at all: then each part of it is wrong. */
const given = <Request extends object>(request: Request): Request => request ?? ({} as Request);

function countOf(value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`${value} is no whole number of 0 or more`);
}

const noHold = ({ billId, channel }: Bill): Refusal =>
  refuse(codes.badArgument, `bill ${billId} is a ${channel}, no hold`);

/** Prices of the moment; of the first time, where the same was asked for before. */
async function pricesOf(session: Session, { billId, items }: Charge): Promise<PricedItem[] | Refusal> {
  const wanted = items as NonNullable<typeof items>;
  const known = typeof billId === 'bigint' ? await readBill(session, { billId, channel: 'charge' }) : null;
  if (known?.items && isSameItems(wanted, known.items)) return [...known.items];
  return priceItems(session, wanted);
}
