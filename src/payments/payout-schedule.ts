/**
 * When a payout is looked at next. Milliseconds; pure.
 *
 * Until it is decided: soon, then backing off. Decided: now and then for some days, because money may come back after a
 * success, and because a provider that was wrong once is found out so.
 */

const firstWaitMs = 10_000;
const longestWaitMs = 600_000;

/**
 * @param waits looks in a row that told nothing new
 * @param chance from 0 to 1, so that many that began together do not stay together
 * @returns 10 s, 10 s, 20 s, 40 s … up to 10 min, and up to a tenth more
 */
export function backOff(waits: number, chance = Math.random()): number {
  const doubled = firstWaitMs * 2 ** Math.min(Math.max(0, waits - 1), 10);
  return Math.round(Math.min(longestWaitMs, doubled) * (1 + chance / 10));
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** How long after its decision a payout is asked for again. */
export const watchesMs: readonly number[] = [hourMs, dayMs, 3 * dayMs, 7 * dayMs, 15 * dayMs];

/** @returns how long after the decision the next one is; null when the last is over */
export const nextWatch = (sinceDecisionMs: number): number | null =>
  watchesMs.find((watch) => watch > sinceDecisionMs) ?? null;

/** A payout that is not decided by then is looked at by a person. */
export const stuckMs = 72 * hourMs;

/**
 * So long one that the provider does not know is sent again. Later it may have forgotten one that it has paid: WeChat
 * Pay answers for 30 days (pay.weixin.qq.com, "query a transfer bill by the merchant's number").
 */
export const sendingMs = 15 * dayMs;

/** Sent more often than this, for half an hour, it is a transfer that the provider refuses: a person must see why. */
export const sendingsMax = 10;

/** What waits for a person is asked for so often. */
export const rarelyMs = hourMs;
