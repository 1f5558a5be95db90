/**
 * Income follows the source: whatever happens to a row, the next runs of sync and rollup bring it into the right cells.
 * A run sees the source's clock where the test has put it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Job } from '../../src/engine/job.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { type Commission, World } from '../support/world.ts';

const at = (time: string) => `2025-03-04 ${time}`;
const [active, idle] = [[...'123'], [...'0456789']];
const owned =
  'plus_commission_log commission_change user_income user_income_hour tidemark_checkpoint tidemark_window tidemark_run';

let world: World;
beforeAll(async () => {
  world = await World.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  for (const table of owned.split(' ')) await world.main.write(`DELETE FROM ${table}`);
  for (const shard of active) {
    await world.source.write(`DELETE FROM plus_commission_log_${shard}`);
    await world.forgetRedis('sync-commission-log', shard);
  }
  await world.forgetRedis('rollup-income');
  for (const shard of idle) await setCheckpoint(shard, '2025-05-01 00:00:00');
});

const setCheckpoint = (shard: string, time: string) =>
  world.main.write(`REPLACE INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at)
    VALUES ('sync-commission-log', '${shard}', '${time}', 'test', '${time}')`);

/** Syncs as if the source's clock stood at this local time. */
async function sync(time: string, shards: readonly string[] = active, request: Partial<Request> = {}): Promise<void> {
  const seconds = (world.zone.fromText(at(time)) as number) / 1000;
  const openSource = async () => {
    const session = await world.setting().openSource();
    await session.write(`SET timestamp = ${seconds}`);
    return session;
  };
  for (const shard of shards) {
    expect((await world.runShard('sync-commission-log', shard, request, { openSource })).error).toBeNull();
  }
}

async function rollup(request: Partial<Request> = {}, more: Partial<Setting> = {}): Promise<ShardResult> {
  const result = await world.runShard('rollup-income', '', request, more);
  expect(result.error).toBeNull();
  return result;
}

/** Income is the sum over the source for all hours before `until`, and the totals are the sums of the hours. */
async function expectRight(until: string): Promise<void> {
  expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource(at(until)));
  const totals = await world.main.tuples('SELECT user_id, amount, entries FROM user_income ORDER BY user_id');
  const sums = await world.main.tuples('SELECT user_id, SUM(amount), SUM(entries) FROM user_income_hour GROUP BY 1');
  expect(totals.join(' ')).toBe(sums.join(' '));
}

const update = (id: number, set: string, shard = '1') =>
  world.source.write(
    `UPDATE plus_commission_log_${shard} SET ${set}, update_time = '${at('12:45:00')}' WHERE id = ${id}`,
  );

/** In one transaction, as the platform does: the row leaves one shard's table and comes into another's. */
async function move(id: number, from: string, user: string, time: string): Promise<void> {
  const [source, target] = [`plus_commission_log_${from}`, `plus_commission_log_${user.at(-1)}`];
  await world.source.write('START TRANSACTION');
  await world.source.write(`UPDATE ${source} SET user_id = ${user}, update_time = '${at(time)}' WHERE id = ${id}`);
  await world.source.write(`INSERT INTO ${target} SELECT * FROM ${source} WHERE id = ${id}`);
  await world.source.write(`DELETE FROM ${source} WHERE id = ${id}`);
  await world.source.write('COMMIT');
}

const commission = (id: number, user: string, time: string, amount: number, more: Partial<Commission> = {}) => {
  return { id, user, created: at(time), amount, ...more };
};

/** 1001: 300 fen at 9, 300 at 10, and 70 pending there; 1002: 50 at 9. Synced up to 12:30. */
async function fill(): Promise<void> {
  await world.addCommission(commission(1, '1001', '09:10:00', 100), commission(2, '1001', '09:40:00', 200));
  await world.addCommission(commission(3, '1001', '10:20:00', 300), commission(4, '1002', '09:20:00', 50));
  await world.addCommission(commission(5, '1001', '10:40:00', 70, { status: 0 }));
  await sync('12:30:00');
}

