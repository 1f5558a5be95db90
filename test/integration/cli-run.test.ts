import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, everything, expectCopied, expectSilence, json } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/);
const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$/);

describe('run, and what it tells', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
  });
  afterEach(() => world.destroy());

  test('nothing due: not a word, whatever the job', async () => {
    for (const job of ['sync-user-extension', 'sync-commission-log', 'rollup-income', 'rollup-income'])
      expectSilence(await world.cli(['run', job]));
  });

  test('run --json has the shape that scripts rely on', async () => {
    await world.addCommission({ id: 1, user: 1003 }, { id: 2, user: 1003, created: '2026-11-18 11:00:00' });
    const shard = { outcome: 'done', windows: 1, from: time, to: time, checkpoint: time };
    const counts = { read: 0, inserted: 0, updated: 0, unchanged: 0, deadLetters: 0 };
    const run = { runId: uuid, durationMs: expect.any(Number) };
    const first = await world.cli(['run', 'sync-commission-log', '3', '--json'], { TIDEMARK_WINDOW_ROWS: '1' });
    expect(first.stderr).toBe('');
    expect(json(first)).toEqual({
      ...run,
      job: 'sync-commission-log',
      outcome: 'done',
      shards: [
        { ...counts, ...shard, shard: '3', windows: 2, read: 2, inserted: 2, from: '2026-11-18T10:00:00+08:00' },
      ],
    });
    const again = ['--from', '2026-11-18T11:00:00', '--to', '2026-11-18 12:00:00', '--json'];
    const second = json<{ shards: object[] }>(await world.cli(['run', 'sync-commission-log', '3', ...again]));
    const range = { from: '2026-11-18T11:00:00+08:00', to: '2026-11-18T12:00:00+08:00' };
    expect(second.shards).toEqual([{ ...counts, ...shard, ...range, shard: '3', read: 1, unchanged: 1 }]);

    await addExtensions(world.source, { id: 1 });
    const users = await world.cli(['run', 'sync-user-extension', '--json']);
    expect(json(users)).toEqual({
      ...run,
      job: 'sync-user-extension',
      outcome: 'done',
      shards: [{ ...counts, ...shard, shard: null, read: 1, inserted: 1, from: '2026-11-18T10:00:00+08:00' }],
    });
  });

  test('the other commands as JSON', async () => {
    await addExtensions(world.source, { id: 1 });
    await world.cli(['run', 'sync-user-extension']);
    const status = json<Record<string, unknown>[]>(await world.cli(['status', '--json']));
    expect(status).toHaveLength(12);
    expect(status[0]).toMatchObject({
      job: 'sync-user-extension',
      shard: null,
      checkpoint: time,
      watermark: time,
      lagSeconds: expect.any(Number),
      redis: 'agrees',
      deadLetters: 0,
      heldBackBy: null,
      lastRun: { runId: uuid, kind: 'windows', startedAt: time, endedAt: time, outcome: 'done', error: null },
    });
    expect(status[1]).toMatchObject({
      job: 'sync-commission-log',
      shard: '0',
      checkpoint: null,
      lagSeconds: null,
      lastRun: null,
    });
    expect(status.at(-1)).toMatchObject({
      watermark: null,
      heldBackBy: { kind: 'upstream', detail: expect.stringContaining('no checkpoint') },
    });

    expect(json(await world.cli(['verify', '--json']))).toMatchObject({ gaps: [], overlaps: [], checked: 1 });
    const jobs = json<{ job: string; shards: string[]; schedule: string }[]>(await world.cli(['list', '--json']));
    expect(jobs.map(({ job }) => job)).toEqual([
      'sync-user-extension',
      'sync-commission-log',
      'rollup-income',
      'settle-month',
      'fetch-statements',
      'reconcile-day',
      'check-pending-payments',
    ]);
    expect(jobs[1]).toMatchObject({ shards: [...'0123456789'], schedule: '*/2 * * * *', staggerSeconds: 6 });
    expect(json(await world.cli(['checkpoint', 'sync-user-extension', '--json']))).toEqual([
      { job: 'sync-user-extension', shard: null, checkpoint: time, redis: 'agrees' },
    ]);
    expect(json(await world.cli(['dead-letters', 'list', '--json']))).toEqual([]);
  });

  test('a gap and an overlap in the journal are found: 65, with the times and the command that mends', async () => {
    await addExtensions(
      world.source,
      { id: 1 },
      { id: 2, updated: '2026-11-18 11:00:00' },
      { id: 3, updated: '2026-11-18 12:00:00' },
    );
    await world.cli(['run', 'sync-user-extension'], { TIDEMARK_WINDOW_ROWS: '1' });
    await world.main.write(`DELETE FROM tidemark_window WHERE window_start = '2026-11-18 11:00:00'`);
    const gap = {
      job: 'sync-user-extension',
      shard: null,
      from: '2026-11-18T11:00:00+08:00',
      to: '2026-11-18T12:00:00+08:00',
      next: expect.stringContaining('--set 2026-11-18T11:00:00+08:00'),
    };
    expect(json(await world.cli(['verify', 'sync-user-extension', '--json']), 65)).toMatchObject({
      gaps: [gap],
      overlaps: [],
      checked: 2,
    });
    const told = await world.cli(['verify']);
    expect(told.code).toBe(65);
    expect(told.stdout).toContain(`tidemark checkpoint sync-user-extension --set ${gap.from}`);
    await world.main.write(
      `UPDATE tidemark_window SET window_end = '2026-11-18 12:30:00' WHERE window_start = '2026-11-18 10:00:00'`,
    );
    expect(json(await world.cli(['verify', '--json']), 65)).toMatchObject({
      gaps: [],
      overlaps: [{ from: '2026-11-18T12:00:00+08:00', to: '2026-11-18T12:30:00+08:00' }],
    });
  });

  test('--dry-run counts rightly and writes nothing anywhere, whatever else is asked for', async () => {
    const dry = async (typed: string, code = 0) => {
      const { shards, outcome } = json<{ outcome: string; shards: Record<string, unknown>[] }>(
        await world.cli([...typed.split(' '), '--dry-run', '--json']),
        code,
      );
      return { outcome, ...shards[0] };
    };
    await addExtensions(world.source, { id: 1 }, { id: 2 }, { id: 3, updated: '2026-11-18 11:00:00' });
    const never = await everything(world);
    expect(await dry('run sync-user-extension')).toMatchObject({ outcome: 'done', read: 3, inserted: 3, windows: 1 });
    expect(await everything(world)).toEqual(never);

    await world.cli(['run', 'sync-user-extension'], {});
    await world.addCommission({ id: 1 }, { id: 2, amount: -7 });
    await world.run('sync-commission-log');
    await world.cli(['run', 'rollup-income']);
    await world.source.write(`UPDATE user_extension SET nickname = 'changed' WHERE id = 2`);
    await world.main.write('UPDATE user_income_hour SET amount = 1');
    const before = await everything(world);
    const range = '--from 2026-11-18T00:00:00 --to 2026-11-19T00:00:00';
    expect(await dry(`run sync-user-extension ${range}`)).toMatchObject({
      read: 3,
      updated: 1,
      unchanged: 2,
      inserted: 0,
    });
    expect(await dry('run sync-user-extension --full')).toMatchObject({ read: 3, updated: 1, unchanged: 2 });
    expect(await dry('run sync-user-extension --sweep', 65)).toMatchObject({ read: 3, updated: 1, unchanged: 2 });
    await dry('run sync-user-extension --repair');
    await dry('run sync-commission-log');
    const full = await world.cli(['run', 'rollup-income', '--full', '--dry-run']);
    expect(full.code).toBe(65);
    expect(full.stderr).toMatch(/income of user 1001 in the hour 2026-11-18 10:00:00 was 1 fen .*, is 93 fen/);
    expect(full.stderr).not.toContain('put right');
    expect(await everything(world)).toEqual(before);
  });

  test('--dry-run goes its way while another run holds the lock', async () => {
    await addExtensions(world.source, { id: 1 });
    const { lockName } = await import('../../src/engine/lock.ts');
    await world.main.tuples('SELECT GET_LOCK(?, 0)', [lockName(world.main.database, 'sync-user-extension', '')]);
    const result = json<{ shards: object[] }>(await world.cli(['run', 'sync-user-extension', '--dry-run', '--json']));
    expect(result.shards).toEqual([expect.objectContaining({ outcome: 'done', read: 1 })]);
  });

  test('--max-windows stops after so many, and the next run goes on', async () => {
    await addExtensions(
      world.source,
      ...[0, 1, 2, 3].map((hour) => ({ id: hour + 1, updated: `2026-11-18 1${hour}:00:00` })),
    );
    const run = async () =>
      json<{ shards: object[] }>(
        await world.cli(['run', 'sync-user-extension', '--max-windows', '2', '--json'], { TIDEMARK_WINDOW_ROWS: '1' }),
      ).shards[0];
    expect(await run()).toMatchObject({ windows: 2, read: 2, checkpoint: '2026-11-18T12:00:00+08:00' });
    expect(await run()).toMatchObject({ windows: 2, read: 2, from: '2026-11-18T12:00:00+08:00' });
    await expectCopied(world);
  });

  test('--every and --for: again and again, each time what is new, and then an end', async () => {
    const startedAt = Date.now();
    const running = world.cli(['run', 'sync-user-extension', '--every', '1s', '--for', '3s']);
    await addExtensions(world.source, { id: 1 });
    expectSilence(await running);
    expect(Date.now() - startedAt).toBeGreaterThan(2000);
    const [[runs] = []] = await world.main.tuples('SELECT COUNT(*) FROM tidemark_run');
    expect(Number(runs)).toBeGreaterThanOrEqual(2);
    expect(Number(runs)).toBeLessThanOrEqual(4);
  });

  test('--concurrency: one after another or all at once, the result is the same', async () => {
    for (let digit = 0; digit < 10; digit++) await world.addCommission({ id: digit + 1, user: 1000 + digit });
    const { shards } = json<{ shards: { shard: string; inserted: number }[] }>(
      await world.cli(['run', 'sync-commission-log', '7', '3', '3', '--concurrency', '1', '--json']),
    );
    expect(shards.map(({ shard, inserted }) => [shard, inserted])).toEqual([
      ['7', 1],
      ['3', 1],
    ]);
    expectSilence(await world.cli(['run', 'sync-commission-log', '--concurrency', '10']));
    await expectCopied(world);
  });
});
