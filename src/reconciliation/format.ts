/**
 * What the formats have in common: a format reads the lines of a file one after the other, answers the entries in them,
 * and says at the end whether the file was whole. A field that is not as it must be refuses the file.
 */
import type { Entry } from './entry.ts';
import type { Encoding, Line } from './lines.ts';
import { decimal, units } from './yuan.ts';

export interface Format {
  readonly encoding: Encoding;
  /** The entry in this line; null for head and foot. @throws StatementError */
  read(line: Line): Entry | null;
  /** After the last line, which ended with an end of line or did not. @throws StatementError when something is missing */
  finish(line: Line, ended: boolean): void;
}

/** Where each column is, by its name in the head. Exactly these must be there, in any order. */
export function columnsOf<Name extends string>(
  line: Line,
  names: readonly Name[],
  what: string,
): Readonly<Record<Name, number>> {
  const found = line.fields();
  const missing = names.filter((name) => !found.includes(name));
  const unknown = found.filter((name, index) => !names.includes(name as Name) || found.indexOf(name) !== index);
  if (missing.length > 0 || unknown.length > 0)
    throw line.error(
      `the ${names.length} columns of ${what}`,
      [...missing.map((name) => `no ${name}`), ...unknown.map((name) => `also "${name}"`)].join(', '),
    );
  return Object.fromEntries(names.map((name) => [name, found.indexOf(name)])) as Record<Name, number>;
}

export function expectFields(line: Line, count: number): void {
  if (line.fieldCount !== count) throw line.error(`${count} fields`, `${line.fieldCount}`);
}

/** The amounts that a BIGINT can hold. */
const amountMax = 2n ** 63n - 1n;

/** An amount as a whole number of 10^-`places` yuan, or of fen where `places` is 0. */
export function unitsAt(line: Line, index: number, places: number, name: string): bigint {
  const value = line.units(index, places);
  if (value !== null && value <= amountMax && value >= -amountMax) return value;
  const form = places === 0 ? 'a whole number' : `a number of at most ${places} decimals`;
  return refuse(line, `${name} as ${form}`, line.field(index));
}

/** An amount of yuan in fen. */
export function fenAt(line: Line, index: number, name: string): bigint {
  return unitsAt(line, index, 2, name);
}

export function referenceAt(line: Line, index: number, name: string): string {
  const text = line.field(index);
  return text !== '' && text.length <= 128 ? text : refuse(line, `${name} of 1 to 128 characters`, text);
}

const timeForm = /^\d{4}-\d\d-\d\d ([01]\d|2[0-3]):[0-5]\d:[0-5]\d$/;

/** A time of this business day. A row of another day shows that the file is another day's, or a month's. */
export function timeAt(line: Line, index: number, name: string, day: string): string {
  const text = line.field(index);
  return text.startsWith(day) && timeForm.test(text)
    ? text
    : refuse(line, `${name} as a time of ${day} (YYYY-MM-DD HH:MM:SS)`, text);
}

/** Compares a total in the foot, a number of at most `places` decimals, with the sum of the rows. */
export function expectTotal(line: Line, name: string, stated: string, summed: bigint, places: number): void {
  if (units(stated, places) === summed) return;
  throw line.error(`${name} ${places === 0 ? summed : decimal(summed, places)}, the sum of the rows`, stated);
}

function refuse(line: Line, expected: string, found: string): never {
  throw line.error(expected, found === '' ? 'nothing' : `"${found}"`);
}
