/** The nearest name, for people who mistype. */
import { distance } from 'fastest-levenshtein';

/** The known name that was probably meant; null when none is near. */
export function nearest(typed: string, known: readonly string[]): string | null {
  const begun = typed.length < 3 ? undefined : known.find((name) => name.startsWith(typed));
  const [first] = known
    .map((name) => ({ name, far: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, far }) => far <= Math.max(3, name.length / 2) && far < 0.6 * Math.max(name.length, typed.length))
    .sort((a, b) => a.far - b.far);
  return begun ?? first?.name ?? null;
}

/** `; did you mean sync-users`, or nothing. */
export function didYouMean(typed: string, known: readonly string[]): string {
  const name = nearest(typed, known);
  return name === null ? '' : `; did you mean ${name}?`;
}
