/**
 * One connection to MySQL or MariaDB, set up so that nothing is changed on the way.
 *
 * Promises: BIGINT and DECIMAL arrive as exact strings, DATETIME as the text that is stored; the session runs in UTC,
 * strict, READ COMMITTED, with bounded waits for locks, statements and the network; a session that goes silent longer
 * than the stall timeout is ended by the server, and its locks and its transaction with it. A statement that outlives
 * its limit costs the connection: a socket that hangs half open would otherwise hang for ever.
 *
 * There is no pool on purpose: a named lock and the transaction it guards belong to one connection.
 */
import { channel } from 'node:diagnostics_channel';
import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { SetupError, UnreachableError } from './errors.ts';
import { errorNumber, failureOf } from './mysql-errors.ts';

export type Parameter =
  | string
  | number
  | null
  | readonly (string | number | null)[]
  | readonly (readonly (string | number | null)[])[];
export type Cell = string | number | null;

export interface Reader {
  /** Rows as objects. */
  rows<Row extends object = Record<string, Cell>>(sql: string, parameters?: readonly Parameter[]): Promise<Row[]>;
  /** Rows as arrays, for the many. */
  tuples(sql: string, parameters?: readonly Parameter[]): Promise<Cell[][]>;
}

export interface Written {
  /** Rows inserted, plus twice the rows changed by ON DUPLICATE KEY UPDATE; rows found unchanged do not count. */
  readonly affected: number;
  readonly insertId: number;
}

export interface ServerFacts {
  readonly version: string;
  readonly isMariadb: boolean;
  readonly maxPacketBytes: number;
  readonly connectionId: number;
}

export interface SessionOptions {
  readonly url: string;
  /** What people call this database: `source`, `main`. */
  readonly label: string;
  /** The setting that holds the address, for messages. */
  readonly setting: string;
  /** What helps where it cannot be reached, if not a look at the setting. */
  readonly next?: string;
  readonly stallTimeoutMs: number;
  /** How long the server may take to answer, where whoever asks cannot wait as long as a job. */
  readonly answerLimitMs?: number;
}

/** What a session was asked, once it is answered. */
export interface Statement {
  /** Of the session. */
  readonly label: string;
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  /** How many rows came back; null for a write. */
  readonly rows: number | null;
  /** Null for a write that a dry run has left out. */
  readonly ms: number | null;
}

/** Each statement of each session of this process, for who listens; without a listener nothing is told. */
export const statements = channel('tidemark.statement');

/** For connecting, and once more for preparing the session. */
const openLimitMs = 10_000;
const statementLimitMs = 300_000;
/** How much longer we wait for a server that should have given up by itself. */
const graceMs = 30_000;
const lockWaitSeconds = 20;

/** NO_AUTO_VALUE_ON_ZERO: an id 0 is copied as 0. Zero dates are copied, too: there is no NO_ZERO_DATE here. */
const sqlMode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO';

function connectionOptions(url: URL, answerLimitMs: number): ConnectionOptions {
  const ssl = url.searchParams.get('ssl');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 3306 : Number(url.port),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    charset: 'utf8mb4',
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    timezone: 'Z',
    maxPreparedStatements: 1, // none is used, and the driver sets room aside for 16,000 at every connection
    flags: ['-FOUND_ROWS'],
    connectTimeout: answerLimitMs,
    enableKeepAlive: true,
    ...(ssl === null || ssl === 'false' ? {} : { ssl: { rejectUnauthorized: ssl !== 'skip-verify' } }),
  };
}

function explainConnectFailure(error: unknown, options: SessionOptions): unknown {
  const url = new URL(options.url);
  const database = `the ${options.label} database ${url.pathname.slice(1)}`;
  const reason = (error as Error).message || (error as NodeJS.ErrnoException).code || String(error);
  if (failureOf(error) === 'setup') {
    return new SetupError(
      `${database} at ${url.host} refuses us: ${reason}`,
      `check ${options.setting}: tidemark config`,
      error,
    );
  }
  if (failureOf(error) === 'connection' || [1040, 1129, 1130, 1203].includes(errorNumber(error))) {
    return new UnreachableError({ database, what: `at ${url.host} cannot be reached: ${reason}`, ...options }, error);
  }
  return error;
}

/** Sets a new connection up, and learns what it leads to. */
async function prepare(connection: Connection, stallTimeoutMs: number, answerLimitMs: number): Promise<ServerFacts> {
  const [[row]] = (await connection.query(
    'SELECT VERSION() version, @@max_allowed_packet packet, CONNECTION_ID() id',
  )) as unknown as [[{ version: string; packet: string | number; id: string | number }]];
  const facts = {
    version: row.version,
    isMariadb: /mariadb/i.test(row.version),
    maxPacketBytes: Number(row.packet),
    connectionId: Number(row.id),
  };
  const seconds = Math.max(1, Math.round(stallTimeoutMs / 1000));
  const limit = facts.isMariadb ? `max_statement_time=${answerLimitMs / 1000}` : `max_execution_time=${answerLimitMs}`;
  await connection.query(
    `SET SESSION time_zone='+00:00', sql_mode='${sqlMode}', autocommit=1, wait_timeout=${seconds}, interactive_timeout=${seconds},` +
      ` net_read_timeout=${seconds}, net_write_timeout=${seconds}, lock_wait_timeout=${lockWaitSeconds}, innodb_lock_wait_timeout=${lockWaitSeconds}, ${limit}`,
  );
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  return facts;
}

