/**
 * Income by user and hour: the sum and count of effective commission, by the hour of its creation.
 *
 * `drain` recomputes the cells that the change log names, from the total table as it is; `recompute` all cells of a
 * stretch of hours and users. Both move a user's total by the difference. `drain` takes away exactly the entries that it
 * read *before* it recomputed: an entry that comes later stays, and its cell is recomputed once more. So it does not
 * matter in which order entries commit, and a repetition changes nothing.
 *
 * Amounts are fen and pass as text or bigint only. A cell without effective commission has no row.
 */
import { JobError } from '../platform/errors.ts';
import type { Cell, Reader, Written } from '../platform/mysql.ts';
import { failureOf } from '../platform/mysql-errors.ts';

export interface IncomeTarget extends Reader {
  write(sql: string, parameters?: readonly (string | number)[]): Promise<Written>;
}

/** A cell whose stored income differs from what the total table says. */
export interface Difference {
  readonly user: string;
  /** Local text, `2026-11-20 10:00:00`. */
  readonly hour: string;
  readonly was: { readonly amount: bigint; readonly entries: bigint };
  readonly is: { readonly amount: bigint; readonly entries: bigint };
  /** The change log names it: it was not wrong, only waiting. */
  readonly pending: boolean;
}

/** A user's total that is not the sum of its hours. */
type Total = Omit<Difference, 'hour' | 'pending'>;

export interface Tally {
  /** Cells looked at. */
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
}

/** Effective commission counts; pending and cancelled does not. */
const effective = 'l.status = 1';
const statementCells = 2000;

/** Whether the log holds cells of complete hours. */
export async function hasPending(target: Reader, openHour: string): Promise<boolean> {
  return (await target.tuples('SELECT 1 FROM commission_change WHERE hour < ? LIMIT 1', [openHour])).length > 0;
}

/** The hour of the oldest commission or income; null when there is none. */
export async function oldestHour(target: Reader): Promise<string | null> {
  const [row] = await target.tuples(`
    SELECT LEFT(MIN(oldest), 13) FROM (
      SELECT MIN(create_time) oldest FROM plus_commission_log WHERE create_time >= '1000-01-01'
      UNION ALL SELECT MIN(hour) FROM user_income_hour) both_sides`);
  return row?.[0] === null || row?.[0] === undefined ? null : `${row[0]}:00:00`;
}

/**
 * Works off up to `limit` entries of hours before `openHour`.
 *
 * @returns what was done, and whether there is more
 */
export async function drain(
  target: IncomeTarget,
  openHour: string,
  limit: number,
): Promise<{ tally: Tally; more: boolean }> {
  const entries = await target.tuples(
    'SELECT id, user_id, hour FROM commission_change WHERE hour < ? ORDER BY id LIMIT ?',
    [openHour, limit],
  );
  const cells = [...new Set(entries.map(([, user, hour]) => `${user} ${hour}`))].sort();
  const tally = { read: cells.length, inserted: 0, updated: 0, unchanged: cells.length };
  for (let from = 0; from < cells.length; from += statementCells) {
    const share = cells
      .slice(from, from + statementCells)
      .map((cell) => [cell.slice(0, cell.indexOf(' ')), cell.slice(cell.indexOf(' ') + 1)] as const);
    add(tally, await apply(target, await compareCells(target, share)));
  }
  await forget(
    target,
    entries.map(([id]) => String(id)),
  );
  return { tally, more: entries.length === limit };
}

/** Hours [from, to) of the users above `after`, up to and with `upTo`; null is no bound. */
export interface Stretch {
  readonly from: string;
  readonly to: string;
  readonly after: string | null;
  readonly upTo: string | null;
}

const users = ({ after, upTo }: Stretch, column: string) =>
  `${after === null ? 'TRUE' : `${column} > ${after}`} AND ${upTo === null ? 'TRUE' : `${column} <= ${upTo}`}`;

/** The user at whom a stretch should end so that it has about `rows` rows of commission; null when all fit. */
export async function lastUserOf(target: Reader, after: string | null, rows: number): Promise<string | null> {
  const [row] = await target.tuples(
    `SELECT user_id FROM plus_commission_log WHERE ${after === null ? 'TRUE' : `user_id > ${after}`} ORDER BY user_id LIMIT 1 OFFSET ${rows}`,
  );
  return row === undefined ? null : String(row[0]);
}

/**
 * Takes entries of complete hours from the log unread: before a first run, which computes everything from the data.
 *
 * @returns whether there are more
 */
export async function forgetEntries(target: IncomeTarget, openHour: string, limit: number): Promise<boolean> {
  const entries = await target.tuples('SELECT id FROM commission_change WHERE hour < ? ORDER BY id LIMIT ?', [
    openHour,
    limit,
  ]);
  await forget(
    target,
    entries.map(([id]) => String(id)),
  );
  return entries.length === limit;
}

