/** `tidemark dead-letters`, as a person types it: which letters are meant, what becomes of them, and what is asked first. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { keepLetter, openLetterKeys } from '../../src/engine/dead-letters.ts';
import { beginPause } from '../../src/engine/pause.ts';
import { addExtensions, expectComplaint, json } from '../support/cli-tools.ts';
import { type CliResult, World } from '../support/world.ts';

interface Letter {
  readonly id: number;
  readonly key: string;
  readonly state: string;
  readonly repairs: number;
  readonly resolution: string | null;
}

let world: World;
afterEach(() => world.destroy());

const cli = (...more: string[]): Promise<CliResult> => world.cli(['dead-letters', ...more]);
const listed = async (...more: string[]): Promise<Letter[]> => json(await cli('list', '--json', ...more));
const keys = async (...more: string[]) => (await listed(...more)).map(({ key }) => key);
const states = async () => (await listed('--all')).map(({ key, state }) => [key, state]);
const sync = (shard: string) => world.runShard('sync-commission-log', shard);
const refuse = (what: string, name = 'refused') =>
  world.main.write(`ALTER TABLE plus_commission_log ADD CONSTRAINT ${name} CHECK (NOT (${what}))`);
const accept = (name = 'refused') => world.main.write(`ALTER TABLE plus_commission_log DROP CONSTRAINT ${name}`);

describe('letters of several jobs and shards', () => {
  /** Ids 1 to 4: rows 1 and 2 of shard 1, row 3 of shard 3, and user 9. */
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await refuse('amount = 666');
    await refuse(`remark = 'rude'`, 'polite');
    await world.addCommission({ id: 1, amount: 666 }, { id: 2, remark: 'rude' }, { id: 3, user: 1003, amount: 666 });
    await addExtensions(world.source, { id: 9 });
    await addExtensions(world.main, { id: 99, user: 1009 });
    await sync('1');
    await sync('3');
    await world.runShard('sync-user-extension', '');
    await world.main.write(`UPDATE tidemark_dead_letter SET first_at = first_at - INTERVAL 3 DAY WHERE row_key = '3'`);
    await world.main.write(`UPDATE tidemark_dead_letter SET repairs = 2 WHERE row_key = '2'`);
  });

  test('are chosen by id, job, shard, reason, age and repairs, alone and together', async () => {
    const job = 'sync-commission-log';
    expect(await keys()).toEqual(['1', '2', '3', '9']);
    expect(await keys('3', '1')).toEqual(['1', '3']);
    expect(await keys(job)).toEqual(['1', '2', '3']);
    expect(await keys('--job', job, '--shard', '3')).toEqual(['3']);
    expect(await keys('--reason', 'DUPLICATE entry')).toEqual(['9']);
    expect(await keys('--older-than', '2d')).toEqual(['3']);
    expect(await keys('--repairs', '2')).toEqual(['2']);
    expect(await keys(job, '--reason', 'refused', '--shard', '1')).toEqual(['1']);
    expect((await cli('show', '2')).stdout).toMatch(/^dead letter 2 of sync-commission-log 1: open, 1 try, 2 of them/);
  });

  test('of a month come before those of a younger month, whichever was refused first', async () => {
    const name = { job: 'settle-month', shard: '' };
    for (const key of ['2026-02/7', '2026-01/7'])
      await keepLetter(world.main, name, { key, content: {}, reason: 'held back', code: 0 }, 'run', 0, world.zone);
    expect(await openLetterKeys(world.main, name)).toEqual(['2026-01/7', '2026-02/7']);
  });

  test('are retried one by one: the others stay as they are, and count for nothing', async () => {
    await accept();
    const result = await cli('retry', '1', '--yes');
    expect(result).toEqual({ code: 0, stdout: '1 dead letter is settled\n', stderr: '' });
    expect(await states()).toEqual([
      ['1', 'resolved'],
      ['2', 'open'],
      ['3', 'open'],
      ['9', 'open'],
    ]);
    expect(await world.main.tuples('SELECT id FROM plus_commission_log')).toEqual([['1']]);
  });

  test('what is refused again is told: 65, and the letter to look at', async () => {
    await accept();
    const result = await cli('retry', 'sync-commission-log', '--yes');
    expect(result.code).toBe(65);
    expect(result.stdout).toContain('2 of 3 are settled. Next: tidemark dead-letters show 2');
    expect((await listed()).map(({ key, repairs }) => [key, repairs])).toEqual([
      ['2', 3],
      ['9', 0],
    ]);
  });

  test('nothing is tried in a paused shard, which is said', async () => {
    const reason = { reason: 'being moved', who: 'ann' };
    await beginPause(world.main, { job: 'sync-commission-log', shard: '3', ...reason }, Date.now(), world.zone);
    await accept();
    const result = await cli('retry', '--shard', '3', '--yes');
    expect(result.code).toBe(65);
    expect(result.stdout).toMatch(/^sync-commission-log 3 is paused .* Next: tidemark resume sync-commission-log 3$/m);
    expect(await keys('3')).toEqual(['3']);
  });

  test('are discarded with a reason and a name, which stay for ever; a second time changes nothing', async () => {
    const result = await cli(
      'discard',
      'sync-commission-log',
      '--matching',
      'refused',
      '--reason',
      'test data',
      '--yes',
    );
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(/^2 dead letters discarded by \S+ \(tidemark dead-letters discard\): test data$/m);
    expect(await keys()).toEqual(['2', '9']);
    const told = (await listed('--all')).filter(({ state }) => state === 'discarded');
    expect(told.map(({ key }) => key)).toEqual(['1', '3']);
    for (const { resolution } of told)
      expect(resolution).toMatch(/^by \S+ \(tidemark dead-letters discard\): test data$/);
    expect((await cli('show', '1')).stdout).toMatch(/discarded: by .*: test data/);

    const again = await cli('discard', '1', '--reason', 'another reason', '--yes');
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('nothing to discard')]);
    expect((await cli('show', '1')).stdout).toMatch(/discarded: by .*: test data/);
  });

  test.each([
    ['is applied, if it is accepted now', 100, [['1', 'discarded']]],
    [
      'gets a new letter, if it is refused again',
      666,
      [
        ['1', 'discarded'],
        ['1', 'open'],
      ],
    ],
  ])('a row whose letter was discarded, and that changes again, %s', async (_, amount, expected) => {
    await cli('discard', '--all', '--reason', 'not wanted', '--yes');
    const stamp = world.zone.text(Date.now() - 3000);
    await world.source.write(
      `UPDATE plus_commission_log_1 SET amount = ${amount}, status = 2, update_time = ? WHERE id = 1`,
      [stamp],
    );
    await world.main.write(`UPDATE tidemark_checkpoint SET checkpoint = '2026-11-18 12:00:00'`);
    await world.main.write('DELETE FROM tidemark_window');
    expect((await sync('1')).error).toBeNull();
    expect((await states()).filter(([key]) => key === '1')).toEqual(expected);
    const [row] = await world.main.tuples('SELECT amount, status FROM plus_commission_log WHERE id = 1');
    expect(row).toEqual(amount === 100 ? ['100', 2] : undefined);
  });

  describe('what is typed by mistake changes nothing', () => {
    test.each<[string[], ...(string | RegExp)[]]>([
      [['retry', '--all'], 'no terminal to ask on', 'add --yes'],
      [['retry', '1'], 'no terminal to ask on', 'add --yes'],
      [['retry', '--yes'], 'all 4 open dead letters', 'Next: tidemark dead-letters retry --all'],
      [['retry', '1', '4711', '--yes'], 'no dead letter 4711', 'Next: tidemark dead-letters list --all'],
      [['retry', 'sync-commission-log', '--job', 'sync-user-extension', '--yes'], 'two jobs'],
      [['retry', 'sync-comission-log', '--yes'], 'did you mean sync-commission-log'],
      [['discard', '--reason', 'x', '--yes'], 'say which letters', 'Next: tidemark dead-letters list'],
      [['discard', '--matching', '', '--reason', 'x', '--yes'], 'the text that their reason is to hold is empty'],
      [['retry', '--reason', ' ', '--yes'], 'the text that their reason is to hold is empty'],
      [['retry', '--shard', '', '--yes'], 'no job has a shard ""'],
      [['discard', '1', '--yes'], '--reason is missing', 'tidemark dead-letters discard 1 --reason'],
      [['discard', '1', '--reason', ' ', '--yes'], '--reason is missing'],
      [['discard', '1', '--reason', 'x'], 'no terminal to ask on', 'add --yes'],
      [['list', '--shard', '12'], 'no job has a shard "12"'],
      [['list', 'sync-commission-log', '--shard', 'x'], 'no shard "x"'],
      [['list', '--older-than', 'long'], 'such as 10s'],
      [['list', '--repairs', 'many'], 'whole number'],
    ])('%j', async (typed, ...parts) => {
      const before = await world.all(world.main, 'tidemark_dead_letter');
      expectComplaint(await cli(...typed), 64, ...parts);
      expect(await world.all(world.main, 'tidemark_dead_letter')).toEqual(before);
    });
  });
});

