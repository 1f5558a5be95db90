/**
 * How far a job may go: the watermark, proven without a lock on the source.
 *
 * A row is stamped by NOW() when its statement begins, and becomes visible when its transaction commits, seconds or
 * minutes later. A window may close only when nothing can still put a row into it. Two observations show that:
 *
 * 1. The bound (statements.ts): the whole second before the oldest statement now running. Every statement that stamped a
 *    row before it has ended by now, so each such row is physically in the table, committed or not, and for ever so.
 * 2. The window is read READ UNCOMMITTED, then READ COMMITTED: a version that the first read saw and the second did not
 *    is in flight, or was written again between the two; either way the window ends before its second, and the next one
 *    begins there. A committed version with a later time excuses nothing: a long statement stamps rows with the time of
 *    its beginning, and may yet put its older time over that one. The order of the two reads matters: a committed read
 *    that is older than the dirty one would miss a version that was committed between them and is covered, now, by
 *    another transaction that may yet be rolled back. The rows themselves are read later still.
 *
 * INNODB_TRX would be no proof: a transaction starts there with the first row it touches, which can be long after NOW()
 * was fixed, and the list is cached. Locking reads would prove it, too, but deadlock the writers of the platform.
 * Not covered: rows stamped by an application's clock or SET timestamp, a version hidden under a later one of the same
 * transaction that is rolled back alone, engines other than InnoDB, several primaries.
 */

import { SetupError } from '../platform/errors.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { SettingName } from '../platform/settings.ts';
import { type Digest, dirtily, isSameDigest, type Source, type Version } from './source.ts';
import type { Window } from './window.ts';
import type { Instant, Zone } from './zone.ts';

/** What keeps a watermark from moving on. */
export interface Holder {
  readonly kind: 'statement' | 'transaction' | 'upstream' | 'setup';
  readonly thread: number | null;
  readonly user: string | null;
  readonly ageSeconds: number | null;
  readonly statement: string | null;
  readonly detail: string;
}

export interface Watermark {
  /** Null when there is none: an upstream shard has no checkpoint, or a statement runs since nobody knows when. */
  readonly at: Instant | null;
  readonly proven: boolean;
  readonly heldBackBy: Holder | null;
  /** The source's own clock when the bound was read; null for a job that reads no source. */
  readonly sourceNow: Instant | null;
  /** Running statements that bound nothing, because a setting says so. */
  readonly exempt: readonly Holder[];
}

const versionsPerPage = 1000;

/** Where a window may end, and what it then holds where that is known already. */
export interface ProvenEnd {
  readonly end: Instant;
  readonly digest: Digest | null;
}

/**
 * Where a window may end: its own end when every row version in it is committed, else before the earliest in flight.
 * What is read for the effects must be read after this.
 */
export async function provenEnd(source: Source, window: Window, session: Session, zone: Zone): Promise<ProvenEnd> {
  const uncommitted = await dirtily(session, () => source.digest(session, window));
  const digest = await source.digest(session, window);
  if (isSameDigest(digest, uncommitted)) return { end: window.end, digest };
  const earliest = await earliestInFlight(source, window, session);
  if (earliest === null) return { end: window.end, digest };
  return { end: Math.max(window.start, zone.border(earliest)), digest: null };
}

/**
 * The time of the earliest row version in a window that is not committed; null when there is none.
 *
 * A dirty read has no snapshot: where it sorts, it may choose a row by one version and tell the next one. So it is never
 * asked to go by time, the column that changes: what it tells is put in order here, and pages go by key within one time.
 */
export async function earliestInFlight(source: Source, window: Window, session: Session): Promise<Instant | null> {
  const uncommitted = await dirtily(session, () => source.digestsByTime(session, window));
  const committed = await source.digestsByTime(session, window);
  for (const time of [...uncommitted.keys()].sort()) {
    if (committed.get(time) === uncommitted.get(time)) continue; // of a million times, nearly all
    const instant = source.instant(time);
    if (instant === null || instant >= window.end) continue;
    if (await isInFlight(source, time, session)) return instant;
  }
  return null;
}

/** Whether a row version with this time, seen dirtily, is not committed by now. */
async function isInFlight(source: Source, time: string, session: Session): Promise<boolean> {
  let after: string | null = null;
  for (;;) {
    const seen: Version[] = await dirtily(session, () => source.versionsAt(session, time, after, versionsPerPage));
    const last = seen.at(-1);
    if (last === undefined) return false;
    const keys = seen.map(({ key }) => key);
    const committed = new Map((await source.versionsByKeys(session, keys)).map((version) => [version.key, version]));
    if (seen.some(({ key, digest }) => committed.get(key)?.digest !== digest)) return true;
    after = last.key;
  }
}

/**
 * Names the open transactions that may hold rows in flight, oldest first. A hint for people, never a proof.
 *
 * `trx_started` is told on the clocks of the machine, whatever the zone of the session.
 */
