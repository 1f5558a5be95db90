/**
 * Months, and what was fixed for one when its settlement began.
 *
 * A month is settled by one rule and one minimum, whatever the settings say later: they are kept with its first part,
 * so that a run that was interrupted, another host, or a repair a week later go by the same.
 */
import { SetupError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import type { Terms } from './reckoning.ts';
import type { LedgerTarget } from './share.ts';
import { isTaxRule } from './tax.ts';

/** A month that is to be settled; names are `2026-11`. */
export interface Month {
  readonly name: string;
  /** UTC texts of its first instant and of the first one behind it, as the ledger's times are. */
  readonly start: string;
  readonly end: string;
  /** The UTC text at which another month begins. */
  readonly startOf: (month: string) => string;
}

/** `2026-12` → `2027-01` */
export function monthAfter(name: string): string {
  const [year, month] = name.split('-').map(Number) as [number, number];
  return month === 12
    ? `${String(year + 1).padStart(4, '0')}-01`
    : `${name.slice(0, 5)}${String(month + 1).padStart(2, '0')}`;
}

/** @param startOf the UTC text at which a month begins in the business zone */
export function monthOf(name: string, startOf: Month['startOf']): Month {
  return { name, start: startOf(name), end: startOf(monthAfter(name)), startOf };
}

/** A month whose settlement has begun. */
export interface Begun {
  readonly terms: Terms;
  /** It was taken for every account, or is now. */
  readonly whole: boolean;
}

/**
 * Notes that a month's settlement begins, and answers what it goes by: the first to begin it has decided.
 *
 * @param whole the month is taken for every account; what is settled out of turn, for those who ask, is not
 * @throws SetupError when it was begun by a rule that is not known here
 */
export async function beginMonth(ledger: LedgerTarget, month: string, terms: Terms, whole: boolean): Promise<Begun> {
  await ledger.write(
    `INSERT INTO settlement_month (month, tax_rule, minimum, whole) VALUES (?, ?, ?, ?)
       ON DUPLICATE KEY UPDATE whole = whole OR VALUES(whole)`,
    [month, terms.rule, String(terms.minimum), whole ? 1 : 0],
  );
  const [row] = await ledger.tuples('SELECT tax_rule, minimum, whole FROM settlement_month WHERE month = ?', [month]);
  if (row === undefined) return { terms, whole }; // a dry run, which notes nothing
  const rule = String(row[0]);
  if (!isTaxRule(rule))
    throw new SetupError(
      `${month} was begun by the tax rule ${rule}, which this version does not know`,
      'update tidemark',
    );
  return { terms: { rule, minimum: BigInt(String(row[1])) }, whole: whole || Number(row[2]) === 1 };
}

/** Months that were begun before another one. */
export interface EarlierMonths {
  /** The first of them; the other month itself when there is none. */
  readonly first: string;
  /** Those that were taken for every account. */
  readonly whole: ReadonlySet<string>;
}

export async function earlierMonths(ledger: Reader, before: string): Promise<EarlierMonths> {
  const rows = await ledger.tuples('SELECT month, whole FROM settlement_month WHERE month < ? ORDER BY month', [
    before,
  ]);
  return {
    first: rows[0] === undefined ? before : String(rows[0][0]),
    whole: new Set(rows.filter(([, whole]) => Number(whole) === 1).map(([month]) => String(month))),
  };
}
