/**
 * Whose the deadlocks were: InnoDB reports each in its server's log. tidemark takes no locks on the source, so that none
 * there may name its account. Writers can deadlock one another; that is their own affair, and only counted.
 */
import { readFile } from 'node:fs/promises';
import { type Account, accounts } from './stage.ts';

/** The reports in a server's log, whole or, where the server was killed, as far as they got. */
export async function readDeadlocks(logFile: string): Promise<string[]> {
  const [, ...parts] = (await readFile(logFile, 'utf8')).split(/InnoDB: Transactions? deadlock detected.*\n/);
  return parts.map((part) => part.split(/^.*WE ROLL BACK TRANSACTION.*$/m)[0] as string);
}

/** The accounts whose transactions take part. Other lines of the log may have come between a report's. */
const accountsOf = (report: string): string[] =>
  [...report.matchAll(/^MariaDB thread id .* query id \d+ \S+ (\S+)/gm)].map(([, account]) => account as string);

/** How many of the reports name an account. */
export const countNaming = (reports: readonly string[], account: Account): number =>
  reports.filter((report) => accountsOf(report).includes(accounts[account])).length;

/**
 * @param reports those of the source
 * @param seen how often writers were told of a deadlock
 */
export function judgeDeadlocks(
  reports: readonly string[],
  seen: number,
): { readonly amongWriters: number; readonly failures: readonly string[] } {
  const withRuns = reports.filter((report) => accountsOf(report).includes(accounts.runner));
  const ofWriters = reports.filter((report) => accountsOf(report).includes(accounts.writer));
  const failures: string[] = [];
  if (withRuns.length > 0)
    failures.push(`${withRuns.length} deadlocks in the source name ${accounts.runner}: ${shortened(withRuns[0])}`);
  if (seen > ofWriters.length)
    failures.push(`${seen - ofWriters.length} deadlocks of writers are not explained by any report of InnoDB`);
  return { amongWriters: ofWriters.filter((report) => !withRuns.includes(report)).length, failures };
}

const shortened = (report = ''): string => report.replace(/^ *\d+: len .*\n/gm, '').slice(0, 4000);
