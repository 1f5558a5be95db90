/** Sessions of the campaign's own: patient ones, and ones such as an application has. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Session } from '../src/platform/mysql.ts';

/** A session that waits for long, and survives the idle minutes of a long campaign. */
export async function openPatiently(url: string): Promise<Session> {
  const session = await Session.open({ url, label: 'campaign', setting: 'campaign', stallTimeoutMs: 600_000 });
  session.keepWarm(60_000);
  return session;
}

/** A session as an application has it: the server's own zone, and its patience with locks. */
export async function openAsApplication(url: string): Promise<Session> {
  const session = await openPatiently(url);
  await session.write(
    'SET SESSION time_zone = @@global.time_zone, innodb_lock_wait_timeout = 50, lock_wait_timeout = 3600',
  );
  return session;
}

/** Tries until the server is back; null when the signal is given first. */
export async function openWhenUp(url: string, signal: AbortSignal): Promise<Session | null> {
  while (!signal.aborted) {
    try {
      return await openAsApplication(url);
    } catch {
      await sleep(50);
    }
  }
  return null;
}
