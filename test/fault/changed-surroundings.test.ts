/**
 * What surrounds a job changes, or is not what the settings say: sizes of windows, shards, stamps of the future, time
 * zones. The data decides, and what cannot be right stops the job with its numbers.
 */
import { describe, expect, test } from 'vitest';
import { rollupIncome } from '../../jobs/rollup-income.ts';
import { syncCommissionLog } from '../../jobs/sync-commission-log.ts';
import type { Request } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import { expectSilence, told } from '../support/cli-tools.ts';
import {
  checkpoint,
  day,
  expectCopied,
  expectTiling,
  fine,
  job,
  log,
  noon,
  openedAt,
  servers,
  sync,
  ten,
  warnings,
  world,
} from '../support/shard-one.ts';
import { World } from '../support/world.ts';

describe('settings changed between two runs', () => {
  test('windows of other sizes tile time, and every row is read once', async () => {
    let read = 0;
    for (const [round, windowRows] of [7, 100, 1, 3, 50_000].entries()) {
      for (let id = 0; id < 20; id++)
        await world.addCommission({
          id: round * 20 + id + 1,
          created: `${day} 1${round}:00:${String(id).padStart(2, '0')}`,
        });
      read += (await fine(sync({}, { ...openedAt(`${day} 1${round}:59:00`), windowRows }))).read;
    }
    expect(read).toBe(100);
    await expectCopied();
    await expectTiling();
  });

  /** The jobs as an installation with these shards has them. */
  const withShards = (...shards: string[]) => [{ ...syncCommissionLog, shards }, rollupIncome] as const;
  const runAll = async (jobs: ReturnType<typeof withShards>, shards: readonly string[]) => {
    const setting = world.setting({ log, jobs });
    const request: Request = { kind: 'windows', range: null, dryRun: false, maxWindows: 99, waitForLock: false };
    const results = [];
    for (const shard of shards)
      results.push(await fine(runShard(jobs[0], shard, crypto.randomUUID(), request, setting)));
    const income = await fine(runShard(jobs[1], '', crypto.randomUUID(), request, setting));
    await setting.copies.close();
    return { results, income };
  };
  const income = async () => (await world.incomeOfTarget()).map(([user]) => user);

  test('a shard was added: its first run takes all of it, and income waits for it', async () => {
    await world.addCommission({ id: 1, user: 1000 }, { id: 2, user: 1001 }, { id: 3, user: 1002 });
    await runAll(withShards('0', '1'), ['0', '1']);
    expect(await income()).toEqual(['1000', '1001']);
    const waiting = await runAll(withShards('0', '1', '2'), ['0', '1']);
    expect(waiting.income).toMatchObject({
      outcome: 'held-back',
      heldBackBy: { kind: 'upstream', detail: 'sync-commission-log 2 has no checkpoint' },
    });
    const { results } = await runAll(withShards('0', '1', '2'), ['2']);
    expect(results).toMatchObject([{ read: 1, inserted: 1 }]);
    expect(await income()).toEqual(['1000', '1001', '1002']);
  });

  test('a shard was removed: its checkpoint no longer holds income back, and status tells of it', async () => {
    const old = withShards('0', '1', '77');
    await world.source.write('CREATE TABLE plus_commission_log_77 LIKE plus_commission_log_7');
    await runAll(old, ['0', '1', '77']);
    await world.main.write(`UPDATE tidemark_checkpoint SET checkpoint = '2020-01-01' WHERE shard = '77'`);
    await world.addCommission({
      id: 1,
      user: 1001,
      created: '2026-11-18 10:00:00',
      updated: world.zone.text(Date.now() - 5000),
    });
    const { income: result } = await runAll(withShards('0', '1'), ['0', '1']);
    expect(result.heldBackBy).toBeNull();
    const { stdout } = await world.cli(['status']);
    expect(stdout).toContain('sync-commission-log 77 has a checkpoint, and no job has that shard');
  });
});

