/** The doctor on this host, and on the work: cron and its lines, folders, runs that hang or were killed, what never ran. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Told } from '../../src/doctor/check.ts';
import { lockName } from '../../src/engine/lock.ts';
import { json } from '../support/cli-tools.ts';
import { complaints, findings, saying } from '../support/patient.ts';
import { World } from '../support/world.ts';

describe('doctor', () => {
  let world: World;
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-statements-'));
  const look = (group?: Parameters<typeof findings>[1], more: Record<string, string> = {}) =>
    findings({ ...world.settings, TIDEMARK_STATEMENTS: folder, ...more }, group);

  beforeAll(async () => {
    world = await World.create(inject('servers'), { ledger: true, migrated: false });
    for (const shard of ['1', '2', '3']) await world.addCommission({ id: Number(shard), user: `100${shard}` });
    expect((await world.cli(['migrate'])).code).toBe(0);
  });
  afterAll(() => world.destroy());

  describe('this host', () => {
    const withCrontab = (text: string) => {
      const bin = mkdtempSync(join(tmpdir(), 'tidemark-bin-'));
      writeFileSync(join(bin, 'crontab'), `#!/bin/sh\ncat <<'END'\n${text}\nEND\n`);
      chmodSync(join(bin, 'crontab'), 0o755);
      return { PATH: `${bin}:${process.env.PATH}` };
    };

    test("the user's crontab is read: its lines are counted and checked, and a running cron is seen", async () => {
      const bin = mkdtempSync(join(tmpdir(), 'tidemark-cron-'));
      copyFileSync('/bin/sleep', join(bin, 'cron'));
      const cron = spawn(join(bin, 'cron'), ['60']);
      await once(cron, 'spawn');
      const lookAt = async (crontab: string, code: number) => {
        const args = ['doctor', 'host', '--json'];
        const { findings: told } = json<{ findings: Told[] }>(await world.cli(args, withCrontab(crontab)), code);
        return told.filter(({ says }) => /cron/.test(says));
      };
      try {
        const { stdout: printed } = await world.cli(['crontab']);
        const good = await lookAt(printed, 0);
        saying(good, /^\d+ lines of crontab -l start tidemark$/, 'fine');
        saying(good, /^cron runs$/, 'fine');
        expect(complaints(good)).toEqual([]);
        const lines = printed.split('\n').filter((line) => !/run sync-commission-log 7$/.test(line));
        const bad = await lookAt(lines.join('\n').replaceAll('run rollup-income', 'run rollup-incom'), 78);
        expect(complaints(bad).join('\n')).toMatch(/crontab -l, line \d+: .*rollup-incom/);
        expect(complaints(bad).join('\n')).toContain('no line starts shard 7 of sync-commission-log');
      } finally {
        cron.kill();
      }
    });

    test('a folder of statements that is not there is broken', async () => {
      saying(await look('host', { TIDEMARK_STATEMENTS: join(folder, 'none') }), /is not there$/, 'broken');
    });

    test('a log that cannot be written is broken', async () => {
      const none = {
        TIDEMARK_LOG_FILE: join(folder, 'no', 'log'),
        TIDEMARK_METRICS_FILE: join(folder, 'no', 'm.prom'),
      };
      const told = await look('host', none);
      saying(told, /log of TIDEMARK_LOG_FILE cannot be written$/, 'broken');
      saying(told, /m\.prom of TIDEMARK_METRICS_FILE cannot be written$/, 'doubtful');
      mkdirSync(join(folder, 'logs'));
      const file = { TIDEMARK_LOG_FILE: join(folder, 'logs', 'log') };
      saying(await look('host', file), /TIDEMARK_LOG_FILE can be written$/, 'fine');
      // Not even root can make a folder below a file.
      const logs = { TIDEMARK_RUN_LOGS: '/proc/version/runs' };
      saying(await look('host', logs), /^the logs of runs cannot be kept in \/proc/, 'doubtful');
    });
  });

  describe('the work', () => {
    const record = (shard: string, host: string, pid: number, started: string, ended = 'NULL') =>
      world.main.write(
        `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at)
         VALUES ('run', 'sync-commission-log', '${shard}', 'windows', ?, ?, CONVERT_TZ(${started}, '+00:00', '+08:00'), ${ended})`,
        [host, pid],
      );
    const clear = () => world.main.write('DELETE FROM tidemark_run');

    const lock = (shard: string) => lockName(world.main.database, 'sync-commission-log', shard);

    test('a run of windows lives while its lock is held, on whatever host; without it, it was killed', async () => {
      await record('3', 'elsewhere', 1, 'NOW()');
      await record('4', 'elsewhere', 1, 'NOW()');
      await world.main.tuples('SELECT GET_LOCK(?, 0)', [lock('4')]);
      const told = await look('work');
      const { next } = saying(
        told,
        /^sync-commission-log 3: run run of .* was killed \(process 1 on elsewhere\)$/,
        'doubtful',
      );
      expect(next).toEqual(['tidemark run sync-commission-log 3']);
      expect(complaints(told).filter((one) => one.includes('sync-commission-log 4'))).toEqual([]);
      await world.main.tuples('SELECT RELEASE_LOCK(?)', [lock('4')]);
      await clear();
    });

    test('a run that holds its lock for hours is doubtful, with the process that it is', async () => {
      await record('3', 'elsewhere', 17, 'NOW() - INTERVAL 1 DAY');
      await world.main.tuples('SELECT GET_LOCK(?, 0)', [lock('3')]);
      const { next } = saying(
        await look('work'),
        /^sync-commission-log 3: .* has not ended \(process 17 on elsewhere\)$/,
        'doubtful',
      );
      expect(next.at(-1)).toMatch(/^kill -TERM 17, on elsewhere/);
      await world.main.tuples('SELECT RELEASE_LOCK(?)', [lock('3')]);
      await clear();
    });

    test('a run without a lock lives as its process does; a process that got the number later is another', async () => {
      const dead = spawn('true');
      await once(dead, 'exit');
      const at = (pid: number | undefined, started: string) =>
        world.ledger.write(
          `INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at)
           VALUES ('run', 'check-pending-payments', '', 'due', ?, ?, CONVERT_TZ(${started}, '+00:00', '+08:00'))`,
          [hostname(), pid as number],
        );
      const killed = async () =>
        complaints(await look('work')).filter((one) => /^doubtful: check-pending-payments: .* was killed/.test(one))
          .length;
      await at(process.pid, 'NOW()');
      expect(await killed()).toBe(0);
      await at(process.pid, 'NOW() - INTERVAL 1 HOUR');
      expect(await killed()).toBe(1);
      await at(process.pid, 'NOW()');
      await at(dead.pid, 'NOW()');
      expect(await killed()).toBe(1);
      await world.ledger.write('DELETE FROM tidemark_run');
    });

    test('shards that were last started long before their schedule would have are named, with the command', async () => {
      for (let shard = 0; shard < 10; shard++) {
        const started = shard === 7 || shard === 8 ? 'NOW() - INTERVAL 1 HOUR' : 'NOW()';
        await record(String(shard), hostname(), process.pid, started, `CONVERT_TZ(${started}, '+00:00', '+08:00')`);
      }
      const told = await look('work');
      const { next } = saying(
        told,
        /^sync-commission-log \(shards 7, 8\) was last at work at .*, and its schedule is \*\/2/,
        'doubtful',
      );
      expect(next).toEqual(['tidemark run sync-commission-log 7 8']);
      await clear();
    });

    test('a pause is told with its reason and who it was, and a paused shard has not missed its time', async () => {
      await world.main.write(
        `INSERT INTO tidemark_pause VALUES ('rollup-income', '', 'moving tables', 'ann', '2026-11-20 10:00:00')`,
      );
      const told = await look('work');
      const pause = saying(
        told,
        /^rollup-income is paused since 2026-11-20 10:00:00 by ann: moving tables$/,
        'doubtful',
      );
      expect(pause.next).toEqual(['tidemark resume rollup-income']);
      expect(complaints(told).filter((one) => /rollup-income has never/.test(one))).toEqual([]);
      await world.main.write('DELETE FROM tidemark_pause');
    });

    test('open dead letters are counted', async () => {
      await world.main.write(
        `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
         VALUES ('sync-user-extension', '', '5', '{}', 'no', 0, 1, UUID(), NOW(), NOW())`,
      );
      saying(await look('work'), /^sync-user-extension has 1 open dead letters$/, 'doubtful');
      await world.main.write('DELETE FROM tidemark_dead_letter');
    });
  });
});