export async function openTransaction(session: Session): Promise<Holder | null> {
  const [row] = await session.tuples(
    `SELECT t.trx_mysql_thread_id, p.USER, TIMESTAMPDIFF(SECOND, t.trx_started, CONVERT_TZ(SYSDATE(), @@session.time_zone, 'SYSTEM')), COALESCE(t.trx_query, p.INFO)
       FROM information_schema.INNODB_TRX t LEFT JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
      WHERE t.trx_mysql_thread_id <> CONNECTION_ID() AND t.trx_rows_modified > 0 ORDER BY t.trx_started LIMIT 1`,
  );
  if (row === undefined) return null;
  const [thread, user, , statement] = row;
  const ageSeconds = Math.max(0, Number(row[2]));
  return {
    kind: 'transaction',
    thread: Number(thread),
    user: user === null || user === undefined ? null : String(user),
    ageSeconds,
    statement: statement === null || statement === undefined ? null : String(statement).slice(0, 200),
    detail: `thread ${thread} of ${user ?? 'nobody'} has held a transaction open for ${ageSeconds} s`,
  };
}

/** The watermark of a job that follows another: the lowest checkpoint of all its shards. */
export async function upstreamWatermark(
  reader: Reader,
  upstream: string,
  shards: readonly string[],
  zone: Zone,
): Promise<Watermark> {
  const rows = await reader.tuples('SELECT shard, checkpoint FROM tidemark_checkpoint WHERE job = ?', [upstream]);
  const checkpoints = new Map(rows.map(([shard, text]) => [String(shard), zone.fromText(String(text))]));
  let lowest: Instant | null = null;
  for (const shard of shards) {
    const checkpoint = checkpoints.get(shard) ?? null;
    if (checkpoint === null) {
      const detail = `${[upstream, shard].join(' ').trim()} has no checkpoint`;
      const heldBackBy = {
        kind: 'upstream',
        thread: null,
        user: null,
        ageSeconds: null,
        statement: null,
        detail,
      } as const;
      return { at: null, proven: true, heldBackBy, sourceNow: null, exempt: [] };
    }
    lowest = lowest === null ? checkpoint : Math.min(lowest, checkpoint);
  }
  return { at: lowest, proven: true, heldBackBy: null, sourceNow: null, exempt: [] };
}

/**
 * Checks what a proof needs: a primary, one writer of the server's own, and the right to see all running statements.
 *
 * @throws SetupError naming the statement that mends it
 */
export async function checkProvable(
  session: Session,
  withProof: boolean,
  setting: SettingName = 'SOURCE_DATABASE_URL',
): Promise<void> {
  await checkPrimary(session, withProof, setting);
  if (withProof) await checkSight(session, setting);
}

/** @throws SetupError for a replica, and, where there is to be a proof, for a cluster with several primaries */
export async function checkPrimary(session: Session, withProof: boolean, setting: SettingName): Promise<void> {
  const who = setting === 'SOURCE_DATABASE_URL' ? 'the source' : `the database of ${setting}`;
  const [flags] = await session.rows<{ readOnly: number | string }>('SELECT @@global.read_only readOnly');
  if (String(flags?.readOnly) !== '0' && flags?.readOnly !== 'OFF') {
    throw new SetupError(
      `${who} is read-only: rows arrive there late, in no order that a window could rely on`,
      `point ${setting} at the primary`,
    );
  }
  if (await isReplica(session)) {
    throw new SetupError(
      `${who} is a replica: rows arrive there late, in no order that a window could rely on`,
      `point ${setting} at the primary`,
    );
  }
  if (!withProof) return;
  const [galera] = await session.tuples(`SHOW GLOBAL VARIABLES LIKE 'wsrep_on'`);
  if (String(galera?.[1]).toUpperCase() === 'ON') {
    throw new SetupError(
      `${who} is a node of a cluster with several primaries: what runs on the others cannot be seen`,
      'set TIDEMARK_SETTLE_LAG=10s to go by a fixed lag, without proof',
    );
  }
}

/** @throws SetupError for an account that does not see the statements of others */
export async function checkSight(session: Session, setting: SettingName): Promise<void> {
  if (await maySeeAllThreads(session)) return;
  const account = await accountOf(session);
  throw new SetupError(
    `the ${setting === 'SOURCE_DATABASE_URL' ? 'source account' : `account of ${setting},`} ${account} lacks the PROCESS privilege: without it, the statements of others cannot be seen, and rows that commit late would be missed`,
    `GRANT PROCESS ON *.* TO ${account}; (or set TIDEMARK_SETTLE_LAG=10s to go by a fixed lag, without proof)`,
  );
}

/** As GRANT wants it: `'tidemark'@'%'`. */
export async function accountOf(session: Reader): Promise<string> {
  const [who] = await session.tuples('SELECT CURRENT_USER()');
  return String(who?.[0] ?? '')
    .split('@')
    .map((part) => `'${part}'`)
    .join('@');
}

async function isReplica(session: Session): Promise<boolean> {
  try {
    const replicas = await session.tuples(session.facts.isMariadb ? 'SHOW ALL SLAVES STATUS' : 'SHOW REPLICA STATUS');
    return replicas.length > 0;
  } catch (error) {
    if (errorNumber(error) !== 1227) throw error;
    // Without the right to ask, the threads of replication give it away, where we may see them.
    const threads = await session.tuples(
      `SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Slave_IO','Slave_SQL','Slave_worker')
          OR (USER = 'system user' AND STATE REGEXP 'master|source|relay log') LIMIT 1`,
    );
    return threads.length > 0;
  }
}

async function maySeeAllThreads(session: Session): Promise<boolean> {
  const grants = await session.tuples('SHOW GRANTS');
  return grants.some(([grant]) => /^GRANT (ALL PRIVILEGES|(.*[ ,])?PROCESS([ ,].*)?) ON \*\.\* TO/.test(String(grant)));
}
