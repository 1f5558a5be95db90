/**
 * The checker of a round: plain SQL over what settle-month and reconcile-day have stored and what was planted. It shares
 * no code with them. To be asked when both are past all that was due.
 */
import type { Session } from '../../src/platform/mysql.ts';
import { flawsOf } from '../../test/support/ledger-world.ts';
import { cast, minimumFen, type Round } from './books.ts';

/** A settled month with what is carried over from before, and the bounds of the month in UTC. */
const settled = `(SELECT s.*, m.begins, m.ends, IFNULL(LAG(s.carried_total) OVER (PARTITION BY s.account_id ORDER BY s.month), 0) carried_in,
    LAG(s.closing) OVER (PARTITION BY s.account_id ORDER BY s.month) closed_before
  FROM settlement s JOIN planted_month m USING (month)) s`;

const sumsOfBills = `(SELECT s.account_id, s.month, IFNULL(SUM(IF(b.done_at < m.begins, b.amount, 0)), 0) opening,
    ${['recharge', 'charge', 'rollback', 'confirm', 'correction', 'settlement']
      .map(
        (channel) => `IFNULL(SUM(IF(b.done_at >= m.begins AND b.channel = '${channel}', b.amount, 0)), 0) ${channel}`,
      )
      .join(', ')},
    IFNULL(SUM(b.amount), 0) closing
  FROM settlement s JOIN planted_month m USING (month)
  LEFT JOIN bill b ON b.account_id = s.account_id AND b.result = 'success' AND b.done_at < m.ends GROUP BY s.account_id, s.month)`;

/** Who must have a row: accounts from their opening on, users from the first month of their commission on. */
const dueRows = (main: string) => `(
  SELECT d.account_id, m.month FROM planted_month m JOIN (
      SELECT seq account_id, (SELECT MIN(month) FROM planted_month) since FROM seq_1_to_${Math.max(...cast.daily)}
       WHERE seq IN (${[...cast.movers, ...cast.idle, ...cast.daily].join(',')})
      UNION ALL
      SELECT user_id, LEFT(MIN(hour), 7) FROM ${main}.user_income_hour WHERE user_id > ${Math.max(...cast.idle)} GROUP BY user_id
    ) d ON m.month >= d.since
   WHERE d.account_id NOT IN (${cast.broken.join(',')})
     AND NOT (d.account_id = ${cast.doubtful} AND m.month = (SELECT month FROM planted_month ORDER BY month LIMIT 1 OFFSET 1)))`;

const lettersDue = `(
  SELECT CONCAT(month, '/', seq) row_key FROM planted_month JOIN seq_1_to_${Math.max(...cast.broken)} ON seq IN (${cast.broken.join(',')})
  UNION ALL (SELECT CONCAT(month, '/', ${cast.doubtful}) FROM planted_month ORDER BY month LIMIT 1 OFFSET 1)) due`;

/** Each selects what must not be. */
const flawsOfMonths = (main: string): Record<string, string> => ({
  'a month that is due was not settled': `SELECT account_id, month FROM ${dueRows(main)} d EXCEPT SELECT account_id, month FROM settlement`,
  'a month was settled that is not due': `SELECT account_id, month FROM settlement EXCEPT SELECT account_id, month FROM ${dueRows(main)} d`,
  'income and adjustments were not divided into credit, tax and what is carried': `
    SELECT account_id, month FROM settlement WHERE income + adjustment <> credited + tax + carried`,
  'an adjustment is not the sum of its lines': `
    SELECT s.account_id, s.month FROM settlement s LEFT JOIN settlement_adjustment a USING (account_id, month)
     GROUP BY s.account_id, s.month, s.adjustment HAVING IFNULL(SUM(a.amount), 0) <> s.adjustment`,
  'income and its adjustments are not what was earned': `
    SELECT s.account_id, s.month, s.income, IFNULL(a.amount, 0), IFNULL(e.amount, 0), IFNULL(c.amount, 0) FROM settlement s
      LEFT JOIN (SELECT account_id, for_month, SUM(amount) amount FROM settlement_adjustment GROUP BY account_id, for_month) a
        ON a.account_id = s.account_id AND a.for_month = s.month
      LEFT JOIN (SELECT user_id, LEFT(hour, 7) month, SUM(amount) amount FROM ${main}.user_income_hour GROUP BY 1, 2) e
        ON e.user_id = s.account_id AND e.month = s.month
      LEFT JOIN ${main}.planted_change c ON c.user_id = s.account_id AND c.month = s.month
     WHERE s.income + IFNULL(a.amount, 0) NOT IN (IFNULL(e.amount, 0), IFNULL(e.amount, 0) - IFNULL(c.amount, 0))`,
  'a credit is not what was due': `
    SELECT account_id, month, carried_in, income, adjustment, credited, carried_total FROM ${settled}
     WHERE tax <> 0 OR carried_total <> carried_in + income + adjustment - credited
        OR credited <> IF(account_id IN (${cast.frozen.join(',')}) OR carried_in + income + adjustment < ${minimumFen}, 0, carried_in + income + adjustment)`,
  'a credit is not its bill': `
    SELECT s.account_id, s.month FROM settlement s LEFT JOIN bill b ON b.bill_id = s.bill_id AND b.channel = 'settlement' AND b.result = 'success'
     WHERE s.credited <> IFNULL(b.amount, 0) OR s.account_id <> IFNULL(b.account_id, s.account_id)`,
  'a settlement was credited without a row, or twice': `
    SELECT b.account_id, b.bill_id FROM bill b LEFT JOIN settlement s ON s.bill_id = b.bill_id WHERE b.channel = 'settlement'
     GROUP BY b.id HAVING COUNT(s.month) <> 1`,
  'a statement is not the sum of its bills': `
    SELECT s.account_id, s.month FROM settlement s JOIN ${sumsOfBills} b USING (account_id, month)
     WHERE s.opening <> b.opening OR s.recharges <> b.recharge OR s.charges <> b.charge OR s.rollbacks <> b.rollback
        OR s.confirms <> b.confirm OR s.corrections <> b.correction OR s.settlements <> b.settlement OR s.closing <> b.closing`,
  'a statement does not continue the one before': `
    SELECT account_id, month FROM ${settled} WHERE closed_before <> opening AND account_id <> ${cast.doubtful}`,
  'letters are not those of who cannot be settled': `
    SELECT row_key FROM tidemark_dead_letter WHERE job = 'settle-month' AND state = 'open' EXCEPT SELECT row_key FROM ${lettersDue}
    UNION ALL (SELECT row_key FROM ${lettersDue} EXCEPT SELECT row_key FROM tidemark_dead_letter WHERE job = 'settle-month' AND state = 'open')`,
});

