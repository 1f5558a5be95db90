/**
 * Breaks one statement of a caller: its process killed before or after it, the connection lost before or after it, a
 * deadlock, a lock wait. Who was killed sends nothing more.
 */
import { vi } from 'vitest';
import { Session } from '../../src/platform/mysql.ts';
import { answered } from './intercept.ts';

export const faults = ['killed before', 'killed after', 'lost before', 'lost after', 'deadlock', 'lock wait'] as const;
export type Fault = (typeof faults)[number];

const driverError = (more: object) => Object.assign(new Error('made by the test'), more);
const lost = () => driverError({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true });

/** Breaks the nth statement that is sent from now on. @returns how many were sent so far */
export function breaking(nth: number, fault: Fault | null): () => number {
  let sent = 0;
  let isDead = false;
  const open = Session.open.bind(Session);
  vi.spyOn(Session, 'open').mockImplementation(async (options) => {
    const session = await open(options);
    return answered(session, async (sql, parameters, send) => {
      if (isDead) throw driverError({});
      sent += 1;
      if (sent !== nth || fault === null) return send(sql, parameters);
      if (fault.endsWith('after')) await send(sql, parameters);
      if (fault === 'deadlock' || fault === 'lock wait') {
        if (fault === 'deadlock') await send('ROLLBACK');
        throw driverError({ errno: fault === 'deadlock' ? 1213 : 1205 });
      }
      session.destroy();
      isDead = fault.startsWith('killed');
      throw isDead ? driverError({}) : lost();
    });
  });
  return () => sent;
}
