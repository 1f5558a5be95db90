/** Dead letters under way: a poison row among many, and repairs that meet changes of the row they repair. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Job } from '../../src/engine/job.ts';
import type { Setting } from '../../src/engine/run.ts';
import { until } from '../support/cli-tools.ts';
import { answered } from '../support/intercept.ts';
import { stopping } from '../support/stops.ts';
import { World } from '../support/world.ts';

const job = 'sync-commission-log';
const shard = '1';
let world: World;
beforeEach(async () => {
  world = await World.create(inject('servers'));
});
afterEach(() => world.destroy());

const sync = async () => expect((await world.runShard(job, shard)).error).toBeNull();
const repair = (more: Partial<Setting> = {}) => world.runShard(job, shard, { kind: 'repair' }, more);
const letters = () =>
  world.main.tuples('SELECT row_key, state, attempts, repairs FROM tidemark_dead_letter ORDER BY id');
const amountOf = async (id: number) =>
  (await world.main.tuples('SELECT amount FROM plus_commission_log WHERE id = ?', [id]))[0]?.[0];
const refuse = (what: string) =>
  world.main.write(`ALTER TABLE plus_commission_log ADD CONSTRAINT refused CHECK (NOT (${what}))`);
const accept = () => world.main.write('ALTER TABLE plus_commission_log DROP CONSTRAINT refused');

test('one poison row among 100,000 delays none of the others, and is repaired after its cause is', async () => {
  await world.source.write(
    `INSERT INTO plus_commission_log_1 SELECT seq, 1001, CONCAT('SN', seq), seq, 1, 1, NULL, at, at
       FROM (SELECT seq, '2026-11-18 10:00:00' + INTERVAL seq DIV 50 SECOND at FROM seq_1_to_100000) numbered`,
  );
  await refuse('amount = 77777');
  const first = await world.runShard(job, shard);
  expect(first).toMatchObject({
    error: null,
    outcome: 'dead-letters',
    read: 100_000,
    inserted: 99_999,
    deadLetters: 1,
  });
  expect(first.checkpoint).toBeGreaterThan(world.zone.fromText('2026-11-18 10:33:20') as number);

  await world.addCommission({ id: 100_001, created: world.zone.text(Date.now()) });
  await until(async () => {
    await sync();
    return (await amountOf(100_001)) === '100';
  });

  for (const [attempts, repairs] of [
    [2, 1],
    [3, 2],
  ]) {
    expect(await repair()).toMatchObject({ error: null, outcome: 'dead-letters', read: 1, deadLetters: 1 });
    expect(await letters()).toEqual([['77777', 'open', attempts, repairs]]);
  }
  await accept();
  expect(await repair()).toMatchObject({ error: null, outcome: 'done', read: 1, inserted: 1, lettersWaiting: 0 });
  expect(await letters()).toEqual([['77777', 'resolved', 3, 2]]);
  const sums = 'SELECT COUNT(*), SUM(amount), BIT_XOR(CRC32(CONCAT_WS(",", id, amount, update_time))) FROM';
  expect(await world.main.tuples(`${sums} plus_commission_log`)).toEqual(
    await world.source.tuples(`${sums} plus_commission_log_1`),
  );
});

describe('never is a newer version overwritten by a repaired older one', () => {
  beforeEach(async () => {
    await refuse('amount = 666');
    await world.addCommission({ id: 1 }, { id: 2, amount: 666 });
    await sync();
    expect(await letters()).toEqual([['2', 'open', 1, 0]]);
    await accept();
  });

  /** A repair that has read the row, and stops before it writes; the row changes meanwhile, in a way that is closed. */
  async function changedUnderRepair(more: Partial<Setting> = {}) {
    const stop = stopping('behind', /FROM `?plus_commission_log_1`? WHERE `?id`? IN/);
    const repairing = stop.with(() => repair(more));
    await stop.stopped;
    const now = world.zone.text(Date.now());
    await world.source.write('UPDATE plus_commission_log_1 SET amount = 99, update_time = ? WHERE id = 2', [now]);
    await sleep(2100);
    return { repairing, goOn: stop.goOn };
  }

  test('the row changes while it is repaired: the change comes with its window', async () => {
    const { repairing, goOn } = await changedUnderRepair();
    expect(await world.runShard(job, shard)).toMatchObject({ outcome: 'locked' });
    goOn();
    expect(await repairing).toMatchObject({ error: null, outcome: 'done', inserted: 1 });
    expect(await amountOf(2)).toBe('666');
    await sync();
    expect(await amountOf(2)).toBe('99');
  });

  test('a sync beside it, where the named lock keeps nobody apart: it waits for the checkpoint row', async () => {
    const open = world.setting().openTarget;
    const unlocked = {
      openTarget: async (of: Job) =>
        answered(await open(of), async (sql, parameters, send) =>
          sql.startsWith('SELECT GET_LOCK') ? [[1]] : send(sql, parameters),
        ),
    };
    const { repairing, goOn } = await changedUnderRepair(unlocked);
    let isOver = false;
    const syncing = world.runShard(job, shard, {}, unlocked).finally(() => {
      isOver = true;
    });
    await sleep(700);
    expect(isOver).toBe(false);
    goOn();
    expect((await repairing).error).toBeNull();
    expect((await syncing).error).toBeNull();
    expect(await amountOf(2)).toBe('99');
  });

  test('the row has moved to another shard, where it is younger: the old one is not written', async () => {
    await world.addCommission({ id: 2, user: 1002, amount: 50, updated: '2026-11-19 10:00:00' });
    expect((await world.runShard(job, '2')).error).toBeNull();
    expect(await repair()).toMatchObject({ error: null, outcome: 'done', inserted: 0, updated: 0 });
    expect(await world.main.tuples('SELECT user_id, amount FROM plus_commission_log WHERE id = 2')).toEqual([
      ['1002', '50'],
    ]);
  });

  test('the row is applied by a later window first: the repair finds it as it is', async () => {
    const now = world.zone.text(Date.now());
    await world.source.write('UPDATE plus_commission_log_1 SET amount = 99, update_time = ? WHERE id = 2', [now]);
    await until(async () => {
      await sync();
      return (await amountOf(2)) === '99';
    });
    expect(await letters()).toEqual([['2', 'resolved', 1, 0]]);
    expect(await repair()).toMatchObject({ error: null, outcome: 'nothing-due', read: 0 });
    expect(await amountOf(2)).toBe('99');
  });
});