/** A server that takes the connection and then says nothing more would be waited for without end. */
async function withinLimit<Result>(work: Promise<Result>, limitMs: number): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    const silent = Object.assign(new Error(`no answer in ${limitMs / 1000} s`), { code: 'ETIMEDOUT' });
    timer = setTimeout(() => reject(silent), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

export class Session implements Reader {
  readonly database: string;
  readonly user: string;
  readonly facts: ServerFacts;
  readonly label: string;
  readonly #connection: Connection;
  #warmer: NodeJS.Timeout | undefined;
  #lost = false;
  /** Statements under way; the driver forgets them when a connection is dropped. */
  readonly #pending = new Set<(error: Error) => void>();

  private constructor(
    connection: Connection,
    label: string,
    { database, user }: ConnectionOptions,
    facts: ServerFacts,
  ) {
    this.#connection = connection;
    this.label = label;
    this.database = String(database);
    this.user = String(user);
    this.facts = facts;
    connection.on('error', () => this.destroy());
  }

  /**
   * Connects and prepares the session.
   *
   * @throws UnavailableError when the server does not answer, SetupError when it refuses the account or the database
   */
  static async open(options: SessionOptions): Promise<Session> {
    const { createConnection } = (await import('mysql2/promise')).default; // as a bundled CommonJS module it has no named exports
    const { answerLimitMs: limitMs } = options;
    const settings = connectionOptions(new URL(options.url), limitMs ?? openLimitMs);
    let connection: Connection | undefined;
    try {
      connection = await createConnection(settings);
      const prepared = prepare(connection, options.stallTimeoutMs, limitMs ?? statementLimitMs);
      const facts = await withinLimit(prepared, limitMs ?? openLimitMs);
      return new Session(connection, options.label, settings, facts);
    } catch (error) {
      if (connection !== undefined) dropSocket(connection);
      throw explainConnectFailure(error, options);
    }
  }

  /** Whether the connection is known to be gone. */
  get lost(): boolean {
    return this.#lost;
  }

  async rows<Row extends object = Record<string, Cell>>(
    sql: string,
    parameters: readonly Parameter[] = [],
  ): Promise<Row[]> {
    return (await this.#query({ sql }, parameters)) as Row[];
  }

  async tuples(sql: string, parameters: readonly Parameter[] = []): Promise<Cell[][]> {
    return (await this.#query({ sql, rowsAsArray: true }, parameters)) as Cell[][];
  }

  async write(sql: string, parameters: readonly Parameter[] = []): Promise<Written> {
    const header = (await this.#query({ sql }, parameters)) as { affectedRows?: number; insertId?: number };
    return { affected: header.affectedRows ?? 0, insertId: header.insertId ?? 0 };
  }

  /** A write that a dry run leaves out. */
  async pretend(sql: string, parameters: readonly Parameter[] = []): Promise<Written> {
    this.#tell({ sql, parameters, rows: null, ms: null });
    return { affected: 0, insertId: 0 };
  }

  #tell(statement: Omit<Statement, 'label'>): void {
    if (statements.hasSubscribers) statements.publish({ label: this.label, ...statement } satisfies Statement);
  }

  async #query(query: { sql: string; rowsAsArray?: boolean }, parameters: readonly Parameter[]): Promise<unknown> {
    if (this.#lost) throw lostConnection();
    // Without parameters the driver need not look for their places, which takes long in a statement of a megabyte.
    const values = parameters.length === 0 ? null : (parameters as unknown[]);
    let give: (error: Error) => void = () => undefined;
    // A limit of our own: the driver's keeps its timer, and with it the process, when the connection is dropped.
    const timer = setTimeout(() => this.destroy(), statementLimitMs + graceMs);
    const startedAt = Date.now();
    try {
      const answer = await new Promise((resolve, reject) => {
        give = reject;
        this.#pending.add(give);
        this.#connection.query({ ...query, values }).then(([result]) => resolve(result), reject);
      });
      const rows = Array.isArray(answer) ? answer.length : null;
      this.#tell({ sql: query.sql, parameters, rows, ms: Date.now() - startedAt });
      return answer;
    } catch (error) {
      if (failureOf(error) === 'connection') this.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(give);
    }
  }

  /** Sends a word now and then, so that the server's idle limit strikes only a process that has stopped. */
  keepWarm(everyMs: number): void {
    this.#warmer ??= setInterval(() => {
      this.write('DO 0').catch(() => undefined); // a lost connection is reported by the next statement that matters
    }, everyMs).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#warmer);
    if (this.#lost) return;
    this.#lost = true;
    await this.#connection.end().catch(() => dropSocket(this.#connection));
  }

  /** Drops the connection without a word; the server rolls back and releases what it held. */
  destroy(): void {
    clearInterval(this.#warmer);
    this.#lost = true;
    dropSocket(this.#connection);
    for (const give of this.#pending) give(lostConnection());
  }
}

/**
 * The driver's `destroy` says goodbye and waits for the other side's: a server that is busy with a statement, or waits for
 * a lock, would keep the process until it is done.
 */
function dropSocket(connection: Connection): void {
  connection.destroy();
  (connection as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}

function lostConnection(): Error {
  return Object.assign(new Error('the connection was lost'), { code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
}

/** A name as an SQL identifier. */
export function identifier(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}
