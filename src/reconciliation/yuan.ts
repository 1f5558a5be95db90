/**
 * Yuan as people and bills write them, from and to whole numbers. Exact: by digits, never through a fraction.
 *
 * Amounts are whole fen. A fee of five decimals does not fit into fen, so sums of fees are kept in 10^-5 yuan, and only
 * the fee of one entry is rounded.
 */

const zero = 48;
const point = 46;
const minus = 45;
/** So many digits always fit into a number. */
const safeDigits = 15;

/**
 * Reads a decimal text as a whole number of 10^-`places`: `units('12.3', 2)` is 1230.
 *
 * @returns null when it is no such number (spaces, a plus sign, separators, an exponent, a decimal too many)
 */
export function units(text: string, places: number): bigint | null {
  const bytes = Buffer.from(text);
  return unitsIn(bytes, 0, bytes.length, places);
}

/** The same for the text in some bytes, which need not become a text for it. */
export function unitsIn(bytes: Uint8Array, start: number, end: number, places: number): bigint | null {
  const first = bytes[start] === minus ? start + 1 : start;
  let value = 0;
  let pointAt = -1;
  for (let at = first; at < end; at++) {
    const code = bytes[at] as number;
    if (code === point && pointAt < 0 && at > first) pointAt = at;
    else if (code < zero || code > zero + 9) return null;
    else value = value * 10 + (code - zero);
  }
  const decimals = pointAt < 0 ? 0 : end - pointAt - 1;
  if (end <= first || decimals > places || (decimals === 0) !== pointAt < 0) return null;
  if (end - first + places - decimals > safeDigits) return manyDigits(bytes, start, end, places - decimals);
  for (let more = decimals; more < places; more++) value *= 10;
  return BigInt(first > start ? -value : value);
}

function manyDigits(bytes: Uint8Array, start: number, end: number, zeros: number): bigint {
  const text = Buffer.from(bytes.subarray(start, end)).toString('latin1');
  return BigInt(text.replace('.', '') + '0'.repeat(zeros));
}

/** 10^-5 yuan to fen, rounded half up by magnitude, so that a fee and its return are rounded alike. */
export function roundToFen(hundredThousandths: bigint): bigint {
  const magnitude = hundredThousandths < 0n ? -hundredThousandths : hundredThousandths;
  const fen = (magnitude + 500n) / 1000n;
  return hundredThousandths < 0n ? -fen : fen;
}

/** A whole number of 10^-`places` as text: `decimal(-1230n, 2)` is `-12.30`. */
export function decimal(value: bigint, places: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(places + 1, '0');
  return `${value < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
