/**
 * The course of a payout: one look at it, and the step that is due.
 *
 *   what the wallet is owed → held: sent · sent: the provider asked, and what it answers done → when to look next
 *
 * Promises: the provider is called outside of every transaction. That it may have been called is durable before
 * (`sending`), and what the call answers decides nothing: only a query does. Killed anywhere, or paused for an hour, and
 * looked at again by whomever, the same comes out: what is sent again is the identical transfer, which the provider knows
 * by its id; what is decided is decided by comparing; what the wallet is told, it takes once. No payout is given up
 * but for the provider's word, or by a person (`giveUp`).
 */
import { readAccount } from '../ledger/account.ts';
import { type Answer, codes, type Refusal, refuse } from '../ledger/answer.ts';
import { checkText, firstOf } from '../ledger/arguments.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Looked } from './due.ts';
import { settle } from './payout-bills.ts';
import { beginSending, type Decision, decide, lay, type Payout, type Rest, readPayout } from './payout-record.ts';
import { backOff, nextWatch, rarelyMs, sendingsMax, stuckMs } from './payout-schedule.ts';
import { judge } from './payout-verdict.ts';
import type { Provider, ProviderName, TransferAnswer } from './provider.ts';

export interface CourseOptions {
  readonly sessions: Sessions;
  readonly providers: ReadonlyMap<ProviderName, Provider>;
}

export class PayoutCourse {
  readonly #sessions: Sessions;
  readonly #providers: ReadonlyMap<ProviderName, Provider>;

  constructor({ sessions, providers }: CourseOptions) {
    this.#sessions = sessions;
    this.#providers = providers;
  }

  async look(payoutId: bigint): Promise<Looked> {
    const payout = await this.#read(payoutId);
    if (payout === null) return { outcome: 'settled', detail: 'there is no such payout', nextAt: null };
    const provider = this.#providers.get(payout.provider);
    if (provider === undefined) return this.#stick(payout, `provider ${payout.provider} is not set up`);
    const owed = await settle(this.#sessions, payout);
    if (owed !== null) return this.#stick(payout, whyOwed(payout, owed));
    if (payout.state === 'held') return this.#send(payout, provider);
    if (payout.state === 'refused' || payout.state === 'returned')
      return this.#rest(payout, 'settled', { waitMs: null });
    return this.#ask(payout, provider);
  }

  async #ask(payout: Payout, provider: Provider): Promise<Looked> {
    const answer = await provider.queryTransfer(payout.payoutId);
    const verdict = judge(payout, answer);
    const { word } = answer;
    if (verdict.what === 'decide') return this.#decide(payout, verdict.decision, answer);
    if (verdict.what === 'send') return this.#send(payout, provider);
    if (verdict.what === 'contradiction') return this.#stick(payout, verdict.reason, word);
    if (verdict.what === 'agrees') return this.#watch(payout, word);
    if (payout.state !== 'sending') return this.#rest(payout, 'waiting', { word, waitMs: rarelyMs });
    return this.#wait(payout, word);
  }

