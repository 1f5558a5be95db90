/**
 * The queue of what is due at one provider: a sorted set in Redis, by the time at which each is to be asked about.
 *
 * It is an index and nothing more: the tables decide who asks about what, and when. So it may be lost, be behind, or hold
 * rubbish, and nothing is asked about twice or left out; it is read from the tables anew when it is gone, once a minute,
 * and before anybody says that nothing is due. What it hands out it moves ahead by the lease, so that processes come
 * across one another seldom; who dies with some has them come back.
 *
 * Times are milliseconds since 1970 by the database's clock, which callers name.
 */
import type { RedisLink } from '../platform/redis.ts';
import type { DueBook } from './due.ts';
import type { ProviderName } from './provider.ts';

/** A thing that is due, as the queue names it: `order:1234`. */
export interface DueName {
  readonly kind: DueBook['kind'];
  readonly id: bigint;
}

export const nameOf = ({ kind, id }: DueName): string => `${kind}:${id}`;

/** @returns null for what is none */
export function dueName(text: string): DueName | null {
  const match = /^(order|payout):([1-9]\d{0,18})$/.exec(text);
  return match === null ? null : { kind: match[1] as DueName['kind'], id: BigInt(match[2] as string) };
}

const freshMs = 60_000;
/** Parameters of one script at the most. */
const namesMax = 1000;

/** The member whose score is when the set was read from the tables; it shows that the set was not lost. */
const mark = '*';

/**
 * Hands out what is due first. Arguments: now, how many at the most, until when it is theirs. Answers when the set was
 * read from the tables, or nothing, and the names.
 */
const handOutScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local names = { redis.call('ZSCORE', KEYS[1], '${mark}') or '' }
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2] + 1)) do
  if name ~= '${mark}' and #names <= tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[1], ARGV[3], name)
    names[#names + 1] = name
  end
end
return names`;

/** Adds names, or has them come earlier, never later. Arguments: pairs of a time and a name. */
const addScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
for index = 1, #ARGV, 2 do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[index + 1])
  if not known or tonumber(known) > tonumber(ARGV[index]) then redis.call('ZADD', KEYS[1], ARGV[index], ARGV[index + 1]) end
end`;

/** Moves a name to another time; without one, takes it out. */
const moveScript = `
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
if ARGV[2] == '' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1]) end`;

/** Says when the set was read from the tables. */
const markScript = `redis.call('ZADD', KEYS[1], ARGV[1], '${mark}')`;

export class DueQueue {
  readonly #link: RedisLink;
  readonly #key: string;

  constructor(link: RedisLink, prefix: string, provider: ProviderName) {
    this.#link = link;
    this.#key = `${prefix}due:${provider}`;
  }

  /**
   * What is due by now, the oldest first: the caller's until the lease is over, as far as the queue can say. What is no
   * name of anything is thrown out, and told.
   *
   * @returns besides, whether the queue is to be filled from the tables
   * @throws UnavailableError
   */
  async handOut(
    now: number,
    most: number,
    leaseMs: number,
  ): Promise<{ readonly names: readonly DueName[]; readonly rubbish: readonly string[]; readonly isStale: boolean }> {
    const [filledAt, ...texts] = (await this.#link.run(handOutScript, this.#key, [
      now,
      most,
      now + leaseMs,
    ])) as string[];
    const rubbish = texts.filter((text) => dueName(text) === null);
    for (const text of rubbish) await this.#link.run(moveScript, this.#key, [text, '']);
    const names = texts.map(dueName).filter((name) => name !== null);
    return { names, rubbish, isStale: !(Math.abs(now - Number(filledAt || Number.NaN)) < freshMs) };
  }

  /** Notes what the tables say is due. @throws UnavailableError */
  async fill(now: number, due: readonly (DueName & { readonly at: number })[]): Promise<void> {
    for (let from = 0; from < due.length; from += namesMax) {
      const pairs = due.slice(from, from + namesMax).flatMap((one) => [one.at, nameOf(one)]);
      await this.#link.run(addScript, this.#key, pairs);
    }
    await this.#link.run(markScript, this.#key, [now]);
  }

  /** Notes when one is due again; null: never. @throws UnavailableError */
  async move(name: DueName, nextAt: number | null): Promise<void> {
    await this.#link.run(moveScript, this.#key, [nameOf(name), nextAt ?? '']);
  }
}
