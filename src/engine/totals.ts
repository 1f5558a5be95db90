/** The sums that a job tells of what it did: `credited` with its fen, `matched` with its rows. */

/** Counts are numbers, fen are bigint. */
export type Sums = Readonly<Record<string, number | bigint>>;

export class Totals {
  readonly #sums = new Map<string, Sums>();

  add(what: string, sums: Sums): void {
    const before = this.#sums.get(what) ?? {};
    const added = Object.entries(sums).map(([name, value]) => [name, plus(before[name], value)]);
    this.#sums.set(what, { ...before, ...Object.fromEntries(added) });
  }

  addAll(others: Totals): void {
    for (const [what, sums] of others) this.add(what, sums);
  }

  [Symbol.iterator](): Iterator<[string, Sums]> {
    return this.#sums[Symbol.iterator]();
  }

  get(what: string): Sums | undefined {
    return this.#sums.get(what);
  }
}

function plus(before: number | bigint | undefined, value: number | bigint): number | bigint {
  if (typeof value === 'bigint') return BigInt(before ?? 0) + value;
  return Number(before ?? 0) + value;
}
