/**
 * The table `difference`: what a day's comparison found is kept, and replaces what the same day's comparison found before.
 *
 * Three things are never undone by a comparison: what a person resolved, what another day's statement has settled, and
 * the side that was alone when a difference was found (`alone`): by it a later day brings the entry into its own
 * comparison, and a repetition of that day does so again.
 *
 * A row is at the same time the pool: `pending_cutoff`, `local_only` and `channel_only` wait for their other half.
 */
import type { Cell, Reader } from '../platform/mysql.ts';
import { type Direction, type Entry, keyOf, type Status } from './entry.ts';
import type { Difference, Outcome, Side } from './outcome.ts';

export interface DifferenceTarget extends Reader {
  write(sql: string, parameters?: Parameters<Reader['tuples']>[1]): Promise<unknown>;
}

/** A difference to be kept. */
export interface Found extends Difference {
  /** The other day that had the other half, where it is known; null where there is none to come. */
  readonly otherHalfDay?: string | null;
  /** The side that had no other half on this day, where both are told. */
  readonly alone?: 'channel';
  readonly detail?: string;
}

interface Kept {
  inserted: number;
  updated: number;
}

/** What was found of one outcome, kept before or not: how many, and the money that moved on either side, in fen. */
interface FoundSums {
  readonly rows: number;
  readonly localFen: bigint;
  readonly channelFen: bigint;
}

const statementRows = 500;
const pageRows = 5000;
const sideColumns = (side: 'local' | 'channel') =>
  ['amount', 'fee', 'status', 'at', 'entries'].map((name) => `${side}_${name}`).join(', ');
export const storedColumns = `id, day, reference, direction, outcome, ${sideColumns('local')}, ${sideColumns('channel')},
  alone, part, detail, other_half_day, resolved_by`;

export interface Stored extends Difference {
  readonly id: number | string;
  readonly alone: 'local' | 'channel' | null;
  readonly part: string;
  readonly detail: string | null;
  readonly otherHalfDay: string | null;
  readonly resolvedBy: string | null;
}

export function storedOf(row: readonly Cell[]): Stored {
  const [id, day, reference, direction, outcome] = row as [number, string, string, Direction, Outcome];
  const [alone, part, detail, otherHalfDay, resolvedBy] = row.slice(15) as [
    Stored['alone'],
    string,
    ...(string | null)[],
  ];
  const side = (from: number): Side | null => {
    const [amount, fee, status, at, entries] = row.slice(from, from + 5);
    if (status === null || status === undefined) return null;
    const known = { amount: BigInt(amount ?? 0), fee: fee === null || fee === undefined ? null : BigInt(fee) };
    return { ...known, status: status as Status, occurredAt: String(at), entries: Number(entries), part: '' };
  };
  return {
    id,
    day,
    reference,
    direction,
    outcome,
    local: side(5),
    channel: side(10),
    alone,
    part,
    detail: detail ?? null,
    otherHalfDay: otherHalfDay ?? null,
    resolvedBy: resolvedBy ?? null,
  };
}

/** Entries of days before `day` that are still alone, or that `day` itself has settled before; in pages, by their side. */
export async function* entriesAlone(
  ledger: Reader,
  counterpart: string,
  day: string,
): AsyncGenerator<Readonly<Record<'local' | 'channel', Entry[]>>> {
  for (let after: number | string = 0; ; ) {
    const rows: Stored[] = (
      await ledger.tuples(
        `SELECT ${storedColumns} FROM difference WHERE counterpart = ? AND day < ? AND id > ? AND alone IS NOT NULL AND resolved_by IS NULL
            AND (other_half_day = ? OR (other_half_day IS NULL AND outcome IN ('pending_cutoff', 'local_only', 'channel_only')))
          ORDER BY id LIMIT ${pageRows}`,
        [counterpart, day, after, day],
      )
    ).map(storedOf);
    const last = rows.at(-1);
    if (last === undefined) return;
    const of = (side: 'local' | 'channel') => rows.filter(({ alone }) => alone === side).map(entryOf);
    yield { local: of('local'), channel: of('channel') };
    after = last.id;
  }
}