  /** Nothing was sent, or the provider was never asked for it: the transfer goes out, as the row has it. */
  async #send(payout: Payout, provider: Provider): Promise<Looked> {
    const { payoutId, accountId, net, payee, payeeName, title } = payout;
    const account = await this.#sessions.run((session) => readAccount(session, accountId));
    if (account?.frozenReason !== null)
      return this.#stick(payout, `account ${accountId} is frozen: nothing is sent from it`);
    // Somebody else has begun to, or the answer to our note was lost: the next look will ask.
    if (!(await this.#sessions.run((session) => beginSending(session, payout)))) return this.#wait(payout, null);
    const { word } = await provider.transfer({ payoutId, amount: net, payee, payeeName, title });
    if (payout.state === 'held') return this.#rest(payout, 'settled', { word: `sent: ${word}`, waitMs: backOff(0) });
    const times = payout.attempts + 1;
    if (times <= sendingsMax) return this.#wait(payout, `sent again: ${word}`);
    return this.#stick(payout, `sent ${times} times, and the provider does not know it: ${word}`, word);
  }

  async #decide(payout: Payout, decision: Decision, answer: TransferAnswer): Promise<Looked> {
    await this.#sessions.run((session) => decide(session, payout, decision, answer));
    const decided = { ...((await this.#read(payout.payoutId)) as Payout), nextAt: payout.nextAt };
    const owed = await settle(this.#sessions, decided); // by us, or by who was faster
    if (owed !== null) return this.#stick(decided, whyOwed(decided, owed), answer.word);
    if (decided.state === 'sending') return this.#wait(decided, answer.word);
    return this.#watch(decided, answer.word);
  }

  /** Nothing new so far. */
  #wait(payout: Payout, word: string | null): Promise<Looked> {
    if (payout.now - payout.requestedAt > stuckMs)
      return this.#stick(payout, `not decided for ${stuckMs / 3_600_000} h: ${word ?? payout.word}`, word);
    const waits = payout.waits + 1;
    return this.#rest(payout, 'waiting', { word, waits, waitMs: backOff(waits) });
  }

  /** Decided: asked for now and then, for some days. */
  #watch(payout: Payout, word: string): Promise<Looked> {
    const since = payout.now - (payout.decidedAt as number);
    const next = payout.state === 'returned' ? null : nextWatch(since);
    return this.#rest(payout, 'settled', { word, waitMs: next === null ? null : next - since });
  }

  #stick(payout: Payout, detail: string, word: string | null = null): Promise<Looked> {
    return this.#rest(payout, 'stuck', { word, waitMs: rarelyMs }, detail);
  }

  async #rest(
    payout: Payout,
    outcome: Looked['outcome'],
    { word = null, waits = 0, waitMs }: Pick<Rest, 'waitMs'> & Partial<Rest>,
    detail = [payout.state, word].filter((part) => part !== null).join(': '),
  ): Promise<Looked> {
    const nextAt = await this.#sessions.run((session) => lay(session, payout, { word, waits, waitMs }));
    return { outcome, detail, nextAt };
  }

  #read(payoutId: bigint): Promise<Payout | null> {
    return this.#sessions.run((session) => readPayout(session, payoutId));
  }

  /**
   * A person gives up a payout that was never sent, or that the provider says, now and signed, not to know: the hold is
   * released. Refused (2) in every other case, and within an hour of the last sending, which may still be on its way.
   *
   * It is asked for some days more, as each that failed: was it paid after all, a person hears of it.
   */
  async giveUp(payoutId: bigint, { operator, reason }: GivingUp): Promise<Answer<Payout>> {
    const mistake = firstOf(checkText('operator', operator, 64, true), checkText('reason', reason, 150, true));
    if (mistake !== null) return mistake;
    const payout = await this.#read(payoutId);
    if (payout === null) return refuse(codes.noData, `there is no payout ${payoutId}`);
    const word = await this.#wordForGivingUp(payout);
    if (typeof word !== 'string') return word;
    const why = `given up by ${operator}: ${reason}`;
    const isOurs = await this.#sessions.run((session) =>
      decide(session, payout, 'failed', { providerId: null, word }, why),
    );
    const given = (await this.#read(payoutId)) as Payout;
    if (!isOurs && given.reason !== why) return refuse(codes.notAllowed, `payout ${payoutId} is ${given.state} by now`);
    const owed = await settle(this.#sessions, given);
    return owed ?? { code: codes.success, ...((await this.#read(payoutId)) as Payout) };
  }

  async #wordForGivingUp(payout: Payout): Promise<string | Refusal> {
    const { payoutId, state, provider: name, now, sentAt } = payout;
    if (state === 'held') return 'never sent';
    if (state !== 'sending') return refuse(codes.notAllowed, `payout ${payoutId} is ${state}`);
    if (now - (sentAt as number) < rarelyMs)
      return refuse(codes.notAllowed, `payout ${payoutId} was sent less than an hour ago`);
    const answer = await this.#providers.get(name)?.queryTransfer(payoutId);
    if (answer?.state === 'missing') return answer.word;
    return refuse(
      codes.notAllowed,
      `${name} says of payout ${payoutId}: ${answer?.word ?? 'nothing, it is not set up'}`,
    );
  }
}

/** Who gives a payout up, and why. */
export interface GivingUp {
  readonly operator: string;
  readonly reason: string;
}

const whyOwed = ({ state }: Payout, { reason }: Refusal): string =>
  `${state}, but the wallet does not take it: ${reason}`;