/**
 * Recomputes every cell of a stretch and sets the users' totals right. The log is left alone: what it names is
 * recomputed once more.
 *
 * @returns what was done, each cell that differed, and each total that was not the sum of its hours
 */
export async function recompute(
  target: IncomeTarget,
  stretch: Stretch,
): Promise<{ tally: Tally; differences: Difference[]; wrongTotals: Total[] }> {
  const { from, to } = stretch;
  // Totals first: one that is too low could not be lowered any more by the cells that are mended next.
  const unequal = await compareTotals(target, stretch);
  await moveTotals(target, unequal);
  const differences = await compareHours(target, stretch);
  const tally = await apply(target, differences);
  const [cells] = await target.tuples(
    `SELECT COUNT(*) FROM user_income_hour WHERE ${users(stretch, 'user_id')} AND hour >= ? AND hour < ?`,
    [from, to],
  );
  tally.read = Math.max(Number(cells?.[0] ?? 0), differences.length);
  tally.unchanged = tally.read - differences.length;
  return { tally, differences, wrongTotals: asTheyBecame(unequal, differences) };
}

/** Totals that were not the sum of their hours, as the mended cells leave them; one that was right all along is none. */
function asTheyBecame(unequal: readonly Total[], differences: readonly Difference[]): Total[] {
  const moved = movesOf(differences);
  return unequal
    .map(({ user, was, is }) => {
      const move = moved.get(user) ?? { amount: 0n, entries: 0n };
      return { user, was, is: { amount: is.amount + move.amount, entries: is.entries + move.entries } };
    })
    .filter(({ was, is }) => was.amount !== is.amount || was.entries !== is.entries);
}

async function compareTotals(target: Reader, stretch: Stretch): Promise<Total[]> {
  const rows = await target.tuples(`
    SELECT user_id, SUM(was), SUM(was_entries), SUM(is_amount), SUM(is_entries) FROM (
      SELECT user_id, amount was, entries was_entries, 0 is_amount, 0 is_entries FROM user_income WHERE ${users(stretch, 'user_id')}
      UNION ALL SELECT user_id, 0, 0, SUM(amount), SUM(entries) FROM user_income_hour WHERE ${users(stretch, 'user_id')} GROUP BY user_id) sides
    GROUP BY user_id HAVING SUM(was) <> SUM(is_amount) OR SUM(was_entries) <> SUM(is_entries) ORDER BY user_id`);
  return rows.map(([user, ...sums]) => {
    const [wasAmount, wasEntries, isAmount, isEntries] = bigints(sums);
    return {
      user: String(user),
      was: { amount: wasAmount, entries: wasEntries },
      is: { amount: isAmount, entries: isEntries },
    };
  });
}

const compared = (side: string, pending = '0') => `
  SELECT side.user_id, side.hour, IFNULL(h.amount, 0), IFNULL(h.entries, 0), side.amount, side.entries, ${pending}
    FROM (${side}) side LEFT JOIN user_income_hour h ON h.hour = side.hour AND h.user_id = side.user_id
   WHERE IFNULL(h.amount, 0) <> side.amount OR IFNULL(h.entries, 0) <> side.entries`;

async function compareCells(target: Reader, cells: readonly (readonly [string, string])[]): Promise<Difference[]> {
  const list = cells.map(([user, hour], index) =>
    index === 0 ? `SELECT ${user} user_id, CAST('${hour}' AS DATETIME) hour` : `SELECT ${user}, '${hour}'`,
  );
  const rows = await target.tuples(
    compared(`
      SELECT cell.user_id, cell.hour, IFNULL(SUM(l.amount), 0) amount, COUNT(l.id) entries
        FROM (${list.join(' UNION ALL ')}) cell
        LEFT JOIN plus_commission_log l ON l.user_id = cell.user_id
             AND l.create_time >= cell.hour AND l.create_time < cell.hour + INTERVAL 1 HOUR AND ${effective}
       GROUP BY cell.user_id, cell.hour`),
  );
  return rows.map(toDifference);
}

async function compareHours(target: Reader, stretch: Stretch): Promise<Difference[]> {
  const { from, to } = stretch;
  const rows = await target.tuples(
    compared(
      `
      SELECT user_id, hour, SUM(amount) amount, SUM(entries) entries FROM (
        SELECT l.user_id, CAST(CONCAT(LEFT(l.create_time, 13), ':00:00') AS DATETIME) hour, SUM(l.amount) amount, COUNT(*) entries
          FROM plus_commission_log l WHERE ${users(stretch, 'l.user_id')} AND l.create_time >= ? AND l.create_time < ? AND ${effective} GROUP BY 1, 2
        UNION ALL SELECT user_id, hour, 0, 0 FROM user_income_hour WHERE ${users(stretch, 'user_id')} AND hour >= ? AND hour < ?) both_sides
      GROUP BY user_id, hour`,
      '(side.user_id, side.hour) IN (SELECT user_id, hour FROM commission_change)',
    ),
    [from, to, from, to],
  );
  return rows.map(toDifference);
}

