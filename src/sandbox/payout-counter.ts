/** What both desks do with a payout: a number is taken once, with one content. */
import type { Book, Fate, Payout } from './book.ts';
import type { Premises, Said } from './protocol.ts';

export type PayoutAsked = Pick<Payout, 'provider' | 'payoutId' | 'transferNo' | 'payee' | 'noticeUrl' | 'amount'>;

/** @param instead of coming back, where none does. @returns null when the number is taken with another content */
export function takePayout(premises: Premises, asked: PayoutAsked, at: number, instead?: Fate): Payout | null {
  const { book } = premises;
  const before = book.payout(asked.payoutId);
  if (before !== undefined) return before.amount === asked.amount && before.payee === asked.payee ? before : null;
  book.take({ ...asked, ...premises.destiny(asked.payoutId, at, instead) });
  premises.taken(asked.payoutId);
  return book.payout(asked.payoutId) as Payout;
}

/** Takes a payout that was not there before, and lets it fail; it is told as paid. */
export function takeToFail(book: Book, id: string, at: number, take: () => Said, paid: object): Said {
  const isNew = book.payout(id) === undefined;
  const said = take();
  if (!isNew || book.payout(id) === undefined) return said;
  book.decide(id, { fate: 'failed', settlesAt: at, returnsAt: at });
  return { ...said, fields: { ...said.fields, ...paid } };
}
