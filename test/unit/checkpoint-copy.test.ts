import { beforeEach, describe, expect, test } from 'vitest';
import { CheckpointCopies } from '../../src/engine/checkpoint-copy.ts';
import type { RedisCopy } from '../../src/platform/redis.ts';

const name = { job: 'sync', shard: '3' };
const key = 'tidemark:checkpoint:sync:3';
const at = (text: string) => Date.parse(text);
const nine = '2026-11-20T09:00:00.000Z';
const ten = '2026-11-20T10:00:00.000Z';
const eleven = '2026-11-20T11:00:00.000Z';
/** Well formed, but no time that ever was; the first three a lenient reader takes for another day. */
const noTimes = [
  '2026-02-30T09:00:00.000Z',
  '2026-11-31T09:00:00.000Z',
  '2026-11-19T24:00:00.000Z',
  '2026-13-45T09:00:00.000Z',
  '2026-11-20T99:00:00.000Z',
];
const malformed = [
  '',
  'yesterday',
  '1795140000',
  '2026-11-20 10:00:00',
  '2026-11-20T10:00:00Z',
  `${ten}\n`,
  ...noTimes,
];

/** What Redis does with these few calls, in memory; it can be down, and counts how often it was tried. */
class Memory {
  readonly values = new Map<string, string>();
  down: Error | null = null;
  opened = 0;
  calls = 0;
  closed = 0;

  readonly open = async (): Promise<RedisCopy> => {
    this.opened += 1;
    if (this.down !== null) throw this.down;
    return this as unknown as RedisCopy;
  };

  #call(): void {
    this.calls += 1;
    if (this.down !== null) throw this.down;
  }

  async get(key: string): Promise<string | null> {
    this.#call();
    return this.values.get(key) ?? null;
  }

  async set(key: string, value: string): Promise<void> {
    this.#call();
    this.values.set(key, value);
  }

  async putLatest(key: string, value: string, luaPattern: string): Promise<string | null> {
    this.#call();
    const pattern = new RegExp(luaPattern.replaceAll('%d', '[0-9]').replaceAll('%', '\\'));
    const before = this.values.get(key) ?? null;
    if (before === null || !pattern.test(before) || before < value) this.values.set(key, value);
    return before;
  }

  async replace(key: string, seen: string, value: string): Promise<boolean> {
    this.#call();
    if (this.values.get(key) !== seen) return false;
    this.values.set(key, value);
    return true;
  }

  close(): void {
    this.closed += 1;
  }
}

let redis: Memory;
let copies: CheckpointCopies;
const held = () => redis.values.get(key);
/** The database as a run that is alone finds it: at what it has just committed. */
const only = (checkpoint: string) => async () => at(checkpoint);

beforeEach(() => {
  redis = new Memory();
  copies = new CheckpointCopies(redis.open, 'tidemark:');
});

test('the key names job and shard, and only the job where there are no shards', () => {
  expect(copies.key(name)).toBe(key);
  expect(copies.key({ job: 'rollup-income', shard: '' })).toBe('tidemark:checkpoint:rollup-income');
});

test('nothing is opened before it is needed, and once only', async () => {
  expect(redis.opened).toBe(0);
  await look(name, null);
  await copies.publish(name, at(ten), only(ten));
  await copies.overwrite(name, at(nine));
  expect(redis.opened).toBe(1);
});

/** A look that no run passes. */
const look = (shard: typeof name, checkpoint: number | null) => copies.look(shard, checkpoint, async () => checkpoint);

describe('a look at the copy', () => {
  test.each([
    ['agrees when neither side has one', undefined, null, 'agrees'],
    ['agrees when both are the same', ten, ten, 'agrees'],
    ['is missing when only the database has one', undefined, ten, 'missing'],
    ['is behind when it is older', nine, ten, 'behind'],
    ['is ahead when it is newer', eleven, ten, 'ahead'],
    ['is ahead when the database has none', ten, null, 'ahead'],
  ])('%s', async (_, copy, checkpoint, state) => {
    if (copy !== undefined) redis.values.set(key, copy);
    const found = await look(name, checkpoint === null ? null : at(checkpoint));
    expect(found).toEqual({ state, at: copy === undefined ? null : at(copy) });
  });

  test.each(malformed)('finds %j malformed', async (text) => {
    redis.values.set(key, text);
    expect(await look(name, at(ten))).toEqual({ state: 'malformed', at: null });
    expect(await look(name, null)).toEqual({ state: 'malformed', at: null });
  });

  test.each([
    ['agrees with what the run has committed', eleven, eleven, 'agrees'],
    ['is behind when the run goes on', ten, eleven, 'behind'],
    ['is ahead when it is newer than even that', eleven, ten, 'ahead'],
  ])('that a run passes %s', async (_, copy, committed, state) => {
    redis.values.set(key, copy);
    for (const read of [null, at(nine)])
      expect(await copies.look(name, read, only(committed))).toEqual({ state, at: at(copy) });
  });

  test('changes nothing', async () => {
    redis.values.set(key, eleven);
    await look(name, at(ten));
    expect(held()).toBe(eleven);
  });
});

