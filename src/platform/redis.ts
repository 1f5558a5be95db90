/**
 * Redis, where people and other systems look the checkpoints up.
 *
 * Nothing here is the truth, so nothing here may hold a run up: every call has a short limit, none is queued or sent
 * twice by the driver, and a caller is expected to go on without an answer.
 */
import type { Redis } from 'ioredis';

const limitMs = 2000;

/** Puts a value unless a later one is there; answers what was there, of no text its type in brackets. Texts of fixed width compare as times do. */
const putLatestScript = `
local kind = redis.call('TYPE', KEYS[1]).ok
local current = '(' .. kind .. ')'
if kind == 'string' or kind == 'none' then current = redis.call('GET', KEYS[1]) end
if current == false or not string.match(current, ARGV[2]) or current < ARGV[1] then redis.call('SET', KEYS[1], ARGV[1]) end
return current`;

/** Replaces a value only where it still is what was seen. */
const replaceScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) return 1 end
return 0`;

export class RedisCopy {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Begins to connect; the first call waits for it. */
  static async open(url: string): Promise<RedisCopy> {
    const { Redis: Client } = (await import('ioredis')).default; // as a bundled CommonJS module it has no named exports
    const redis = new Client(url, {
      lazyConnect: true,
      connectTimeout: limitMs,
      commandTimeout: limitMs,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      retryStrategy: () => null,
    });
    redis.on('error', () => undefined); // every call reports its own failure
    try {
      await redis.connect();
      if ((redis.options.db ?? 0) !== 0) await redis.select(redis.options.db as number); // the driver passes over a refusal
    } catch (error) {
      redis.disconnect();
      throw error;
    }
    return new RedisCopy(redis);
  }

  /** @returns the text there; of a key that holds no text, its type in brackets */
  async get(key: string): Promise<string | null> {
    try {
      return await this.#redis.get(key);
    } catch (error) {
      if (!(error as Error).message.startsWith('WRONGTYPE')) throw error;
      return `(${await this.#redis.type(key)})`;
    }
  }

  async set(key: string, value: string): Promise<void> {
    await this.#redis.set(key, value);
  }

  /** @returns what was there before */
  async putLatest(key: string, value: string, luaPattern: string): Promise<string | null> {
    return (await this.#redis.eval(putLatestScript, 1, key, value, luaPattern)) as string | null;
  }

  async replace(key: string, seen: string, value: string): Promise<boolean> {
    return (await this.#redis.eval(replaceScript, 1, key, seen, value)) === 1;
  }

  /** Takes every key out of the server. Only ever for a private one. */
  async flush(): Promise<void> {
    await this.#redis.flushall();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
