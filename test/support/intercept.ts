/** A session whose statements a test can see, delay or break. */
import type { Session } from '../../src/platform/mysql.ts';

const statements = new Set(['rows', 'tuples', 'write']);

/**
 * @param before called ahead of each statement; what it throws is what the caller gets, and nothing is sent but by its
 *   own call of `send`
 */
export function intercepted(
  session: Session,
  before: (sql: string, send: () => Promise<unknown>) => Promise<void> | void,
): Session {
  return new Proxy(session, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      if (!statements.has(String(property))) return value.bind(target);
      return async (sql: string, parameters?: unknown) => {
        const send = () => Reflect.apply(value, target, [sql, parameters]) as Promise<unknown>;
        await before(sql, send);
        return send();
      };
    },
  });
}
