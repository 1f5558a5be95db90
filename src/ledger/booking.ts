/**
 * The way of a bill: judged, written for good, processed, answered.
 *
 * Killed before the bill is written: nothing happened. Between its writing and its processing: it is there, unprocessed,
 * and the account is untouched; the same call again goes on from here. After: the same call again answers the same.
 */
import { UnavailableError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type Account, readAccount } from './account.ts';
import { type Answer, codes, type Refusal, refuse, refusedAs, type UnknownCode } from './answer.ts';
import {
  type Bill,
  type BillContent,
  type BillNotes,
  type Channel,
  type FollowingChannel,
  insertBill,
  isFollowing,
  isSameContent,
  type OriginChannel,
  readBill,
  readOrigin,
} from './bill.ts';
import type { BillNumbers } from './numbers.ts';
import { closeBill, type Ended, isOver, processBill, refusalOf } from './process.ts';
import { checkNamed, type Named, notesOf, type Wanted } from './request.ts';
import { LockedError, type Sessions } from './sessions.ts';
import type { Turns } from './turns.ts';

/** A bill that took effect; the account as it was right after it. */
export interface Booked {
  readonly billId: bigint;
  /** Fen, signed: what the balance changed by. */
  readonly amount: bigint;
  /** Fen. */
  readonly balance: bigint;
  /** Fen, of the balance. */
  readonly held: bigint;
}

export class Booking {
  readonly #sessions: Sessions;
  readonly #numbers: BillNumbers;
  readonly #turns: Turns;
  readonly #caller: string;

  constructor(sessions: Sessions, turns: Turns, numbers: BillNumbers, caller: string) {
    this.#sessions = sessions;
    this.#turns = turns;
    this.#numbers = numbers;
    this.#caller = caller;
  }

  /** A bill that begins something. */
  async begin(
    channel: OriginChannel,
    request: Named,
    mistake: Refusal | null,
    wanted: () => Wanted,
  ): Promise<Answer<Booked>> {
    const wrong = checkNamed(request) ?? mistake;
    if (wrong !== null) return wrong;
    const { billId, accountId } = request;
    return called(this.#sessions, codes.readError, async () => {
      if (!(await this.#numbers.wasHandedOut(billId)))
        return refuse(codes.badArgument, `bill id ${billId} was not handed out: nextBillId gives one`);
      const account = await this.#sessions.run((session) => readAccount(session, accountId));
      if (account === null) return noAccount(accountId);
      if (account.kind === 'commission' && channel === 'recharge')
        return refuse(codes.notAllowed, `account ${accountId} is a commission account: settlements fill it`);
      return this.#book(this.#billOf(channel, request, wanted()), notesOf(request));
    });
  }

  /**
   * A bill that follows from one.
   *
   * @param judge says what it does, from the bill that began it
   */
  async follow(
    channel: FollowingChannel,
    request: Named,
    mistake: Refusal | null,
    judge: (origin: Bill, session: Session) => Wanted | Refusal | Promise<Wanted | Refusal>,
  ): Promise<Answer<Booked>> {
    const wrong = checkNamed(request) ?? mistake;
    if (wrong !== null) return wrong;
    const { billId, accountId } = request;
    return called(this.#sessions, codes.readError, async () => {
      const wanted = await this.#sessions.run(async (session) => {
        const origin = await readOrigin(session, billId);
        const refusal = this.#refusalOfOrigin(origin, request);
        if (refusal !== null) return refusal;
        const judged = await judge(origin as Bill, session);
        if ('code' in judged || (await readBill(session, { billId, channel })) !== null) return judged;
        if (channel === 'confirm' && (await isOver(session, billId)))
          return refuse(codes.noData, `the time of hold ${billId} is over`);
        // Refused before its bill is written, so that it can be asked for again when the account is free.
        const obstacle = refusalOf((await readAccount(session, accountId)) as Account, { channel, ...judged });
        return obstacle === null ? judged : refusedAs(obstacle);
      });
      if ('code' in wanted) return wanted;
      return this.#book(this.#billOf(channel, request, wanted), notesOf(request));
    });
  }

  #refusalOfOrigin(origin: Bill | null, { billId, accountId }: Named): Refusal | null {
    if (origin === null) return refuse(codes.noData, `there is no bill ${billId}`);
    if (origin.accountId !== accountId) return refuse(codes.badArgument, `bill ${billId} belongs to another account`);
    if (origin.caller !== this.#caller) return refuse(codes.notAllowed, `bill ${billId} belongs to another caller`);
    return origin.result === 'failed' ? refuse(codes.noData, `bill ${billId} never took effect`) : null;
  }

  #billOf(channel: Channel, { billId, accountId }: Named, wanted: Wanted): BillContent {
    const names = { billId, channel, accountId, caller: this.#caller };
    return { items: null, expiresInSeconds: null, ...names, ...wanted };
  }

  /** Writes the bill, for good, then processes it. */
  #book(bill: BillContent, notes: BillNotes): Promise<Answer<Booked>> {
    return answered(codes.writeError, async () => {
      const clash = await this.#sessions.run((session) => writeBill(session, bill, notes));
      if (clash !== null) return clash;
      try {
        return answerOf(await this.#turns.take(bill.accountId, () => this.#process(bill)));
      } catch (error) {
        if (!(error instanceof LockedError)) throw error;
        if (isFollowing(bill))
          return { code: codes.busy, reason: `account ${bill.accountId} is locked by others: ask again` };
        return answerOf(await this.#sessions.run((session) => giveUp(session, bill)));
      }
    });
  }

  async #process(bill: BillContent): Promise<Ended> {
    for (;;) {
      const ended = await this.#sessions.transaction((session) => processBill(session, bill));
      if (ended !== null) return ended;
    }
  }
}

export const noAccount = (accountId: bigint): Refusal => refuse(codes.noData, `there is no account ${accountId}`);

/** @returns why the id cannot be used so; null when the bill is there, now or from before */
export async function writeBill(session: Session, bill: BillContent, notes: BillNotes): Promise<Refusal | null> {
  if (await insertBill(session, bill, notes)) return null;
  const known = await readBill(session, bill);
  if (known === null) return refuse(codes.badArgument, `bill id ${bill.billId} was used for something else`);
  if (isSameContent(known, bill)) return null;
  return refuse(codes.badArgument, `bill ${bill.billId} was asked for before, with other content`);
}

/** Closes a bill whose account could not be had; it may have got its end meanwhile. */
async function giveUp(session: Session, key: BillContent): Promise<Bill> {
  await closeBill(session, (await readBill(session, key)) as Bill, codes.locked);
  return (await readBill(session, key)) as Bill;
}

function answerOf({ billId, amount, code, balanceAfter, heldAfter }: Ended): Answer<Booked> {
  if (code !== null) return refusedAs(code);
  return { code: 0, billId, amount, balance: balanceAfter as bigint, held: heldAfter as bigint };
}

/** A call from outside: closing waits for it, and once closed it is busy for ever. */
export const called = <Success extends object>(
  sessions: Sessions,
  failing: UnknownCode,
  work: () => Promise<Answer<Success>>,
): Promise<Answer<Success>> => answered(failing, () => sessions.call(work));

/** Whatever fails is an answer: that nobody knows. */
export async function answered<Success extends object>(
  failing: UnknownCode,
  work: () => Promise<Answer<Success>>,
): Promise<Answer<Success>> {
  try {
    return await work();
  } catch (error) {
    const isBusy = error instanceof UnavailableError;
    return { code: isBusy ? codes.busy : failing, reason: error instanceof Error ? error.message : String(error) };
  }
}
