/** `tidemark/jobs`: the jobs that tidemark brings, for the list of a team that wants some of them. */
export { checkPendingPayments } from '../jobs/check-pending-payments.ts';
export { fetchStatements } from '../jobs/fetch-statements.ts';
export { jobs } from '../jobs/index.ts';
export { reconcileDay } from '../jobs/reconcile-day.ts';
export { rollupIncome } from '../jobs/rollup-income.ts';
export { settleMonth } from '../jobs/settle-month.ts';
export { syncCommissionLog } from '../jobs/sync-commission-log.ts';
export { syncUserExtension } from '../jobs/sync-user-extension.ts';
