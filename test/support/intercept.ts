/** A session whose statements a test can see, delay, break or answer. */
import type { Parameter, Session } from '../../src/platform/mysql.ts';

const statements = new Set(['rows', 'tuples', 'write']);

type Send = (sql: string, parameters?: readonly Parameter[]) => Promise<unknown>;

/** @param answer what the caller gets for each statement; nothing is sent but by its calls of `send` */
export function answered(
  session: Session,
  answer: (sql: string, parameters: readonly Parameter[], send: Send) => Promise<unknown>,
): Session {
  return new Proxy(session, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      if (!statements.has(String(property))) return value.bind(target);
      const send: Send = (sql, parameters) => Reflect.apply(value, target, [sql, parameters]) as Promise<unknown>;
      return (sql: string, parameters: readonly Parameter[] = []) => answer(sql, parameters, send);
    },
  });
}

/**
 * @param before called ahead of each statement; what it throws is what the caller gets, and nothing is sent but by its
 *   own call of `send`
 */
export function intercepted(
  session: Session,
  before: (sql: string, send: () => Promise<unknown>) => Promise<void> | void,
): Session {
  return answered(session, async (sql, parameters, sendAny) => {
    const send = () => sendAny(sql, parameters);
    await before(sql, send);
    return send();
  });
}
