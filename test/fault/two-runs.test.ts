/**
 * Several runs at the same time: of one shard, with and without the lock that keeps them apart; of ten shards into one
 * table; of a sync and the rollup that follows it, in any order.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { OvertakenError, readCheckpoint } from '../../src/engine/checkpoint.ts';
import { proveTiling } from '../../src/engine/proof.ts';
import type { Setting, ShardResult } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { World, writtenTables } from '../support/world.ts';

const job = 'sync-commission-log';
const shards = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
let world: World;
beforeAll(async () => {
  world = await World.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  for (const table of writtenTables) await world.main.write(`DELETE FROM ${table}`);
  for (const shard of shards) {
    await world.source.write(`DELETE FROM plus_commission_log_${shard}`);
    await world.forgetRedis(job, shard);
  }
  await world.forgetRedis('rollup-income');
});

/** `count` rows of one shard, ten a second; their ids lie between those of the other shards. */
const fill = (shard: string, count: number) =>
  world.source.write(
    `INSERT INTO plus_commission_log_${shard}
     SELECT seq * 10 + ${shard}, 1000 + 10 * (seq % 7) + ${shard}, 'SN', seq, 1, 1, NULL, '2025-03-04 09:00:00' + INTERVAL seq MINUTE,
            '2025-03-10 09:00:00' + INTERVAL seq DIV 10 SECOND FROM seq_1_to_${count}`,
  );

async function expectTiling(shard: string): Promise<void> {
  const name = { job, shard };
  const proof = await proveTiling(world.main, name, await readCheckpoint(world.main, name, world.zone), world.zone);
  expect(proof).toMatchObject({ gaps: [], overlaps: [] });
}
const journalled = async () =>
  (
    await world.main.tuples('SELECT CAST(SUM(rows_read) AS SIGNED), CAST(SUM(inserted) AS SIGNED) FROM tidemark_window')
  )[0]?.map(Number);
const expectCopied = async () =>
  expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());

