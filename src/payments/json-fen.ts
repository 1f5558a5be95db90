/** Fen in the JSON of WeChat Pay, which has numbers only: exact, or not at all. Nothing is reckoned with them. */

/** @throws RangeError for a sum that a double cannot hold exactly */
export function jsonFen(fen: bigint): number {
  const number = Number(fen);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${fen} fen are more than WeChat Pay can be told`);
  return number;
}

/** @returns null for what is no whole number of 0 or more, or too large to be exact */
export const fenIn = (value: unknown): bigint | null =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? BigInt(value as number) : null;
