import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  addExtensions,
  addManyCommissions,
  expectComplaint,
  expectCopied,
  expectSilence,
  json,
  told,
} from '../support/cli-tools.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { World } from '../support/world.ts';

interface Letter {
  id: number;
  job: string;
  shard: string | null;
  key: string;
  content: Record<string, string | null>;
  reason: string;
  code: number;
  state: string;
  attempts: number;
}

describe('rows and tables that refuse', () => {
  let world: World;
  // Its own, because one that has run a trigger once holds the watermark of all other tests at long statements.
  let servers: TestServers;
  beforeAll(async () => {
    servers = await startTestServers({ quickCommits: true });
  });
  afterAll(() => servers.stop());
  beforeEach(async () => {
    world = await World.create(servers.addresses);
  });
  afterEach(() => world.destroy());

  const users = ['run', 'sync-user-extension'];
  const letters = async (...more: string[]) =>
    json<Letter[]>(await world.cli(['dead-letters', 'list', '--json', ...more]));
  const usersCopied = async () =>
    expect(await world.all(world.main, 'user_extension')).toEqual(await world.all(world.source, 'user_extension'));

  test('a table that refuses every row: one line, nothing written, no dead letters; then all rows arrive', async () => {
    await addManyCommissions(world, 300);
    await world.main.write(
      `CREATE TRIGGER closed BEFORE INSERT ON plus_commission_log FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'closed for repairs'`,
    );
    for (const command of [
      ['run', 'sync-commission-log', '1'],
      ['run', 'sync-commission-log', '1', '--full'],
    ]) {
      const result = await world.cli(command);
      expectComplaint(result, 1, 'plus_commission_log', 'closed for repairs', 'nothing is lost', 'Next: ');
      expect(told(result).warnings).toEqual([]);
      for (const table of ['plus_commission_log', 'tidemark_dead_letter', 'commission_change', 'tidemark_checkpoint'])
        expect(await world.all(world.main, table), table).toEqual([]);
    }
    const [last] = json<{ lastRun: { outcome: string; error: string } }[]>(
      await world.cli(['status', 'sync-commission-log', '--json']),
    ).slice(1);
    expect(last?.lastRun).toMatchObject({ outcome: 'failed', error: expect.stringMatching(/closed for repairs/) });
    await world.main.write('DROP TRIGGER closed');
    expectSilence(await world.cli(['run', 'sync-commission-log', '1']));
    await expectCopied(world);
  });

  test('a row that the target refuses waits with content and reason, the others go on; repaired, it arrives', async () => {
    await addExtensions(world.source, { id: 1 }, { id: 2, nickname: `O'Neil "📞" \\` }, { id: 3 });
    await addExtensions(world.main, { id: 99, user: 1002 });
    const result = await world.cli(users);
    expectComplaint(result, 65, 'sync-user-extension', 'dead letter', 'Next: tidemark dead-letters list');
    expect(await world.main.tuples('SELECT id FROM user_extension ORDER BY id')).toEqual([['1'], ['3'], ['99']]);

    const [letter, ...others] = await letters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({ job: 'sync-user-extension', shard: null, key: '2', code: 1062, state: 'open' });
    expect(letter).toMatchObject({ attempts: 1, reason: expect.stringMatching(/Duplicate entry '1002'/) });
    expect(letter?.content).toEqual({
      id: '2',
      user_id: '1002',
      user_type: '1',
      inviter_id: null,
      nickname: `O'Neil "📞" \\`,
      status: '1',
      create_time: '2026-11-18 09:00:00',
      update_time: '2026-11-18 10:00:00',
    });
    const shown = await world.cli(['dead-letters', 'show', String(letter?.id)]);
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    for (const part of [
      'user_id = "1002"',
      'inviter_id = NULL',
      'Duplicate entry',
      `tidemark dead-letters retry ${letter?.id}`,
    ])
      expect(shown.stdout).toContain(part);
    expect(json(await world.cli(['dead-letters', 'show', 'sync-user-extension', '--json']))).toEqual([letter]);

    const again = await world.cli([...users, '--repair']);
    expectComplaint(again, 65, 'dead letter');
    expect(await letters()).toEqual([expect.objectContaining({ id: letter?.id, attempts: 2 })]);

    await world.main.write('DELETE FROM user_extension WHERE id = 99');
    await world.source.write(`UPDATE user_extension SET nickname = 'new name' WHERE id = 2`);
    expectSilence(await world.cli([...users, '--repair']));
    await usersCopied();
    expect(await letters()).toEqual([]);
    expect(await letters('--all')).toEqual([expect.objectContaining({ id: letter?.id, state: 'resolved' })]);
    expectSilence(await world.cli(users));
  });

  test('while an old letter is open, a run under cron ends with 65 and does not say again what was said', async () => {
    await addExtensions(world.source, { id: 2 });
    await addExtensions(world.main, { id: 99, user: 1002 });
    await world.cli(users);
    expect(await world.cli(users)).toMatchObject({ code: 65, stdout: '', stderr: '' });
    expectComplaint(await world.cli([...users, '--repair']), 65, 'dead letter', 'Next: tidemark dead-letters list');
  });

  test('dead-letters retry works off the letters of all jobs; what cannot be found is said', async () => {
    const nothing = await world.cli(['dead-letters', 'list']);
    expect(nothing).toEqual({ code: 0, stdout: 'no dead letters\n', stderr: '' });
    expect((await world.cli(['dead-letters', 'retry'])).stdout).toMatch(/^no open dead letters/);
    const noRun = { job: null, runId: null, outcome: 'nothing-due', durationMs: 0, shards: [] };
    expect(json(await world.cli(['dead-letters', 'retry', '--all', '--json']))).toEqual(noRun);
    expectComplaint(await world.cli(['dead-letters', 'show', '4711']), 64, 'no dead letter 4711', 'Next: ');
    expectComplaint(
      await world.cli(['dead-letters', 'show', 'sync-user-extensions']),
      64,
      'did you mean sync-user-extension',
    );

    await addExtensions(world.source, { id: 2 });
    await world.addCommission({ id: 7, remark: 'refuse me' }, { id: 8 });
    await addExtensions(world.main, { id: 99, user: 1002 });
    await world.main.write(`ALTER TABLE plus_commission_log ADD CONSTRAINT polite CHECK (remark <> 'refuse me')`);
    await world.cli(users);
    expect((await world.cli(['run', 'sync-commission-log', '1'])).code).toBe(65);
    expect((await letters()).map(({ job, shard, key }) => [job, shard, key])).toEqual([
      ['sync-user-extension', null, '2'],
      ['sync-commission-log', '1', '7'],
    ]);
    expect((await world.cli(['dead-letters', 'retry', '--all', '--yes'])).code).toBe(65);

    await world.main.write('DELETE FROM user_extension WHERE id = 99');
    await world.main.write('ALTER TABLE plus_commission_log DROP CONSTRAINT polite');
    expect(await world.cli(['dead-letters', 'retry', '--all', '--yes'])).toMatchObject({ code: 0, stderr: '' });
    expect(await letters()).toEqual([]);
    await expectCopied(world);
  });

  test('a refused row that is gone from the source, or comes again in a later window, settles its letter', async () => {
    await addExtensions(world.source, { id: 2 }, { id: 3 });
    await addExtensions(world.main, { id: 98, user: 1002 }, { id: 99, user: 1003 });
    await world.cli([...users]);
    expect(await letters()).toHaveLength(2);
    await world.source.write('DELETE FROM user_extension WHERE id = 2');
    await world.main.write('DELETE FROM user_extension WHERE id IN (98, 99)');
    // Closed windows again: the row is read with them, and its letter needs no repair of its own.
    await world.cli([...users, '--from', '2026-11-18T10:00:00', '--to', '2026-11-18T10:00:01']);
    expect((await letters()).map(({ key }) => key)).toEqual(['2']);
    expectSilence(await world.cli([...users, '--repair']));
    expect(await letters()).toEqual([]);
    await usersCopied();
  });

  describe('refused only because of the order of the rows: no dead letter', () => {
    const move = async (...changes: readonly (readonly [id: number, user: number])[]) => {
      for (const [id] of changes)
        await world.source.write('UPDATE user_extension SET user_id = ? WHERE id = ?', [-id + 100_000, id]);
      for (const [id, user] of changes) {
        await world.source.write(
          `UPDATE user_extension SET user_id = ?, update_time = '2026-11-18 10:00:05' WHERE id = ?`,
          [user, id],
        );
      }
      return world.cli([...users, '--from', '2026-11-18T10:00:00', '--to', '2026-11-18T10:01:00']);
    };
    beforeEach(async () => {
      await addExtensions(world.source, { id: 1 }, { id: 2 }, { id: 3 }, { id: 4 });
      expectSilence(await world.cli(users));
    });
    afterEach(async () => {
      expect(await letters()).toEqual([]);
      await usersCopied();
    });

    test('a row takes what one behind it gives up, in a chain', async () => {
      expectSilence(await move([1, 1002], [2, 1003], [3, 1005]));
    });

    test('a new row takes what an old one gives up', async () => {
      await world.source.write(
        `UPDATE user_extension SET user_id = 5000, update_time = '2026-11-18 10:00:05' WHERE id = 4`,
      );
      await addExtensions(world.source, { id: 0, user: 1004, updated: '2026-11-18 10:00:05' });
      expectSilence(await move());
    });

    test('two rows exchange', async () => {
      expectSilence(await move([1, 1002], [2, 1001]));
    });
  });

  test('a value that does not fit into the target: only that row waits', async () => {
    await world.main.write('ALTER TABLE plus_commission_log MODIFY amount INT NOT NULL, MODIFY remark VARCHAR(5)');
    await world.addCommission(
      { id: 1, amount: '9007199254740993' },
      { id: 2, amount: 5, remark: 'fits' },
      { id: 3, remark: 'too long for it' },
    );
    expect((await world.cli(['run', 'sync-commission-log', '1'])).code).toBe(65);
    expect(await world.main.tuples('SELECT id, amount FROM plus_commission_log')).toEqual([['2', 5]]);
    const kept = await letters();
    expect(kept.map(({ key, content }) => [key, content.amount, content.remark])).toEqual([
      ['1', '9007199254740993', null],
      ['3', '100', 'too long for it'],
    ]);
    await world.main.write('ALTER TABLE plus_commission_log MODIFY amount BIGINT NOT NULL, MODIFY remark VARCHAR(255)');
    expectSilence(await world.cli(['run', 'sync-commission-log', '1', '--repair']));
    await expectCopied(world);
    await world.run('sync-commission-log');
    expectSilence(await world.cli(['run', 'rollup-income']));
    expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2026-11-20'));
  });
});
