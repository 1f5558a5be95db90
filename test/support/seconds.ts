/**
 * Of 100 requests a second that are allowed, so many are made on average; with TIDEMARK_TEST_SECONDS, on a machine that
 * does nothing else. Where all the tests run at once, only that they are made.
 */
export const averageMin = process.env.TIDEMARK_TEST_SECONDS === undefined ? 10 : 90;

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