describe('letters in both databases', () => {
  const letterOf = (session: World['main'], job: string, shard: string) =>
    session.write(
      `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at)
       VALUES (?, ?, '7', '{}', 'a reason', 0, 1, 'a-run', NOW(), NOW())`,
      [job, shard],
    );

  test('with the same id: the job tells which one is meant', async () => {
    world = await World.create(inject('servers'), { ledger: true });
    await letterOf(world.main, 'sync-commission-log', '1');
    await letterOf(world.ledger, 'settle-month', '');
    expect(await listed('1')).toHaveLength(2);
    const reason = ['--reason', 'x', '--yes'];
    expectComplaint(await cli('discard', '1', ...reason), 64, 'two dead letters 1', 'discard sync-commission-log 1');
    expect((await cli('discard', 'settle-month', '1', ...reason)).code).toBe(0);
    expect((await listed('--all')).map(({ state }) => state)).toEqual(['open', 'discarded']);
  });

  test('that no run works off are told, with what helps', async () => {
    world = await World.create(inject('servers'), { ledger: true });
    await letterOf(world.main, 'sync-commission-log', '12');
    await letterOf(world.ledger, 'reconcile-day', 'ledger');
    const { code, stdout, stderr } = await cli('retry', '--all', '--yes');
    expect([code, stderr]).toEqual([65, '']);
    expect(stdout).toContain(
      'no job has the shard sync-commission-log 12 any more. Next: tidemark dead-letters discard 1',
    );
    expect(stdout).toContain('reconcile-day repairs no letters by themselves. Next: tidemark run reconcile-day --from');
    expect(stdout).toContain('0 of 2 are settled');
  });

  test('are retried in the order of the jobs, and what lies between them runs', async () => {
    world = await World.create(inject('servers'), { ledger: true });
    const lastMonth = world.zone.periodStart('month', Date.now()) - 5 * 86_400_000;
    const created = world.zone.text(lastMonth);
    await refuse('amount = 666');
    await world.addCommission({ id: 1, created, amount: 10 }, { id: 2, created, amount: 666 });
    await world.addCommission({ id: 3, created, user: 1002, amount: 7 });
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    expect(await world.runShard('settle-month', '')).toMatchObject({ error: null, inserted: 1, deadLetters: 1 });
    await accept();
    const { code, stdout, stderr } = await cli('retry', '--all', '--yes', '--json');
    expect([code, stderr]).toEqual([0, '']);
    const runs = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { job: string; shards: { shard: string }[] });
    expect(runs.map(({ job, shards }) => [job, ...shards.map(({ shard }) => shard)])).toEqual([
      ['sync-commission-log', '1'],
      ['rollup-income', null],
      ['settle-month', null],
    ]);
    expect(await world.ledger.tuples('SELECT account_id, income, adjustment FROM settlement ORDER BY 1')).toEqual([
      ['1001', '676', '0'],
      ['1002', '7', '0'],
    ]);
  });
});
