/** A program of this process that stops at a statement, and goes on when the test says so; or that fails there. */
import { vi } from 'vitest';
import { Session } from '../../src/platform/mysql.ts';
import { answered, intercepted } from './intercept.ts';

export interface Stop {
  /** Sessions that are opened meanwhile stop. */
  with<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Resolves when one has. */
  readonly stopped: Promise<void>;
  goOn(): void;
}

/** @param place ahead of the statements that match, or when their answers have come */
export function stopping(place: 'ahead' | 'behind', at: RegExp): Stop {
  const [stopped, told] = [signal(), signal()];
  const stop = (session: Session) =>
    answered(session, async (sql, parameters, send) => {
      const answer = place === 'behind' ? await send(sql, parameters) : null;
      if (at.test(sql)) {
        stopped.give();
        await told.given;
      }
      return answer ?? send(sql, parameters);
    });
  return {
    async with(work) {
      const open = Session.open.bind(Session);
      const spy = vi.spyOn(Session, 'open').mockImplementation(async (options) => stop(await open(options)));
      return work().finally(() => spy.mockRestore());
    },
    stopped: stopped.given,
    goOn: told.give,
  };
}

/** What is connected meanwhile fails at a statement, as `made by the test`. */
export async function failing(at: RegExp, work: () => Promise<void>): Promise<void> {
  const open = Session.open.bind(Session);
  const spy = vi.spyOn(Session, 'open').mockImplementation(async (options) =>
    intercepted(await open(options), (sql) => {
      if (at.test(sql)) throw new Error('made by the test');
    }),
  );
  await work().finally(() => spy.mockRestore());
}

function signal(): { given: Promise<void>; give: () => void } {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
