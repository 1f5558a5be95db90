import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { lockName } from '../../src/engine/lock.ts';
import type { Session } from '../../src/platform/mysql.ts';
import {
  addExtensions,
  expectComplaint,
  expectCopied,
  expectSilence,
  json,
  openSession,
  startCli,
  until,
} from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = ['run', 'sync-user-extension'];

describe('runs that meet another, and runs that are asked to stop', () => {
  let world: World;
  let other: Session;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    other = await openSession(world.settings.MAIN_DATABASE_URL as string);
    await addExtensions(
      world.source,
      ...[0, 1, 2, 3, 4].map((hour) => ({ id: hour + 1, updated: `2026-11-18 1${hour}:00:00` })),
    );
  });
  afterEach(async () => {
    await other.close();
    await world.destroy();
  });

  const takeLock = () =>
    other.tuples('SELECT GET_LOCK(?, 0)', [lockName(world.main.database, 'sync-user-extension', '')]);
  const freeLock = () => other.tuples('SELECT RELEASE_ALL_LOCKS()');

  test('--if-locked skip: silent, 0, and nothing done; it is what happens without the flag', async () => {
    await takeLock();
    expectSilence(await world.cli(job));
    expectSilence(await world.cli([...job, '--if-locked', 'skip']));
    const skipped = json<{ outcome: string; shards: object[] }>(await world.cli([...job, '--json']));
    expect(skipped).toMatchObject({ outcome: 'locked', shards: [{ outcome: 'locked', windows: 0, read: 0 }] });
    expect(await world.all(world.main, 'user_extension')).toEqual([]);
    expect(await world.all(world.main, 'tidemark_run')).toEqual([]);
  });

  test('--if-locked fail: 75, and where to look', async () => {
    await takeLock();
    expectComplaint(
      await world.cli([...job, '--if-locked', 'fail']),
      75,
      'another run holds the lock',
      'tidemark status',
    );
    const set = ['checkpoint', 'sync-user-extension', '--set', '2026-11-18', '--yes'];
    expectComplaint(await world.cli(set), 75, 'run is under way', 'Next: ');
    expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
  });

  test('--if-locked wait: waits, and then works', async () => {
    await takeLock();
    const waiting = startCli([...job, '--if-locked', 'wait'], world.settings);
    const [early] = await Promise.all([Promise.race([waiting.ended, new Promise((done) => setTimeout(done, 2000))])]);
    expect(early).toBeUndefined();
    expect(await world.all(world.main, 'user_extension')).toEqual([]);
    await freeLock();
    expectSilence(await waiting.ended);
    await expectCopied(world);
  });

  test('--if-locked wait can be ended by a signal', async () => {
    await takeLock();
    const waiting = startCli([...job, '--if-locked', 'wait'], world.settings);
    await new Promise((done) => setTimeout(done, 1500));
    waiting.signal('SIGTERM');
    expect(await waiting.ended).toEqual({ code: 143, stdout: '', stderr: '' });
    expect(await world.all(world.main, 'user_extension')).toEqual([]);
  });

  /** A run in windows of one row whose third waits for a row that somebody else has locked. */
  async function startHeldRun(...more: string[]): Promise<ReturnType<typeof startCli>> {
    await other.write('START TRANSACTION');
    await other.write(`INSERT INTO user_extension VALUES (3, 9999, 1, NULL, 'not yet', 1, NULL, NULL)`);
    const running = startCli([...job, ...more], { ...world.settings, TIDEMARK_WINDOW_ROWS: '1' });
    const before = async () => (await world.main.tuples(`SELECT checkpoint FROM tidemark_checkpoint`))[0]?.[0];
    await until(async () => (await before()) === '2026-11-18 12:00:00');
    return running;
  }
  const windows = async () => Number((await world.main.tuples('SELECT COUNT(*) FROM tidemark_window'))[0]?.[0]);
  const finishLater = async () => {
    const [journal] = await world.main.tuples('SELECT COALESCE(SUM(rows_read), 0) FROM tidemark_window');
    const [rows] = await world.main.tuples('SELECT COUNT(*) FROM user_extension');
    expect(Number(rows?.[0])).toBe(Number(journal?.[0]));
    expectSilence(await world.cli(job));
    await expectCopied(world);
    expect(json(await world.cli(['verify', '--json']))).toMatchObject({ gaps: [], overlaps: [] });
  };

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)(
    '%s: the window in hand is finished, no other is begun, %i; the next run completes',
    async (signal, code) => {
      const running = await startHeldRun();
      running.signal(signal);
      await new Promise((done) => setTimeout(done, 300));
      await other.write('ROLLBACK');
      expect(await running.ended).toEqual({ code, stdout: '', stderr: '' });
      expect(await windows()).toBe(3);
      const [[outcome] = []] = await world.main.tuples('SELECT outcome FROM tidemark_run');
      expect(outcome).toBe('interrupted');
      await finishLater();
    },
  );

  test('two signals: the window in hand is finished or rolled back, whole', async () => {
    await other.write('START TRANSACTION');
    await other.write(`INSERT INTO user_extension VALUES (1, 9999, 1, NULL, 'not yet', 1, NULL, NULL)`);
    const running = startCli(job, world.settings);
    await until(async () => Number((await world.main.tuples('SELECT COUNT(*) FROM tidemark_run'))[0]?.[0]) === 1);
    await new Promise((done) => setTimeout(done, 500));
    running.signal('SIGTERM');
    await new Promise((done) => setTimeout(done, 200));
    running.signal('SIGTERM');
    await new Promise((done) => setTimeout(done, 200));
    await other.write('ROLLBACK');
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([143, '']);
    await finishLater();
  });

  test('a second signal in the middle of a window: gone within seconds, whoever holds what it waits for', async () => {
    const running = await startHeldRun();
    await waitsForLock();
    running.signal('SIGTERM');
    await new Promise((done) => setTimeout(done, 200));
    const startedAt = Date.now();
    running.signal('SIGTERM');
    expect(await running.ended).toEqual({ code: 143, stdout: '', stderr: '' });
    expect(Date.now() - startedAt).toBeLessThan(4500);
    expect(await windows()).toBe(2);
    await other.write('ROLLBACK');
    await until(async () => (await connections()) === 0); // its statement ends, and with it the connection
    expect(await windows()).toBe(2);
    await finishLater();
  });

  /** Connections of a run to the target. */
  const connections = async (state = 'TRUE') =>
    (
      await world.main.tuples(
        `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID NOT IN (CONNECTION_ID(), ?) AND ${state}`,
        [other.facts.connectionId],
      )
    ).length;
  const waitsForLock = () => until(async () => (await connections(`COMMAND = 'Query' AND TIME_MS > 300`)) > 0);

  test('--full cut off by --timeout: 65, and one line with what was done and what to type', async () => {
    expectSilence(await world.cli(job));
    await other.write('START TRANSACTION');
    await other.tuples('SELECT id FROM user_extension WHERE id = 1 FOR UPDATE');
    const settings = { ...world.settings, TIDEMARK_WINDOW_ROWS: '1' };
    const running = startCli([...job, '--full', '--timeout', '2s'], settings);
    await waitsForLock();
    await new Promise((done) => setTimeout(done, 2100));
    await other.write('ROLLBACK');
    expectComplaint(
      await running.ended,
      65,
      'sync-user-extension: its time, 2s, was over: 1 row was read, 0 written; --full begins anew each time',
      /Next: tidemark run sync-user-extension --full --timeout 4s \(run /,
    );
    await expectCopied(world);
  });

  test('--timeout that is over before a window begins: 65 and one line where any was due, 0 where none was', async () => {
    const hour = ['run', 'rollup-income', '--timeout', '1ms'];
    for (const [name, title] of [
      ['sync-commission-log', 'sync-commission-log'],
      ['sync-commission-log', 'sync-commission-log 3 7'],
      ['sync-user-extension', 'sync-user-extension'],
    ] as const) {
      const shards = title.split(' ').slice(1);
      const cut = await world.cli(['run', name, ...shards, '--timeout', '1ms']);
      expectComplaint(cut, 65, `${title}: its time, 1ms, was over: no window was begun by then`);
      expect(cut.stderr).toContain(`Next: tidemark run ${title} --timeout 2ms (run `);
    }
    expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
    await world.run('sync-commission-log');
    expect((await world.cli(hour)).code).toBe(65);
    await world.run('rollup-income');
    expectSilence(await world.cli(hour));
  });

  test('--timeout: the window in hand is finished, exit 0; the next run completes', async () => {
    const running = await startHeldRun('--timeout', '3s', '--json');
    await new Promise((done) => setTimeout(done, 3100));
    await other.write('ROLLBACK');
    const result = await running.ended;
    expect(result.stderr).toBe('');
    expect(json(result)).toMatchObject({ outcome: 'interrupted', shards: [{ windows: 3, read: 3 }] });
    await finishLater();
  });

  test('SIGKILL: what was committed stays, the rest is rolled back; the lock is free for the next run', async () => {
    const running = await startHeldRun();
    running.signal('SIGKILL');
    await running.ended;
    await other.write('ROLLBACK');
    expect(await windows()).toBe(2);
    const [line] = json<{ lastRun: object }[]>(await world.cli(['status', 'sync-user-extension', '--json']));
    expect(line?.lastRun).toMatchObject({ outcome: null, endedAt: null });
    await finishLater();
  });

  test('two runs started at once apply every row once', async () => {
    const both = await Promise.all([world.cli(job), world.cli(job)]);
    for (const result of both) expectSilence(result);
    await expectCopied(world);
    expect(json(await world.cli(['verify', '--json']))).toMatchObject({ gaps: [], overlaps: [] });
  });
});
