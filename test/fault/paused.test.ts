import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { tidemarkPath, World } from '../support/world.ts';

const rows = 40_000;

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

  interface Running {
    readonly child: ChildProcess;
    readonly ended: Promise<{ code: number | null; stderr: string }>;
  }

  function start(args: readonly string[]): Running {
    const child = spawn(tidemarkPath, ['run', 'sync-commission-log', '1', ...args], {
      env: { PATH: process.env.PATH, ...world.settings },
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    return { child, ended: once(child, 'exit').then(([code]) => ({ code: code as number | null, stderr })) };
  }

  async function until(condition: () => Promise<boolean>): Promise<void> {
    while (!(await condition())) await sleep(20);
  }

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
    const running = start([]);
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

  test('writes nothing more of a full run either', async () => {
    expect((await world.runShard('sync-commission-log', '1')).error).toBeNull();
    await world.main.write('DELETE FROM plus_commission_log');
    const running = start(['--full']);
    await until(
      async () => Number((await world.main.tuples('SELECT COUNT(*) FROM plus_commission_log'))[0]?.[0]) >= 2000,
    );
    running.child.kill('SIGSTOP');
    await sleep(3500);
    const before = await world.runShard('sync-commission-log', '1');
    expect(before.error).toBeNull();
    const copied = await world.main.tuples('SELECT COUNT(*) FROM plus_commission_log');
    running.child.kill('SIGCONT');
    const { code, stderr } = await running.ended;
    expect(stderr).toMatch(/taken over|taken the lock/);
    expect(code).toBe(1);
    expect(await world.main.tuples('SELECT COUNT(*) FROM plus_commission_log')).toEqual(copied);
  });

  test('goes on where it was when nobody has overtaken it', async () => {
    const running = start([]);
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
    const running = start([]);
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
