import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectComplaint, expectCopied, expectSilence, told } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = ['run', 'sync-commission-log', '1'];

describe('tables that are not as they should be', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission({ id: 1 }, { id: 2, amount: -5 });
  });
  afterEach(() => world.destroy());

  const alter = (change: string) => world.source.write(`ALTER TABLE plus_commission_log_1 ${change}`);
  const alterTarget = (change: string) => world.main.write(`ALTER TABLE plus_commission_log ${change}`);
  const sameColumns = async () =>
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.source.tuples(
        'SELECT id, user_id, order_sn, amount, type, status, remark, create_time, update_time FROM plus_commission_log_1 ORDER BY id',
      ),
    );

  test('a column that only the source has: told at every run, the others are copied', async () => {
    await alter(`ADD COLUMN region VARCHAR(8) NOT NULL DEFAULT 'north' AFTER amount`);
    for (let run = 1; run <= 2; run++) {
      const result = await world.cli(job);
      expect(result).toMatchObject({ code: 0, stdout: '' });
      expect(told(result)).toEqual({
        complaints: [],
        warnings: [expect.stringMatching(/plus_commission_log .*region/)],
      });
      expect(result.stderr).toContain('ALTER TABLE plus_commission_log ADD COLUMN region');
    }
    await sameColumns();
  });

  test('… and an error, where the setting says so: nothing is copied before the column is there', async () => {
    await alter(`ADD COLUMN region VARCHAR(8) NOT NULL DEFAULT 'north' AFTER amount`);
    const result = await world.cli(job, { TIDEMARK_MISSING_COLUMNS: 'error' });
    expectComplaint(result, 78, 'sync-commission-log 1', 'region', 'TIDEMARK_MISSING_COLUMNS', 'ALTER TABLE');
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    expect(await world.all(world.main, 'tidemark_checkpoint')).toEqual([]);
    await alterTarget(`ADD COLUMN region VARCHAR(8) NOT NULL DEFAULT 'south' AFTER amount`);
    expectSilence(await world.cli(job, { TIDEMARK_MISSING_COLUMNS: 'error' }));
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
  });

  test('a column that only the target has keeps its default, and what others wrote there', async () => {
    await alterTarget('ADD COLUMN seen TINYINT NOT NULL DEFAULT 7, ADD COLUMN twice BIGINT AS (amount * 2) STORED');
    expectSilence(await world.cli(job));
    const looked = () => world.main.tuples('SELECT id, amount, seen, twice FROM plus_commission_log ORDER BY id');
    expect(await looked()).toEqual([
      ['1', '100', 7, '200'],
      ['2', '-5', 7, '-10'],
    ]);
    await world.main.write('UPDATE plus_commission_log SET seen = 9 WHERE id = 2');
    await world.source.write('UPDATE plus_commission_log_1 SET amount = 6 WHERE id = 2');
    expectSilence(await world.cli([...job, '--from', '2026-11-18T00:00:00', '--to', '2026-11-19T00:00:00']));
    expect(await looked()).toEqual([
      ['1', '100', 7, '200'],
      ['2', '6', 9, '12'],
    ]);
  });

  test('a target column that insists on a value which the source lacks', async () => {
    await alterTarget('ADD COLUMN owner VARCHAR(8) NOT NULL');
    expectComplaint(await world.cli(job), 78, 'plus_commission_log', 'owner', 'ALTER TABLE');
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    await alterTarget(`ALTER COLUMN owner SET DEFAULT 'us'`);
    expectSilence(await world.cli(job));
    expect(await world.main.tuples('SELECT id, owner FROM plus_commission_log')).toEqual([
      ['1', 'us'],
      ['2', 'us'],
    ]);
  });

  test('a source table without the time column stops its shard and no other', async () => {
    await world.addCommission({ id: 3, user: 1002 });
    await alter('DROP COLUMN update_time');
    expectComplaint(
      await world.cli(['run', 'sync-commission-log', '1', '2']),
      78,
      'plus_commission_log_1',
      'update_time',
    );
    expect(await world.main.tuples('SELECT id FROM plus_commission_log')).toEqual([['3']]);
    await alter('ADD COLUMN update_time DATETIME NULL, ADD KEY (update_time, id)');
    await world.source.write('UPDATE plus_commission_log_1 SET update_time = create_time');
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });

  test.each([
    ['DROP COLUMN id, DROP KEY update_time', 'no column id', 'ADD COLUMN id BIGINT UNSIGNED NOT NULL FIRST'],
    ['DROP PRIMARY KEY', 'no unique key on id', 'ADD PRIMARY KEY (id)'],
    ['MODIFY update_time VARCHAR(20)', /update_time .*varchar/, 'MODIFY update_time DATETIME NULL'],
    ['RENAME TO moved', 'no table plus_commission_log_1', ''],
  ])('a source table after %s', async (damage, complaint, mend) => {
    await alter(damage);
    expectComplaint(await world.cli(job), 78, 'sync-commission-log 1', 'plus_commission_log_1', complaint, 'Next: ');
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    if (mend === '') await world.source.write('ALTER TABLE moved RENAME TO plus_commission_log_1');
    else await alter(mend);
    if (damage.startsWith('DROP COLUMN')) return; // the keys are gone for good
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });

  test('rows with NULL or zero as their time: counted and told, never the first window; the others are copied', async () => {
    await world.addCommission({ id: 3, updated: '0000-00-00 00:00:00' });
    await world.source.write('UPDATE plus_commission_log_1 SET update_time = NULL WHERE id = 2');
    await world.addCommission({ id: 4, created: '2026-11-18 11:00:00' }, { id: 5, created: '2026-11-18 12:00:00' });
    for (const copied of [['1'], ['1', '4']]) {
      const result = await world.cli([...job, '--max-windows', '1'], { TIDEMARK_WINDOW_ROWS: '1' });
      expect(result).toMatchObject({ code: 0, stdout: '' });
      expect(told(result)).toEqual({
        complaints: [],
        warnings: [expect.stringMatching(/^2 rows of plus_commission_log_1 .*update_time/)],
      });
      expect(await world.main.tuples('SELECT id FROM plus_commission_log')).toEqual(copied.map((id) => [id]));
    }
    expect(await world.main.tuples('SELECT MIN(window_start) FROM tidemark_window')).toEqual([['2026-11-18 10:00:00']]);
    await world.source.write(`UPDATE plus_commission_log_1 SET update_time = '2026-11-18 13:00:00' WHERE id IN (2, 3)`);
    expectSilence(await world.cli(job));
    await expectCopied(world);
  });

  test('nothing but rows without a time: a run ends well, and begins where time begins', async () => {
    await world.source.write('UPDATE plus_commission_log_1 SET update_time = NULL');
    expect((await world.cli(job)).code).toBe(0);
    expect((await world.cli(job)).code).toBe(0);
    expect(await world.all(world.main, 'plus_commission_log')).toEqual([]);
    const [[years] = []] = await world.main.tuples(
      'SELECT MIN(TIMESTAMPDIFF(DAY, window_start, NOW())) FROM tidemark_window',
    );
    expect(Number(years)).toBe(0);
  });
});

