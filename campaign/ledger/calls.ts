/** What callers ask for: drawn from a seed, as far as their books allow. Made into the ledger's own calls here, too. */
import type { Answer, Booked, HoldRequest, Ledger } from '../../src/ledger/index.ts';
import type { Random } from '../random.ts';
import type { Book, Call } from './book.ts';

/** The price list, with the fen at which each begins; callers change it now and then. */
export const prices = { server: 40, disk: 7 } as const;

export interface Accounts {
  /** So many that all share, with the ids from 1 on; the hot one comes behind them. */
  readonly count: number;
  /** Of the calls, this share goes to the hot one. */
  readonly hotShare: number;
}

const fenMax = 1000;

/** Some calls to be made at once: nearly always one. What begins something needs an id of its own. */
export function drawCalls(random: Random, book: Book, accounts: Accounts): (Call | Omit<Call, 'billId'>)[] {
  const drawn = random.next();
  if (drawn < 0.12 && book.holds.length > 0) return endOf(random, random.pick(book.holds));
  if (drawn < 0.24 && book.done.length > 0) return [takingBack(random.pick(book.done))];
  return [beginning(random, accounts)];
}

function beginning(random: Random, accounts: Accounts): Omit<Call, 'billId'> {
  const isHot = accounts.count === 0 || random.chance(accounts.hotShare);
  const accountId = BigInt(isHot ? accounts.count + 1 : 1 + random.below(accounts.count));
  const amount = BigInt(1 + random.below(fenMax));
  const plain = { accountId, amount, items: null, expiresInSeconds: null, heldChange: 0n };
  const drawn = random.next();
  // More than is spent, so that most of the rest is not refused.
  if (drawn < 0.36) return { ...plain, channel: 'recharge', amount: 3n * amount, change: 3n * amount };
  if (drawn < 0.58) return { ...plain, channel: 'charge', change: -amount };
  if (drawn < 0.72) {
    const items = Object.fromEntries(random.some(Object.keys(prices)).map((name) => [name, 1n + (amount % 9n)]));
    return { ...plain, channel: 'charge', amount: null, items, change: null };
  }
  const expiresInSeconds = random.chance(0.6) ? 1 + random.below(3) : null;
  return { ...plain, channel: 'hold', expiresInSeconds, change: 0n, heldChange: amount };
}

/** Confirmed, in part or as a whole, or cancelled; now and then both at once, of which one must fail. */
function endOf(random: Random, hold: Call): Call[] {
  const held = hold.amount as bigint;
  const amount = random.chance(0.5) ? held : 1n + (held - 1n) / 2n;
  const confirm: Call = { ...hold, channel: 'confirm', amount, change: -amount, heldChange: -held };
  const cancel: Call = { ...hold, channel: 'cancel', amount: null, change: 0n, heldChange: -held };
  if (random.chance(0.1)) return [confirm, cancel];
  return [random.chance(0.6) ? confirm : cancel];
}

const takingBack = ({ taken, ...call }: Call & { readonly taken: bigint }): Call => ({
  ...call,
  channel: 'rollback',
  amount: null,
  items: null,
  change: -taken,
  heldChange: 0n,
});

/** What a caller may ask for who does not know whether something has happened, and wants it no longer; null: nothing. */
export function withdrawing(call: Call): Call | null {
  const { channel, change, heldChange } = call;
  if (channel === 'hold') return { ...call, channel: 'cancel', amount: null, heldChange: -heldChange };
  if (channel !== 'recharge' && channel !== 'charge') return null;
  return { ...call, channel: 'rollback', amount: null, items: null, change: change === null ? null : -change };
}

export function make(ledger: Ledger, call: Call): Promise<Answer<Booked>> {
  const { channel, billId, accountId, amount, items, expiresInSeconds } = call;
  const request = {
    billId,
    accountId,
    ...(amount === null ? {} : { amount }),
    ...(items === null ? {} : { items }),
    ...(expiresInSeconds === null || channel !== 'hold' ? {} : { expiresInSeconds }),
  };
  return ledger[channel](request as HoldRequest);
}
