/**
 * What a provider's answer means for a payout. Pure: a table of states and answers.
 *
 * Only a query's answer gets here, never what a transfer answered; and only what is told for certain decides anything.
 * A decision is never taken back by itself: an answer that contradicts one is for a person.
 */
import type { Decision, Payout } from './payout-record.ts';
import { sendingMs } from './payout-schedule.ts';
import type { TransferAnswer } from './provider.ts';

export type Verdict =
  /** Decided. */
  | { readonly what: 'decide'; readonly decision: Decision }
  /** The provider was never asked for it: the identical request once more. */
  | { readonly what: 'send' }
  /** It was decided, and still is so. */
  | { readonly what: 'agrees' }
  /** Nothing new. */
  | { readonly what: 'wait' }
  | { readonly what: 'contradiction'; readonly reason: string };

const wait: Verdict = { what: 'wait' };
const agrees: Verdict = { what: 'agrees' };

/** @param payout one that was sent, and did not come back so far */
export function judge(
  payout: Pick<Payout, 'state' | 'net' | 'requestedAt' | 'now'>,
  { state, amount, word }: TransferAnswer,
): Verdict {
  if (state === 'unknown' || state === 'pending') return wait;
  const isOtherSum = amount !== null && amount !== payout.net;
  if (isOtherSum && state !== 'missing')
    return contradiction(`the provider says ${state} (${word}) of ${amount} fen, and ${payout.net} were sent`);
  if (state === payout.state) return agrees;
  if (payout.state === 'sending') {
    if (state !== 'missing') return { what: 'decide', decision: state };
    const isForgotten = payout.now - payout.requestedAt > sendingMs;
    return isForgotten
      ? contradiction('the provider does not know it, and by now may have forgotten it')
      : { what: 'send' };
  }
  if (payout.state === 'paid' && state === 'returned') return { what: 'decide', decision: 'returned' };
  if (payout.state === 'failed' && state === 'missing') return agrees;
  return contradiction(`it was ${payout.state}, and the provider says ${state} (${word})`);
}

const contradiction = (reason: string): Verdict => ({ what: 'contradiction', reason });
