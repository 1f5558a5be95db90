/**
 * What the wallets must hold by what the providers say: plain SQL, for the real thing and for the controls alike.
 *
 * Two temporary tables: `known`, what somebody asked for, by the book of who asked; and `there`, what the provider has.
 * A gap is money that moved at the provider and not in the wallet; a repeat is money that moved in the wallet and not, or
 * not as often, at the provider, or that the provider moved twice.
 */
import type { Session } from '../../src/platform/mysql.ts';
import type { ProviderBook } from './provider-book.ts';

const knownTable = `CREATE OR REPLACE TEMPORARY TABLE known (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  kind ENUM('order', 'payout') NOT NULL,
  asked_by VARCHAR(64) NOT NULL UNIQUE COMMENT 'the key of who asked: one thing each',
  account_id BIGINT UNSIGNED NOT NULL,
  provider VARCHAR(16) NOT NULL,
  amount BIGINT NOT NULL COMMENT 'fen, at the provider',
  wallet BIGINT NOT NULL COMMENT 'fen, signed: what the wallet changes by when it moves there',
  KEY (account_id)
) ENGINE = InnoDB`;

const thereTable = `CREATE OR REPLACE TEMPORARY TABLE there (
  id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  kind ENUM('order', 'payout') NOT NULL,
  provider VARCHAR(16) NOT NULL,
  amount BIGINT NOT NULL COMMENT 'fen',
  moved INT NOT NULL COMMENT 'times',
  returned INT NOT NULL COMMENT 'times, whole',
  partly BIGINT NOT NULL COMMENT 'fen that went back, and were not all of it',
  word VARCHAR(255) NOT NULL
) ENGINE = InnoDB`;

export async function makeTables(session: Session): Promise<void> {
  for (const table of [knownTable, thereTable]) await session.write(table);
}

export type Row = readonly (string | number | null)[];
/** Rows that go into a table in one statement. */
const rowsAtOnce = 1000;

export async function insert(session: Session, table: string, rows: readonly Row[]): Promise<void> {
  for (let from = 0; from < rows.length; from += rowsAtOnce)
    await session.write(`INSERT INTO ${table} VALUES ?`, [rows.slice(from, from + rowsAtOnce)]);
}

export async function bringMovements(session: Session, { movements }: ProviderBook): Promise<void> {
  const rows = movements.map(({ id, kind, provider, amount, moved, returned, partly, word }) => [
    ...[id, kind, provider, amount],
    ...[moved, returned, partly, word],
  ]);
  await insert(session, 'there', rows);
}

/**
 * What each should have done to its bills (`due`, without tax) and to its wallet (`wallet_due`), and what its bills, which
 * name it, have done (`booked`). A payment of which a part went back before it was credited waits for a person, and
 * nothing is booked.
 */
const judged = `(
  SELECT k.id, k.kind, k.account_id, SIGN(k.wallet) direction, t.word, IFNULL(b.amount, 0) booked,
         SIGN(k.wallet) * k.amount * IF(t.partly > 0 AND b.id IS NULL, 0, IFNULL(t.moved - t.returned, 0)) due,
         k.wallet * IF(t.partly > 0 AND b.id IS NULL, 0, IFNULL(t.moved - t.returned, 0)) wallet_due
    FROM known k LEFT JOIN there t ON t.id = k.id
    LEFT JOIN (SELECT CAST(order_id AS UNSIGNED) id, SUM(amount) amount FROM bill
                WHERE result = 'success' AND order_id IS NOT NULL AND provider <> 'tax' GROUP BY 1) b ON b.id = k.id)`;

/** Each selects what must not be. */
export const gaps = {
  'money moved at the provider, and not in the wallet': `
    SELECT kind, id, account_id, due, booked, word FROM ${judged} m WHERE booked * direction < due * direction`,
};

export const repeats = {
  'money moved in the wallet, and not, or not as often, at the provider': `
    SELECT kind, id, account_id, due, booked, word FROM ${judged} m WHERE booked * direction > due * direction`,
  'a provider moved money more than once, or gave it back more than once': `
    SELECT kind, id, provider, moved, returned FROM there WHERE moved NOT IN (0, 1) OR returned NOT IN (0, 1) OR returned > moved`,
};

/** @param openingFen what every wallet began with */
export const wrongWallets = (openingFen: bigint) => ({
  'a wallet is not what the provider says': `
    SELECT a.account_id, a.balance, ${openingFen} + IFNULL(d.due, 0) FROM account a
      LEFT JOIN (SELECT account_id, SUM(wallet_due) due FROM ${judged} m GROUP BY account_id) d ON d.account_id = a.account_id
     WHERE a.balance <> ${openingFen} + IFNULL(d.due, 0)`,
});

export const strangers = {
  'a provider was asked for what nobody wanted': `
    SELECT t.kind, t.id, t.provider, t.amount, t.word FROM there t LEFT JOIN known k ON k.id = t.id AND k.kind = t.kind WHERE k.id IS NULL`,
  'a provider was told another sum, or it was another provider': `
    SELECT k.kind, k.id, k.provider, k.amount, t.provider, t.amount FROM known k JOIN there t ON t.id = k.id
     WHERE t.provider <> k.provider OR t.amount <> k.amount`,
};
