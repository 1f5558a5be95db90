/**
 * What stands, and who was told of it: the table tidemark_alarm of the main database, shared by all hosts that watch.
 *
 * Promises: every change is a compare-and-set, from what the caller has seen; of two who want the same, one succeeds.
 */
import type { Instant, Zone } from '../engine/zone.ts';
import type { Cell, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { Gravity, Matter } from './matter.ts';

interface Silence {
  readonly until: Instant;
  readonly reason: string;
  readonly who: string;
}

/** A matter that stands. */
export interface Standing extends Omit<Matter, 'since' | 'patienceMs'> {
  readonly since: Instant;
  /** It is a matter only if it still stands then; null: it is one. */
  readonly ripeAt: Instant | null;
  /** Null: nobody has been told. */
  readonly toldAt: Instant | null;
  /** Until then somebody is telling it, and nobody else does. */
  readonly claimedUntil: Instant | null;
  readonly silence: Silence | null;
  readonly version: number;
}

export interface Memory {
  read(): Promise<Standing[]>;
  /**
   * Puts `after` in the place of `before`; null is nothing. The version counts on by itself.
   *
   * @returns what is there now; undefined where somebody else has changed it meanwhile
   */
  swap<After extends Standing | null>(before: Standing | null, after: After): Promise<After | undefined>;
}

const columns = `alarm_key, cause, gravity, job, shard, what, next_step, since, ripe_at, told_at,
  claimed_until, silenced_until, silence_reason, silenced_by, version`;

/** Sentences and commands have room for so many characters. */
export const textMax = 1000;
const keyMax = 190;

export class TableMemory implements Memory {
  readonly #session: Session;
  readonly #zone: Zone;

  constructor(session: Session, zone: Zone) {
    this.#session = session;
    this.#zone = zone;
  }

  async read(): Promise<Standing[]> {
    const rows = await this.#session.tuples(`SELECT ${columns} FROM tidemark_alarm ORDER BY gravity, since, alarm_key`);
    return rows.map((row) => this.#standing(row));
  }

  async swap<After extends Standing | null>(before: Standing | null, after: After): Promise<After | undefined> {
    if (before === null && after === null) return after;
    if (after === null) return (await this.#remove(before as Standing)) ? after : undefined;
    const kept = { ...after, version: (before?.version ?? 0) + 1 };
    const isDone = before === null ? await this.#insert(kept) : await this.#update(before, kept);
    return isDone ? kept : undefined;
  }

  async #remove({ key, version }: Standing): Promise<boolean> {
    const sql = 'DELETE FROM tidemark_alarm WHERE alarm_key = ? AND version = ?';
    return (await this.#session.write(sql, [key.slice(0, keyMax), version])).affected === 1;
  }

  async #insert(after: Standing): Promise<boolean> {
    try {
      await this.#session.write(`INSERT INTO tidemark_alarm (${columns}) VALUES (?)`, [this.#values(after)]);
      return true;
    } catch (error) {
      if (errorNumber(error) === 1062) return false;
      throw error;
    }
  }

  async #update({ key, version }: Standing, after: Standing): Promise<boolean> {
    const set = columns.split(/,\s*/).map((column) => `${column} = ?`);
    const sql = `UPDATE tidemark_alarm SET ${set.join(', ')} WHERE alarm_key = ? AND version = ?`;
    const { affected } = await this.#session.write(sql, [...this.#values(after), key.slice(0, keyMax), version]);
    return affected === 1;
  }

  #values({ key, of, silence, ...one }: Standing): (string | number | null)[] {
    const text = (at: Instant | null | undefined) => (at === null || at === undefined ? null : this.#zone.text(at));
    return [
      key.slice(0, keyMax),
      one.cause,
      one.gravity,
      of?.job ?? null,
      of?.shard ?? null,
      one.what,
      one.next,
      text(one.since),
      text(one.ripeAt),
      text(one.toldAt),
      text(one.claimedUntil),
      text(silence?.until),
      silence?.reason ?? null,
      silence?.who ?? null,
      one.version,
    ];
  }

  #standing(row: readonly Cell[]): Standing {
    const [key, cause, gravity, job, shard, what, next, ...rest] = row.map((cell) =>
      cell === null ? null : String(cell),
    );
    const [since, ripeAt, toldAt, claimedUntil, until, reason, who, version] = rest;
    const at = (text: string | null | undefined) => this.#zone.fromText(text ?? null);
    const silencedUntil = at(until);
    return {
      key: `${key}`,
      cause: cause ?? null,
      gravity: gravity as Gravity,
      of: job === null || job === undefined ? null : { job, shard: shard ?? '' },
      what: `${what}`,
      next: `${next}`,
      since: at(since) ?? 0,
      ripeAt: at(ripeAt),
      toldAt: at(toldAt),
      claimedUntil: at(claimedUntil),
      silence: silencedUntil === null ? null : { until: silencedUntil, reason: `${reason}`, who: `${who}` },
      version: Number(version),
    };
  }
}
