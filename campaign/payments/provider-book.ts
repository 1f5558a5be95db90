/** What the providers say themselves, as the checker takes it: their own book, and who asked them what and when. */
import type { ProviderName } from '../../src/payments/provider.ts';

/** An order or a payout, as its provider has it. */
export interface Movement {
  readonly kind: 'order' | 'payout';
  readonly id: string;
  readonly provider: ProviderName;
  /** Fen, as we told the provider. */
  readonly amount: string;
  /** How often its money moved: 0 or 1, and never more. */
  readonly moved: number;
  /** How often all of it went back. */
  readonly returned: number;
  /** Of an order: fen that went back, and were not all of it. */
  readonly partly: string;
  /** Its own word for people. */
  readonly word: string;
}

/** A request to a provider, by the provider's clock. */
export interface Asking {
  readonly provider: ProviderName;
  /** `query`, `transfer-query`, `transfer` … */
  readonly what: string;
  /** Of the order or the payout; null where it is about none. */
  readonly id: string | null;
  /** Microseconds since some instant: when it came in, and when it was answered, or whoever asked went away. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** What went wrong with it on purpose, in the provider's own word; null: nothing. */
  readonly fault: string | null;
}

export interface ProviderBook {
  readonly movements: readonly Movement[];
  readonly askings: readonly Asking[];
}
