/**
 * A few connections to the ledger, each lent to one piece of work at a time.
 *
 * A piece of work that fails for a reason that passes (a lock wait, a deadlock, a lost connection) is begun anew, whole,
 * until the caller's patience ends. So work must be one transaction, or repeatable up to where it got.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import { TidemarkError, UnavailableError } from '../platform/errors.ts';
import { Session } from '../platform/mysql.ts';
import { failureOf } from '../platform/mysql-errors.ts';

export interface SessionsOptions {
  readonly url: string;
  /** Connections at the most; more pieces of work wait for one. */
  readonly connections: number;
  /** How long work may be tried again before it is given up. */
  readonly patienceMs: number;
  /** After so long without a word the server drops a connection, and what it has locked. */
  readonly stallTimeoutMs: number;
}

/** Others kept a lock for longer than the patience. */
export class LockedError extends UnavailableError {}

/** By then the server has given up a lock by itself. */
const graceMs = 3000;
const firstPauseMs = 5;
const longestPauseMs = 500;

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #limit: LimitFunction;
  readonly #idle: Session[] = [];
  #under = 0;
  #isClosed = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#limit = pLimit(options.connections);
  }

  /**
   * @throws LockedError and UnavailableError when the patience ends; anything else that the work throws, at once
   */
  run<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const until = Date.now() + this.#options.patienceMs; // waiting for a connection counts
    return this.#limit(() => this.#patiently(work, until));
  }

  /** Counts a call of several pieces of work: `close` waits for it. @throws UnavailableError once closed */
  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#isClosed) throw new UnavailableError('the ledger is closed');
    this.#under += 1;
    try {
      return await work();
    } finally {
      this.#under -= 1;
    }
  }

  /** Runs work in a transaction, READ COMMITTED. */
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    return this.run(async (session) => {
      await session.write('START TRANSACTION');
      const result = await work(session);
      await session.write('COMMIT');
      return result;
    });
  }

  async #patiently<Result>(work: (session: Session) => Promise<Result>, until: number): Promise<Result> {
    for (let pause = firstPauseMs; ; pause = Math.min(longestPauseMs, pause * 2)) {
      try {
        return await this.#once(work);
      } catch (error) {
        const failure = failureOf(error);
        const mayPass = failure === 'transient' || failure === 'connection' || error instanceof UnavailableError;
        if (!mayPass) throw error;
        if (Date.now() + pause > until) throw givenUp(error as Error, failure === 'transient');
        await sleep(pause * (0.5 + Math.random() / 2));
      }
    }
  }

  async #once<Result>(work: (session: Session) => Promise<Result>): Promise<Result> {
    const session = await this.#take();
    // From a connection that has fallen silent an answer would be waited for without end.
    const timer = setTimeout(() => session.destroy(), this.#options.patienceMs + graceMs);
    try {
      const result = await work(session);
      this.#idle.push(session);
      return result;
    } catch (error) {
      await this.#giveBack(session);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #take(): Promise<Session> {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.lost) return session; // the server drops one that was idle for long
    }
    const { url, patienceMs, stallTimeoutMs } = this.#options;
    const session = await Session.open({ url, label: 'ledger', setting: 'LEDGER_DATABASE_URL', stallTimeoutMs });
    const seconds = Math.max(1, Math.ceil(patienceMs / 1000));
    try {
      await session.write(`SET SESSION innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds}`);
      return session;
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  /** Takes back a connection on which something failed: nothing of the work may stay. */
  async #giveBack(session: Session): Promise<void> {
    if (!session.lost) await session.write('ROLLBACK').catch(() => session.destroy());
    if (!session.lost) this.#idle.push(session);
  }

  /** Closes the connections when all calls under way have their answers; new ones are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#under + this.#limit.activeCount + this.#limit.pendingCount > 0) await sleep(5);
    await Promise.all(this.#idle.splice(0).map((session) => session.close()));
  }
}

function givenUp(error: Error, isLocked: boolean): Error {
  if (isLocked) return new LockedError(error.message, undefined, error);
  return error instanceof TidemarkError ? error : new UnavailableError(error.message, undefined, error);
}
