/** The checker of closed ledgers must be able to fail: each flaw that it looks for is made once, and rolled back. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BooksOfRound, type Round } from '../../campaign/closing/books.ts';
import { checkRound } from '../../campaign/closing/checker.ts';
import { settingsOf } from '../../campaign/closing/rounds.ts';
import { Random } from '../../campaign/random.ts';
import { Stage } from '../../campaign/stage.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { startCli } from '../support/cli-tools.ts';

describe('the checker of closed ledgers', () => {
  let stage: Stage;
  let round: Round;
  let ledger: Session;
  const run = (sql: string) => ledger.write(sql);

  beforeAll(async () => {
    stage = await Stage.raise();
    const root = await stage.open('main', 'mysql');
    const books = new BooksOfRound(new Random(7), Date.now());
    round = await books.make(root, (database) => stage.open('main', database), 'test', stage.servers.main.folder);
    await root.close();
    ledger = await stage.open('main', round.ledgerDatabase);
    const settings = settingsOf(round, { stage, stallTimeoutMs: 5000 });
    for (const args of [['settle-month'], ['reconcile-day', 'ledger', 'initiator', 'alipay']])
      expect((await startCli(['run', ...args], settings).ended).code).toBe(65);
  });
  afterAll(async () => {
    await ledger.close();
    await stage.strike();
  });

  /** The tables themselves would refuse most of it. */
  async function flawsAfter(...statements: readonly string[]): Promise<readonly string[]> {
    await run('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
    await run('START TRANSACTION');
    try {
      for (const statement of statements) await run(statement.replaceAll('MAIN', round.mainDatabase));
      return await checkRound(ledger, round);
    } finally {
      await run('ROLLBACK');
    }
  }

  test('finds nothing where all is well', async () => {
    expect(await flawsAfter()).toEqual([]);
  });

  const first = '(SELECT MIN(month) FROM planted_month)';
  const last = '(SELECT MAX(month) FROM planted_month)';
  const credit = `(SELECT bill_id FROM settlement WHERE credited > 0 ORDER BY bill_id LIMIT 1)`;
  test.each([
    {
      flaw: 'a month that was left out',
      sql: `DELETE FROM settlement WHERE account_id = 3 AND month = ${last}`,
      found: /1 × a month that is due was not settled: 3 /,
    },
    {
      flaw: 'a month of an account that does not add up',
      sql: `INSERT INTO settlement (account_id, month, opening, recharges, charges, rollbacks, settlements, confirms, corrections,
              closing, bills, income, adjustment, tax_rule, tax, credited, carried, carried_total)
            SELECT 20, month, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'none', 0, 0, 0, 0 FROM planted_month WHERE month = ${first}`,
      found: /1 × a month was settled that is not due: 20 /,
    },
    {
      flaw: 'income that went nowhere',
      sql: `UPDATE settlement SET income = income + 1 WHERE account_id = 31 AND month = ${first}`,
      found: /1 × income and adjustments were not divided/,
    },
    {
      flaw: 'an adjustment without its lines',
      sql: `UPDATE settlement SET adjustment = 5, income = income - 5 WHERE account_id = 31 AND month = ${last}`,
      found: /1 × an adjustment is not the sum of its lines: 31/,
    },
    {
      flaw: 'income that was not earned',
      sql: `UPDATE MAIN.user_income_hour SET amount = amount + 1 WHERE user_id = 33 LIMIT 1`,
      found: /1 × income and its adjustments are not what was earned: 33/,
    },
    {
      flaw: 'a credit of a fen too much',
      sql: `UPDATE settlement SET credited = credited + 1, carried = carried - 1, carried_total = carried_total - 1 WHERE bill_id = ${credit}`,
      found: /× a credit is not what was due/,
    },
    {
      flaw: 'a credit to a frozen account',
      sql: `UPDATE settlement SET credited = 1, carried_total = carried_total - 1 WHERE account_id = 35 AND month = ${last}`,
      found: /1 × a credit is not what was due: 35/,
    },
    {
      flaw: 'a credit whose bill is not there',
      sql: `DELETE FROM bill WHERE bill_id = ${credit}`,
      found: /1 × a credit is not its bill/,
    },
    {
      flaw: 'a credit that was made twice',
      sql: `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (1, 'settlement', 31, 5, 0, '')`,
      found: /1 × a settlement was credited without a row, or twice: 31 1/,
    },
    {
      flaw: 'a statement that leaves a charge out',
      sql: `UPDATE settlement SET charges = charges + 1, closing = closing + 1 WHERE account_id = 3 AND month = ${last}`,
      found: /1 × a statement is not the sum of its bills: 3/,
    },
    {
      flaw: 'a statement that does not continue the one before',
      sql: `UPDATE settlement SET opening = opening + 1, closing = closing + 1 WHERE account_id = 3 AND month = ${last}`,
      found: /1 × a statement does not continue the one before: 3/,
    },
    {
      flaw: 'somebody who is not named as held back',
      sql: `DELETE FROM tidemark_dead_letter WHERE row_key LIKE '%/60'`,
      found: /1 × letters are not those of who cannot be settled: \d{4}-\d\d\/60/,
    },
    {
      flaw: 'somebody who is named and should not be',
      sql: `UPDATE tidemark_dead_letter SET row_key = '2020-01/7' WHERE row_key LIKE '%/60'`,
      found: /2 × letters are not those of who cannot be settled/,
    },
    {
      flaw: 'a difference that was not found',
      sql: `DELETE FROM difference WHERE counterpart = 'alipay' AND outcome = 'fee' LIMIT 1`,
      found: /1 × a planted difference was not found, or as another: alipay \S+ in \S+ fee/,
    },
    {
      flaw: 'a difference that was opened again',
      sql: `UPDATE difference SET outcome = 'local_only' WHERE counterpart = 'initiator' AND outcome = 'resolved' LIMIT 1`,
      found: /1 × a difference was found that is none: initiator/,
    },
    {
      flaw: 'an account that is wrong and was not told',
      sql: `DELETE FROM difference WHERE counterpart = 'ledger' AND reference = '20'`,
      found: /1 × the ledger was found otherwise than it is: 20 in amount/,
    },
    {
      flaw: 'a day that was not told',
      sql: `DELETE FROM reconciliation_day WHERE counterpart = 'alipay' LIMIT 1`,
      found: /1 × a day was not told/,
    },
    {
      flaw: 'a gap between windows',
      sql: `UPDATE tidemark_window SET window_start = window_start + INTERVAL 1 DAY WHERE job = 'settle-month' ORDER BY window_start DESC LIMIT 1`,
      found: /1 × the windows do not tile: settle-month/,
    },
    {
      flaw: 'a fen on an account that no bill has made',
      sql: `UPDATE account SET balance = balance + 1 WHERE account_id = 4`,
      found: /1 × balance is not the sum of the successful bills: 4/,
    },
  ])('finds $flaw', async ({ sql, found }) => {
    expect(await flawsAfter(sql)).toEqual(expect.arrayContaining([expect.stringMatching(found)]));
  });

  test('allows commission that changed after its month was settled, or before', async () => {
    const change = `INSERT INTO MAIN.planted_change VALUES (33, ${first}, 777)`;
    const late = `UPDATE MAIN.user_income_hour SET amount = amount + 777 WHERE user_id = 33 AND hour = CONCAT(${first}, '-01 00:00:00')`;
    expect(await flawsAfter(change, late)).toEqual([]);
    expect(await flawsAfter(change)).toEqual([]);
  });
});