describe('a target without tables', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'), { migrated: false });
    await world.addCommission({ id: 1 });
    await addExtensions(world.source, { id: 1 });
  });
  afterEach(() => world.destroy());

  const tables = async () => (await world.main.tuples('SHOW TABLES')).map(([name]) => String(name));
  const run = () => world.cli(['run', 'sync-commission-log', '1']);

  test('every command says that the tables are missing, and how they are made', async () => {
    const commands = [
      'run sync-user-extension',
      'run sync-user-extension --dry-run',
      'run rollup-income',
      'status',
      'verify',
      'checkpoint sync-user-extension',
      'dead-letters list',
      'dead-letters retry',
    ];
    const results = await Promise.all(commands.map((command) => world.cli(command.split(' '))));
    expect(results.map(({ code }, index) => `${code} ${commands[index]}`)).toEqual(
      commands.map((command) => `78 ${command}`),
    );
    for (const result of results) expectComplaint(result, 78, 'Next: tidemark migrate');
    expect(await tables()).toEqual([]);
  });

  test('migrate --dry-run prints SQL and changes nothing; migrate makes the tables; a second finds nothing to do', async () => {
    const dry = await world.cli(['migrate', '--dry-run']);
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    for (const name of [
      'tidemark_checkpoint',
      'commission_change',
      'user_income',
      'user_extension',
      'plus_commission_log',
    ])
      expect(dry.stdout).toMatch(new RegExp(`CREATE TABLE IF NOT EXISTS .?${name}.? \\(`));
    expect(await tables()).toEqual([]);

    const [first, second] = await Promise.all([world.cli(['migrate']), world.cli(['migrate'])]); // at once, too
    expect([first.code, second.code], first.stderr + second.stderr).toEqual([0, 0]);
    const made = await tables();
    expect(made).toEqual(expect.arrayContaining(['tidemark_window', 'plus_commission_log', 'user_extension']));
    expect(await world.cli(['migrate'])).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^nothing to do.*\n$/),
      stderr: '',
    });
    expect(await tables()).toEqual(made);
    expectSilence(await run());
    expectSilence(await world.cli(['run', 'sync-user-extension']));
    await expectCopied(world);
  });

  test('migrate goes on where one was killed between a change and the note that it was done', async () => {
    await world.cli(['migrate']);
    expectSilence(await run());
    await world.main.write('DELETE FROM tidemark_migration WHERE id > 1'); // as if each had been killed there
    const again = await world.cli(['migrate']);
    expect(again, again.stderr).toMatchObject({ code: 0, stderr: '' });
    expect(await world.main.tuples('SELECT COUNT(*) > 5 FROM tidemark_migration')).toEqual([[1]]);
    expectSilence(await run());
    expectSilence(await world.cli(['run', 'sync-user-extension']));
    await expectCopied(world);
  });

  test('a run that is newer than its tables says how they are brought up to date', async () => {
    await world.cli(['migrate']);
    await world.main.write('ALTER TABLE tidemark_window DROP COLUMN source_checksum');
    expectComplaint(await run(), 78, 'Unknown column', 'Next: tidemark migrate');
  });

  test('a table that was dropped afterwards is made again', async () => {
    await world.cli(['migrate']);
    await world.main.write('DROP TABLE plus_commission_log');
    expectComplaint(await run(), 78, 'no table plus_commission_log', 'Next: tidemark migrate');
    expect((await world.cli(['migrate'])).stdout).toMatch(/^created plus_commission_log /);
    expectSilence(await run());
    expect(await world.all(world.main, 'plus_commission_log')).toEqual(await world.allShards());
  });

  test('a source without the table to copy', async () => {
    await world.source.write('DROP TABLE user_extension');
    const result = await world.cli(['migrate']);
    expectComplaint(result, 78, 'source database has no table user_extension', 'Next: ');
  });
});
