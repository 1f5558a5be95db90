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

/** Changes nothing: that its answer is lost is as if it had not been sent. */
export const onlyReads = /^\s*(SELECT\b(?![\s\S]*\b(FOR UPDATE|GET_LOCK)\b)|SET\b|START TRANSACTION\b)/i;

/**
 * The faults that tell something of the nth statement: who is killed behind one is killed ahead of the next. All of them with
 * `TIDEMARK_TEST_NIGHT`.
 */
export function faultsAt(nth: number, statements: readonly string[]): readonly Fault[] {
  if (process.env.TIDEMARK_TEST_NIGHT !== undefined) return faults;
  const isRead = onlyReads.test(statements[nth - 1] as string);
  return faults.filter(
    (fault) => !(fault === 'killed after' && nth < statements.length) && !(fault === 'lost after' && isRead),
  );
}

/** Breaks the nth statement that is sent from now on. @returns what was sent so far */
export function breaking(nth: number, fault: Fault | null): () => readonly string[] {
  const sent: string[] = [];
  let isDead = false;
  const open = Session.open.bind(Session);
  vi.spyOn(Session, 'open').mockImplementation(async (options) => {
    const session = await open(options);
    return answered(session, async (sql, parameters, send) => {
      if (isDead) throw driverError({});
      sent.push(sql);
      if (sent.length !== nth || fault === null) return send(sql, parameters);
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
