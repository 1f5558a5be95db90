/** `tidemark/ledger`: what a program of one's own uses. */
export type { AccountKind, Who } from './account.ts';
export type { Balance, Expiry, WhoAndWhy } from './accounts.ts';
export { type Answer, codes, type Refusal, type RefusalCode, type Unknown, type UnknownCode } from './answer.ts';
export { type Bill, type Channel, isFollowing, type PricedItem } from './bill.ts';
export type { Booked } from './booking.ts';
export { Ledger, type LedgerOptions } from './ledger.ts';
export type { Items, Price } from './prices.ts';
export type { Charge, Confirm, Correction, HoldRequest, Named, Noted, Recharge } from './request.ts';
export type { Resolution } from './resolving.ts';
export type { AccountEvent, AccountView, OpenHold } from './view.ts';
