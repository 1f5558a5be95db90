/** Metrics from the bookkeeping: what runs leave in them, that counters never step back, and the file for node_exporter. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { noCounts } from '../../src/engine/journal.ts';
import { beginByHand, endRun } from '../../src/engine/runs.ts';
import { metricsText } from '../../src/metrics/metrics.ts';
import { writeMetricsFile } from '../../src/metrics/textfile.ts';
import { Databases } from '../../src/platform/databases.ts';
import { addExtensions, expectComplaint, expectSilence } from '../support/cli-tools.ts';
import { lintMetrics } from '../support/metrics-lint.ts';
import { World } from '../support/world.ts';

const job = 'sync-user-extension';

describe('metrics', () => {
  let world: World;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-metrics-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    world = await World.create(inject('servers'), { ledger: true });
    await addExtensions(world.source, { id: 1 }, { id: 2 });
  });
  afterEach(() => world.destroy());

  const surroundings = () => ({ config: world.config, databases: new Databases(world.config), zone: world.zone });
  const read = () => metricsText(jobs, surroundings());
  /** The value of a metric with these labels, in any order; undefined where there is none. */
  const value = (text: string, name: string, labels: Record<string, string> = {}): number | undefined => {
    const line = text
      .split('\n')
      .find(
        (one) =>
          one.startsWith(`tidemark_${name}{`) &&
          Object.entries(labels).every(([label, is]) => one.includes(`${label}="${is}"`)),
      );
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  const ofJob = { job_name: job };

  test('of what never ran are there, with no lag and no success', async () => {
    const text = await read();
    expect(lintMetrics(text)).toEqual([]);
    expect(value(text, 'runs_killed', ofJob)).toBe(0);
    expect(value(text, 'rows_total', { ...ofJob, effect: 'inserted' })).toBe(0);
    expect(value(text, 'lag_seconds', ofJob)).toBeUndefined();
    expect(value(text, 'last_success_timestamp_seconds', ofJob)).toBeUndefined();
    expect(value(text, 'paused', { job_name: 'sync-commission-log', shard: '9' })).toBe(0);
    expect(value(text, 'database_up', { database: 'ledger' })).toBe(1);
  });

  test('tell what runs did: rows, windows, runs by outcome, lag, duration, success', async () => {
    await world.run(job);
    await addExtensions(world.source, { id: 3, updated: world.zone.text(Date.now()) });
    await new Promise((resolve) => setTimeout(resolve, 2200)); // until its second is closed
    await world.run(job);
    const text = await read();
    expect(lintMetrics(text)).toEqual([]);
    expect(value(text, 'runs_total', { ...ofJob, kind: 'windows', outcome: 'done' })).toBe(2);
    expect(value(text, 'windows_total', ofJob)).toBe(2);
    expect(value(text, 'rows_read_total', ofJob)).toBe(3);
    expect(value(text, 'rows_total', { ...ofJob, effect: 'inserted' })).toBe(3);
    expect(value(text, 'lag_seconds', ofJob)).toBeLessThan(60);
    expect(value(text, 'watermark_lag_seconds', ofJob)).toBeLessThan(30);
    expect(value(text, 'last_run_duration_seconds', ofJob)).toBeLessThan(30);
    const now = Date.now() / 1000;
    for (const name of ['last_success_timestamp_seconds', 'last_run_start_timestamp_seconds'])
      expect(Math.abs(now - (value(text, name, ofJob) ?? 0)), name).toBeLessThan(30);
  });

  test('tell failures, dead letters, pauses, differences and killed runs', async () => {
    await addExtensions(world.main, { id: 99, user: 1001 });
    await world.run(job);
    const at = world.zone.text(Date.now());
    await world.main.write(`INSERT INTO tidemark_pause VALUES ('sync-commission-log', '', 'why', 'ann', '${at}')`);
    await world.main.write(
      `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at) VALUES (UUID(), '${job}', '', 'windows', 'x', 1, '${at}')`,
    );
    await world.ledger.write(
      `INSERT INTO difference (counterpart, day, reference, direction, outcome, channel_amount, channel_status, run_id)
       VALUES ('alipay', '2026-11-20', 'A', 'in', 'channel_only', 1, 'success', UUID()), ('alipay', '2026-11-20', 'B', 'in', 'pending_cutoff', 1, 'success', UUID())`,
    );
    await world.source.write('RENAME TABLE user_extension TO gone');
    await world.runShard(job, '');
    const text = await read();
    expect(value(text, 'runs_total', { ...ofJob, outcome: 'dead-letters' })).toBe(1);
    expect(value(text, 'runs_total', { ...ofJob, outcome: 'failed' })).toBe(1);
    expect(value(text, 'rows_total', { ...ofJob, effect: 'refused' })).toBe(1);
    expect(value(text, 'dead_letters_open', ofJob)).toBe(1);
    expect(value(text, 'paused', { job_name: 'sync-commission-log', shard: '3' })).toBe(1);
    expect(value(text, 'runs_killed', ofJob)).toBe(1);
    expect(value(text, 'differences_open', { counterpart: 'alipay' })).toBe(1);
  });

  test('counters are the sums of the history, whatever ends meanwhile; an end that is told twice counts once', async () => {
    const name = { job, shard: '' };
    const counts = { ...noCounts(), read: 5, inserted: 5 };
    const end = { outcome: 'done', windows: 2, counts, error: null, now: Date.now() };
    for (let count = 0; count < 3; count++) {
      const run = { runId: crypto.randomUUID(), kind: 'windows' as const, now: Date.now() };
      const sequence = await beginByHand(world.main, name, run, world.zone);
      await endRun(world.main, sequence, end, world.zone);
      await endRun(world.main, sequence, end, world.zone); // the answer was lost
    }
    const [sums] = await world.main.tuples('SELECT runs, windows, rows_read, inserted, updated FROM tidemark_run_sum');
    expect(sums?.map(Number)).toEqual([3, 6, 15, 15, 0]);
    const [rows] = await world.main.tuples('SELECT COUNT(*), SUM(windows), SUM(rows_read) FROM tidemark_run');
    expect(rows?.map(Number)).toEqual([3, 6, 15]);
  });

  test('a checkpoint that is set back takes nothing from a counter', async () => {
    await world.run(job);
    const before = value(await read(), 'windows_total', ofJob);
    await world.cli(['checkpoint', job, '--set', '2026-11-18T09:00:00', '--yes']);
    await world.run(job);
    expect(value(await read(), 'windows_total', ofJob)).toBeGreaterThan(before as number);
  });

  test('a name of a job with quotes and backslashes is escaped', async () => {
    const strange = { ...(jobs[0] as (typeof jobs)[number]), name: 'a "b" \\c' };
    expect(lintMetrics(await metricsText([strange], surroundings()))).toEqual([]);
  });

  test('`tidemark metrics` prints them; with a database away it prints the rest, exit 69', async () => {
    const { code, stdout, stderr } = await world.cli(['metrics']);
    expect([code, stderr, lintMetrics(stdout)]).toEqual([0, '', []]);
    const away = await world.cli(['metrics'], { LEDGER_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/ledger' });
    expectComplaint(away, 69, 'ledger database');
    expect(lintMetrics(away.stdout)).toEqual([]);
    expect(value(away.stdout, 'database_up', { database: 'ledger' })).toBe(0);
    expect(value(away.stdout, 'paused', ofJob)).toBe(0);
  });

  describe('as a file', () => {
    const file = () => join(folder, 'tidemark.prom');

    test('is written whole at the end of a run, and nothing else is left in its folder', async () => {
      expectSilence(await world.cli(['run', job], { TIDEMARK_METRICS_FILE: file() }));
      const text = readFileSync(file(), 'utf8');
      expect(lintMetrics(text)).toEqual([]);
      expect(value(text, 'rows_total', { ...ofJob, effect: 'inserted' })).toBe(2);
      expect(readdirSync(folder)).toEqual(['tidemark.prom']);
    });

    test('never goes back, however many write it at once', async () => {
      const name = { job, shard: '' };
      let last = 0;
      const finish = async () => {
        const run = { runId: crypto.randomUUID(), kind: 'windows' as const, now: Date.now() };
        const sequence = await beginByHand(world.main, name, run, world.zone);
        const end = { outcome: 'done', windows: 1, counts: noCounts(), error: null, now: Date.now() };
        await endRun(world.main, sequence, end, world.zone);
        return writeMetricsFile(jobs, surroundings(), file());
      };
      const watch = setInterval(() => {
        if (!existsSync(file())) return;
        const now = value(readFileSync(file(), 'utf8'), 'windows_total', ofJob) ?? 0;
        expect(now).toBeGreaterThanOrEqual(last);
        last = now;
      }, 5);
      await rm(file(), { force: true });
      for (let round = 0; round < 4; round++) {
        await finish();
        await Promise.all([
          writeMetricsFile(jobs, surroundings(), file()),
          writeMetricsFile(jobs, surroundings(), file()),
        ]);
      }
      clearInterval(watch);
      expect(value(readFileSync(file(), 'utf8'), 'windows_total', ofJob)).toBe(4);
    });

    test('keeps no process for long, where a database does not answer', async () => {
      await world.main.write('LOCK TABLES tidemark_pause WRITE');
      const sessions = () =>
        world.main.tuples('SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE()');
      const before = await sessions();
      const startedAt = Date.now();
      try {
        const told = await writeMetricsFile(jobs, surroundings(), file()).catch((error: Error) => error.message);
        expect(told ?? readFileSync(file(), 'utf8')).toMatch(/database_up\{database="main"\} 0|within 5 s/);
        await vi.waitFor(async () => expect(await sessions()).toEqual(before), { timeout: 6000, interval: 200 });
        expect(Date.now() - startedAt).toBeLessThan(9000);
      } finally {
        await world.main.write('UNLOCK TABLES');
      }
    });

    test('that cannot be written fails no run, and is warned of', async () => {
      const { code, stdout, stderr } = await world.cli(['run', job], { TIDEMARK_METRICS_FILE: '/nowhere/x.prom' });
      expect([code, stdout]).toEqual([0, '']);
      expect(JSON.parse(stderr)).toMatchObject({
        level: 'warn',
        job,
        message: expect.stringMatching(/TIDEMARK_METRICS_FILE was not written/),
      });
    });

    test('must end in .prom, or the collector would pass over it', async () => {
      expectComplaint(
        await world.cli(['run', job], { TIDEMARK_METRICS_FILE: '/tmp/x.txt' }),
        78,
        'TIDEMARK_METRICS_FILE',
        '.prom',
      );
    });
  });
});
