/**
 * The named lock that keeps runs of one shard apart.
 *
 * It is held by the very connection that writes the effects, so it falls with the process, needs no renewal and no
 * expiry, and a paused holder loses lock, transaction and connection together. It is a courtesy that saves work:
 * that nothing is applied twice rests on the checkpoint row alone, also where a proxy or a cluster weakens the lock.
 */
import { createHash } from 'node:crypto';
import type { Session } from '../platform/mysql.ts';

/** Names are global to the server and hold 64 characters: the database is part of it, a long one ends in a digest. */
export function lockName(database: string, job: string, shard: string): string {
  const name = `tidemark:${database}:${job}:${shard}`;
  if (name.length <= 64) return name;
  return `${name.slice(0, 47)}:${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

/** Takes the lock, waiting up to `waitSeconds`. */
export async function acquireLock(session: Session, name: string, waitSeconds: number): Promise<boolean> {
  const [row] = await session.tuples('SELECT GET_LOCK(?, ?)', [name, waitSeconds]);
  return Number(row?.[0]) === 1;
}

/** Which of these shards somebody holds the lock of. */
export async function heldLocks<Name extends { readonly job: string; readonly shard: string }>(
  session: Session,
  names: readonly Name[],
): Promise<Name[]> {
  const held: Name[] = [];
  for (const name of names) {
    const [row] = await session.tuples('SELECT IS_USED_LOCK(?)', [lockName(session.database, name.job, name.shard)]);
    if ((row?.[0] ?? null) !== null) held.push(name);
  }
  return held;
}
