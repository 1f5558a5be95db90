/**
 * Whom a month is due for, and what it brings to each: the month's income, and what earlier months have changed by.
 *
 * A month that was settled before counts with what was used for it so far; one that was taken for every account counts
 * with nothing where an account has no row of it. Months from before the first settlement count for nobody: who paid
 * them is not known here.
 */
import type { Incomes, Unknowns } from './income.ts';
import type { EarlierMonths } from './month.ts';
import type { History } from './records.ts';

export class Dues {
  readonly #month: string;
  readonly #earlier: EarlierMonths;
  readonly #incomes: Incomes;
  readonly #unknowns: Unknowns;

  constructor(month: string, earlier: EarlierMonths, incomes: Incomes, unknowns: Unknowns) {
    this.#month = month;
    this.#earlier = earlier;
    this.#incomes = incomes;
    this.#unknowns = unknowns;
  }

  /** Users to whom something may be due. */
  get users(): Iterable<bigint> {
    return [...this.#incomes.keys(), ...this.#unknowns.named(this.#month)];
  }

  /** The month's income, in fen. */
  income(id: bigint): bigint {
    return this.#incomes.get(id)?.get(this.#month) ?? 0n;
  }

  /** Whether the month's income cannot be told yet. */
  isUnknown(id: bigint, month = this.#month): boolean {
    return this.#unknowns.has(id, month);
  }

  /** Whether commission of this month, or a change of an earlier one, asks for a settlement, with an account or without. */
  asks(id: bigint, history: History): boolean {
    if (this.#incomes.get(id)?.has(this.#month)) return true;
    return this.#unknowns.isNamed(id, this.#month) || this.lines(id, history).size > 0;
  }

  /** What earlier months have changed by since they were settled, by month, in fen. */
  lines(id: bigint, { used, months }: History): Map<string, bigint> {
    const incomes = this.#incomes.get(id) ?? new Map<string, bigint>();
    const lines = new Map<string, bigint>();
    for (const month of [...new Set([...used.keys(), ...incomes.keys()])].sort()) {
      const counts = month < this.#month && (months.has(month) || this.#earlier.whole.has(month));
      if (!counts || this.isUnknown(id, month)) continue;
      const change = (incomes.get(month) ?? 0n) - (used.get(month) ?? 0n);
      if (change !== 0n) lines.set(month, change);
    }
    return lines;
  }
}
