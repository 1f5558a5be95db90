/**
 * What the ledger answers.
 *
 * A refusal is an answer, never an exception: money was asked for, and the account says no. Below 0 nobody knows: the
 * caller keeps the bill id and asks again with it, and gets the answer of what has happened then, or it happens now.
 *
 * | code | when |
 * | --- | --- |
 * | 0 | done, now or when the same was asked before |
 * | 1 | there is no such account, price, bill, or open hold; what a written bill was to follow never happened, and never will |
 * | 2 | not allowed: the bill belongs to another caller; a commission account is not recharged; a settlement or correction is not rolled back |
 * | 3 | the balance, less what is held, is too low |
 * | 4 | the account is frozen: nothing new, and nothing that takes money from it; cancel, expiry, corrections and the rollback of a charge go through |
 * | 5 | others kept the account locked for longer than the limit; the bill is closed, nothing happened |
 * | 6 | an argument is wrong: not a positive bigint, more than an account can hold, a bill id that was not handed out, that belongs to another account or was used for something else |
 * | -1 | busy: the server cannot be reached, or a rollback, confirm or cancel did not get the account within the limit |
 * | -2 | reading failed |
 * | -3 | writing failed, or whether it did is not known |
 */

export const codes = {
  success: 0,
  noData: 1,
  notAllowed: 2,
  tooLow: 3,
  frozen: 4,
  locked: 5,
  badArgument: 6,
  busy: -1,
  readError: -2,
  writeError: -3,
} as const;

export type RefusalCode = 1 | 2 | 3 | 4 | 5 | 6;
export type UnknownCode = -1 | -2 | -3;

export interface Refusal {
  readonly code: RefusalCode;
  /** For people; programs go by the code. */
  readonly reason: string;
}

/** Nobody knows whether it happened. Asking the same again is safe. */
export interface Unknown {
  readonly code: UnknownCode;
  readonly reason: string;
}

export type Answer<Success extends object> = ({ readonly code: 0 } & Success) | Refusal | Unknown;

export const refuse = (code: RefusalCode, reason: string): Refusal => ({ code, reason });

const reasons: Readonly<Record<RefusalCode, string>> = {
  1: 'there is nothing to do it to',
  2: 'it is not allowed',
  3: 'the balance, less what is held, is too low',
  4: 'the account is frozen',
  5: 'others kept the account locked, or a person has closed the bill',
  6: 'it is more than an account can hold',
};

/** What a bill that is refused by its account answers, now and each time it is asked for. */
export const refusedAs = (code: number): Refusal => refuse(code as RefusalCode, reasons[code as RefusalCode]);
