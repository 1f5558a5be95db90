/** Alarms are told once by however many watch, and never lost: killed between telling and noting, main database gone. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { AlarmScene } from '../support/alarm-scene.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';

const minute = 60_000;

describe('with the main database', () => {
  let scene: AlarmScene;
  let now: number;
  beforeAll(async () => {
    scene = await AlarmScene.create(inject('servers'));
  });
  afterAll(() => scene.destroy());
  beforeEach(async () => {
    now = Math.floor(Date.now() / 1000) * 1000;
    await scene.allWell(now);
    for (const [index, shard] of [...'0123456789'].flatMap((one) => [one, one, one]).entries())
      await scene.run({
        job: 'sync-commission-log',
        shard,
        at: now - 40_000 + index,
        outcome: 'failed',
        error: 'no luck',
      });
  });

  const keysTold = () =>
    scene.told.messages
      .splice(0)
      .flatMap((message) => (message.json() as { alarms: { key: string }[] }).alarms.map(({ key }) => key));
  /** On hosts whose clocks differ a little. */
  const five = (at: number) => Promise.all([0, 1, 2, 3, 4].map((seconds) => scene.watch(at + seconds * 1000)));
  const failing = [...'0123456789'].map((shard) => `failing:sync-commission-log:${shard}`);

  test('five who watch at once tell each matter once, and its end once', async () => {
    await five(now);
    expect(keysTold().sort()).toEqual(failing);
    for (const shard of '0123456789') await scene.run({ job: 'sync-commission-log', shard, at: now, outcome: 'done' });
    await five(now + minute);
    expect(keysTold().sort()).toEqual(failing);
    expect((await scene.look(now + 2 * minute)).told).toEqual([]);
  });

  test('one who watches while another is telling tells nothing', async () => {
    let other: string[] | undefined;
    scene.told.beforeAnswer = async () => {
      scene.told.beforeAnswer = async () => undefined;
      await scene.watch(now);
      other = keysTold();
    };
    await scene.watch(now);
    expect(other).toEqual([]);
    expect(keysTold()).toHaveLength(10);
  });

  test('one who sees it in other words while another is telling does not have it told again', async () => {
    scene.told.beforeAnswer = async () => {
      scene.told.beforeAnswer = async () => undefined;
      for (const shard of '0123456789')
        await scene.run({ job: 'sync-commission-log', shard, at: now, outcome: 'failed', error: 'no luck either' });
      await scene.watch(now + 1000);
    };
    await scene.watch(now);
    expect(keysTold()).toHaveLength(10);
    await scene.watch(now + 5 * minute);
    expect(keysTold()).toEqual([]);
  });

  test('its end is told, where another sees it while the matter is told', async () => {
    scene.told.beforeAnswer = async () => {
      scene.told.beforeAnswer = async () => undefined;
      for (const shard of '0123456789')
        await scene.run({ job: 'sync-commission-log', shard, at: now, outcome: 'done' });
      await scene.watch(now + 1000);
    };
    await scene.watch(now);
    expect(keysTold()).toHaveLength(10);
    const { told } = await scene.look(now + minute);
    expect(told.join()).toContain('OVER sync-commission-log');
    expect((await scene.look(now + 2 * minute)).told).toEqual([]);
  });

  test('killed between telling and noting, it is told again when the claim has run out, and not before', async () => {
    const file = join(scene.folder, 'told');
    await writeFile(file, '');
    const killing = { TIDEMARK_ALARM_COMMAND: `cat >> ${file}; kill -9 $PPID` };
    const { code } = await scene.world.cli(['watch'], killing);
    expect(code).toBe(-1);
    const plain = { TIDEMARK_ALARM_COMMAND: `cat >> ${file}` };
    expect(await scene.world.cli(['watch'], plain)).toEqual({ code: 0, stdout: '', stderr: '' });
    const lines = async () => (await readFile(file, 'utf8')).trim().split('\n');
    expect(await lines()).toHaveLength(1);
    await scene.world.main.write('UPDATE tidemark_alarm SET claimed_until = claimed_until - INTERVAL 10 MINUTE');
    expect((await scene.world.cli(['watch'], plain)).code).toBe(0);
    expect(await lines()).toHaveLength(2);
    expect((await scene.world.cli(['watch'], plain)).code).toBe(0);
    expect(await lines()).toHaveLength(2);
  });

  test('what a look could not see is not told to be over, and that it could not is told', async () => {
    await scene.watch(now);
    expect(keysTold()).toHaveLength(10);
    await scene.world.main.write('RENAME TABLE tidemark_dead_letter TO away');
    const { standing } = await scene.watch(now + minute);
    expect(standing.map(({ key }) => key)).toEqual(expect.arrayContaining(failing));
    await scene.world.main.write('RENAME TABLE away TO tidemark_dead_letter');
    const blind = ['rollup-income', 'sync-commission-log', 'sync-user-extension'].map((job) => `unseen:${job}`);
    expect(keysTold().sort()).toEqual(blind);
    await scene.watch(now + 2 * minute);
    expect(keysTold().sort()).toEqual(blind); // over
  });
});

describe('without a server', () => {
  let servers: TestServers;
  let scene: AlarmScene;
  beforeAll(async () => {
    servers = await startTestServers();
    scene = await AlarmScene.create(servers.addresses);
    await scene.allWell(Date.now());
  });
  afterAll(async () => {
    await scene.destroy().catch(() => undefined); // its connections died with the server
    await servers.stop();
  });

  test('Redis that is gone is told, and its end', async () => {
    const now = Date.now();
    await scene.allWell(now);
    await servers.killRedis();
    const { keys, told } = await scene.look(now + 1000);
    expect(keys).toEqual(['unreachable:redis']);
    expect(told[0]).toContain('WARNING Redis cannot be reached');
    await servers.restartRedis();
    expect((await scene.look(now + 2000)).told[0]).toContain('OVER Redis cannot be reached');
  });

  test('the main database that is gone is told once by all who watch on this host, and its end', async () => {
    const now = Date.now();
    await servers.killMariadb();
    await Promise.all([scene.watch(now), scene.watch(now), scene.watch(now)]);
    const told = scene.told.take();
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/CRITICAL the main database \S+ at \S+ cannot be reached: .*; nor can source\nSince/);
    expect((await scene.look(now + minute)).told).toEqual([]);
    await servers.restartMariadb();
    const over = await scene.watch(now + 2 * minute);
    expect(scene.told.take()[0]).toMatch(/OVER the main database \S+ at \S+ cannot be reached: .*\nIt stood for 2 min/);
    expect(over.standing.map(({ key }) => key)).not.toContain('unreachable:main');
  });
});