/** SUM and COUNT come as exact text. */
function bigints(values: readonly Cell[]): [bigint, bigint, bigint, bigint, bigint | undefined] {
  return values.map((value) => BigInt(String(value))) as [bigint, bigint, bigint, bigint, bigint | undefined];
}

function toDifference([user, hour, ...values]: (string | number | null)[]): Difference {
  const [wasAmount, wasEntries, isAmount, isEntries, pending] = bigints(values);
  return {
    user: String(user),
    hour: String(hour),
    was: { amount: wasAmount, entries: wasEntries },
    is: { amount: isAmount, entries: isEntries },
    pending: pending === 1n,
  };
}

/** Writes the cells as they are, and moves the totals by what changed. */
async function apply(target: IncomeTarget, differences: readonly Difference[]): Promise<Tally> {
  const kept = differences.filter(({ is }) => is.entries !== 0n);
  const empty = differences.filter(({ is }) => is.entries === 0n);
  for (let from = 0; from < kept.length; from += statementCells) {
    const values = kept
      .slice(from, from + statementCells)
      .map(({ user, hour, is }) => `(${user},'${hour}',${is.amount},${is.entries})`);
    await target.write(`INSERT INTO user_income_hour (user_id, hour, amount, entries) VALUES ${values.join(',')}
      ON DUPLICATE KEY UPDATE amount = VALUES(amount), entries = VALUES(entries)`);
  }
  for (let from = 0; from < empty.length; from += statementCells) {
    const cells = empty.slice(from, from + statementCells).map(({ user, hour }) => `('${hour}',${user})`);
    await target.write(`DELETE FROM user_income_hour WHERE (hour, user_id) IN (${cells.join(',')})`);
  }
  await moveTotals(target, differences);
  const inserted = differences.filter(({ was }) => was.entries === 0n).length;
  return { read: differences.length, inserted, updated: differences.length - inserted, unchanged: 0 };
}

/** By how much each user's total moves. */
function movesOf(differences: readonly Total[]): Map<string, { amount: bigint; entries: bigint }> {
  const moves = new Map<string, { amount: bigint; entries: bigint }>();
  for (const { user, was, is } of differences) {
    const move = moves.get(user) ?? { amount: 0n, entries: 0n };
    moves.set(user, { amount: move.amount + is.amount - was.amount, entries: move.entries + is.entries - was.entries });
  }
  return moves;
}

async function moveTotals(target: IncomeTarget, differences: readonly Total[]): Promise<void> {
  const moved = [...movesOf(differences)]
    .filter(([, { amount, entries }]) => amount !== 0n || entries !== 0n)
    .sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  for (let from = 0; from < moved.length; from += statementCells) {
    const share = moved.slice(from, from + statementCells);
    await target.write(`INSERT INTO user_income (user_id, amount, entries) VALUES ${share.map(([user]) => `(${user},0,0)`).join(',')}
      ON DUPLICATE KEY UPDATE user_id = VALUES(user_id)`);
    const list = share.map(([user, { amount, entries }], index) =>
      index === 0
        ? `SELECT ${user} user_id, ${amount} amount, ${entries} entries`
        : `SELECT ${user}, ${amount}, ${entries}`,
    );
    const update = `UPDATE user_income u JOIN (${list.join(' UNION ALL ')}) move ON move.user_id = u.user_id
      SET u.amount = u.amount + move.amount, u.entries = u.entries + move.entries`;
    await target.write(update).catch((error) => {
      throw failureOf(error) === 'row'
        ? new JobError(
            `a total in user_income is not the sum of its hours: ${error.message}`,
            'tidemark run rollup-income --full',
            error,
          )
        : error;
    });
    await target.write(
      `DELETE FROM user_income WHERE entries = 0 AND user_id IN (${share.map(([user]) => user).join(',')})`,
    );
  }
}

function add(sum: Tally, part: Tally): void {
  sum.inserted += part.inserted;
  sum.updated += part.updated;
  sum.unchanged -= part.inserted + part.updated;
}

async function forget(target: IncomeTarget, ids: readonly string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += statementCells) {
    await target.write(
      `DELETE FROM commission_change WHERE id IN (${ids.slice(from, from + statementCells).join(',')})`,
    );
  }
}
