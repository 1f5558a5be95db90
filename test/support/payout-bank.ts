/**
 * A provider that keeps a book of its own and answers as the test says: truly, falsely, late or not at all. Like a real
 * one it takes a transfer of the same id for the same, and notes where that has other content.
 */
import type { Provider, ProviderName, Transfer, TransferAnswer, TransferState } from '../../src/payments/provider.ts';

/** What becomes of a payout, and what is told of it. */
export interface Plan {
  readonly fate: 'paid' | 'failed';
  /** Transfers that get lost on their way, before one arrives. */
  readonly lost: number;
  /** What the transfer is answered. */
  readonly told: 'the truth' | 'success' | 'failure' | 'nothing';
  /** Queries that are answered `unknown`, and then `pending`, before one is answered truly. */
  readonly unknown: number;
  readonly pending: number;
  /** It comes back, that many true answers later; never, when null. */
  readonly returnsAfter: number | null;
}

const plainPlan: Plan = { fate: 'paid', lost: 0, told: 'the truth', unknown: 0, pending: 0, returnsAfter: null };

interface Entry {
  readonly transfer: Transfer;
  state: 'paid' | 'failed' | 'returned';
  answers: number;
}

/** Where a call can be broken off. */
export type Place = 'before' | 'answer lost' | 'after';
export type Call = 'transfer' | 'query';

export class Bank implements Provider {
  readonly name: ProviderName;
  readonly book = new Map<bigint, Entry>();
  /** Ids that were asked to be transferred, each time. */
  readonly transfers: bigint[] = [];
  /** What no provider may ever be asked for. */
  readonly complaints: string[] = [];
  /** Called in the middle of each call; what it throws is what the caller gets. */
  onCall: (call: Call, place: Place, payoutId: bigint) => void | Promise<void> = () => undefined;
  #plans = new Map<bigint, Plan>();
  #usual: Plan = plainPlan;
  #queries = new Map<bigint, number>();

  constructor(name: ProviderName = 'alipay') {
    this.name = name;
  }

  /** @param payoutId one; all others, when null */
  plan(plan: Partial<Plan>, payoutId: bigint | null = null): void {
    if (payoutId === null) this.#usual = { ...plainPlan, ...plan };
    else this.#plans.set(payoutId, { ...plainPlan, ...plan });
  }

  #planOf(payoutId: bigint): Plan {
    return this.#plans.get(payoutId) ?? this.#usual;
  }

  async transfer(transfer: Transfer): Promise<TransferAnswer> {
    const { payoutId } = transfer;
    await this.onCall('transfer', 'before', payoutId);
    this.transfers.push(payoutId);
    const { fate, lost, told } = this.#planOf(payoutId);
    const sent = this.transfers.filter((id) => id === payoutId).length;
    if (sent > lost) this.#enter(transfer, fate);
    await this.onCall('transfer', 'answer lost', payoutId);
    const state: TransferState = { 'the truth': fate, success: 'paid', failure: 'failed', nothing: 'unknown' }[
      told
    ] as TransferState;
    await this.onCall('transfer', 'after', payoutId);
    return answer(sent > lost || told !== 'the truth' ? state : 'unknown', transfer.amount);
  }

  #enter(transfer: Transfer, fate: Entry['state']): void {
    const known = this.book.get(transfer.payoutId);
    if (known === undefined) this.book.set(transfer.payoutId, { transfer, state: fate, answers: 0 });
    else if (contentOf(known.transfer) !== contentOf(transfer))
      this.complaints.push(
        `payout ${transfer.payoutId} was asked for again with other content: ${contentOf(transfer)}`,
      );
  }

  async queryTransfer(payoutId: bigint): Promise<TransferAnswer> {
    await this.onCall('query', 'before', payoutId);
    const told = this.#tell(payoutId);
    await this.onCall('query', 'answer lost', payoutId);
    await this.onCall('query', 'after', payoutId);
    return told;
  }

  #tell(payoutId: bigint): TransferAnswer {
    const { unknown, pending, returnsAfter } = this.#planOf(payoutId);
    const before = this.#queries.get(payoutId) ?? 0;
    this.#queries.set(payoutId, before + 1);
    if (before < unknown) return answer('unknown', null);
    const entry = this.book.get(payoutId);
    if (entry === undefined) return answer('missing', null);
    if (before < unknown + pending) return answer('pending', entry.transfer.amount);
    if (returnsAfter !== null && entry.state === 'paid' && entry.answers >= returnsAfter) entry.state = 'returned';
    entry.answers += 1;
    return answer(entry.state, entry.transfer.amount);
  }

  /** A transfer that was paid comes back. */
  returns(payoutId: bigint): void {
    (this.book.get(payoutId) as Entry).state = 'returned';
  }

  request = () => Promise.reject(new Error('no orders here'));
  query = () => Promise.reject(new Error('no orders here'));
  close = () => Promise.reject(new Error('no orders here'));
  readNotice = () => Promise.reject(new Error('no notices here'));
  statement = () => Promise.resolve(null);
  reply = () => ({ status: 200, headers: {}, body: '' });
}

/** The bank as it is heard by who hears some of it otherwise. */
export const heardAs = (bank: Bank, otherwise: Partial<Provider>): Provider => ({
  name: bank.name,
  transfer: (transfer) => bank.transfer(transfer),
  queryTransfer: (payoutId) => bank.queryTransfer(payoutId),
  request: bank.request,
  query: bank.query,
  close: bank.close,
  readNotice: bank.readNotice,
  statement: bank.statement,
  reply: bank.reply,
  ...otherwise,
});

export const answer = (state: TransferState, amount: bigint | null, word: string = state): TransferAnswer => ({
  state,
  amount,
  word,
  providerId: state === 'missing' || state === 'unknown' ? null : 'P1',
});

const contentOf = ({ amount, payee, payeeName, title }: Transfer): string =>
  JSON.stringify([String(amount), payee, payeeName, title]);