async function begin(): Promise<void> {
  await fill();
  expect(await rollup()).toMatchObject({ outcome: 'done', findings: [] });
  expect(await income()).toBe(`${nine}, ${other}, ${ten}`);
  await expectRight('12:00:00');
}

const [nine, other, ten] = ['1001@09 300/2', '1002@09 50/1', '1001@10 300/1'];
/** Income by cells in one line: user, hour, fen, entries. */
const income = async () => {
  const cells = await world.incomeOfTarget();
  return cells
    .map(([user, hour, fen, entries]) => `${user}@${String(hour).slice(11, 13)} ${fen}/${entries}`)
    .join(', ');
};
const range = (from: string, to: string): Partial<Request> => {
  const [start, end] = [from, to].map((time) => world.zone.fromText(at(time)) as number) as [number, number];
  return { kind: 'range', range: { start, end } };
};

describe('a change at the source arrives with the next run', () => {
  const big = '9007199254740993';
  const changes: readonly [name: string, id: number, set: string, income: string][] = [
    ['a cancelled row', 2, 'status = 2', `1001@09 100/1, ${other}, ${ten}`],
    ['a re-priced row', 2, 'amount = 999', `1001@09 1099/2, ${other}, ${ten}`],
    ['an effective row', 5, 'status = 1', `${nine}, ${other}, 1001@10 370/2`],
    ['another user of the shard', 2, 'user_id = 2001', `1001@09 100/1, ${other}, 2001@09 200/1, ${ten}`],
    ['another hour', 3, `create_time = '${at('09:59:59')}'`, `1001@09 600/3, ${other}`],
    ['no time of creation', 3, 'create_time = NULL', `${nine}, ${other}`],
    ['the last row of a user cancelled', 4, 'status = 2', `${nine}, ${ten}`],
    ['a refund beyond what was earned', 2, 'amount = -500', `1001@09 -400/2, ${other}, ${ten}`],
    ['amounts that sum up to nothing', 2, 'amount = -100', `1001@09 0/2, ${other}, ${ten}`],
    ['sums beyond 2^53', 2, `amount = ${big}`, `1001@09 9007199254741093/2, ${other}, ${ten}`],
    ['sums below -2^53', 2, `amount = -${big}`, `1001@09 -9007199254740893/2, ${other}, ${ten}`],
    ['a late row', 6, `create_time = '${at('08:05:00')}'`, `1001@08 6/1, ${nine}, ${other}, ${ten}`],
  ];
  test.each(changes)('%s', async (_, id, set, cells) => {
    await begin();
    if (id === 6) await world.addCommission(commission(6, '1001', '08:05:00', 6, { updated: at('12:45:00') }));
    else await update(id, set, id === 4 ? '2' : '1');
    await sync('14:30:00');
    await rollup();
    expect(await income()).toBe(cells);
    await expectRight('14:00:00');
    expect(await rollup({ kind: 'full' })).toMatchObject({ findings: [] });
  });

  test.each(['1 2 3', '2 1 3'])('a row that moves to another shard, the shards run in the order %s', async (shards) => {
    const order = shards.split(' ');
    await begin();
    await update(1, 'amount = 111');
    await move(1, '1', '1002', '12:46:00');
    await update(2, 'amount = 222');
    await sync('13:30:00', order);
    await rollup();
    await expectRight('13:00:00');
    await move(2, '1', '1002', '13:45:00');
    await move(4, '2', '1003', '13:45:00');
    await move(1, '2', '1001', '13:45:00');
    await sync('14:30:00', order);
    await rollup();
    expect(await income()).toBe(`1001@09 111/1, 1002@09 222/1, 1003@09 50/1, ${ten}`);
    await expectRight('14:00:00');
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  });
});

