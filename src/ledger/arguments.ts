/** What callers hand in, checked before anything is read or written: a wrong argument is an answer, too (code 6). */
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

export function checkText(name: string, value: unknown, lengthMax: number, isNeeded = false): Refusal | null {
  if (value === undefined && !isNeeded) return null;
  if (typeof value === 'string' && value.length <= lengthMax && (!isNeeded || value.trim() !== '')) return null;
  return wrong(`${name} is ${shown(value)}: expected text of ${isNeeded ? 1 : 0} to ${lengthMax} characters`);
}

export function checkSeconds(name: string, value: unknown): Refusal | null {
  const fits = value === undefined || (Number.isInteger(value) && (value as number) > 0 && (value as number) <= 1e9);
  return fits ? null : wrong(`${name} is ${shown(value)}: expected whole seconds, 1 or more`);
}

function shown(value: unknown): string {
  return typeof value === 'bigint' ? String(value) : `${typeof value === 'string' ? `"${value.slice(0, 40)}"` : value}`;
}