test('of ten processes on one shard one works, and the others skip with 0', async () => {
  await fill('1', 20_000);
  const results = await Promise.all(
    Array.from({ length: 10 }, () => world.cli(['run', job, '1', '--json'], { TIDEMARK_WINDOW_ROWS: '200' })),
  );
  expect(results.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(Array(10).fill('0'));
  const told = results.map(({ stdout }) => JSON.parse(stdout).shards[0] as ShardResult);
  expect(told.filter(({ outcome }) => outcome === 'locked').length).toBeGreaterThan(0);
  expect(told.filter(({ read }) => read > 0).map(({ read, inserted }) => [read, inserted])).toEqual([[20_000, 20_000]]);
  expect(await journalled()).toEqual([20_000, 20_000]);
  await expectTiling('1');
  await expectCopied();
});

describe('two runs whose named locks do not keep them apart', () => {
  /** As behind a proxy that gives every statement another connection: the lock is always had. */
  const unlocked = (session: Session) =>
    new Proxy(session, {
      get(real, property) {
        const value = Reflect.get(real, property, real) as unknown;
        if (typeof value !== 'function') return value;
        if (property !== 'tuples') return value.bind(real);
        return (sql: string, parameters: never) =>
          sql.includes('GET_LOCK') ? Promise.resolve([[1]]) : real.tuples(sql, parameters);
      },
    });
  const run = (onStep: Setting['onStep']) => {
    const openTarget = async (one: Parameters<Setting['openTarget']>[0]) =>
      unlocked(await world.setting().openTarget(one));
    return world.runShard(job, '1', {}, { windowRows: 40, openTarget, onStep });
  };

  const steps = ['checkpoint-locked', 'applied', 'recorded', 'moved', 'committed', 'published'] as const;
  test.each(steps.flatMap((step) => [1, 2, 4].map((occurrence) => [step, occurrence] as const)))(
    'the younger takes over at "%s", time %i: every window once',
    async (step, occurrence) => {
      await fill('1', 300);
      let second: Promise<ShardResult> | undefined;
      let count = 0;
      const first = await run(async (reached) => {
        if (reached !== step || ++count !== occurrence) return;
        await new Promise<void>((resolve) => {
          second = run((other) => {
            // It goes as far as it gets, and both go on together.
            if (other === 'locked') setTimeout(resolve, 30);
          });
        });
      });
      const younger = (await second) as ShardResult;
      expect(first.error).toBeInstanceOf(OvertakenError);
      const ids = await world.main.tuples('SELECT run_id FROM tidemark_window ORDER BY window_start');
      // What the older run wrote comes first: nothing after the younger one's first window.
      const distinct = ids.map(([id]) => id).filter((id, index, all) => id !== all[index - 1]);
      expect(distinct.length).toBe(new Set(distinct).size);
      if (younger.error !== null) {
        expect(younger.error).toBeInstanceOf(OvertakenError);
        expect((await world.runShard(job, '1')).error).toBeNull();
      }
      expect((await journalled())?.[0]).toBe(300);
      await expectTiling('1');
      await expectCopied();
    },
  );
});

test('ten shards at once into one table: no deadlock reaches a result', async () => {
  for (const shard of shards) await fill(shard, 300);
  const all = () => Promise.all(shards.map((shard) => world.runShard(job, shard, {}, { windowRows: 60 })));
  expect((await all()).map(({ error, inserted }) => ({ error, inserted }))).toEqual(
    Array(10).fill({ error: null, inserted: 300 }),
  );
  await expectCopied();
  const now = world.zone.text(Date.now() - 3000);
  for (const shard of shards) {
    const other = (Number(shard) + 1) % 10;
    await world.source.write(`UPDATE plus_commission_log_${shard} SET amount = amount + 1 WHERE id % 100 < 50`);
    await world.main.write(`DELETE FROM tidemark_checkpoint WHERE shard = ?`, [shard]);
    await world.main.write(`DELETE FROM tidemark_window WHERE shard = ?`, [shard]);
    await world.forgetRedis(job, shard);
    // Some rows have moved to the next shard's table: two runs meet at them.
    const moving = `WHERE id % 70 = ${shard} AND update_time < '${now}'`;
    await world.source.write(
      `INSERT IGNORE INTO plus_commission_log_${other} SELECT id, user_id - ${shard} + ${other}, order_sn, amount, type, status, remark, create_time, '${now}' FROM plus_commission_log_${shard} ${moving}`,
    );
    await world.source.write(`DELETE FROM plus_commission_log_${shard} ${moving}`);
  }
  expect((await all()).map(({ error }) => error)).toEqual(Array(10).fill(null));
  await expectCopied();
});

test('a sync and a rollup at once, again and again: income is right in the end', async () => {
  for (const shard of shards) await fill(shard, 20);
  await world.run(job);
  for (let round = 0; round < 15; round++) {
    const past = world.zone.text(Date.now() - 86_400_000 * 20 + round * 60_000);
    const range = { start: Date.now() - 86_400_000 * 21, end: Date.now() - 86_400_000 * 19 };
    await world.source.write(
      `UPDATE plus_commission_log_1 SET amount = amount * -3 + ${round}, status = (status + id) % 3, update_time = ? WHERE id % 5 <> 0`,
      [past],
    );
    const results = await Promise.all([
      world.runShard(
        job,
        '1',
        { kind: 'range', range: { start: world.zone.border(range.start), end: world.zone.border(range.end) } },
        { windowRows: 3 },
      ),
      world.runShard('rollup-income', '', {}, { windowRows: 3 }),
    ]);
    expect(results.map(({ error }) => error)).toEqual([null, null]);
  }
  await world.runShard('rollup-income', '');
  await expectIncome('2025-04-01 00:00:00');
});

async function expectIncome(until: string, hint = ''): Promise<void> {
  expect(await world.incomeOfTarget(), hint).toEqual(await world.incomeOfSource(until));
  expect(
    await world.main.tuples(
      'SELECT user_id, CAST(amount AS CHAR), CAST(entries AS CHAR) FROM user_income ORDER BY user_id',
    ),
    hint,
  ).toEqual(
    await world.main.tuples(
      'SELECT user_id, CAST(SUM(amount) AS CHAR), CAST(SUM(entries) AS CHAR) FROM user_income_hour GROUP BY user_id ORDER BY user_id',
    ),
  );
}

/** Numbers in [0, below) that a seed decides (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

/** A platform whose clock the test turns: rows come, change, are cancelled and move between the shards 1, 2 and 3. */
class Platform {
  readonly #dice: (below: number) => number;
  readonly #homes = new Map<number, string>();
  #clock = world.zone.fromText('2025-03-04 00:00:00') as number;

  constructor(dice: (below: number) => number) {
    this.#dice = dice;
  }

  wait(seconds: number): string {
    this.#clock += seconds * 1000;
    return world.zone.text(this.#clock);
  }

  async change(): Promise<void> {
    const dice = this.#dice;
    const now = this.wait(1 + dice(600));
    const id = [...this.#homes.keys()][dice(this.#homes.size + 1)];
    if (id === undefined) {
      const born = this.#homes.size + 1;
      const user = `10${dice(3)}${1 + dice(3)}`;
      const created = world.zone.text(this.#clock - dice(4) * 1_800_000);
      await world.addCommission({ id: born, user, amount: dice(2000) - 500, status: dice(3), created, updated: now });
      this.#homes.set(born, user.slice(-1));
      return;
    }
    const from = this.#homes.get(id) as string;
    const to = dice(3) === 0 ? String(1 + dice(3)) : from;
    const set = [
      `status = ${dice(3)}`,
      `amount = amount * -2 + ${dice(9)}`,
      `create_time = create_time - INTERVAL ${dice(90)} MINUTE`,
    ][dice(3)];
    const { source } = world;
    await source.write('START TRANSACTION');
    await source.write(
      `UPDATE plus_commission_log_${from} SET ${set}, user_id = user_id - ${from} + ${to}, update_time = '${now}' WHERE id = ${id}`,
    );
    if (to !== from) {
      await source.write(
        `INSERT INTO plus_commission_log_${to} SELECT * FROM plus_commission_log_${from} WHERE id = ${id}`,
      );
      await source.write(`DELETE FROM plus_commission_log_${from} WHERE id = ${id}`);
    }
    await source.write('COMMIT');
    this.#homes.set(id, to);
  }

  /** A run that sees the source's clock at this platform's time. */
  async sync(shard: string, windowRows: number): Promise<void> {
    const seconds = this.#clock / 1000;
    const openSource = async () => {
      const session = await world.setting().openSource();
      await session.write(`SET timestamp = ${seconds}`);
      return session;
    };
    const { error } = await world.runShard(job, shard, {}, { openSource, windowRows });
    if (error !== null) throw error;
  }
}

test('any changes, and any runs in any order, come to the same end', async () => {
  const seed = Number(process.env.TIDEMARK_TEST_SEED ?? Date.now() % 1_000_000);
  const hint = `TIDEMARK_TEST_SEED=${seed}`;
  const dice = seeded(seed);
  for (const shard of shards.filter((shard) => !['1', '2', '3'].includes(shard)))
    await world.main.write(
      `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES (?, ?, '2025-05-01', 'test', '2025-05-01')`,
      [job, shard],
    );
  const platform = new Platform(dice);
  const rollup = async (kind: 'windows' | 'full' = 'windows') => {
    const { error, findings } = await world.runShard('rollup-income', '', { kind }, { windowRows: 1 + dice(20) });
    if (error !== null) throw error;
    return findings;
  };
  for (let round = 0; round < 30; round++) {
    for (let changes = dice(8); changes > 0; changes--) await platform.change();
    for (let runs = dice(4); runs > 0; runs--) {
      if (dice(3) === 0) await rollup();
      else await platform.sync(String(1 + dice(3)), 1 + dice(30));
    }
  }
  platform.wait(7200);
  for (const shard of ['1', '2', '3']) await platform.sync(shard, 50_000);
  await rollup();
  await expectCopied();
  await expectIncome(platform.wait(-3600).replace(/\d\d:\d\d$/, '00:00'), hint);
  expect(await rollup('full'), hint).toEqual([]);
  for (const shard of ['1', '2', '3']) await expectTiling(shard);
});
