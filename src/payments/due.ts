/**
 * What is looked at again at a time of its own, until it has come to an end: orders and payouts. The tables decide, by
 * the database's clock; whoever points at them (a queue in Redis) may be wrong, late or gone.
 */
import type { ProviderName } from './provider.ts';

export interface Due {
  readonly id: bigint;
  /** Milliseconds since 1970, by the database's clock. */
  readonly at: number;
}

/** What a look has come to. */
export interface Looked {
  /** `settled`: it has come to its end, or a step further; `waiting`: to be asked again; `stuck`: a person must look. */
  readonly outcome: 'settled' | 'waiting' | 'stuck';
  /** In a word: `paid`, `closed`, `TRADE_SUCCESS but another amount`. */
  readonly detail: string;
  /** When it is due again; null: never. What is stuck is asked again, rarely: were its letter lost in a crash, it comes then. */
  readonly nextAt: number | null;
}

export interface DueBook {
  readonly kind: 'order' | 'payout';
  /** What is due at a provider by then (milliseconds from now, 0 for now), the oldest first. */
  due(provider: ProviderName, aheadMs: number, limit: number): Promise<readonly Due[]>;
  /**
   * Takes one that is due, for a while: until then nobody else gets it.
   *
   * @returns its provider; or, when it is not due, or somebody has it, when to look again (null: never, it
   *   has come to its end)
   */
  take(id: bigint, leaseMs: number): Promise<{ readonly provider: ProviderName } | { readonly nextAt: number | null }>;
  /**
   * Asks the provider, and does what its answer asks for. Killed anywhere and done again, the same comes out.
   *
   * @throws UnavailableError when the database cannot be reached, or the limiter gives no leave to ask
   */
  look(id: bigint): Promise<Looked>;
}