describe('a repair of some letters', () => {
  const ids = async (...keys: string[]) =>
    new Set(
      (await world.main.tuples('SELECT id FROM tidemark_dead_letter WHERE row_key IN (?)', [keys])).map(([id]) =>
        Number(id),
      ),
    );
  beforeEach(async () => {
    await refuse('amount = 666');
    await world.addCommission({ id: 1 }, ...[2, 3, 4].map((id) => ({ id, amount: 666 })));
    await sync();
  });

  test('leaves the others as they are, and is done when its own are', async () => {
    await accept();
    const result = await world.runShard(job, shard, { kind: 'repair', letters: await ids('2', '4') });
    expect(result).toMatchObject({ error: null, outcome: 'done', read: 2, inserted: 2, lettersWaiting: 0 });
    expect(await letters()).toEqual([
      ['2', 'resolved', 1, 0],
      ['3', 'open', 1, 0],
      ['4', 'resolved', 1, 0],
    ]);
  });

  test('counts a repair on those that it leaves open, and on no other', async () => {
    expect(await world.runShard(job, shard, { kind: 'repair', letters: await ids('3') })).toMatchObject({
      outcome: 'dead-letters',
      lettersWaiting: 1,
    });
    expect((await letters()).map((row) => row[3])).toEqual([0, 1, 0]);
    expect(await world.runShard(job, shard, { kind: 'repair', dryRun: true })).toMatchObject({ error: null });
    expect((await letters()).map((row) => row[3])).toEqual([0, 1, 0]);
  });

  test('passes over a letter that is discarded while it sets out', async () => {
    await accept();
    const stop = stopping('behind', /SELECT id, row_key FROM tidemark_dead_letter/);
    const repairing = stop.with(() => repair());
    await stop.stopped;
    await world.main.write(
      `UPDATE tidemark_dead_letter SET state = 'discarded', resolution = 'by hand' WHERE row_key = '3'`,
    );
    stop.goOn();
    expect(await repairing).toMatchObject({ error: null, outcome: 'done', read: 2, inserted: 2 });
    expect(await amountOf(3)).toBeUndefined();
    expect((await letters()).map(([key, state]) => [key, state])).toEqual([
      ['2', 'resolved'],
      ['3', 'discarded'],
      ['4', 'resolved'],
    ]);
  });

  test('keeps no new letter of one that is discarded while it sets out', async () => {
    const stop = stopping('behind', /SELECT id, row_key FROM tidemark_dead_letter/);
    const repairing = stop.with(() => repair());
    await stop.stopped;
    await world.main.write(`UPDATE tidemark_dead_letter SET state = 'discarded', resolution = 'by hand'`);
    stop.goOn();
    expect(await repairing).toMatchObject({ error: null, outcome: 'done', read: 0, lettersWaiting: 0 });
    expect(await letters()).toHaveLength(3);
  });

  test('counts it once, where the answer to COMMIT is lost and the transaction is done again', async () => {
    const open = world.setting().openTarget;
    let lost = 0;
    const result = await repair({
      openTarget: async (of: Job) => {
        const session = await open(of);
        return answered(session, async (sql, parameters, send) => {
          const answer = await send(sql, parameters);
          if (sql !== 'COMMIT' || lost > 0) return answer;
          lost += 1;
          session.destroy();
          throw Object.assign(new Error('made by the test'), { code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
        });
      },
    });
    expect([lost, result.error, result.lettersWaiting]).toEqual([1, null, 3]);
    expect((await letters()).map(([, , attempts, repairs]) => [attempts, repairs])).toEqual([
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
  });
});