describe('a committed checkpoint', () => {
  test.each([
    ['is put where none was', undefined],
    ['replaces an older one', nine],
    ['may be there already', ten],
  ])('%s, without a word', async (_, copy) => {
    if (copy !== undefined) redis.values.set(key, copy);
    expect(await copies.publish(name, at(ten), only(ten))).toBeNull();
    expect(held()).toBe(ten);
  });

  test('sets back a copy that is ahead of the database, with a warning that names both', async () => {
    redis.values.set(key, eleven);
    const warning = await copies.publish(name, at(ten), only(ten));
    expect(warning).toContain(eleven);
    expect(warning).toContain(ten);
    expect(held()).toBe(ten);
  });

  test.each([
    ['just as far', eleven],
    ['farther', '2026-11-20T12:00:00.000Z'],
  ])("leaves a newer run's copy alone when the database is %s by now", async (_, current) => {
    redis.values.set(key, eleven);
    expect(await copies.publish(name, at(ten), only(current))).toBeNull();
    expect(held()).toBe(eleven);
  });

  test('sets a copy that is ahead back to where the database is by now, not to where it was', async () => {
    const halfPast = '2026-11-20T10:30:00.000Z';
    redis.values.set(key, eleven);
    expect(await copies.publish(name, at(ten), only(halfPast))).toContain(halfPast);
    expect(held()).toBe(halfPast);
  });

  test('does not touch what another has put there while the database was asked', async () => {
    const noon = '2026-11-20T12:00:00.000Z';
    redis.values.set(key, eleven);
    await copies.publish(name, at(ten), async () => {
      redis.values.set(key, noon);
      return at(ten);
    });
    expect(held()).toBe(noon);
  });

  test('goes there although the row is gone from the database by now', async () => {
    redis.values.set(key, eleven);
    expect(await copies.publish(name, at(ten), async () => null)).toContain(eleven);
    expect(held()).toBe(ten);
  });

  test.each([...malformed, '9999-99-99T99:99:99.999Z'])(
    'replaces %j, which is malformed, with a warning',
    async (text) => {
      redis.values.set(key, text);
      expect(await copies.publish(name, at(ten), only(ten))).toContain(`"${text}"`);
      expect(held()).toBe(ten);
    },
  );

  test('touches the copy of its own shard only', async () => {
    redis.values.set('tidemark:checkpoint:sync:4', nine);
    await copies.publish(name, at(ten), only(ten));
    expect([...redis.values]).toEqual([
      ['tidemark:checkpoint:sync:4', nine],
      [key, ten],
    ]);
  });
});

describe('what a person has decided', () => {
  test.each([nine, eleven, 'malformed'])('replaces %s', async (text) => {
    redis.values.set(key, text);
    await copies.overwrite(name, at(ten));
    expect(held()).toBe(ten);
  });

  test('is no reason to fail while Redis cannot be reached', async () => {
    redis.down = new Error('connect ECONNREFUSED');
    await expect(copies.overwrite(name, at(ten))).resolves.toBeUndefined();
  });
});

describe('while Redis cannot be reached', () => {
  test('a look says so, with a warning that gives the reason', async () => {
    redis.down = new Error('connect ECONNREFUSED');
    const copy = await look(name, at(ten));
    expect(copy).toMatchObject({ state: 'unreachable', at: null });
    expect(copy.warning).toContain('connect ECONNREFUSED');
  });

  test('a checkpoint is not copied, with a warning that gives the reason', async () => {
    redis.down = new Error('connect ECONNREFUSED');
    const warning = await copies.publish(name, at(ten), only(ten));
    expect(warning).toContain('connect ECONNREFUSED');
    expect(warning).toContain('not copied');
  });

  test('one failure to connect is waited for, and warned of, once for all shards and windows', async () => {
    redis.down = new Error('connect ETIMEDOUT');
    const first = await look(name, at(ten));
    const others = [await look({ job: 'sync', shard: '4' }, at(ten)), await look(name, null)];
    const warnings = [
      await copies.publish(name, at(ten), only(ten)),
      await copies.publish(name, at(eleven), only(eleven)),
    ];
    await copies.overwrite(name, at(ten));
    expect(redis.opened).toBe(1);
    expect(first.warning).toBeDefined();
    expect(others.map(({ state, warning }) => [state, warning])).toEqual([
      ['unreachable', undefined],
      ['unreachable', undefined],
    ]);
    expect(warnings).toEqual([null, null]);
  });

  test('shards that ask at the same time share one connection and one warning', async () => {
    redis.down = new Error('connect ETIMEDOUT');
    const shards = ['0', '1', '2', '3'];
    const found = await Promise.all(shards.map((shard) => look({ job: 'sync', shard }, null)));
    expect(redis.opened).toBe(1);
    expect(found.filter(({ warning }) => warning !== undefined)).toHaveLength(1);
  });

  test('a failure after the connection was made is waited for once, too', async () => {
    await copies.publish(name, at(nine), only(nine));
    redis.down = new Error('Command timed out');
    const before = redis.calls;
    expect(await copies.publish(name, at(ten), only(ten))).toContain('Command timed out');
    expect(await copies.publish(name, at(eleven), only(eleven))).toBeNull();
    expect((await look(name, at(eleven))).state).toBe('unreachable');
    expect([redis.opened, redis.calls]).toEqual([1, before + 1]);
  });

  test('the database is not asked', async () => {
    redis.down = new Error('connect ECONNREFUSED');
    let asked = 0;
    await copies.publish(name, at(ten), async () => ++asked);
    expect(asked).toBe(0);
  });
});

describe('closing', () => {
  test('closes the connection, once there is one', async () => {
    await copies.close();
    expect([redis.opened, redis.closed]).toEqual([0, 0]);
    await look(name, null);
    await copies.close();
    expect(redis.closed).toBe(1);
  });

  test('is no reason to fail when there never was one', async () => {
    redis.down = new Error('connect ECONNREFUSED');
    await look(name, null);
    await expect(copies.close()).resolves.toBeUndefined();
  });
});
