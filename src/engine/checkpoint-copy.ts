/**
 * The copy of each checkpoint in Redis, for people and other systems: `<prefix>checkpoint:<job>[:<shard>]`, in UTC.
 *
 * The database is right, always: a copy that is missing, behind, malformed or ahead is rewritten (ahead: with a
 * warning), and an older run that comes late never replaces a newer one's. While Redis cannot be reached, or refuses
 * to write, runs go on and warn.
 */
import type { RedisCopy } from '../platform/redis.ts';
import type { ShardName } from './checkpoint.ts';
import type { Instant } from './zone.ts';

export type CopyState = 'agrees' | 'missing' | 'behind' | 'ahead' | 'malformed' | 'unreachable';

export interface Copy {
  readonly state: CopyState;
  /** The instant in Redis, when there is one. */
  readonly at: Instant | null;
  /** Said once, however many shards ask. */
  readonly warning?: string;
}

const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const luaForm = '^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$';

function readForm(text: string): Instant | null {
  const instant = form.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(instant) || new Date(instant).toISOString() !== text ? null : instant;
}

export class CheckpointCopies {
  readonly #open: () => Promise<RedisCopy>;
  readonly #prefix: string;
  #redis: Promise<RedisCopy> | undefined;
  /** Set by the first failure: one limit is waited for, and not one for each window. */
  #failure: unknown;

  constructor(open: () => Promise<RedisCopy>, prefix: string) {
    this.#open = open;
    this.#prefix = prefix;
  }

  key({ job, shard }: ShardName): string {
    return `${this.#prefix}checkpoint:${job}${shard === '' ? '' : `:${shard}`}`;
  }

  #connected(): Promise<RedisCopy> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#redis ??= this.#open();
    return this.#redis;
  }

  /**
   * What Redis holds, beside what the database says. Redis never makes it throw: without an answer it is `unreachable`.
   *
   * @param current reads the checkpoint in the database once more, where Redis knows a newer one: whoever looks without
   *   the shard's lock may have been passed by a run since `checkpoint` was read, and that is no copy that is ahead
   */
  async look(name: ShardName, checkpoint: Instant | null, current: () => Promise<Instant | null>): Promise<Copy> {
    let text: string | null;
    try {
      text = await (await this.#connected()).get(this.key(name));
    } catch (error) {
      const first = this.#failed(error);
      const warning = `Redis cannot be reached (${(error as Error).message}); the run goes on, checkpoints are safe in the database`;
      return { state: 'unreachable', at: null, ...(first ? { warning } : {}) };
    }
    if (text === null) return { state: checkpoint === null ? 'agrees' : 'missing', at: null };
    const at = readForm(text);
    if (at === null) return { state: 'malformed', at };
    const isNewer = checkpoint === null || at > checkpoint;
    const now = isNewer ? await current() : checkpoint;
    if (now === null || at > now) return { state: 'ahead', at };
    return { state: at === now ? 'agrees' : 'behind', at };
  }

  /**
   * Puts a checkpoint that is committed there.
   *
   * @param current reads the checkpoint in the database once more, to tell a newer run's copy from one that is ahead
   * @returns what there is to warn of, or null
   */
  async publish(name: ShardName, checkpoint: Instant, current: () => Promise<Instant | null>): Promise<string | null> {
    const value = new Date(checkpoint).toISOString();
    if (this.#failure !== undefined) return null; // told already
    try {
      const redis = await this.#connected();
      const before = await redis.putLatest(this.key(name), value, luaForm);
      const at = before === null ? null : readForm(before);
      if (before !== null && at === null) {
        await redis.replace(this.key(name), before, value);
        return `Redis held "${before}" as the checkpoint; it was replaced by ${value}`;
      }
      if (before === null || at === null || at <= checkpoint) return null;
      const now = await current();
      if (now !== null && now >= at) return null; // a newer run has put it there
      await redis.replace(this.key(name), before, new Date(now ?? checkpoint).toISOString());
      return `Redis was ahead of the database (${before}); it was set back to ${new Date(now ?? checkpoint).toISOString()}`;
    } catch (error) {
      return this.#failed(error)
        ? `the checkpoint is safe in the database, but not copied to Redis: ${(error as Error).message}`
        : null;
    }
  }

  /** Notes a failure; answers whether it is the first, and so worth a word. */
  #failed(error: unknown): boolean {
    const first = this.#failure === undefined;
    this.#failure ??= error;
    return first;
  }

  /** Puts what a person has decided there, whatever it says. Never throws. */
  async overwrite(name: ShardName, checkpoint: Instant): Promise<void> {
    try {
      await (await this.#connected()).set(this.key(name), new Date(checkpoint).toISOString());
    } catch {
      // the next run puts it right
    }
  }

  async close(): Promise<void> {
    await this.#redis?.then(
      (redis) => redis.close(),
      () => undefined,
    );
  }
}
