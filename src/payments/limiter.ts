/**
 * How often a payment provider is asked: never more than so many requests in any second, as it sees them, of all
 * processes on all hosts that share a Redis.
 *
 * Redis keeps the grants of the last second and a little, `windowMs`, by its own clock, and gives no more than the rate
 * among them. The little is what one request may be later on its way than another: whatever reaches the provider within
 * a second was granted within the window. Grants are had a few at a time, for now: one that is not used within
 * `toleranceMs` (the process was stopped, its event loop busy, the round trip to Redis slow) is given back, and somebody
 * else gets it at once. They come at a pace not much above the rate's, so there are no bursts.
 *
 * After a loss (the key gone, Redis restarted or replaced by another, its clock stepped back) nobody knows what was
 * granted last: the first window grants nothing. Without Redis there are no grants.
 *
 * Limits: Redis must answer within `toleranceMs`. When its clock steps forward, what it then forgets can be granted
 * once more. Requests may differ on their way to the provider by what is left of the slack: some 40 ms.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { UnavailableError } from '../platform/errors.ts';
import type { RedisLink } from '../platform/redis.ts';

/** How much later than another a request may reach the provider. */
export const slackMs = 60;
const windowMs = 1000 + slackMs;
const toleranceMs = 20;
/** How many grants one process gets at a time. */
const grantsMax = 4;
/** How long one request waits for its grant. */
const patienceMs = 30_000;

/**
 * Key: a sorted set of grants, by the microsecond at which they were given; at -1, the server that keeps them. Arguments:
 * rate, window in microseconds, how many are wanted at the most, what they are to be called, and the names of those that
 * are given back. Answers how many were given; or 0, and the microseconds until there may be one.
 */
const grantScript = `
local rate, window, wanted, name = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local info = redis.pcall('INFO', 'server')
local server = 'server ' .. (type(info) == 'string' and string.match(info, 'run_id:(%w+)') or '')
local function granted() return redis.call('ZCOUNT', KEYS[1], 0, '+inf') end
local function latest() return tonumber(redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]) end
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' or not redis.call('ZSCORE', KEYS[1], server) or latest() > now then
  redis.call('DEL', KEYS[1])
  redis.call('ZADD', KEYS[1], -1, server, now, 'lost')
end
for index = 5, #ARGV do redis.call('ZREM', KEYS[1], ARGV[index]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - window)
local lost = redis.call('ZSCORE', KEYS[1], 'lost')
if lost then return { 0, lost + window - now + 1 } end
local free = rate - granted()
if free <= 0 then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  return { 0, oldest + window - now + 1 }
end
local pace = math.ceil(window / rate * 0.8)
local paced = math.floor((now - latest()) / pace)
if paced == 0 then return { 0, latest() + pace - now } end
local count = math.min(wanted, free, paced)
for index = 1, count do redis.call('ZADD', KEYS[1], now, name .. index) end
return { count, 0 }`;

interface Waiter {
  readonly until: number;
  give(): void;
  refuse(error: Error): void;
}

interface LimiterOptions {
  readonly link: RedisLink;
  /** What the keys begin with. */
  readonly prefix: string;
  readonly perSecond: number;
}

export class Limiter {
  readonly #options: LimiterOptions;
  readonly #lines = new Map<string, Line>();

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  /**
   * Waits for leave to send one request, which is to be sent at once. First come, first served within a process.
   *
   * @param name whose limit: each provider has its own
   * @throws UnavailableError when Redis does not answer, or no grant could be had in half a minute
   */
  leave(name: string): Promise<void> {
    const line = this.#lines.get(name) ?? new Line(name, this.#options);
    this.#lines.set(name, line);
    return line.wait();
  }
}

/** Who waits to ask one provider, in this process. */
class Line {
  readonly #name: string;
  readonly #options: LimiterOptions;
  readonly #waiters: Waiter[] = [];
  readonly #unused: string[] = [];
  #isServed = false;

  constructor(name: string, options: LimiterOptions) {
    this.#name = name;
    this.#options = options;
  }

  wait(): Promise<void> {
    return new Promise((give, refuse) => {
      this.#waiters.push({ until: performance.now() + patienceMs, give, refuse });
      if (!this.#isServed) this.#serve();
    });
  }

  async #serve(): Promise<void> {
    this.#isServed = true;
    try {
      while (this.#waiters.length > 0) await this.#serveSome();
    } catch (error) {
      for (const waiter of this.#waiters.splice(0)) waiter.refuse(error as Error);
    }
    this.#isServed = false;
  }

  async #serveSome(): Promise<void> {
    const { link, prefix, perSecond } = this.#options;
    const names = `${randomBytes(6).toString('hex')} `;
    const wanted = Math.min(grantsMax, this.#waiters.length);
    const asked = stamp();
    const back = this.#unused.splice(0);
    const parameters = [perSecond, windowMs * 1000, wanted, names, ...back];
    const [count, waitUs] = (await link.run(grantScript, `${prefix}rate:${this.#name}`, parameters)) as [
      number,
      number,
    ];
    // Redis looked at its clock between question and answer: counted from the question, a grant is never taken for younger.
    const isFresh = elapsedMs(asked) <= toleranceMs;
    for (let index = 1; index <= count; index++) {
      if (isFresh) this.#waiters.shift()?.give();
      else this.#unused.push(`${names}${index}`);
    }
    if (count === 0) await sleep(Math.ceil(waitUs / 1000));
    this.#refuseImpatient();
  }

  #refuseImpatient(): void {
    while ((this.#waiters[0]?.until ?? Number.POSITIVE_INFINITY) < performance.now()) {
      this.#waiters
        .shift()
        ?.refuse(
          new UnavailableError(
            `no request to ${this.#name} was free for ${patienceMs / 1000} s: Redis answers too slowly, or too many ask`,
            'run fewer processes, or raise TIDEMARK_PROVIDER_RATE if the provider allows it',
          ),
        );
    }
  }
}

interface Stamp {
  readonly monotonic: number;
  readonly wall: number;
}

const stamp = (): Stamp => ({ monotonic: performance.now(), wall: Date.now() });

/** By the clock that has moved further: the one stands still while the host sleeps, the other may be set back. */
const elapsedMs = (since: Stamp): number =>
  Math.max(performance.now() - since.monotonic, Date.now() - since.wall - 1 /* it counts whole milliseconds */);
