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
export { type OpenPayments, openPayments } from './open-payments.ts';
export type { OrderState, OrderView } from './order.ts';
export { type OrderWithHistory, Payments, type PaymentsOptions } from './payments.ts';
export type { GivingUp } from './payout-course.ts';
export type { Payout, PayoutState } from './payout-record.ts';
export type { PayoutRequest } from './payout-request.ts';
export { Payouts, type PayoutsOptions } from './payouts.ts';
export * from './provider.ts';
export type { OrderResolution, Resolved } from './resolving.ts';
export { type Switch, Switches, type SwitchName } from './switches.ts';
