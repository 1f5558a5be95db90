/**
 * The checker of the ledger: plain SQL over its tables and the books of its callers, which are brought into temporary
 * tables beside them. It shares no code with the ledger, and asks it nothing. To be asked when no caller is at work any more, and each
 * has asked again for all that had no answer.
 */

import type { Session } from '../../src/platform/mysql.ts';
import { flawsOf } from '../../test/support/ledger-world.ts';
import { readBook } from './book.ts';

export interface LedgerFindings {
  readonly figures: Readonly<Record<string, number>>;
  /** What is wrong, each with an example. */
  readonly failures: readonly string[];
}

export interface CallerBook {
  readonly caller: string;
  readonly path: string;
}

const askedTable = `CREATE OR REPLACE TEMPORARY TABLE asked (
  caller VARCHAR(64) NOT NULL,
  number INT UNSIGNED NOT NULL,
  channel VARCHAR(16) NOT NULL,
  bill_id BIGINT UNSIGNED NOT NULL,
  account_id BIGINT UNSIGNED NOT NULL,
  amount BIGINT NULL COMMENT 'fen, signed, as it should stand on the bill; NULL: by the price list',
  held_change BIGINT NOT NULL,
  items VARCHAR(255) NULL,
  expires_in INT NULL,
  PRIMARY KEY (caller, number),
  UNIQUE KEY (bill_id, channel)
) ENGINE = InnoDB`;

const answeredTable = `CREATE OR REPLACE TEMPORARY TABLE answered (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  caller VARCHAR(64) NOT NULL,
  number INT UNSIGNED NOT NULL,
  code INT NOT NULL,
  amount BIGINT NULL,
  balance BIGINT NULL,
  held BIGINT NULL,
  reason VARCHAR(1000) NULL,
  KEY (caller, number, code)
) ENGINE = InnoDB`;

/** The last word on each call: a code of 0 or more. */
const final = `(SELECT w.caller, w.number, w.code, w.amount, w.balance, w.held FROM answered w
   JOIN (SELECT MAX(id) id FROM answered WHERE code >= 0 GROUP BY caller, number) latest USING (id))`;
const askedWithFinal = `asked a JOIN ${final} f ON f.caller = a.caller AND f.number = a.number`;
/** Refused as long as the balance is too low: what follows another bill may be asked for again. */
const forNow = (answer: string) => `(a.channel IN ('confirm', 'cancel', 'rollback') AND ${answer}.code = 3)`;

/** What the ledger releases by itself. */
const isExpiry = `b.channel = 'cancel' AND b.operator <=> 'expiry'`;

