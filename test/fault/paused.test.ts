import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { json, openSession, until } from '../support/cli-tools.ts';
import { tidemarkPath, World } from '../support/world.ts';

const rows = 40_000;

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stderr: string }>;
}

function start(world: World, args: readonly string[] = []): Running {
  const child = spawn(tidemarkPath, ['run', 'sync-commission-log', '1', ...args], {
    env: { PATH: process.env.PATH, ...world.settings },
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return { child, ended: once(child, 'exit').then(([code]) => ({ code: code as number | null, stderr })) };
}

describe('a process that is stopped longer than the stall timeout', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'), {
      settings: { TIDEMARK_STALL_TIMEOUT: '2s', TIDEMARK_WINDOW_ROWS: '2000' },
    });
    for (let from = 0; from < rows; from += 5000) {
      const values = Array.from({ length: 5000 }, (_, index) => {
        const id = from + index + 1;
        const second = new Date(Date.UTC(2026, 10, 1, 0, 0, id)).toISOString().slice(0, 19);
        return `(${id},1001,'SN',${id},1,1,NULL,'${second}','${second}')`;
      });
      await world.source.write(`INSERT INTO plus_commission_log_1 VALUES ${values.join(',')}`);
    }
  });
  afterEach(() => world.destroy());

  const windows = async () => Number((await world.main.tuples('SELECT COUNT(*) FROM tidemark_window'))[0]?.[0]);

  /** Stops the process, lets another run through, and lets the first go on. */
  async function overtake(running: Running): Promise<{ code: number | null; stderr: string }> {
    running.child.kill('SIGSTOP');
    await sleep(3500);
    const other = await world.runShard('sync-commission-log', '1');
    expect(other.error).toBeNull();
    running.child.kill('SIGCONT');
    return running.ended;
  }

  test('writes nothing more when another run has overtaken it, says so and ends with 1', async () => {
    const running = start(world);
    await until(async () => (await windows()) >= 2);
    const { code, stderr } = await overtake(running);
    expect(stderr).toMatch(/taken over|moved the checkpoint|taken the lock/);
    expect(code).toBe(1);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
    const [read] = await world.main.tuples('SELECT CAST(SUM(rows_read) AS CHAR) FROM tidemark_window');
    expect(read).toEqual([String(rows)]);
    expect((await world.cli(['verify', 'sync-commission-log'])).code).toBe(0);
  });

  test('goes on where it was when nobody has overtaken it', async () => {
    const running = start(world);
    await until(async () => (await windows()) >= 2);
    running.child.kill('SIGSTOP');
    await sleep(3500);
    running.child.kill('SIGCONT');
    const { code, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
  });

  test('that is killed leaves whole windows, and the next run goes on from there', async () => {
    const running = start(world);
    await until(async () => (await windows()) >= 3);
    running.child.kill('SIGKILL');
    await running.ended;
    const applied = await windows();
    expect(applied).toBeLessThan(20);
    const rest = await world.runShard('sync-commission-log', '1');
    expect(rest.error).toBeNull();
    expect(rest.read).toBeLessThan(rows);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
    expect((await world.cli(['verify', 'sync-commission-log'])).code).toBe(0);
  });
});

/**
 * Each way to run, stopped in the middle of its transaction: it has read a version of row 2, and waits for the lock on it
 * in the target. While it stands still, the row changes once more, and an ordinary run carries that.
 */
describe('a process that is stopped in its transaction, and overtaken', () => {
  const job = 'sync-commission-log';
  const written = [
    'plus_commission_log',
    'commission_change',
    'tidemark_dead_letter',
    'tidemark_checkpoint',
    'tidemark_window',
  ];
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'), { settings: { TIDEMARK_STALL_TIMEOUT: '2s' } });
    const created = world.zone.text(Date.now() - 3_600_000);
    await world.addCommission({ id: 1, created }, { id: 2, created }, { id: 3, created });
    await sync();
  });
  afterEach(() => world.destroy());

  const sync = async () => expect((await world.runShard(job, '1')).error).toBeNull();
  const change = (amount: number, set = '') =>
    world.source.write(`UPDATE plus_commission_log_1 SET amount = ${amount}${set} WHERE id = 2`);
  const stamp = () => `, update_time = '${world.zone.text(Date.now())}'`;
  const amount = async () =>
    Number((await world.main.tuples('SELECT amount FROM plus_commission_log WHERE id = 2'))[0]?.[0]);
  const content = () => Promise.all(written.map((table) => world.all(world.main, table)));
  /** Connections of the run to the target, besides this test's own. */
  const connections = async (state = 'TRUE') =>
    (
      await world.main.tuples(
        `SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() AND ${state}`,
      )
    ).length;

  test.each([
    ['windows that are due', () => [], () => change(50, stamp())],
    [
      '--from and --to',
      () => [
        '--from',
        world.zone.iso(Math.floor(Date.now() / 1000) * 1000 - 7_200_000),
        '--to',
        world.zone.iso(Math.floor(Date.now() / 1000) * 1000 - 60_000),
      ],
      () => change(50),
    ],
    ['--full', () => ['--full'], () => change(50)],
    ['--sweep', () => ['--sweep'], () => change(50)],
    [
      '--repair',
      () => ['--repair'],
      async () => {
        await world.main.write('ALTER TABLE plus_commission_log ADD CONSTRAINT no_luck CHECK (amount <> 666)');
        await change(666, stamp());
        await until(async () => {
          await sync();
          return (await world.main.tuples('SELECT id FROM tidemark_dead_letter')).length > 0;
        });
        await world.main.write('ALTER TABLE plus_commission_log DROP CONSTRAINT no_luck');
      },
    ],
  ] as const)('%s: it writes nothing more, says so, and ends with 1', async (_, flags, prepare) => {
    await prepare();
    await sleep(2100); // what was stamped now is closed then
    const locker = await openSession(world.settings.MAIN_DATABASE_URL as string);
    await locker.write('START TRANSACTION');
    await locker.tuples('SELECT id FROM plus_commission_log WHERE id = 2 FOR UPDATE');
    const running = start(world, flags());
    await until(async () => (await connections(`INFO LIKE '%FOR UPDATE' AND TIME_MS > 300`)) > 0);
    running.child.kill('SIGSTOP');
    await locker.write('ROLLBACK');
    await locker.close();
    await until(async () => (await connections()) === 0); // the server has dropped it: lock and transaction are gone

    await change(99, stamp());
    await until(async () => {
      await sync();
      return (await amount()) === 99;
    });
    const overtaken = await content();
    running.child.kill('SIGCONT');
    const { code, stderr } = await running.ended;
    expect(stderr).toMatch(/has taken over|has taken the lock|has moved the checkpoint/);
    expect(code).toBe(1);
    expect(await content()).toEqual(overtaken);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
    expect(json(await world.cli(['verify', job, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
  });
});
