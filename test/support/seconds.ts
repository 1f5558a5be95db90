/** The most events that lie within any second, half-open; times in milliseconds, in any order. */
export function mostInASecond(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  let most = 0;
  let first = 0;
  for (const [index, time] of sorted.entries()) {
    while (time - (sorted[first] as number) >= 1000) first += 1;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