/** Each selects what must not be. */
const flaws: Readonly<Record<string, string>> = {
  'calls have no final answer': `
    SELECT a.caller, a.number, a.channel, a.bill_id FROM asked a
      LEFT JOIN ${final} f ON f.caller = a.caller AND f.number = a.number WHERE f.code IS NULL`,
  'calls were answered in two ways': `
    SELECT a.caller, a.number, GROUP_CONCAT(DISTINCT CONCAT_WS(' ', w.code, w.amount, w.balance, w.held)) answers
      FROM asked a JOIN answered w ON w.caller = a.caller AND w.number = a.number WHERE w.code >= 0 AND NOT ${forNow('w')}
     GROUP BY a.caller, a.number HAVING COUNT(DISTINCT CONCAT_WS(' ', w.code, w.amount, w.balance, w.held)) > 1`,
  'calls were answered 0, and their bill is not there as they were told': `
    SELECT a.caller, a.number, a.channel, a.bill_id, f.amount, f.balance, f.held FROM ${askedWithFinal}
      LEFT JOIN bill b ON b.bill_id = a.bill_id AND b.channel = a.channel AND b.result = 'success' AND b.account_id = a.account_id
       AND b.amount = f.amount AND b.amount = IFNULL(a.amount, b.amount) AND b.held_change = a.held_change
       AND b.balance_after = f.balance AND b.held_after = f.held AND b.caller = a.caller
     WHERE f.code = 0 AND b.id IS NULL`,
  'calls were refused, and had an effect, or their bill tells another reason': `
    SELECT a.caller, a.number, a.channel, a.bill_id, f.code, b.result, b.code FROM ${askedWithFinal}
      JOIN bill b ON b.bill_id = a.bill_id AND b.channel = a.channel
     WHERE f.code > 0 AND (b.result = 'success' OR b.code <> f.code) AND NOT (${isExpiry})`,
  'bills were asked for by nobody': `
    SELECT b.bill_id, b.channel, b.caller, b.operator FROM bill b LEFT JOIN asked a ON a.bill_id = b.bill_id AND a.channel = b.channel
     WHERE a.bill_id IS NULL AND NOT (${isExpiry})`,
  'holds were released before their time, or had none': `
    SELECT b.bill_id, h.done_at, b.done_at, a.expires_in FROM bill b JOIN bill h ON h.origin = b.bill_id
      LEFT JOIN asked a ON a.bill_id = b.bill_id AND a.channel = 'hold'
     WHERE ${isExpiry} AND (a.expires_in IS NULL OR b.done_at < h.done_at + INTERVAL a.expires_in SECOND)`,
  'accounts do not hold what their callers were told': `
    SELECT account.account_id, account.balance, IFNULL(told.amount, 0) FROM account
      LEFT JOIN (SELECT a.account_id, SUM(f.amount) amount FROM ${askedWithFinal} WHERE f.code = 0 GROUP BY a.account_id) told
        ON told.account_id = account.account_id WHERE account.balance <> IFNULL(told.amount, 0)`,
  'accounts do not keep for their callers what these hold': `
    SELECT account.account_id, account.held, IFNULL(told.amount, 0) FROM account
      LEFT JOIN (SELECT account_id, SUM(held_change) amount FROM (
          SELECT a.account_id, a.held_change FROM ${askedWithFinal} WHERE f.code = 0
          UNION ALL
          SELECT b.account_id, b.held_change FROM bill b LEFT JOIN (SELECT a.bill_id FROM ${askedWithFinal}
             WHERE a.channel = 'cancel' AND f.code = 0) cancelled ON cancelled.bill_id = b.bill_id
           WHERE ${isExpiry} AND b.result = 'success' AND cancelled.bill_id IS NULL) changes GROUP BY account_id) told
        ON told.account_id = account.account_id WHERE account.held <> IFNULL(told.amount, 0)`,
  'charges by the price list do not add up, or are for something else': `
    SELECT a.bill_id, a.items, b.amount, b.prices FROM asked a JOIN bill b ON b.bill_id = a.bill_id AND b.channel = a.channel
     WHERE a.items IS NOT NULL AND NOT (
       (SELECT GROUP_CONCAT(name, ' ', quantity ORDER BY name) FROM ${itemsOf('b.prices')}) <=> a.items
       AND (SELECT SUM(quantity * price) FROM ${itemsOf('b.prices')}) <=> -b.amount)`,
  'bills are unprocessed': `
    SELECT b.bill_id, b.channel, b.caller, b.created_at FROM bill b LEFT JOIN (${askedWithFinal})
        ON a.bill_id = b.bill_id AND a.channel = b.channel AND ${forNow('f')}
     WHERE b.result = 'unprocessed' AND a.bill_id IS NULL`,
  'callers were told of deadlocks': `SELECT caller, number, reason FROM answered WHERE reason LIKE '%deadlock%'`,
};

const unknownToCallers = {
  'callers were told that nobody knows': `SELECT caller, number, code, reason FROM answered WHERE code < 0`,
};

function itemsOf(json: string): string {
  return `JSON_TABLE(${json}, '$[*]' COLUMNS (name VARCHAR(64) PATH '$.name', quantity BIGINT PATH '$.quantity', price BIGINT PATH '$.price')) items`;
}

