/**
 * The tables that tidemark owns: numbered, forward only, one change each. What may never be is a CHECK or a UNIQUE.
 *
 * Times are DATETIME in the business zone, as in the platform's own tables. Every statement may be repeated, because a
 * crash can come between it and the note that it was done.
 */
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
import type { Migration } from './migration.ts';

/** In every database that a job writes. */
const bookkeeping: readonly Migration[] = [checkpoint, window, run, deadLetter];

export const migrations: Readonly<Record<'main', readonly Migration[]>> = {
  main: [...bookkeeping, commissionChange, userIncomeHour, userIncome, sourceClock, windowDigest, fixRun],
};
