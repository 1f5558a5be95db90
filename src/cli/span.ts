/** Stretches of time for people: as a sentence says them, and as an option takes them. */

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const;

/** `45 s`, `13 min`, `2 h 13 min`, `3 d 4 h`: two units at most. */
export function spanText(ms: number): string {
  const first = units.findIndex(([, size]) => ms >= size);
  if (first === -1) return '0 s';
  const [unit, size] = units[first] as (typeof units)[number];
  const next = units[first + 1];
  const rest = next === undefined || first > 1 ? 0 : Math.floor((ms % size) / next[1]);
  return `${Math.floor(ms / size)} ${unit}${rest === 0 || next === undefined ? '' : ` ${rest} ${next[0]}`}`;
}

/** `90s`, `10m`, `2h`: as --timeout takes it, in the largest unit that is exact. */
export function durationOption(ms: number): string {
  const [unit, size] = units.find(([, one]) => ms % one === 0) ?? (['ms', 1] as const);
  return `${ms / size}${unit === 'min' ? 'm' : unit}`;
}
