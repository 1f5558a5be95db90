/**
 * Creates and updates the tables that tidemark owns, by knex.
 *
 * Safe when started twice at once, and after a crash: a named lock of the server keeps migrations apart and falls with
 * its connection; knex's own lock, which a crash leaves behind, is cleared by whoever holds the named one.
 */
import type { Knex } from 'knex';
import { UnavailableError } from './errors.ts';
import type { Session } from './mysql.ts';
import { errorNumber } from './mysql-errors.ts';

interface Migration {
  readonly name: string;
  readonly sql: string;
}

const tableName = 'tidemark_migration';
const lockWaitSeconds = 60;

async function connect(url: string): Promise<Knex> {
  const { default: createKnex } = await import('knex');
  const { hostname, port, username, password, pathname, searchParams } = new URL(url);
  const ssl = searchParams.get('ssl');
  return createKnex({
    client: 'mysql2',
    pool: {
      min: 0,
      max: 1,
      // What knex notes with a migration is a time in UTC, whatever the zones of server and process are.
      afterCreate: (connection: { query(sql: string, done: () => void): void }, done: () => void) =>
        connection.query("SET time_zone = '+00:00'", done),
    },
    connection: {
      timezone: 'Z',
      host: hostname,
      port: port === '' ? 3306 : Number(port),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
      database: decodeURIComponent(pathname.slice(1)),
      charset: 'utf8mb4',
      ...(ssl === null || ssl === 'false' ? {} : { ssl: { rejectUnauthorized: ssl !== 'skip-verify' } }),
    },
  });
}

/** @returns the names of the migrations that were applied, or, in a dry run, would be; with their SQL */
export async function migrate(
  session: Session,
  url: string,
  migrations: readonly Migration[],
  dryRun: boolean,
): Promise<Migration[]> {
  const lock = `tidemark:${session.database}:migrate`.slice(0, 64);
  const [row] = await session.tuples('SELECT GET_LOCK(?, ?)', [lock, lockWaitSeconds]);
  if (Number(row?.[0]) !== 1)
    throw new UnavailableError(`another migration of ${session.database} is under way`, 'tidemark migrate');
  const knex = await connect(url);
  try {
    const done = await appliedNames(session);
    const pending = migrations.filter(({ name }) => !done.has(name));
    if (dryRun || pending.length === 0) return pending;
    // Two lists may meet in one database, where the ledger lives in the main one: each finds names that it does not know.
    const config = { tableName, migrationSource: sourceOf(migrations), disableMigrationsListValidation: true };
    await knex.migrate.list(config); // makes knex's tables, so that there is a lock to clear
    await knex.migrate.forceFreeMigrationsLock(config);
    await knex.migrate.latest(config);
    return pending;
  } finally {
    await knex.destroy();
    await session.tuples('SELECT RELEASE_LOCK(?)', [lock]);
  }
}

/** The migrations that a database has. */
export async function appliedNames(session: Session): Promise<Set<string>> {
  const [table] = await session.tuples(
    'SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?',
    [tableName],
  );
  if (table === undefined) return new Set();
  return new Set((await session.tuples(`SELECT name FROM ${tableName}`)).map(([name]) => String(name)));
}

/** When a database got the first of its tables, in milliseconds since 1970; null where they are not knex's. */
export async function tablesSince(session: Session): Promise<number | null> {
  if ((await appliedNames(session)).size === 0) return null;
  const [row] = await session.tuples(`SELECT UNIX_TIMESTAMP(MIN(migration_time)) FROM ${tableName}`);
  return Number(row?.[0]) * 1000;
}

/** A column, a key or a constraint that was added by a run which crashed before it could note it. */
function isThereAlready(error: unknown): boolean {
  const number = errorNumber(error);
  return [1060, 1061, 1826].includes(number) || (number === 1005 && /errno: 121\b/.test((error as Error).message));
}

function sourceOf(migrations: readonly Migration[]): Knex.MigrationSource<Migration> {
  return {
    getMigrations: async () => [...migrations],
    getMigrationName: ({ name }) => name,
    getMigration: async ({ sql }) => ({
      up: async (knex) => {
        await knex.raw(sql).catch((error: unknown) => {
          if (!isThereAlready(error)) throw error;
        });
      },
      down: async () => undefined,
    }),
  };
}
