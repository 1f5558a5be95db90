/**
 * What a run holds of a shard while it works: its connections, the named lock, and its place in the order of runs.
 *
 * `transaction` is the only way to write. It takes the checkpoint row first, refuses a run that was overtaken, and is
 * tried again as a whole when it fails for a reason that passes; connections that were lost are opened and locked anew.
 */
import { exitCodes, TidemarkError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { failureOf } from '../platform/mysql-errors.ts';
import { OvertakenError, readCheckpoint, type ShardName, titleOf } from './checkpoint.ts';
import type { Clock, Halt } from './clock.ts';
import { acquireLock, lockName } from './lock.ts';
import { retry } from './retry.ts';
import { assertYoungest } from './runs.ts';
import type { Instant, Zone } from './zone.ts';

/** The run was asked to stop; what it had in hand was rolled back. */
export class InterruptedError extends TidemarkError {
  constructor() {
    super('interrupted', exitCodes.interrupted);
  }
}

/** How long a run that was told to drop everything may take to do so at the next step. */
const graceMs = 2000;

const recoverySeconds = 5;

/** Named instants at which a test may break a run. */
type StepName = 'locked' | 'checkpoint-locked' | 'applied' | 'recorded' | 'moved' | 'committed' | 'published';
export type OnStep = (step: StepName) => void | Promise<void>;

type Body<Result> = (position: Instant | null, target: Session, isPaused: boolean) => Promise<Result>;

export interface ClaimOptions {
  readonly name: ShardName;
  readonly openTarget: () => Promise<Session>;
  readonly openSource: () => Promise<Session>;
  readonly openAside: () => Promise<Session>;
  readonly clock: Clock;
  readonly zone: Zone;
  readonly halt: Halt;
  readonly stallTimeoutMs: number;
  readonly dryRun: boolean;
  readonly onStep: OnStep;
  /** Asked to wait for the lock for ever, in steps of a second. */
  readonly waitForLock: boolean;
}

export class Claim {
  readonly #options: ClaimOptions;
  #target: Session;
  readonly #sources: { main: Session | undefined; aside: Session | undefined } = { main: undefined, aside: undefined };
  #opening: Promise<void> = Promise.resolve();
  /** Set when the run has begun; see runs.ts. */
  sequence: number | null = null;

  private constructor(options: ClaimOptions, target: Session) {
    this.#options = options;
    this.#target = target;
    options.halt.now.addEventListener('abort', this.#letGo, { once: true });
  }

  /** A statement that hangs would keep an interrupted run: dropping the connections rolls back what is in hand. */
  readonly #letGo = () => {
    setTimeout(() => {
      for (const session of [this.#target, this.#sources.main, this.#sources.aside]) session?.destroy();
    }, graceMs).unref();
  };

  /** @returns null when another run holds the shard */
  static async take(options: ClaimOptions): Promise<Claim | null> {
    const claim = new Claim(options, await options.openTarget());
    if (await claim.#lock()) return claim;
    await claim.release();
    return null;
  }

  get isDryRun(): boolean {
    return this.#options.dryRun;
  }

  get target(): Session {
    return this.#target;
  }

  /** The connection that reads windows. */
  async source(): Promise<Session> {
    return this.#open('main');
  }

  /** Another one, for what must not be seen through the window's snapshot or the transaction. */
  async aside(): Promise<Session> {
    return this.#open('aside');
  }

  async #open(which: 'main' | 'aside'): Promise<Session> {
    const session = this.#sources[which];
    if (session !== undefined && !session.lost) return session;
    const opening = which === 'main' ? this.#options.openSource() : this.#options.openAside();
    this.#opening = opening.then(
      () => undefined,
      () => undefined,
    );
    const opened = await opening;
    opened.keepWarm(this.#options.stallTimeoutMs / 3);
    this.#sources[which] = opened;
    return opened;
  }

  async #lock(waitSeconds = 0): Promise<boolean> {
    const { name, stallTimeoutMs, waitForLock, halt, dryRun } = this.#options;
    this.#target.keepWarm(stallTimeoutMs / 3);
    if (dryRun) return true;
    const lock = lockName(this.#target.database, name.job, name.shard);
    do {
      if (await acquireLock(this.#target, lock, waitForLock ? 1 : waitSeconds)) return true;
    } while (waitForLock && !halt.soon.aborted);
    return false;
  }

  async #recover(): Promise<void> {
    if (!this.#target.lost) return;
    this.#target = await this.#options.openTarget();
    // The server may not have noticed yet that the old connection, and the lock on it, is gone.
    if (await this.#lock(recoverySeconds)) return;
    throw new OvertakenError(
      `${titleOf(this.#options.name)}: another run has taken the lock while this one was cut off; this run stops, and changes nothing more`,
      `tidemark status ${this.#options.name.job}`,
    );
  }

  /** Runs `work` with everything that may be lost put right between the attempts. */
  retried<Result>(work: () => Promise<Result>): Promise<Result> {
    const { clock, halt } = this.#options;
    return retry(work, { clock, halt, recover: () => this.#recover() });
  }

  /**
   * Runs `body` in a transaction of the target that begins by taking the checkpoint row.
   *
   * @param body gets the position, and whether the shard is paused: then it begins nothing new; it may be called several
   *   times, each time with nothing of the last attempt left
   */
  transaction<Result>(body: Body<Result>): Promise<Result> {
    return this.retried(() => this.#attempt(body));
  }

  async #attempt<Result>(body: Body<Result>): Promise<Result> {
    const { name, zone, dryRun, onStep } = this.#options;
    const target = this.#target;
    await target.write(dryRun ? 'START TRANSACTION READ ONLY' : 'START TRANSACTION');
    try {
      const position = await readCheckpoint(target, name, zone, !dryRun);
      const isPaused = this.sequence !== null && (await assertYoungest(target, name, this.sequence));
      await onStep('checkpoint-locked');
      const result = await body(position, target, isPaused);
      await target.write(dryRun ? 'ROLLBACK' : 'COMMIT');
      await onStep('committed');
      return result;
    } catch (error) {
      if (!target.lost && failureOf(error) !== 'connection')
        await target.write('ROLLBACK').catch(() => target.destroy());
      else if (!target.lost) target.destroy(); // the source was lost in the middle: the whole is begun anew
      throw error;
    }
  }

  /** @throws InterruptedError when the run was asked to drop what it has in hand */
  assertWanted(): void {
    if (this.#options.halt.now.aborted) throw new InterruptedError();
  }

  async release(): Promise<void> {
    this.#options.halt.now.removeEventListener('abort', this.#letGo);
    await this.#opening; // a connection that is being made would be left behind
    await Promise.all([this.#target.close(), this.#sources.main?.close(), this.#sources.aside?.close()]);
  }
}
