/** The way to the ledger database, for the ledger and for whoever books bills together with rows of its own. */
import { SetupError } from '../platform/errors.ts';
import { failureOf } from '../platform/mysql-errors.ts';
import { Sessions, type SessionsOptions } from './sessions.ts';

/** How to connect; the defaults of `connections`, `patienceMs` and `stallTimeoutMs` are 8, 10,000 and 60,000. */
export type ConnectOptions = Pick<SessionsOptions, 'url'> & Partial<SessionsOptions>;

/** What was asked for, with what was not said. @throws SetupError when an option is wrong */
export function withDefaults(options: ConnectOptions): SessionsOptions {
  const { url, connections = 8, patienceMs = 10_000, stallTimeoutMs = 60_000 } = options;
  const limits = {
    connections: [connections, 1000],
    patienceMs: [patienceMs, 3_600_000],
    stallTimeoutMs: [stallTimeoutMs, 3_600_000],
  };
  for (const [name, [value, most]] of Object.entries(limits) as [string, [number, number]][])
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new SetupError(`${name} is ${value}: expected a whole number from 1 to ${most}`);
  if (!/^(mysql|mariadb):\/\/[^/]+\/[^/?]+/.test(String(url)) || !URL.canParse(url))
    throw new SetupError('url is no mysql://user:password@host:port/database', 'set LEDGER_DATABASE_URL');
  return { url, connections, patienceMs, stallTimeoutMs };
}

/**
 * Connects, and looks whether the tables are there.
 *
 * @param look reads every table and needs no row
 * @throws UnavailableError when the server does not answer; SetupError when it refuses us or lacks a table
 */
export async function connectSessions(options: SessionsOptions, look: string): Promise<Sessions> {
  const sessions = new Sessions(options);
  try {
    await sessions.run((session) => session.tuples(look));
    return sessions;
  } catch (error) {
    await sessions.close();
    if (failureOf(error) !== 'setup') throw error;
    throw new SetupError(
      `the ledger database lacks its tables, or its account may not read them: ${(error as Error).message}`,
      'tidemark migrate',
      error,
    );
  }
}
