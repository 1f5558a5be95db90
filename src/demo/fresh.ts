/**
 * From nothing: takes away what an earlier demonstration, or anything else, left on the private servers.
 *
 * Promises: afterwards both databases hold no table, and Redis no key. Only ever called with the private servers' own
 * addresses. After a crash in between, the next demonstration does it again.
 */
import { createConnection } from 'node:net';
import { UnavailableError } from '../platform/errors.ts';
import type { LocalServers } from '../platform/local/index.ts';
import { identifier, type Session } from '../platform/mysql.ts';

/** Drops every table and view of the session's database. Says how many there were. */
export async function dropTables(session: Session): Promise<number> {
  const tables = await session.tuples(
    'SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()',
  );
  await session.write('SET SESSION foreign_key_checks = 0');
  for (const [name, type] of tables)
    await session.write(`DROP ${type === 'VIEW' ? 'VIEW' : 'TABLE'} IF EXISTS ${identifier(String(name))}`);
  await session.write('SET SESSION foreign_key_checks = 1');
  return tables.length;
}

/**
 * Takes every key out of the private Redis.
 *
 * @throws UnavailableError when it does not say that it did
 */
export async function flushRedis({ host, port, password }: LocalServers['redis']): Promise<void> {
  const said = await new Promise<string>((resolve, reject) => {
    const socket = createConnection({ host, port });
    let text = '';
    socket.setEncoding('utf8');
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => socket.write(`AUTH ${password}\r\nFLUSHALL\r\nQUIT\r\n`));
    socket.on('data', (more) => {
      text += more;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  }).catch((error: Error) => error.message);
  if (!said.startsWith('+OK\r\n+OK'))
    throw new UnavailableError(`the private Redis at ${host}:${port} was not flushed: ${said.trim()}`, 'tidemark demo');
}
