/**
 * The tables that tidemark owns: numbered, forward only, one change each. What may never be is a CHECK or a UNIQUE.
 *
 * Times of the bookkeeping are DATETIME in the business zone, as in the platform's own tables; those of the ledger are
 * TIMESTAMP, so that a repeated hour is no question there. Every statement may be repeated, or fails in a way that the
 * migrator knows, because a crash can come between it and the note that it was done.
 */

import type { Job } from '../src/engine/job.ts';
import { checkpoint } from './0001-checkpoint.ts';
import { window } from './0002-window.ts';
import { run } from './0003-run.ts';
import { deadLetter } from './0004-dead-letter.ts';
import { commissionChange } from './0005-commission-change.ts';
import { userIncomeHour } from './0006-user-income-hour.ts';
import { userIncome } from './0007-user-income.ts';
import { sourceClock } from './0008-source-clock.ts';
import { windowDigest } from './0009-window-digest.ts';
import { fixRun } from './0010-fix-run.ts';
import { account } from './0011-account.ts';
import { bill } from './0012-bill.ts';
import { accountState } from './0013-account-state.ts';
import { openHold } from './0014-open-hold.ts';
import { billNumber } from './0015-bill-number.ts';
import { price } from './0016-price.ts';
import { accountEvent } from './0017-account-event.ts';
import { statementEntry } from './0018-statement-entry.ts';
import { settlementMonth } from './0020-settlement-month.ts';
import { settlement } from './0021-settlement.ts';
import { settlementAdjustment } from './0022-settlement-adjustment.ts';
import { incomeByUser } from './0023-income-by-user.ts';
import { billByOrder } from './0024-bill-by-order.ts';
import { difference } from './0025-difference.ts';
import { reconciliationDay } from './0026-reconciliation-day.ts';
import { orderNode } from './0027-order-node.ts';
import { orderTables } from './0028-order-tables.ts';
import { noticeNonce } from './0029-notice-nonce.ts';
import { orderResolution } from './0030-order-resolution.ts';
import { payoutClaim } from './0032-payout-claim.ts';
import { payout } from './0033-payout.ts';
import { businessSwitch } from './0034-business-switch.ts';
import { businessSwitches } from './0035-business-switches.ts';
import { dueRun } from './0037-due-run.ts';
import { pause } from './0038-pause.ts';
import { letterRepairs } from './0039-letter-repairs.ts';
import { alarm } from './0041-alarm.ts';
import { runSum } from './0044-run-sum.ts';
import { runByOutcome } from './0045-run-by-outcome.ts';
import type { Migration } from './migration.ts';

/** The tables of orders: how many there are is a setting, so they come by themselves, behind the others. */
export { payOrders } from './0031-pay-order.ts';

/** In every database that a job writes. */
const bookkeeping: readonly Migration[] = [
  checkpoint,
  window,
  run,
  deadLetter,
  sourceClock,
  windowDigest,
  fixRun,
  dueRun,
  pause,
  letterRepairs,
  runSum,
  runByOutcome,
];

/** What is remembered once for all databases. */
const mainBookkeeping: readonly Migration[] = [...bookkeeping, alarm];

const payouts = [payoutClaim, payout, businessSwitch, businessSwitches];

const ledger = [account, bill, accountState, openHold, billNumber, price, accountEvent, statementEntry];

/** What is written in the main database with commission. */
const commission = [commissionChange, userIncomeHour, userIncome, incomeByUser];
const commissionJobs = ['sync-commission-log', 'rollup-income', 'settle-month'];

/** The tables of all jobs of this repository. */
export const migrations: Readonly<Record<Job['target'], readonly Migration[]>> = {
  main: [...mainBookkeeping, ...commission].sort(byName),
  ledger: [
    ...bookkeeping,
    ...ledger,
    settlementMonth,
    settlement,
    settlementAdjustment,
    billByOrder,
    difference,
    reconciliationDay,
    orderNode,
    orderTables,
    noticeNonce,
    orderResolution,
    ...payouts,
  ].sort(byName),
};

/** The tables that a list of jobs needs, theirs last; those of commission only where a job of the list writes them. */
export function migrationsFor(jobs: readonly Job[]): typeof migrations {
  const withCommission = jobs.some(({ name }) => commissionJobs.includes(name));
  const ownOf = (target: Job['target']) => jobs.filter((job) => job.target === target).flatMap(tablesOf);
  return {
    main: [...(withCommission ? migrations.main : [...mainBookkeeping].sort(byName)), ...ownOf('main')],
    ledger: [...migrations.ledger, ...ownOf('ledger')],
  };
}

const tablesOf = ({ name, tables = [] }: Job): Migration[] =>
  tables.map((sql, index) => ({ name: `${name}/${String(index + 1).padStart(4, '0')}`, sql }));

/** As they were made: a database that has some of them gets the rest behind these. */
function byName(a: Migration, b: Migration): number {
  return a.name < b.name ? -1 : 1;
}
