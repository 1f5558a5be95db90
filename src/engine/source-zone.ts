/**
 * The zone in which the source's rows are stamped, beside the business zone in which they are read.
 *
 * An application's NOW() is in the zone of its session, which is the server's default unless it says otherwise. If that
 * is not the business zone, every window is wrong: stamps that are behind are missed, stamps ahead come late. What can
 * be known of it: the server's default at this instant, and what the youngest row says, beside the instant at which the
 * server last saw the table change. A default that differs is worth a warning; a row that was stamped by that default
 * stops the run. Both times of a row are looked up for the instant of its writing, so a change of the clocks since then
 * proves nothing; a table that is quiet or was never written since the server started proves nothing either.
 *
 * Rows of an application's clock may lie far in the future. They hold nothing up and are carried when their time comes.
 */
import { SetupError } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Cell, Reader } from '../platform/mysql.ts';
import { identifier } from '../platform/mysql.ts';
import { columnOf } from '../platform/table.ts';
import type { Source } from './source.ts';
import type { Instant, Zone } from './zone.ts';

/** A row this much ahead of the server's clock lies in the future. */
const aheadMs = 60_000;
/** A row was stamped, and its table changed, at about the same time. Zones differ by a quarter of an hour at least. */
const closeMs = 30_000;
/** Closer still where it stops a job: a quiet table may be purged, a whole number of hours after its last row, within a minute. */
const proofMs = 5000;

interface Clocks {
  /** The server's clock. */
  readonly now: Instant;
  /** The same, on the clocks of the server's default zone; null when it cannot be told. */
  readonly defaultNow: string | null;
  /** When the table last changed, as far as the server knows. */
  readonly written: Instant | null;
  readonly defaultWritten: string | null;
  /** What the server calls its default zone. */
  readonly defaultName: string;
  /** The largest time in the table. */
  readonly youngest: string | null;
}

/**
 * Looks at the source's clocks and youngest rows, with one statement unless something is strange.
 *
 * @throws SetupError when the youngest row was stamped in another zone than the business zone
 */
export async function checkSourceZone(reader: Reader, source: Source, zone: Zone, log: Log): Promise<void> {
  const table = identifier(source.table.name);
  const time = identifier(source.time);
  const [row] = await reader.tuples(
    `SELECT UTC_TIMESTAMP(), CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone),
            t.UPDATE_TIME, CONVERT_TZ(t.UPDATE_TIME, '+00:00', @@global.time_zone),
            IF(@@global.time_zone = 'SYSTEM', CONCAT('SYSTEM, ', @@system_time_zone), @@global.time_zone),
            (SELECT MAX(${time}) FROM ${table})
       FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = DATABASE() AND t.TABLE_NAME = ?`,
    [source.table.name],
  );
  if (row === undefined) return;
  const clocks = clocksOf(row);
  const isUtc = columnOf(source.table, source.time)?.type === 'timestamp';
  const youngest = await lookAhead(reader, source, clocks, isUtc ? utc : zone, log);
  // A TIMESTAMP is an instant: no zone can be wrong about it.
  if (!isUtc && clocks.defaultNow !== null) judge({ ...clocks, youngest }, source, zone, log);
}

function clocksOf(row: readonly Cell[]): Clocks {
  const text = (cell: Cell | undefined) => (cell === null || cell === undefined ? null : String(cell).slice(0, 19));
  const written = text(row[2]);
  return {
    now: naive(text(row[0]) ?? ''),
    defaultNow: text(row[1]),
    written: written === null ? null : naive(written),
    defaultWritten: text(row[3]),
    defaultName: String(row[4]),
    youngest: text(row[5]),
  };
}

/** A text taken for UTC: to compare two of them, or for one that is. */
const naive = (text: string): number => Date.parse(`${text.replace(' ', 'T')}Z`);
const naiveText = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
const utc = { text: naiveText, borderAfter: (instant: Instant) => Math.floor(instant / 1000) * 1000 + 1000 };

/** Tells of rows in the future. Answers the youngest row that may have been stamped by a server's clock. */
async function lookAhead(
  reader: Reader,
  source: Source,
  clocks: Clocks,
  zone: Pick<Zone, 'text' | 'borderAfter'>,
  log: Log,
): Promise<string | null> {
  const { now, written, defaultWritten, youngest } = clocks;
  // Behind a border, and not behind a second: in an hour that is repeated, its later texts are no future.
  const future = zone.text(zone.borderAfter(now + aheadMs));
  if (youngest === null || youngest < future) return youngest;
  const at = written ?? now;
  const latest = Math.max(naive(zone.text(at)), defaultWritten === null ? 0 : naive(defaultWritten)) + closeMs;
  const table = identifier(source.table.name);
  const time = identifier(source.time);
  const [row] = await reader.tuples(
    `SELECT (SELECT COUNT(*) FROM ${table} WHERE ${time} >= ?), (SELECT MAX(${time}) FROM ${table} WHERE ${time} <= ?)`,
    [future, naiveText(latest)],
  );
  log.warn(
    `${row?.[0]} rows of ${source.table.name} lie in the future, up to ${youngest}: they are carried when their time has come`,
    { now: zone.text(now) },
  );
  return row?.[1] === null || row?.[1] === undefined ? null : String(row[1]).slice(0, 19);
}

/** Compares the server's default zone with the business zone, and both with the youngest row. */
function judge(clocks: Clocks, source: Source, zone: Zone, log: Log): void {
  const { now, defaultNow, written, defaultWritten, defaultName, youngest } = clocks;
  if (written !== null && defaultWritten !== null && youngest !== null) {
    if (isStampedIn(zone, youngest, written)) return;
    if (defaultWritten !== zone.text(written) && Math.abs(naive(youngest) - naive(defaultWritten)) <= proofMs) {
      throw new SetupError(
        `the rows of ${source.table.name} are stamped in another time zone than TIDEMARK_TIMEZONE=${zone.name}: the youngest says ${youngest}, and was written when it was ${zone.text(written)} there, and ${defaultWritten} by the server's default zone (${defaultName})`,
        `TIDEMARK_TIMEZONE=<the zone of the rows>, or on the source SET GLOBAL time_zone = '${zone.iso(written).slice(-6).replace('Z', '+00:00')}' and new connections for its applications`,
      );
    }
  }
  if (defaultNow === zone.text(now)) return;
  // A table that is not written says nothing either way, and a row ahead of the default's clock was not stamped by it:
  // told to who asks, and not mailed at every run of a night in which rows are only deleted.
  const isAhead = youngest !== null && defaultWritten !== null && naive(youngest) > naive(defaultWritten) + closeMs;
  const tell = written === null || isAhead ? log.info : log.warn;
  tell(
    `the source's default time zone (${defaultName}: ${defaultNow}) is not TIDEMARK_TIMEZONE (${zone.name}: ${zone.text(now)}), and the youngest row of ${source.table.name} (${youngest ?? 'there is none'}) does not tell which of them its applications use: rows stamped in the other would be missed, or come late`,
    { next: `SELECT @@session.time_zone, NOW(), in a session of an application` },
  );
}

/** Whether a row that was written at an instant bears what the clocks of the zone showed about then. */
function isStampedIn(zone: Zone, stamp: string, written: Instant): boolean {
  for (let off = -closeMs; off <= closeMs; off += 1000) if (zone.text(written + off) === stamp) return true;
  return false;
}
