/**
 * What goes wrong at the gateway: chosen by chance from a seed for a share of the requests, or set for the next ones.
 *
 * `before` and `after` tell whether what was asked for is done. With a false, missing or no signature comes a lie: who
 * believes such an answer moves money wrongly. A query that is signed by the provider never lies.
 */

export const faults = [
  'timeout-before',
  'timeout-after',
  'reset-before',
  'reset-after',
  'limited',
  'bad-signature',
  'no-signature',
  'unsigned-404',
  'error-before',
  'error-after',
  'malformed',
  /** Reported success, but not done, or it will fail. Not for queries. */
  'false-success',
  /** Reported failure, but done. Not for queries. */
  'false-failure',
  /** The address of a bill is too old when it is used; for bills alone. */
  'late-address',
  /** The bill comes with a changed byte; for bills alone. */
  'damaged-bill',
] as const;

export type Fault = (typeof faults)[number];

export const isFault = (name: unknown): name is Fault => faults.includes(name as Fault);

const ofBills: readonly Fault[] = ['late-address', 'damaged-bill'];
const ofDeeds: readonly Fault[] = ['false-success', 'false-failure'];

export interface Kind {
  /** `query`, `close`, `transfer` … */
  readonly action: string;
  readonly isQuery: boolean;
}

export class Faults {
  /** Of the requests that go wrong by chance; 0 to 1. */
  share: number;
  readonly #planned: { readonly fault: Fault; readonly action: string | null; left: number }[] = [];
  #state: number;

  constructor(seed: number, share: number) {
    this.#state = seed >>> 0;
    this.share = share;
  }

  /** Sets what the next requests meet: any, or those of one action. */
  next(fault: Fault, times = 1, action: string | null = null): void {
    this.#planned.push({ fault, action, left: times });
  }

  /** Sets nothing any more. */
  forget(): void {
    this.#planned.length = 0;
  }

  choose(kind: Kind): Fault | null {
    const planned = this.#planned.find(
      ({ left, action, fault }) => left > 0 && (action ?? kind.action) === kind.action && isFor(fault, kind),
    );
    if (planned !== undefined) {
      planned.left--;
      return planned.fault;
    }
    if (this.chance() >= this.share) return null;
    const possible = faults.filter((fault) => isFor(fault, kind));
    return possible[Math.floor(this.chance() * possible.length)] ?? null;
  }

  /** At least 0, less than 1, the same for the same seed (mulberry32). */
  chance(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

function isFor(fault: Fault, { action, isQuery }: Kind): boolean {
  if (ofBills.includes(fault)) return action === 'bill';
  return !ofDeeds.includes(fault) || !isQuery;
}