function entryOf({ reference, direction, part, alone, local, channel }: Stored): Entry {
  const { amount, fee, status, occurredAt } = (alone === 'local' ? local : channel) as Side;
  return { reference, direction, part, amount, fee, status, occurredAt, line: 0 };
}

/** Keeps what a comparison of one day found, piece by piece, and forgets in the end what it did not find any more. */
export class DifferenceBook {
  readonly kept: Kept = { inserted: 0, updated: 0 };
  readonly found = new Map<Outcome, FoundSums>();
  /** The earlier days whose differences have changed. */
  readonly touchedDays = new Set<string>();
  readonly #target: DifferenceTarget;
  readonly #counterpart: string;
  readonly #day: string;
  readonly #runId: string;

  constructor(target: DifferenceTarget, counterpart: string, day: string, runId: string) {
    this.#target = target;
    this.#counterpart = counterpart;
    this.#day = day;
    this.#runId = runId;
  }

  async keep(found: readonly Found[]): Promise<void> {
    for (let from = 0; from < found.length; from += statementRows)
      await this.#keepSome(found.slice(from, from + statementRows));
  }

  /** Keeps findings that stand until they are gone: one that is open already stays with the day that found it first. */
  async keepStanding(found: readonly Found[]): Promise<void> {
    for (let from = 0; from < found.length; from += statementRows) {
      const some = found.slice(from, from + statementRows);
      const rows = await this.#target.tuples(
        `SELECT direction, reference, MIN(day) FROM difference
          WHERE counterpart = ? AND (reference, direction) IN (?) AND resolved_by IS NULL AND (outcome <> 'resolved' OR other_half_day = ?)
          GROUP BY direction, reference`,
        [this.#counterpart, some.map(({ reference, direction }) => [reference, direction]), this.#day],
      );
      const days = new Map(rows.map(([direction, reference, day]) => [`${direction} ${reference}`, String(day)]));
      await this.#keepSome(
        some.map((each) => ({ ...each, day: days.get(keyOf(each)) ?? each.day, otherHalfDay: null })),
        true,
      );
    }
  }

  async #keepSome(found: readonly Found[], standing = false): Promise<void> {
    const known = await this.#known(found);
    const toWrite: Found[] = [];
    for (const each of found) {
      const before = known.get(`${each.day} ${keyOf(each)}`);
      const stays = before !== undefined && !this.#mayChange(before);
      this.#count(stays ? before : each);
      if (stays) continue;
      const changed = before === undefined || !isSame(each, before, this.#otherHalfDayOf(each));
      if (before === undefined) this.kept.inserted++;
      else if (changed) this.kept.updated++;
      if (changed && each.day !== this.#day) this.touchedDays.add(each.day);
      // What has not changed is written, too: by the run it is told from what was not found any more.
      if (changed || standing || each.day === this.#day) toWrite.push(each);
    }
    await this.#write(toWrite);
  }

  async #known(found: readonly Found[]): Promise<Map<string, Stored>> {
    if (found.length === 0) return new Map();
    const rows = await this.#target.tuples(
      `SELECT ${storedColumns} FROM difference WHERE counterpart = ? AND (day, reference, direction) IN (?)`,
      [this.#counterpart, found.map(({ day, reference, direction }) => [day, reference, direction])],
    );
    return new Map(rows.map(storedOf).map((row) => [`${row.day} ${keyOf(row)}`, row]));
  }

  #count({ outcome, local, channel }: Difference): void {
    const { rows, localFen, channelFen } = this.found.get(outcome) ?? { rows: 0, localFen: 0n, channelFen: 0n };
    const moved = { localFen: localFen + movedOn(local), channelFen: channelFen + movedOn(channel) };
    this.found.set(outcome, { rows: rows + 1, ...moved });
  }

  /** Neither a person's resolution nor what another day has settled is ours to change. */
  #mayChange({ resolvedBy, otherHalfDay }: Stored): boolean {
    return resolvedBy === null && (otherHalfDay === null || otherHalfDay === this.#day);
  }

  /** The other half of an earlier day's difference came with this day. */
  #otherHalfDayOf({ day, local, channel, otherHalfDay, outcome }: Found): string | null {
    if (otherHalfDay !== undefined) return otherHalfDay;
    const came = outcome === 'resolved' || (local !== null && channel !== null);
    return day < this.#day && came ? this.#day : null;
  }

  async #write(found: readonly Found[]): Promise<void> {
    if (found.length === 0) return;
    const rows = found
      .map((each) => [
        this.#counterpart,
        each.day,
        each.reference,
        each.direction,
        each.outcome,
        ...valuesOf(each.local),
        ...valuesOf(each.channel),
        aloneIn(each),
        (aloneIn(each) === 'channel' ? each.channel : each.local)?.part ?? '',
        each.detail ?? null,
        this.#runId,
        this.#otherHalfDayOf(each),
      ])
      .sort((a, b) => (`${a[1]} ${a[2]} ${a[3]}` < `${b[1]} ${b[2]} ${b[3]}` ? -1 : 1));
    await this.#target.write(
      `INSERT INTO difference (counterpart, day, reference, direction, outcome, ${sideColumns('local')}, ${sideColumns('channel')},
          alone, part, detail, run_id, other_half_day, resolved_at)
       VALUES ${rows.map((row) => `(?, ${row[4] === 'resolved' ? 'NOW()' : 'NULL'})`).join(', ')}
       ON DUPLICATE KEY UPDATE part = IF(VALUES(alone) IS NULL, part, VALUES(part)), alone = IFNULL(VALUES(alone), alone),
          resolved_at = IF(VALUES(outcome) = 'resolved', IFNULL(resolved_at, NOW()), NULL), ${overwritten}`,
      rows,
    );
  }

  /** Forgets what this day's comparison found before and does not find any more. */
  async forgetOthers(): Promise<void> {
    const stale = `counterpart = ? AND day = ? AND run_id <> ? AND resolved_by IS NULL AND other_half_day IS NULL`;
    const parameters = [this.#counterpart, this.#day, this.#runId];
    const [row] = await this.#target.tuples(`SELECT COUNT(*) FROM difference WHERE ${stale}`, parameters);
    if (Number(row?.[0]) === 0) return;
    await this.#target.write(`DELETE FROM difference WHERE ${stale}`, parameters);
    this.kept.updated += Number(row?.[0]);
  }

  /** Resolves standing findings of earlier days that are gone. */
  async resolveOthers(): Promise<void> {
    const gone = `counterpart = ? AND day < ? AND run_id <> ? AND outcome <> 'resolved'`;
    const parameters = [this.#counterpart, this.#day, this.#runId];
    const days = await this.#target.tuples(
      `SELECT day, COUNT(*) FROM difference WHERE ${gone} GROUP BY day`,
      parameters,
    );
    if (days.length === 0) return;
    await this.#target.write(
      `UPDATE difference SET outcome = 'resolved', resolved_at = NOW(), other_half_day = ?, run_id = ? WHERE ${gone}`,
      [this.#day, this.#runId, ...parameters],
    );
    for (const [day, count] of days) {
      this.touchedDays.add(String(day));
      this.kept.updated += Number(count);
    }
  }
}

const overwritten = `outcome, ${sideColumns('local')}, ${sideColumns('channel')}, detail, run_id, other_half_day`
  .split(', ')
  .map((column) => `${column} = VALUES(${column})`)
  .join(', ');

const valuesOf = (side: Side | null) =>
  side === null
    ? [null, null, null, null, null]
    : [String(side.amount), side.fee === null ? null : String(side.fee), side.status, side.occurredAt, side.entries];

const movedOn = (side: Side | null) => (side?.status === 'success' ? side.amount : 0n);

const aloneIn = ({ local, channel, alone }: Found) =>
  alone ?? (channel === null ? 'local' : local === null ? 'channel' : null);

function isSame(found: Found, before: Stored, otherHalfDay: string | null): boolean {
  const same = (a: Side | null, b: Side | null) => valuesOf(a).join() === valuesOf(b).join();
  return (
    found.outcome === before.outcome &&
    same(found.local, before.local) &&
    same(found.channel, before.channel) &&
    (found.detail ?? null) === before.detail &&
    otherHalfDay === before.otherHalfDay
  );
}
