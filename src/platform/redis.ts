/**
 * Redis: where people and other systems look the checkpoints up (RedisCopy), and where processes share what they do
 * together (RedisLink).
 *
 * Nothing here is the truth, so nothing here may hold a run up: every call has a short limit, none is queued or sent
 * twice by the driver, and a caller of RedisCopy is expected to go on without an answer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { UnavailableError } from './errors.ts';

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

async function connect(url: string): Promise<Redis> {
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
  return redis;
}

export class RedisCopy {
  readonly #redis: Redis;

  private constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Begins to connect; the first call waits for it. */
  static async open(url: string): Promise<RedisCopy> {
    return new RedisCopy(await connect(url));
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

  /** What the server tells of itself, and its clock in milliseconds. */
  async examine(): Promise<{ readonly facts: ReadonlyMap<string, string>; readonly now: number }> {
    const [seconds, micros] = await this.#redis.time();
    const lines = (await this.#redis.info()).split('\r\n').map((line) => /^([^#:]+):(.*)$/.exec(line));
    const facts = lines.flatMap((line) => (line === null ? [] : [[`${line[1]}`, `${line[2]}`] as const]));
    return { facts: new Map(facts), now: Number(seconds) * 1000 + Number(micros) / 1000 };
  }

  /** When the server saves its data by itself; null where it may not be asked. */
  async saves(): Promise<string | null> {
    const answer = await this.#redis.config('GET', 'save').catch(() => null);
    return Array.isArray(answer) ? String(answer[1] ?? '') : null;
  }

  /** Writes a key that is gone at once, as scripts do it. @throws what the server says to a write */
  async tryWriting(key: string): Promise<void> {
    await this.#redis.eval(`return redis.call('SET', KEYS[1], '1', 'PX', '1000')`, 1, key);
  }

  /** Takes every key out of the server. Only ever for a private one. */
  async flush(): Promise<void> {
    await this.#redis.flushall();
  }

  close(): void {
    this.#redis.disconnect();
  }
}

/** How long a script is tried again, so that a restart of the server is survived. */
const patienceMs = 5000;
const pauseMs = 200;

/**
 * A connection that is made when it is first used, and anew when it was lost. It runs scripts that bear repetition: one
 * whose answer was lost is run again.
 */
export class RedisLink {
  readonly #url: string;
  #redis: Promise<Redis> | undefined;
  #isClosed = false;

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * Runs a Lua script in the server: nothing else happens there meanwhile. It touches one key, so that clusters can do it.
   *
   * @throws UnavailableError when there was no answer within five seconds
   */
  async run(script: string, key: string, parameters: readonly (string | number)[]): Promise<unknown> {
    for (const until = Date.now() + patienceMs; ; await sleep(pauseMs)) {
      if (this.#isClosed) throw new UnavailableError('the connection to Redis is closed');
      this.#redis ??= connect(this.#url);
      const used = this.#redis;
      try {
        return await (await used).eval(script, 1, key, ...parameters);
      } catch (error) {
        this.#drop(used);
        if (Date.now() + pauseMs > until) throw unreachable(this.#url, error as Error);
      }
    }
  }

  /** Unless somebody else has dropped it already. */
  #drop(used: Promise<Redis>): void {
    if (this.#redis !== used) return;
    this.#redis = undefined;
    used.then(
      (redis) => redis.disconnect(),
      () => undefined,
    );
  }

  /** What is under way fails. */
  close(): void {
    this.#isClosed = true;
    if (this.#redis !== undefined) this.#drop(this.#redis);
  }
}

const unreachable = (url: string, error: Error): UnavailableError =>
  new UnavailableError(
    `Redis at ${new URL(url).host} cannot be reached: ${error.message}`,
    'check REDIS_URL: tidemark config',
    error,
  );
