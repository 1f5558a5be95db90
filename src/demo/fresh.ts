/**
 * From nothing: takes away what an earlier demonstration, or anything else, left on the private servers.
 *
 * Promises: afterwards the databases hold no table, and Redis no key. Only ever called with the private servers' own
 * addresses. After a crash in between, the next demonstration does it again.
 */
import { identifier, type Session } from '../platform/mysql.ts';
import { RedisCopy } from '../platform/redis.ts';

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

/** Takes every key out of the private Redis. */
export async function flushRedis(url: string): Promise<void> {
  const redis = await RedisCopy.open(url);
  try {
    await redis.flush();
  } finally {
    redis.close();
  }
}