describe('rows that an application has stamped in the future', () => {
  const nextYear = '2027-11-18 10:00:00';

  test('are told, hold nothing up, and are carried when their time has come', async () => {
    await world.addCommission(
      { id: 1, created: ten },
      { id: 2, created: ten, updated: nextYear },
      { id: 3, created: noon },
    );
    expect(await fine(sync())).toMatchObject({ read: 2, outcome: 'done' });
    expect(warnings).toEqual([
      expect.stringMatching(/^1 rows of plus_commission_log_1 lie in the future, up to 2027-11-18 10:00:00/),
    ]);
    expect(String(await checkpoint()) <= world.zone.text(Date.now())).toBe(true);
    await world.addCommission({ id: 4, created: world.zone.text(Date.now()) });
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:00')))).toMatchObject({ read: 1 });
    warnings.length = 0;
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:05')))).toMatchObject({ read: 1 });
    expect(warnings).toEqual([]);
    await expectCopied();
    await expectTiling();
  });

  test('are alone in the table: the first run begins now, and they are carried all the same', async () => {
    await world.addCommission({ id: 1, created: ten, updated: nextYear });
    expect(await fine(sync())).toMatchObject({ read: 0 });
    expect(String(await checkpoint()) <= world.zone.text(Date.now())).toBe(true);
    expect(await fine(sync({}, openedAt('2027-11-18 10:00:05')))).toMatchObject({ read: 1 });
    await expectCopied();
  });
});

describe('the default time zone of the source is +08:00, and TIDEMARK_TIMEZONE is another', () => {
  /** In its own world: the zone is part of it. */
  const inZone = async (zone: string, work: (elsewhere: World) => Promise<void>) => {
    const elsewhere = await World.create(servers.addresses, { settings: { TIDEMARK_TIMEZONE: zone } });
    try {
      await work(elsewhere);
    } finally {
      await elsewhere.destroy();
    }
  };
  const stampBy = async ({ source }: World, sessionZone: string) => {
    await source.write(`SET time_zone = ${sessionZone}`);
    await source.write(`INSERT INTO plus_commission_log_1 VALUES (9, 1001, 'SN', 1, 1, 1, NULL, NOW(), NOW())`);
    await source.write(`SET time_zone = '+00:00'`);
  };
  const run = (elsewhere: World) => elsewhere.cli(['run', job, '1']);

  test.each([
    ['UTC', 'late'],
    ['Pacific/Tongatapu', 'never'],
  ])('%s: rows stamped by the default would come %s, and exit 78 says so with the numbers', async (zone) => {
    await inZone(zone, async (elsewhere) => {
      await stampBy(elsewhere, '@@global.time_zone');
      const result = await run(elsewhere);
      expect(result.code).toBe(78);
      expect(told(result).complaints).toEqual([
        expect.stringMatching(
          new RegExp(
            `TIDEMARK_TIMEZONE=${zone}: the youngest says 20.*by the server's default zone \\(\\+08:00\\).*SET GLOBAL time_zone = '\\+(00|13):00'`,
          ),
        ),
      ]);
      expect(await elsewhere.main.tuples('SELECT * FROM tidemark_checkpoint')).toEqual([]);
    });
  });

  test.each([
    ['UTC', "'+00:00'"],
    ['Pacific/Tongatapu', "'+13:00'"],
  ])('%s: applications that set their own session to it are right, and there is nothing to say', async (zone, own) => {
    await inZone(zone, async (elsewhere) => {
      await stampBy(elsewhere, own);
      expectSilence(await run(elsewhere));
    });
  });

  test('a quiet table proves nothing: a warning gives both times, and the run goes on', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.addCommission({ id: 1, created: ten });
      const result = await run(elsewhere);
      expect(result.code).toBe(0);
      expect(told(result).warnings).toEqual([
        expect.stringMatching(
          /\(\+08:00: 20.*\) is not TIDEMARK_TIMEZONE \(UTC: 20.*\), and the youngest row of plus_commission_log_1 \(2026-11-18 10:00:00\) does not tell/,
        ),
      ]);
      expect(await elsewhere.main.tuples('SELECT id FROM plus_commission_log')).toEqual([['1']]);
    });
  });

  test('a row that an application has stamped a year ahead neither stops the run nor hides what the others prove', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.addCommission({ id: 1, created: '2027-11-18 10:00:00' });
      expect((await run(elsewhere)).code).toBe(0);
      await stampBy(elsewhere, '@@global.time_zone');
      expect((await run(elsewhere)).code).toBe(78);
    });
  });

  test('a TIMESTAMP is an instant, whatever the zones', async () => {
    await inZone('UTC', async (elsewhere) => {
      await elsewhere.source.write('ALTER TABLE plus_commission_log_1 MODIFY update_time TIMESTAMP NULL');
      await elsewhere.main.write('ALTER TABLE plus_commission_log MODIFY update_time TIMESTAMP NULL');
      await stampBy(elsewhere, '@@global.time_zone');
      expectSilence(await run(elsewhere));
    });
  });
});
