/**
 * One call after the other for each account, within this process: they would only wait for each other in the database,
 * and there they would keep a connection each from the calls on other accounts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LockedError } from './sessions.ts';

export class Turns {
  readonly #patienceMs: number;
  /** The last call in line for each account; settled when that call has ended. */
  readonly #last = new Map<bigint, Promise<void>>();

  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /** @throws LockedError when the turn does not come within the patience */
  async take<Result>(accountId: bigint, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(accountId) ?? Promise.resolve();
    let leave: () => void = () => undefined;
    const mine = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const last = before.then(() => mine);
    this.#last.set(accountId, last);
    last.then(() => {
      if (this.#last.get(accountId) === last) this.#last.delete(accountId);
    });
    try {
      await this.#waitFor(before, accountId);
      return await work();
    } finally {
      leave();
    }
  }

  async #waitFor(before: Promise<void>, accountId: bigint): Promise<void> {
    const patience = new AbortController();
    const late = sleep(this.#patienceMs, 'late', { signal: patience.signal });
    late.catch(() => undefined); // nobody waits for it any more
    const first = await Promise.race([before, late]);
    patience.abort();
    if (first === 'late') throw new LockedError(`account ${accountId} is taken by other calls of this process`);
  }
}
