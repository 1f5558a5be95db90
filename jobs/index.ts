/** The jobs of this installation, in the order in which people should see them. A new job is a file here and a line. */
import type { Job } from '../src/engine/job.ts';
import { checkPendingPayments } from './check-pending-payments.ts';
import { fetchStatements } from './fetch-statements.ts';
import { reconcileDay } from './reconcile-day.ts';
import { rollupIncome } from './rollup-income.ts';
import { settleMonth } from './settle-month.ts';
import { syncCommissionLog } from './sync-commission-log.ts';
import { syncUserExtension } from './sync-user-extension.ts';

export const jobs: readonly Job[] = [
  syncUserExtension,
  syncCommissionLog,
  rollupIncome,
  settleMonth,
  fetchStatements,
  reconcileDay,
  checkPendingPayments,
];
