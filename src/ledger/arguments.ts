/** What callers hand in, checked before anything is read or written: a wrong argument is an answer, too (code 6). */
import { inspect } from 'node:util';
import { balanceMax } from './account.ts';
import { codes, type Refusal, refuse } from './answer.ts';

const idMax = 2n ** 64n - 1n;

const wrong = (reason: string): Refusal => refuse(codes.badArgument, reason);

/** The first of these that is not null. */
export const firstOf = (...checks: readonly (Refusal | null)[]): Refusal | null =>
  checks.find((check) => check !== null) ?? null;

export function checkId(name: string, value: unknown): Refusal | null {
  const fits = typeof value === 'bigint' && value > 0n && value <= idMax;
  return fits ? null : wrong(`${name} is ${shown(value)}: expected a bigint of 1 or more`);
}

/** A sum in fen, 1 or more. */
export function checkAmount(value: unknown): Refusal | null {
  const fits = typeof value === 'bigint' && value > 0n && value <= balanceMax;
  return fits ? null : wrong(`amount is ${shown(value)}: expected whole fen as a bigint, 1 or more`);
}

/** What a person books by hand, in either direction. */
export function checkSigned(value: unknown): Refusal | null {
  const fits = typeof value === 'bigint' && value !== 0n && value <= balanceMax && value >= -balanceMax;
  return fits ? null : wrong(`amount is ${shown(value)}: expected whole fen as a bigint, not 0`);
}

/** What a price or a fee may be: fen, 0 or more. */
export function checkFen(name: string, value: unknown): Refusal | null {
  const fits = typeof value === 'bigint' && value >= 0n && value <= balanceMax;
  return fits ? null : wrong(`${name} is ${shown(value)}: expected whole fen as a bigint, 0 or more`);
}

/** Text that a VARCHAR of so many characters keeps as it is; what is needed has no blanks around it. */
export function checkText(name: string, value: unknown, lengthMax: number, isNeeded = false): Refusal | null {
  if (value === undefined && !isNeeded) return null;
  const isText = typeof value === 'string' && [...value].length <= lengthMax && !/\p{Surrogate}/u.test(value);
  if (isText && (!isNeeded || (value !== '' && value.trim() === value))) return null;
  const range = isNeeded ? `1 to ${lengthMax} characters, without blanks around it` : `at most ${lengthMax} characters`;
  return wrong(`${name} is ${shown(value)}: expected text of ${range}`);
}

/** A year, so that a TIMESTAMP can hold the end. */
const secondsMax = 366 * 86_400;

export function checkSeconds(name: string, value: unknown): Refusal | null {
  const fits =
    value === undefined || (Number.isInteger(value) && (value as number) > 0 && (value as number) <= secondsMax);
  return fits ? null : wrong(`${name} is ${shown(value)}: expected whole seconds, from 1 to ${secondsMax}`);
}

const shown = (value: unknown): string => inspect(value, { maxStringLength: 40, depth: 0, breakLength: Infinity });
