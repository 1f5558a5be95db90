/** What the table `difference` holds, for those who read it: the runs that tell of it, the reports, and people. */
import type { Parameter, Reader, Session } from '../platform/mysql.ts';
import { type Stored, storedColumns, storedOf } from './differences.ts';
import type { Outcome } from './outcome.ts';

const pageRows = 5000;

/** How many differences of a counterpart are open, in words by outcome, and the day of the last. */
export async function openDifferences(
  ledger: Reader,
  counterpart: string,
): Promise<{ total: number; text: string; lastDay: string }> {
  const rows = await ledger.tuples(
    `SELECT outcome, COUNT(*), MAX(day) FROM difference
      WHERE counterpart = ? AND outcome NOT IN ('resolved', 'pending_cutoff') GROUP BY outcome ORDER BY outcome`,
    [counterpart],
  );
  return {
    total: rows.reduce((sum, [, count]) => sum + Number(count), 0),
    text: rows.map(([outcome, count]) => `${count} ${outcome}`).join(', '),
    lastDay:
      rows
        .map(([, , day]) => String(day))
        .sort()
        .at(-1) ?? '',
  };
}

/** Every difference of a day, in pages in order of the reference. */
export async function* differencesOfDay(ledger: Reader, counterpart: string, day: string): AsyncGenerator<Stored[]> {
  for (let last: Pick<Stored, 'reference' | 'direction'> = { reference: '', direction: 'in' }; ; ) {
    const rows = (
      await ledger.tuples(
        `SELECT ${storedColumns} FROM difference
          WHERE counterpart = ? AND day = ? AND reference >= ? AND NOT (reference = ? AND direction <= ?)
          ORDER BY reference, direction LIMIT ${pageRows}`,
        [counterpart, day, last.reference, last.reference, last.direction],
      )
    ).map(storedOf);
    if (rows.length > 0) yield rows;
    if (rows.length < pageRows) return;
    last = rows.at(-1) as Stored;
  }
}

/** The first differences of a day, the open ones before the others. */
export async function firstDifferences(
  ledger: Reader,
  counterpart: string,
  day: string,
  limit: number,
): Promise<Stored[]> {
  const rows = await ledger.tuples(
    `SELECT ${storedColumns} FROM difference WHERE counterpart = ? AND day = ?
      ORDER BY outcome IN ('resolved', 'pending_cutoff'), outcome, reference, direction LIMIT ?`,
    [counterpart, day, limit],
  );
  return rows.map(storedOf);
}

/** Sums of a day's differences by outcome; money that did not move is none. */
export async function totalsOfDay(ledger: Reader, counterpart: string, day: string) {
  const rows = await ledger.tuples(
    `SELECT outcome, COUNT(*), SUM(IF(local_status = 'success', local_amount, 0)), SUM(IF(channel_status = 'success', channel_amount, 0)) FROM difference
      WHERE counterpart = ? AND day = ? GROUP BY outcome ORDER BY outcome IN ('resolved', 'pending_cutoff'), outcome`,
    [counterpart, day],
  );
  return rows.map(([outcome, differences, local, channel]) => ({
    outcome: outcome as Outcome,
    differences: Number(differences),
    local: BigInt(String(local)),
    channel: BigInt(String(channel)),
  }));
}

/** A difference as a person looks at it. Times are UTC texts. */
export interface KeptDifference extends Stored {
  readonly counterpart: string;
  readonly foundAt: string;
  readonly resolvedAt: string | null;
  readonly resolution: string | null;
}

interface Filter {
  readonly ids?: readonly string[];
  readonly counterpart?: string;
  readonly day?: string;
  /** Neither resolved nor waiting for its other half. */
  readonly isOpen?: boolean;
  readonly limit: number;
}

/** The latest day first. */
export async function findDifferences(
  ledger: Reader,
  { ids, counterpart, day, isOpen, limit }: Filter,
): Promise<KeptDifference[]> {
  const asked: [string, Parameter | undefined][] = [
    ['id IN (?)', ids],
    ['counterpart = ?', counterpart],
    ['day = ?', day],
  ];
  const given = asked.filter((one): one is [string, Parameter] => one[1] !== undefined);
  const open = isOpen === true ? ["outcome NOT IN ('resolved', 'pending_cutoff')"] : [];
  const condition = ['1 = 1', ...open, ...given.map(([text]) => text)].join(' AND ');
  const rows = await ledger.tuples(
    `SELECT ${storedColumns}, counterpart, found_at, resolved_at, resolution FROM difference WHERE ${condition}
      ORDER BY day DESC, counterpart, reference, direction LIMIT ?`,
    [...given.map(([, value]) => value), limit],
  );
  return rows.map((row) => {
    const [of, foundAt, resolvedAt, resolution] = row.slice(-4) as [string, string, string | null, string | null];
    return { ...storedOf(row), counterpart: of, foundAt, resolvedAt, resolution };
  });
}

/** Closes a difference in a person's name, for ever: no comparison opens it again. @returns false when it is resolved already */
export async function resolveDifference(
  ledger: Session,
  id: string,
  { who, why }: { readonly who: string; readonly why: string },
): Promise<boolean> {
  const { affected } = await ledger.write(
    `UPDATE difference SET outcome = 'resolved', resolved_at = NOW(), resolved_by = ?, resolution = ?
      WHERE id = ? AND outcome <> 'resolved'`,
    [who, why, id],
  );
  return affected === 1;
}
