/** What the gateway's two protocols have in common: a request becomes a deed, the deed is done or not, and its answer signed or not. */

import type { BillCounter } from './bill-counter.ts';
import type { Book, Fate, Payout } from './book.ts';
import type { Kind } from './faults.ts';
import type { SandboxKeys } from './keys.ts';

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
  /** When it came, in milliseconds since 1970. */
  readonly at: number;
}

/** What is said in an answer, before it is signed. */
export interface Said {
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>> | null;
}

export interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export type Signing = 'right' | 'wrong' | 'none';

/** Something that a client asks for. */
export interface Deed extends Kind {
  /** The order or payout that it is about. */
  readonly id: string;
  /** Does it, and says what has come of it. */
  do(): Said;
  /** What somebody else would like the client to believe. */
  lie(): Said;
  /** Reported success: not done, or to fail. */
  feign?(): Said;
  /** Done, and reported as a failure. */
  deny?(): Said;
  /** Of bills: at an address that is too old already, or with a file that is not whole. */
  late?(): Said;
  damaged?(): Said;
  render(said: Said, signing: Signing): Sent;
  limited(): Sent;
  /** From something in between that is no provider. */
  unsigned404(): Sent;
}

/** What the desks of both providers work with. */
export interface Premises {
  readonly keys: SandboxKeys;
  readonly book: Book;
  readonly bills: BillCounter;
  readonly address: string;
  /** What a payout that is taken now is to come to, and when; `instead` of coming back, where none does. */
  destiny(payoutId: string, at: number, instead?: Fate): Pick<Payout, 'fate' | 'settlesAt' | 'returnsAt'>;
  /** A payout was taken: notices of it are due. */
  taken(payoutId: string): void;
}

export const isSent = (read: Deed | Sent): read is Sent => 'body' in read;

export function idFrom(path: string, pattern: RegExp): string | null {
  return pattern.exec(path)?.[1] ?? null;
}

export function parsed(json: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
