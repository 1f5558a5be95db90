/**
 * The tax that is kept back when a month is settled. Fen in, fen out, whole numbers only.
 *
 * A rule is a function of one month's sum for one person. It never takes more than there is, and more income never
 * leaves less after tax.
 */

/** The names of the rules, as the settings and the stored rows have them. */
export type TaxRule = 'none' | 'labour-cn';

const rules: Readonly<Record<TaxRule, (base: bigint) => bigint>> = { none: () => 0n, 'labour-cn': labourTax };

export function isTaxRule(name: string): name is TaxRule {
  return Object.hasOwn(rules, name);
}

/** @param base fen of the month; nothing is due of a sum that is not above 0 */
export function taxOf(rule: TaxRule, base: bigint): bigint {
  return base <= 0n ? 0n : rules[rule](base);
}

/** Up to which taxable fen, at which rate in hundredths, less how many fen. */
const brackets: readonly { readonly upTo: bigint | null; readonly rate: bigint; readonly less: bigint }[] = [
  { upTo: 20_000_00n, rate: 20n, less: 0n },
  { upTo: 50_000_00n, rate: 30n, less: 2_000_00n },
  { upTo: null, rate: 40n, less: 7_000_00n },
];
const smallSum = 4_000_00n;
const smallDeduction = 800_00n;

/**
 * What a payer withholds from a resident's remuneration for labour services (China): a month's payments are one sum;
 * up to 4,000 yuan it is taxable less 800 yuan, above that less a fifth; rounded to the nearest fen (half a fen, which
 * would be rounded up, does not occur).
 *
 * Source: State Taxation Administration, Announcement No. 61 of 2018 (Measures for the administration of withholding
 * declarations of individual income tax), article 8, and table 2 of withholding rates in its annex.
 */
function labourTax(base: bigint): bigint {
  // Five times the taxable sum is whole, where the sum itself may have fifths of a fen.
  const fiveTimes = base <= smallSum ? 5n * (base - smallDeduction) : 4n * base;
  if (fiveTimes <= 0n) return 0n;
  for (const { upTo, rate, less } of brackets)
    if (upTo === null || fiveTimes <= 5n * upTo) return (fiveTimes * rate - 500n * less + 250n) / 500n;
  return 0n;
}
