/**
 * The bound: how far back a statement that runs now may still stamp rows.
 *
 * `NOW()` is fixed when a statement begins, so the rows that a running one is yet to write carry at the earliest the time
 * of its beginning. A second before the oldest of them, or before now where none runs, every row has been written,
 * committed or not. The second is for the moments between the two clocks that a server reads when a statement begins.
 *
 * MariaDB counts a statement's time anew after each statement of its triggers and stored functions, so on a server that
 * has any the times say nothing; there the bound is a look at the list after which each thread was seen without a
 * statement once. A statement that outlasts all looks holds the job where it stands until it is over.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { JobError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import type { Holder, Watermark } from './watermark.ts';
import type { Instant, Zone } from './zone.ts';

/** Statements that a person has vouched for: they do not write the source tables, so they bound nothing. */
export interface Exemptions {
  readonly users: readonly string[];
  /** Default schemas of the connections. */
  readonly schemas: readonly string[];
  readonly pattern: RegExp | null;
}

interface Statement {
  readonly thread: number;
  readonly user: string;
  readonly schema: string | null;
  readonly ageSeconds: number;
  readonly text: string | null;
  readonly began: Instant;
}

interface Look {
  readonly now: Instant;
  readonly statements: readonly Statement[];
}

/** A statement that runs longer than this is worth naming. */
const noticeableSeconds = 5;
const marginMs = 1000;
const textMax = 200;
/** Between one look at the list and the next: together three seconds, in which ordinary statements end. */
const pausesMs = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024];

/**
 * A SELECT writes nothing, but one with INTO may stand in a trigger or function of a statement that does. Who has not
 * logged in yet will begin a statement later than now.
 */
const mayWrite = `USER <> 'unauthenticated user' AND COMMAND NOT IN ('Sleep','Daemon','Binlog Dump','Binlog Dump GTID') AND (INFO IS NULL OR INFO NOT REGEXP '^[[:space:](]*select' OR INFO REGEXP '\\\\binto\\\\b')`;
const columns = 'ID = CONNECTION_ID(), NOW(6), ID, USER, DB, LEFT(INFO, 2000)';
const list = {
  mariadb: `SELECT ${columns}, TIME_MS / 1000, NOW(6) - INTERVAL TIME_MS * 1000 MICROSECOND
              FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID() OR (${mayWrite})`,
  // MySQL knows whole seconds only: the statement may have begun up to a second before what they say.
  mysql: `SELECT ${columns}, TIME, NOW(6) - INTERVAL TIME + 1 SECOND
            FROM performance_schema.processlist WHERE ID = CONNECTION_ID() OR (${mayWrite})`,
};

/** Text of the server in the session's zone, UTC. */
const fromServer = (text: unknown): Instant => Date.parse(`${String(text).replace(' ', 'T')}Z`);

/** The source's clock, and the statements that may write. */
async function look(session: Session): Promise<Look> {
  const rows = await session.tuples(list[session.facts.isMariadb ? 'mariadb' : 'mysql']);
  const now = fromServer(rows[0]?.[1]);
  const statements = rows
    .filter(([own]) => Number(own) !== 1)
    .map(([, , thread, user, schema, text, age, began]) => ({
      thread: Number(thread),
      user: String(user),
      schema: schema === null || schema === undefined ? null : String(schema),
      ageSeconds: Number(age),
      text: text === null || text === undefined ? null : String(text),
      began: fromServer(began),
    }));
  // A bound that is no time would compare false with everything, and close what is open.
  if (![now, ...statements.map(({ began }) => began)].every(Number.isFinite))
    throw new JobError('the source does not tell since when its statements run', 'SHOW PROCESSLIST');
  return { now, statements };
}

/** The bound: no statement can any more stamp a row before it. */
export async function statementBound(session: Session, zone: Zone, exemptions: Exemptions): Promise<Watermark> {
  const { now, statements } = await look(session);
  const exempt = statements.filter((statement) => isExempt(statement, exemptions));
  const writing = statements.filter((statement) => !exempt.includes(statement));
  const told = { proven: true, sourceNow: now, exempt: exempt.map((statement) => holderOf(statement)) };
  const [oldest] = [...writing].sort((a, b) => a.began - b.began);
  if (oldest === undefined) return { ...told, at: zone.border(now - marginMs), heldBackBy: null };
  if (!(await timesAreExact(session))) {
    const lasting = await lastingStatement(session, writing);
    if (lasting !== null) return { ...told, at: null, heldBackBy: holderOf(lasting, unknownSince) };
    return { ...told, at: zone.border(now - marginMs), heldBackBy: null };
  }
  const at = zone.border(Math.min(now, oldest.began) - marginMs);
  return { ...told, at, heldBackBy: oldest.ageSeconds < noticeableSeconds ? null : holderOf(oldest) };
}

/** The way out for servers where nothing can be proven: now less a fixed lag. */
export async function laggedBound(session: Session, zone: Zone, lagMs: number): Promise<Watermark> {
  const [clock] = await session.tuples('SELECT NOW(6)');
  const now = fromServer(clock?.[0]);
  return { at: zone.border(now - lagMs), proven: false, sourceNow: now, exempt: [], heldBackBy: null };
}

function isExempt({ user, schema, text }: Statement, { users, schemas, pattern }: Exemptions): boolean {
  return users.includes(user) || (schema !== null && schemas.includes(schema)) || pattern?.test(text ?? '') === true;
}

/** Whether the list's times are those of whole statements: not where statements can run inside of others. */
async function timesAreExact(session: Session): Promise<boolean> {
  if (!session.facts.isMariadb) return true;
  const [row] = await session.tuples(
    `SELECT (SELECT SUM(VARIABLE_VALUE) FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('FEATURE_TRIGGER','EXECUTED_TRIGGERS'))
          + EXISTS (SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION' AND ROUTINE_SCHEMA NOT IN ('sys','mysql'))`,
  );
  return Number(row?.[0] ?? 1) === 0;
}

/** One of these statements that may still run after all looks; null when each of their threads was seen without one. */
async function lastingStatement(session: Session, writing: readonly Statement[]): Promise<Statement | null> {
  let lasting = writing;
  for (const pause of pausesMs) {
    await sleep(pause);
    const running = new Set((await look(session)).statements.map(({ thread }) => thread));
    lasting = lasting.filter(({ thread }) => running.has(thread));
    if (lasting.length === 0) return null;
  }
  return lasting[0] ?? null;
}

const unknownSince = '; since when cannot be told, because this server runs triggers or stored functions';

function holderOf({ thread, user, ageSeconds, text }: Statement, more = ''): Holder {
  const seconds = Math.round(ageSeconds);
  return {
    kind: 'statement',
    thread,
    user,
    ageSeconds: seconds,
    statement: text?.slice(0, textMax) ?? null,
    detail: `thread ${thread} of ${user} has been running a statement for ${seconds} s${more}`,
  };
}
