/** A session whose statements a test can see, delay or break. */
import type { Session } from '../../src/platform/mysql.ts';

const statements = new Set(['rows', 'tuples', 'write']);

/** @param before called ahead of each statement; what it throws is what the caller gets, and nothing is sent */
export function intercepted(session: Session, before: (sql: string) => Promise<void> | void): Session {
  return new Proxy(session, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      if (!statements.has(String(property))) return value.bind(target);
      return async (sql: string, parameters?: unknown) => {
        await before(sql);
        return Reflect.apply(value, target, [sql, parameters]) as unknown;
      };
    },
  });
}
