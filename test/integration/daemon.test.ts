import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectCopied, startCli } from '../support/cli-tools.ts';
import { Daemon } from '../support/daemons.ts';
import { startTestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

const shardRuns = async (world: World, where: string) =>
  Number((await world.main.tuples(`SELECT COUNT(*) FROM tidemark_run WHERE ${where}`))[0]?.[0]);

describe('a daemon', () => {
  let world: World;
  let daemon: Daemon;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await addExtensions(world.source, { id: 1 }, { id: 2 });
    await world.addCommission({ id: 1, user: 1001 }, { id: 2, user: 1007 });
  });
  afterEach(async () => {
    await daemon?.kill();
    await world.destroy();
  });

  test('starts every job and shard at its time, makes up for what never ran, ends with 143 when it is told to', async () => {
    daemon = await Daemon.start(world.settings);
    await daemon.until('all ran', async () => (await world.incomeOfTarget()).length === 2);
    await expectCopied(world);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
    await daemon.until('each shard was swept', async () => (await shardRuns(world, "kind = 'sweep'")) >= 11);
    expect(await daemon.health()).toMatchObject({
      status: 200,
      body: { late: [], next: { name: expect.any(String) } },
    });
    const metrics = await (await fetch(`http://127.0.0.1:${daemon.port}/metrics`)).text();
    expect(metrics).toMatch(/^tidemark_\w+\{job_name="sync-user-extension"/m);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(143);
    expect(await shardRuns(world, "outcome IS NULL OR outcome = 'failed'")).toBe(0);
    const runs = daemon.lines.filter(({ runId }) => runId !== undefined);
    expect(runs).toContainEqual(
      expect.objectContaining({ level: 'info', job: 'sync-user-extension', kind: 'windows', outcome: 'done', read: 2 }),
    );
    expect(daemon.lines.filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });

  test('a paused job is left alone, and goes on when it is resumed', async () => {
    await world.main.write(
      "INSERT INTO tidemark_pause VALUES ('sync-user-extension', '', 'a test', 'somebody', NOW())",
    );
    daemon = await Daemon.start(world.settings);
    await daemon.until('the others ran', async () => (await world.incomeOfTarget()).length === 2);
    expect(await world.all(world.main, 'user_extension')).toEqual([]);
    await world.main.write('DELETE FROM tidemark_pause');
    await daemon.until('it was copied', async () => (await world.all(world.main, 'user_extension')).length === 2);
  });

  test('goes on when nobody reads its log any more', async () => {
    daemon = await Daemon.start({ ...world.settings, TIDEMARK_LOG_LEVEL: 'debug' });
    await daemon.until('it is up', async () => (await world.incomeOfTarget()).length === 2);
    daemon.deafen();
    await addExtensions(world.source, { id: 3 });
    await daemon.until('it works', async () => (await world.all(world.main, 'user_extension')).length === 3);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(143);
  });

  test('a start that comes while the former still runs is left out, and told at debug; a second signal ends at once', async () => {
    await world.source.write('LOCK TABLES user_extension WRITE');
    daemon = await Daemon.start({ ...world.settings, TIDEMARK_LOG_LEVEL: 'debug' });
    await daemon.until('it was left out', () => daemon.said.includes('sync-user-extension still runs'));
    const { body } = (await daemon.health()) ?? {};
    expect(body?.running.map(({ name }) => name)).toContain('sync-user-extension');
    daemon.signal('SIGINT');
    await new Promise((done) => setTimeout(done, 300));
    expect((await daemon.health())?.status ?? 503).toBe(503);
    daemon.signal('SIGINT');
    const toldAt = Date.now();
    expect(await daemon.ended).toBe(130);
    expect(Date.now() - toldAt).toBeLessThan(4500);
    await world.source.write('UNLOCK TABLES');
  });

  test('without the servers’ addresses it does not start (78); nor on a port that is taken', async () => {
    const none = await startCli(['daemon'], { TIDEMARK_DAEMON_PORT: '0' }).ended;
    expect(none).toMatchObject({ code: 78, stderr: expect.stringContaining('SOURCE_DATABASE_URL is missing') });
    daemon = await Daemon.start(world.settings);
    await daemon.until('it listens', async () => (await daemon.health()) !== null);
    const second = await startCli(['daemon'], { ...world.settings, TIDEMARK_DAEMON_PORT: String(daemon.port) }).ended;
    expect(second).toMatchObject({ code: 78, stderr: expect.stringContaining('it is taken, by another daemon') });
  });
});

test('while the database is gone a daemon stays alive and says what is late; when it is back, it catches up', async () => {
  const servers = await startTestServers();
  const world = await World.create(servers.addresses);
  const daemon = await Daemon.start(world.settings);
  try {
    await daemon.until('all ran', async () => (await shardRuns(world, "outcome = 'done'")) >= 12);
    await servers.killMariadb();
    await daemon.until('it is late', async () => ((await daemon.health())?.body.late.length ?? 0) > 3);
    expect(await daemon.health()).toMatchObject({ status: 200, body: { status: 'late' } });
    await servers.restartMariadb();
    const again = await World.create(servers.addresses, { migrated: false });
    await again.destroy(); // the server is up
    await daemon.until('nothing is late', async () => (await daemon.health())?.body.status === 'ok', 60_000);
    daemon.signal('SIGTERM');
    expect(await daemon.ended).toBe(143);
  } finally {
    await daemon.kill();
    await world.destroy().catch(() => undefined);
    await servers.stop();
  }
});
