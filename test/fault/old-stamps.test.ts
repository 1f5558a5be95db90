import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { Session } from '../../src/platform/mysql.ts';
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

  beforeEach(async () => {
    world = await World.create(inject('servers'));
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
});