const compared = `SELECT counterpart, CAST(day AS CHAR), direction, reference, outcome FROM`;
const ofCounterparts = (days: readonly string[]) =>
  `difference WHERE counterpart <> 'ledger' AND day IN (${days.map((day) => `'${day}'`).join(',')})`;

const ofLedger = `
  (SELECT CAST(account_id AS CHAR) reference, 'in' direction, 'amount' outcome FROM account WHERE account_id IN (${cast.broken.join(',')})
   UNION ALL SELECT CAST(bill_id AS CHAR), 'out', 'status' FROM bill WHERE result = 'unprocessed')`;

const flawsOfDays = ({ days }: Round): Record<string, string> => ({
  'a planted difference was not found, or as another': `${compared} planted_difference EXCEPT ${compared} ${ofCounterparts(days)}`,
  // A day that was run ahead of the one before it finds the other half alone, and has it settled later.
  'a difference was found that is none': `
    SELECT * FROM (${compared} ${ofCounterparts(days)} EXCEPT ${compared} planted_difference) d WHERE outcome <> 'resolved'
       OR (counterpart, direction, reference) NOT IN (SELECT counterpart, direction, reference FROM planted_difference WHERE outcome = 'resolved')`,
  'the ledger was found otherwise than it is': `
    SELECT * FROM (SELECT reference, direction, outcome FROM difference WHERE counterpart = 'ledger' EXCEPT ${ofLedger}) more
    UNION ALL SELECT * FROM (${ofLedger} EXCEPT SELECT reference, direction, outcome FROM difference WHERE counterpart = 'ledger') less`,
  'a day was not told, or not once': `
    SELECT counterpart, day FROM (SELECT 'initiator' counterpart UNION ALL SELECT 'alipay') c
      JOIN (SELECT DISTINCT day FROM planted_difference) d LEFT JOIN reconciliation_day r USING (counterpart, day) WHERE r.run_id IS NULL`,
});

const untiled = `
  SELECT job, shard, window_start, window_end FROM (
    SELECT job, shard, window_start, window_end, LAG(window_end) OVER (PARTITION BY job, shard ORDER BY window_start) before_it FROM tidemark_window) w
   WHERE before_it <> window_start
  UNION ALL
  SELECT c.job, c.shard, c.checkpoint, w.last_end FROM tidemark_checkpoint c
    LEFT JOIN (SELECT job, shard, MAX(window_end) last_end FROM tidemark_window GROUP BY job, shard) w USING (job, shard)
   WHERE NOT w.last_end <=> c.checkpoint`;

/** What the constraints of the tables were switched off for. */
const isPlanted = (row: readonly unknown[]) => (cast.broken as readonly number[]).includes(Number(row[0]));

/**
 * What is wrong with the books of a round, each with an example.
 *
 * @param ledger a session of the round's ledger that may read its main database, too
 */
export async function checkRound(ledger: Session, round: Round): Promise<string[]> {
  const more = {
    ...flawsOfMonths(round.mainDatabase),
    ...flawsOfDays(round),
    'the windows do not tile': untiled,
  };
  return Object.entries(await flawsOf(ledger, more)).flatMap(([flaw, found]) => {
    const rows = found.filter((row) => flaw in more || !isPlanted(row));
    const examples = rows.slice(0, 3).map((row) => row.join(' '));
    return rows.length === 0 ? [] : [`${round.ledgerDatabase}: ${rows.length} × ${flaw}: ${examples.join('; ')}`];
  });
}
