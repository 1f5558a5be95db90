/** How often something happened, in a second on average: in the best stretch of some seconds. */
export function bestAverage(times: readonly number[], seconds: number): number {
  let best = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while ((times[last] as number) - (times[first] as number) >= seconds * 1000) first += 1;
    best = Math.max(best, (last - first) / seconds);
  }
  return best;
}

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
