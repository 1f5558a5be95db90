import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { statementBound } from '../../src/engine/statements.ts';
import { Session } from '../../src/platform/mysql.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

/** A statement fixes NOW() when it begins; what it writes seconds later carries that old time. */
describe('a statement that takes long, and stamps its rows with the time of its beginning', () => {
  let world: World;
  const opened: Session[] = [];
  const connect = async () => {
    const url = world.settings.SOURCE_DATABASE_URL as string;
    const session = await Session.open({ url, label: 'source', setting: '-', stallTimeoutMs: 600_000 });
    await session.write(`SET SESSION time_zone = '+08:00'`);
    opened.push(session);
    return session;
  };
  const add = (session: Session, id: number, name: string, time: string) =>
    session.write(`INSERT INTO user_extension VALUES (${id}, ${id}, 0, NULL, '${name}', 1, ${time}, ${time})`);
  const sync = (more = {}) => world.runShard('sync-user-extension', '', {}, more);
  const expectCopied = async () =>
    expect(await world.all(world.main, 'user_extension')).toEqual(await world.all(world.source, 'user_extension'));

  // Its own, because a server that has run a trigger once is one whose times say nothing.
  let servers: TestServers;
  beforeAll(async () => {
    servers = await startTestServers({ quickCommits: true });
  });
  afterAll(() => servers.stop());
  beforeEach(async () => {
    world = await World.create(servers.addresses);
  });
  afterEach(async () => {
    for (const session of opened.splice(0)) session.destroy();
    await world.destroy();
  });

  for (const border of ['a running statement', 'the row limit'] as const) {
    test(`is not missed when it puts its old time over a younger, committed one, behind a border by ${border}`, async () => {
      const [long, quick, third] = [await connect(), await connect(), await connect()];
      for (const id of [1, 2]) await add(long, id, 'old', 'NOW() - INTERVAL 1 HOUR');
      await sleep(1100);
      await long.write('START TRANSACTION');
      const update = `UPDATE user_extension SET nickname = 'long', update_time = NOW()`;
      const stamping = long.write(`${update} WHERE (id = 1 AND SLEEP(4) = 1) OR id = 2`);
      await sleep(1200);
      const running = border === 'a running statement' ? third.write('DO SLEEP(7)') : Promise.resolve();
      if (border === 'the row limit') for (const id of [3, 4]) await add(third, id, 'new', 'NOW()');
      await sleep(1300);
      await quick.write(`UPDATE user_extension SET nickname = 'quick', update_time = NOW() WHERE id = 2`);
      await stamping;
      if (border === 'the row limit') await sleep(1500);
      expect((await sync(border === 'the row limit' ? { windowRows: 1 } : {})).error).toBeNull();
      await long.write('COMMIT');
      await running;
      await sleep(2200);
      expect((await sync()).error).toBeNull();
      await expectCopied();
    });
  }

  test('is not missed while its trigger runs a SELECT, which is what the list of processes shows then', async () => {
    const writer = await connect();
    await add(writer, 1, 'old', 'NOW() - INTERVAL 1 HOUR');
    await sync();
    await writer.write(
      'CREATE TRIGGER slow BEFORE INSERT ON user_extension FOR EACH ROW BEGIN DECLARE n INT; SELECT SLEEP(4) INTO n; END',
    );
    const inserting = add(writer, 2, 'late', 'NOW()');
    await sleep(3000);
    expect((await sync()).error).toBeNull();
    await inserting;
    await sleep(2200);
    await sync();
    await expectCopied();
  });

  test('is not missed when its triggers run statements, after each of which the server counts its time anew', async () => {
    const writer = await connect();
    await writer.write('CREATE TABLE trail (id INT)');
    await writer.write(
      'CREATE TRIGGER leaves_trail BEFORE INSERT ON user_extension FOR EACH ROW INSERT INTO trail VALUES (1)',
    );
    await add(writer, 1, 'old', 'NOW() - INTERVAL 1 HOUR');
    await sync();
    const values = `SELECT seq, seq, 0, NULL, 'late', 1, NOW(), NOW() FROM seq_2_to_17`;
    const inserting = writer.write(`INSERT INTO user_extension ${values} WHERE SLEEP(0.5) = 0`);
    await sleep(3000);
    const held = await sync();
    expect(held).toMatchObject({ outcome: 'held-back', windows: 0, error: null });
    expect(held.heldBackBy?.detail).toContain('since when cannot be told');
    await inserting;
    await sleep(2200);
    expect((await sync()).error).toBeNull();
    await expectCopied();
  });

  test('holds nothing as long as it is only a connection that has not logged in', async () => {
    const { host, port } = servers.addresses.mariadb;
    const silent = createConnection({ host, port });
    await sleep(2500);
    const bound = await statementBound(world.source, world.zone, { users: [], schemas: [], pattern: null });
    expect((bound.sourceNow ?? 0) - (bound.at ?? 0)).toBeLessThanOrEqual(2000);
    silent.destroy();
  });

  test('and was vouched for does not hold the watermark, by user, schema or text, and is named', async () => {
    const writer = await connect();
    const age = async (exemptions: object) => {
      const none = { users: [], schemas: [], pattern: null };
      const bound = await statementBound(world.source, world.zone, { ...none, ...exemptions });
      return { behind: Math.round(((bound.sourceNow ?? 0) - (bound.at ?? 0)) / 1000), exempt: bound.exempt.length };
    };
    const schema = writer.database;
    const running = writer.write('DO /* a report */ SLEEP(4)');
    await sleep(3000);
    for (const exemptions of [{ schemas: [schema] }, { pattern: /^do .* a report/i }, { users: [writer.user] }])
      expect(await age(exemptions)).toMatchObject({ exempt: 1 });
    expect((await age({ schemas: ['another'], pattern: /a rapport/ })).exempt).toBe(0);
    await running;
  });
});
