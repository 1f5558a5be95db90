/** What repeated measurements say together. Ratios are taken within a round, where the machine was the same for both. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws RangeError without values */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined || min === undefined || max === undefined)
    throw new RangeError('nothing was measured');
  return { median: (low + high) / 2, min, max };
}

/** The spread of a[i] / b[i]. */
export function ratioOf(a: readonly number[], b: readonly number[]): Spread {
  return spreadOf(a.map((value, index) => value / (b[index] ?? Number.NaN)));
}

/** Two digits that count: `0.38`, `1.2`, `14`. */
export function short(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio >= 0.1 ? ratio.toFixed(2) : ratio.toPrecision(2);
}

/** `0.38 (0.35-0.41)` */
export function shortSpread({ median, min, max }: Spread): string {
  return `${short(median)} (${short(min)}-${short(max)})`;
}