/**
 * @param session of the ledger
 * @param unknownAnswers whether callers may have been told that nobody knows
 */
export async function checkLedger(
  session: Session,
  books: readonly CallerBook[],
  unknownAnswers: boolean,
): Promise<LedgerFindings> {
  const brokenOff = await bringBooks(session, books);
  const failures = await findFlaws(session, unknownAnswers);
  return { figures: { ...(await figuresOf(session)), 'calls broken off': brokenOff }, failures };
}

/** What is wrong, when the books are in their tables. */
export async function findFlaws(session: Session, unknownAnswers: boolean): Promise<string[]> {
  const found = await flawsOf(session, { ...flaws, ...(unknownAnswers ? {} : unknownToCallers) });
  return Object.entries(found).map(([flaw, rows]) => {
    const examples = rows.slice(0, 3).map((row) => row.join(' '));
    return `ledger: ${rows.length} × ${flaw}: ${examples.join('; ')}`;
  });
}

/** @returns how often a call had no answer when its caller began again */
export async function bringBooks(session: Session, books: readonly CallerBook[]): Promise<number> {
  for (const table of [askedTable, answeredTable]) await session.write(table);
  let brokenOff = 0;
  for (const book of books) brokenOff += await bringIn(session, book);
  return brokenOff;
}

type Row = (string | number | null)[];
/** Rows that go into a table in one statement. */
const rowsAtOnce = 1000;

async function bringIn(session: Session, { caller, path }: CallerBook): Promise<number> {
  const asked: Row[] = [];
  const answered: Row[] = [];
  let brokenOff = 0;
  for (const entry of readBook(path)) {
    if ('call' in entry) {
      const { channel, billId, accountId, change, heldChange, items, expiresInSeconds } = entry.call;
      const [id, account, amount, held] = [text(billId), text(accountId), text(change), text(heldChange)];
      asked.push([caller, asked.length, channel, id, account, amount, held, itemText(items), expiresInSeconds]);
    } else if ('brokenOff' in entry) brokenOff += entry.brokenOff;
    else {
      const { number, code, amount, balance, held, reason } = entry.answer;
      answered.push([null, caller, number, code, text(amount), text(balance), text(held), reason]);
    }
  }
  await insert(session, 'asked', asked);
  await insert(session, 'answered', answered);
  return brokenOff;
}

const text = (value: bigint | null): string | null => (value === null ? null : String(value));

const itemText = (items: Readonly<Record<string, bigint>> | null): string | null =>
  items &&
  Object.entries(items)
    .map(([name, quantity]) => `${name} ${quantity}`)
    .sort()
    .join(',');

async function insert(session: Session, table: string, rows: readonly Row[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsAtOnce)
    await session.write(`INSERT INTO ${table} VALUES ?`, [rows.slice(from, from + rowsAtOnce)]);
}

async function figuresOf(session: Session): Promise<Record<string, number>> {
  const count = async (from: string) => Number((await session.tuples(`SELECT COUNT(*) FROM ${from}`))[0]?.[0]);
  return {
    'ledger calls': await count('asked'),
    'answered 0': await count(`${final} f WHERE code = 0`),
    'refused by the ledger': await count(`${final} f WHERE code > 0`),
    'asked again': (await count('answered')) - (await count('asked')),
    'answered below 0': await count('answered WHERE code < 0'),
    'holds that expired': await count(`bill b WHERE ${isExpiry}`),
  };
}

/**
 * How many flaws of its own kind a caller has left that is known to be wrong.
 *
 * @param session of its own database
 */
export async function judgeLedgerControl(
  session: Session,
  evidence: 'wrong balances' | 'calls with two bills',
): Promise<number> {
  const found = await flawsOf(session, {
    'calls with two bills': `SELECT info FROM bill WHERE result = 'success' GROUP BY info HAVING COUNT(*) > 1`,
  });
  const flaw = evidence === 'wrong balances' ? 'balance is not the sum of the successful bills' : evidence;
  return found[flaw]?.length ?? 0;
}