describe('how far income goes', () => {
  test('an hour that is still open stays in the log, and comes when it is over', async () => {
    await world.addCommission(commission(9, '1001', '12:10:00', 9));
    await fill();
    for (const [time, until, waiting] of [
      ['12:50:00', '12:00:00', `1001,${at('12:00:00')}`],
      ['13:10:00', '13:00:00', ''],
    ] as const) {
      await sync(time);
      await rollup();
      await expectRight(until);
      expect((await world.main.tuples('SELECT user_id, hour FROM commission_change')).join(' ')).toBe(waiting);
    }
  });

  test('with a shard without checkpoint nothing is due, and the shard is named', async () => {
    await fill();
    await world.main.write(`DELETE FROM tidemark_checkpoint WHERE shard = '7'`);
    const heldBackBy = { kind: 'upstream', detail: 'sync-commission-log 7 has no checkpoint' };
    expect(await rollup()).toMatchObject({ outcome: 'held-back', checkpoint: null, heldBackBy });
    expect(await income()).toBe('');
  });

  test('the lowest checkpoint of the ten is the watermark', async () => {
    await fill();
    await setCheckpoint('8', at('10:30:00'));
    expect(await rollup()).toMatchObject({ outcome: 'done', checkpoint: world.zone.fromText(at('10:30:00')) });
    await expectRight('10:00:00');
    await setCheckpoint('8', at('12:30:00'));
    await rollup();
    await expectRight('12:00:00');
  });

  test('what changed behind the checkpoint is drained although the watermark has not moved', async () => {
    await begin();
    await world.source.write('UPDATE plus_commission_log_1 SET amount = 1 WHERE id = 1');
    await sync('12:30:00', ['1'], range('09:00:00', '10:00:00'));
    expect(await rollup()).toMatchObject({ outcome: 'done', windows: 0, updated: 1 });
    expect(await income()).toBe(`1001@09 201/2, ${other}, ${ten}`);
    await expectRight('12:00:00');
    expect(await rollup()).toMatchObject({ outcome: 'nothing-due', read: 0 });
  });

  test('a first run computes an existing total table that has no change log', async () => {
    await fill();
    await world.main.write('DELETE FROM commission_change');
    expect(await rollup()).toMatchObject({ outcome: 'done', inserted: 3, findings: [] });
    await expectRight('12:00:00');
  });
});

