/**
 * The record of an application that charges and pays through the ledger: CSV in UTF-8, amounts in whole fen.
 *
 *     reference,amount,fee,status,occurred_at
 *     7300000012345,9900,,success,2026-11-20 10:00:00
 *     #total,1,9900
 *
 * `reference` is the id of the bill; `amount` is signed; `fee` may be empty; `status` is success, failed or unprocessed.
 * The last line may state the number of rows and the sum of their amounts, and must then agree. Without it a file that
 * was cut off at the end of a line looks whole: applications should write it.
 */
import type { Entry, Status } from './entry.ts';
import { columnsOf, expectFields, expectTotal, type Format, referenceAt, timeAt, unitsAt } from './format.ts';
import type { Line } from './lines.ts';

const initiatorColumns = ['reference', 'amount', 'fee', 'status', 'occurred_at'] as const;

type Columns = ReturnType<typeof columnsOf<(typeof initiatorColumns)[number]>>;

const statuses: readonly string[] = ['success', 'failed', 'unprocessed'] satisfies Status[];

/** @param day the business day whose record this must be, `2026-11-20` */
export function initiator(day: string): Format {
  let columns: Columns | undefined;
  let rows = 0n;
  let sum = 0n;
  let closed = false;

  function checkTotals(line: Line): void {
    expectFields(line, 3);
    expectTotal(line, 'rows', line.field(1), rows, 0);
    expectTotal(line, 'amount', line.field(2), sum, 0);
    closed = true;
  }

  return {
    encoding: 'utf8',
    read(line) {
      if (closed) throw line.error('nothing after the totals', line.whole());
      if (columns === undefined) columns = columnsOf(line, initiatorColumns, "an initiator's record");
      else if (line.begins('#')) {
        if (line.field(0) !== '#total') throw line.error('a row, or #total', line.whole());
        checkTotals(line);
      } else {
        const entry = rowOf(line, columns, day);
        rows++;
        sum += entry.amount;
        return entry;
      }
      return null;
    },
    finish(line, ended) {
      if (columns === undefined) throw line.error(initiatorColumns.join(','), 'the end of the file');
      if (!ended && !closed) throw line.error('an end of line after the last row', 'the end of the file');
    },
  };
}

function rowOf(line: Line, columns: Columns, day: string): Entry {
  expectFields(line, initiatorColumns.length);
  const amount = unitsAt(line, columns.amount, 0, 'amount in fen');
  const status = line.field(columns.status);
  if (!statuses.includes(status)) throw line.error(`status ${statuses.join(', ')}`, status);
  return {
    reference: referenceAt(line, columns.reference, 'reference'),
    direction: amount < 0n ? 'out' : 'in',
    part: '',
    amount,
    fee: line.field(columns.fee) === '' ? null : unitsAt(line, columns.fee, 0, 'fee in fen'),
    status: status as Status,
    occurredAt: timeAt(line, columns.occurred_at, 'occurred_at', day),
    line: line.number,
  };
}
