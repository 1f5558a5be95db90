/**
 * Over how many tables the orders are spread: a number that is fixed when they are made, as an order is found by it.
 */
import { SetupError } from '../platform/errors.ts';
import type { Reader } from '../platform/mysql.ts';
import { failureOf } from '../platform/mysql-errors.ts';

const setting = 'TIDEMARK_ORDER_TABLES';

/** @returns null before they are made */
async function numberOfTables(reader: Reader): Promise<number | null> {
  try {
    const [row] = await reader.tuples('SELECT tables FROM order_tables');
    return row === undefined ? null : Number(row[0]);
  } catch (error) {
    if (failureOf(error) === 'setup') return null;
    throw error;
  }
}

/** Before tables are made: there may be some already. @throws SetupError when they are of another number */
export async function mayMakeTables(reader: Reader, tables: number): Promise<void> {
  const known = await numberOfTables(reader);
  if (known !== null && known !== tables) throw anotherNumber(known, tables);
}

/** @throws SetupError when the tables of orders are not there, or are of another number */
export async function assertTables(reader: Reader, tables: number): Promise<void> {
  const known = await numberOfTables(reader);
  if (known !== null && known !== tables) throw anotherNumber(known, tables);
  const [row] = await reader.tuples(
    `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME REGEXP '^pay_order(_detail)?_[0-9]+$'`,
  );
  if (known === null || Number(row?.[0]) < 2 * tables)
    throw new SetupError(
      'the ledger database lacks the tables of orders, or its account may not read them',
      'tidemark migrate',
    );
}

const anotherNumber = (known: number, wanted: number): SetupError =>
  new SetupError(
    `${setting} is ${wanted}, and the orders are spread over ${known} tables: the number is fixed once they are made`,
    `${setting}=${known}`,
  );
