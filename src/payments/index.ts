/** `tidemark/payments`: what a program of one's own uses. */
export {
  type Answer,
  codes,
  type Refusal,
  type RefusalCode,
  type Unknown,
  type UnknownCode,
} from '../ledger/answer.ts';
export type { Creation, OrderRequest, Requested } from './creating.ts';
export type { Due, DueBook, Looked } from './due.ts';
export type { PayoutNotices } from './notices.ts';
export type { OrderState, OrderView } from './order.ts';
export { Payments, type PaymentsOptions } from './payments.ts';
export * from './provider.ts';
export type { OrderResolution } from './resolving.ts';