describe('a wrong cell', () => {
  const tamper = (set: string, hour: string) =>
    world.main.write(`UPDATE user_income_hour SET ${set} WHERE user_id = 1001 AND hour = '${at(hour)}'`);
  const nineToTen = { from: '2025-03-04T09:00:00+08:00', to: '2025-03-04T10:00:00+08:00' };
  const nineOf1001 = `income of user 1001 in the hour ${at('09:00:00')}`;

  test('is reported and put right by --full, and its total, which was right, is left in peace', async () => {
    await begin();
    await tamper('amount = 301, entries = 3', '09:00:00');
    const { findings } = await rollup({ kind: 'full' });
    expect(findings).toEqual([
      { what: nineOf1001, was: '301 fen in 3 entries', is: '300 fen in 2 entries', range: nineToTen },
    ]);
    await expectRight('12:00:00');
    expect(await rollup({ kind: 'full' })).toMatchObject({ findings: [], updated: 0 });
  });

  test('that is missing, or has nothing behind it, and a wrong total: exit 65, each named', async () => {
    await begin();
    await world.main.write(
      'DELETE i, h FROM user_income i JOIN user_income_hour h USING (user_id) WHERE user_id = 1002',
    );
    await world.main.write(`INSERT INTO user_income_hour VALUES (1009, '${at('08:00:00')}', 5, 1)`);
    await world.main.write('INSERT INTO user_income VALUES (1009, 5, 1)');
    await world.main.write('UPDATE user_income SET amount = 599 WHERE user_id = 1001');
    const { code, stdout, stderr } = await world.cli(['run', 'rollup-income', '--full', '--json']);
    expect(code).toBe(65);
    const { findings } = JSON.parse(stdout).shards[0] as { findings: { what: string; was: string; is: string }[] };
    const told = findings.map(({ what, was, is }) => `${what}: ${was}, ${is}`);
    expect(told.filter((line) => /hour/.test(line)).sort()).toEqual([
      `income of user 1002 in the hour ${at('09:00:00')}: 0 fen in 0 entries, 50 fen in 1 entry`,
      `income of user 1009 in the hour ${at('08:00:00')}: 5 fen in 1 entry, 0 fen in 0 entries`,
    ]);
    expect(stderr).toMatch(/total income of user 1001 was 599 fen .* is 600 fen .*put right/);
    await expectRight('12:00:00');
    expect(await world.cli(['run', 'rollup-income', '--full'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('in very many places is told of some, and in the log of the run of all', async () => {
    await begin();
    await world.main.write(`INSERT INTO user_income_hour SELECT seq, '${at('09:00:00')}', 5, 1 FROM seq_3001_to_3030`);
    const { stderr } = await world.cli(['run', 'rollup-income', '--full']);
    expect(stderr.trim().split('\n')).toHaveLength(21);
    const [, next] = /… and 10 more. Next: tidemark (log \S+)/.exec(stderr) as unknown as [string, string];
    const { stdout } = await world.cli(next.split(' '));
    expect(stdout.split('\n').filter((line) => line.includes('found wrong'))).toHaveLength(30);
  });

  test('is put right by --from and --to over its hour, and over no other', async () => {
    await begin();
    await tamper('amount = 1', '09:00:00');
    await tamper('amount = 2', '10:00:00');
    const { checkpoint: before } = await rollup();
    const { findings, checkpoint } = await rollup(range('09:00:00', '10:00:00'));
    expect(findings).toContainEqual({
      what: nineOf1001,
      was: '1 fen in 2 entries',
      is: '300 fen in 2 entries',
      range: nineToTen,
    });
    expect(findings.filter(({ what }) => what.includes('10:00:00'))).toEqual([]);
    expect(checkpoint).toBe(before);
    expect(await income()).toBe(`${nine}, ${other}, 1001@10 2/1`);
  });

  test('that the log names is not wrong, but waiting: --full does not report it', async () => {
    await begin();
    await update(2, 'amount = 999');
    await sync('12:50:00');
    expect((await rollup({ kind: 'full' })).findings).toEqual([]);
    await expectRight('12:00:00');
  });
});

describe('the change log', () => {
  test('entries that commit out of the order of their ids are not lost', async () => {
    await begin();
    const [job] = world.setting().jobs;
    const slow = await world.setting().openTarget(job as Job);
    const write = async (session: Session, id: number) => {
      await world.addCommission(commission(id, '1001', '09:30:00', id));
      await session.write('START TRANSACTION');
      const from = `${world.source.database}.plus_commission_log_1`;
      await session.write(`INSERT INTO plus_commission_log SELECT * FROM ${from} WHERE id = ${id}`);
      await session.write(`INSERT INTO commission_change (user_id, hour) VALUES (1001, '${at('09:00:00')}')`);
    };
    await write(slow, 1000);
    await write(world.main, 2000);
    await world.main.write('COMMIT');
    await rollup();
    expect(await income()).toContain('1001@09 2300/3');
    await slow.write('COMMIT');
    await slow.close();
    await rollup();
    await expectRight('12:00:00');
    expect(await world.all(world.main, 'commission_change')).toEqual([]);
  });

  test('many entries are drained in several transactions, and are one window', async () => {
    await begin();
    for (let id = 100; id < 135; id++)
      await world.addCommission(commission(id, `${id}1`, '11:00:00', 100, { updated: at('12:45:00') }));
    await sync('14:30:00');
    const steps: string[] = [];
    const onStep = (step: string) => void steps.push(step);
    expect(await rollup({}, { windowRows: 10, onStep })).toMatchObject({ windows: 1, read: 35, inserted: 35 });
    expect(steps.filter((step) => step === 'committed').length).toBeGreaterThanOrEqual(4);
    await expectRight('14:00:00');
    expect(await world.all(world.main, 'commission_change')).toEqual([]);
  });
});
