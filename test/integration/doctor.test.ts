/** The doctor on settings, servers, privileges, tables and time: what it finds, and that its own words mend it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { everything, json, withAccount } from '../support/cli-tools.ts';
import { complaints, findings, saying } from '../support/patient.ts';
import { World } from '../support/world.ts';

describe('doctor', () => {
  let world: World;
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-statements-'));
  const look = (group?: Parameters<typeof findings>[1], more: Record<string, string> = {}) =>
    findings({ ...world.settings, TIDEMARK_STATEMENTS: folder, ...more }, group);
  /** Does it, looks, and puts it right by the statements that were told. */
  const mended = async (what: RegExp, state: 'doubtful' | 'broken', database: 'source' | 'main') => {
    const { next } = saying(await look('tables'), what, state);
    expect(next.length).toBeGreaterThan(0);
    for (const sql of next) await world[database].write(sql);
    expect((await look('tables')).filter(({ says }) => what.test(says))).toEqual([]);
  };

  beforeAll(async () => {
    world = await World.create(inject('servers'), { ledger: true, migrated: false });
    for (const shard of ['1', '2', '3']) await world.addCommission({ id: Number(shard), user: `100${shard}` });
    expect((await world.cli(['migrate'])).code).toBe(0);
  });
  afterAll(() => world.destroy());

  test('of a good installation all is fine but what no test can have: a history, a schedule, a host of its own', async () => {
    const told = await look();
    const expected =
      /has never been started|nothing on this host starts tidemark|cron does not run|keeps its data in memory|may lose the last second|no answer in 5 s/;
    expect(complaints(told).filter((one) => !expected.test(one))).toEqual([]);
    expect(told.filter(({ state }) => state === 'fine').length).toBeGreaterThan(35);
  });

  test('it changes nothing, neither in databases nor in Redis', async () => {
    const forgotten = () => new Promise((resolve) => setTimeout(resolve, 1100)); // the key by which Redis was tried
    await forgotten();
    const before = await everything(world);
    await look();
    await forgotten();
    expect(await everything(world)).toEqual(before);
  });

  test('what is fine is a number in the line of its group, unless asked for; a doubt alone ends it with 0', async () => {
    const plain = await world.cli(['doctor'], { TIDEMARK_STATEMENTS: folder });
    expect(plain, plain.stdout).toMatchObject({ code: 0, stderr: '' });
    expect(plain.stdout).toMatch(/^Settings {12}2 fine$/m);
    expect(plain.stdout).toMatch(/^Privileges {10}5 fine$/m);
    expect(plain.stdout).not.toContain('PROCESS');
    const verbose = await world.cli(['doctor', 'privileges', '--verbose']);
    expect(verbose.stdout).toMatch(/^Privileges/);
    expect(verbose.stdout).not.toMatch(/^Settings/m);
    expect(verbose.stdout).toMatch(/^ {2}✓ .*sees the statements of others at the source \(PROCESS\)$/m);
  });

  describe('settings', () => {
    test('each that is missing is broken, and what lies behind it is not looked at', async () => {
      const told = await findings({});
      for (const name of ['SOURCE_DATABASE_URL', 'MAIN_DATABASE_URL', 'REDIS_URL'])
        saying(told, new RegExp(`^${name} is missing: expected .*, such as `), 'broken');
      const { why } = saying(told, /^SELECT on the source tables$/, 'not-looked-at');
      expect(why).toBe('SOURCE_DATABASE_URL is not set');
    });

    test('one that is malformed is broken, and the rest is looked at all the same', async () => {
      const told = await look(undefined, { TIDEMARK_WINDOW_ROWS: 'many', LEDGER_DATABASE_URL: 'mysql://u:secret@h' });
      saying(told, /^TIDEMARK_WINDOW_ROWS \(environment\) is "many": expected a whole number/, 'broken');
      saying(told, /^LEDGER_DATABASE_URL .*"mysql:\/\/u:\*\*\*\*@h"/, 'broken');
      saying(told, /^the main database: /, 'fine');
    });

    test('one that everything needs has its default when it is malformed', async () => {
      const told = await look(undefined, { TIDEMARK_STALL_TIMEOUT: 'soon', TIDEMARK_TIMEZONE: 'Mars' });
      expect(complaints(told).filter((one) => one.startsWith('broken'))).toEqual([
        expect.stringContaining('TIDEMARK_TIMEZONE (environment) is "Mars"'),
        expect.stringContaining('TIDEMARK_STALL_TIMEOUT (environment) is "soon"'),
      ]);
    });

    test('a misspelt one is doubtful, and the nearest is named', async () => {
      const told = await look('settings', { TIDEMARK_TIMEZON: 'Asia/Shanghai' });
      saying(told, /^TIDEMARK_TIMEZON is no setting of tidemark: did you mean TIDEMARK_TIMEZONE\?$/, 'doubtful');
    });

    test('a provider that is half set is broken, and so is a key that cannot be read', async () => {
      saying(
        await look('settings', { TIDEMARK_ALIPAY_APP_ID: '1' }),
        /^Alipay cannot be asked: .* are missing$/,
        'broken',
      );
    });

    test('a file of passwords that everybody may read is doubtful, with the chmod that mends it', async () => {
      const home = mkdtempSync(join(tmpdir(), 'tidemark-home-'));
      writeFileSync(join(home, '.env'), 'TIDEMARK_LOG_LEVEL=info\n', { mode: 0o644 });
      const { findings: told } = json<{ findings: { says: string; state: string; next: string[] }[] }>(
        await inFolder(home, ['doctor', '--json']),
        78,
      );
      const found = told.find(({ says }) => says.includes('everybody on this host may read'));
      expect(found).toMatchObject({ state: 'doubtful', next: [`chmod 600 ${join(home, '.env')}`] });
    });
  });

  describe('servers that are away', () => {
    const away = { MAIN_DATABASE_URL: 'mysql://u:secret@127.0.0.1:1/mia', REDIS_URL: 'redis://:secret@127.0.0.1:1' };

    test('are broken, what needs them is not looked at, the others are, and no secret is shown', async () => {
      const told = await look(undefined, away);
      saying(told, /^the main database mia at 127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/, 'broken');
      saying(told, /^Redis does not answer/, 'doubtful');
      expect(saying(told, /^tables of sync-commission-log$/, 'not-looked-at').why).toBe(
        'the main database does not answer',
      );
      saying(told, /may read all 11 source tables$/, 'fine');
      expect(JSON.stringify(told)).not.toContain('secret');
    });

    test('end the command with 78, and the last line is what to begin with', async () => {
      const broken = await world.cli(['doctor'], away);
      expect(broken.code).toBe(78);
      expect(broken.stdout).toContain('next  check MAIN_DATABASE_URL: tidemark config');
      expect(broken.stdout).toMatch(/Begin with: check MAIN_DATABASE_URL: tidemark config\n$/);
      expect(broken.stdout).not.toContain('secret');
    });
  });

  describe('privileges', () => {
    const grants = () => [
      'PROCESS ON *.*',
      `SELECT ON ${world.source.database}.*`,
      `SELECT, INSERT, UPDATE, DELETE ON ${world.main.database}.*`,
    ];
    const withGrants = (
      list: readonly string[],
      work: (settings: Record<string, string>, name: string) => Promise<void>,
    ) =>
      withAccount(world, list, ({ url, name }) =>
        work({ SOURCE_DATABASE_URL: url('SOURCE_DATABASE_URL'), MAIN_DATABASE_URL: url('MAIN_DATABASE_URL') }, name),
      );

    test('those that the manual asks for are enough', async () => {
      await withGrants(grants(), async (settings) => {
        expect(complaints(await look('privileges', settings))).toEqual([]);
      });
    });

    test('without PROCESS nothing can be proven: broken, with the GRANT; under a fixed lag it is not needed', async () => {
      await withGrants(grants().slice(1), async (settings, name) => {
        const { next } = saying(await look('privileges', settings), /lacks the PROCESS privilege/, 'broken');
        expect(next[0]).toContain(`GRANT PROCESS ON *.* TO ${name};`);
        const lagging = { ...settings, TIDEMARK_SETTLE_LAG: '10s' };
        expect(complaints(await look('privileges', lagging))).toEqual([]);
      });
    });

    test('a source table that may not be read, and target tables that may not be written, with the GRANTs that mend it', async () => {
      const few = [
        'PROCESS ON *.*',
        `SELECT ON ${world.source.database}.user_extension`,
        `SELECT ON ${world.main.database}.*`,
        `INSERT, UPDATE, DELETE ON ${world.main.database}.tidemark_run`,
      ];
      await withGrants(few, async (settings, name) => {
        const told = await look('privileges', settings);
        const reading = saying(told, /may not read plus_commission_log_0, .*plus_commission_log_9$/, 'broken');
        const writing = saying(
          told,
          /lacks INSERT, UPDATE, DELETE on tidemark_checkpoint, .*plus_commission_log/,
          'broken',
        );
        expect(writing.says).not.toMatch(/\btidemark_run\b/);
        expect(writing.next).toEqual([
          `GRANT SELECT, INSERT, UPDATE, DELETE ON \`${world.main.database}\`.* TO ${name};`,
        ]);
        for (const sql of [...reading.next, ...writing.next]) await world.main.write(sql);
        expect(complaints(await look('privileges', settings))).toEqual([]);
      });
    });
  });

  describe('tables', () => {
    test('an index that windows need, dropped: doubtful, and the statement that is told mends it', async () => {
      await world.source.write('ALTER TABLE plus_commission_log_3 DROP KEY update_time');
      await mended(/no index of plus_commission_log_3 begins with update_time/, 'doubtful', 'source');
    });

    test('the same at several shards is one finding, with a statement for each', async () => {
      for (const shard of [4, 5])
        await world.source.write(`ALTER TABLE plus_commission_log_${shard} DROP KEY update_time`);
      await mended(/plus_commission_log_4 begins .*so it is with plus_commission_log_5/, 'doubtful', 'source');
    });

    test('a source column that the target lacks is doubtful, or broken where the setting says so', async () => {
      await world.source.write('ALTER TABLE user_extension ADD COLUMN colour VARCHAR(8) NULL');
      const lacks = /^the target table user_extension lacks columns of the source: colour/;
      saying(await look('tables'), lacks, 'doubtful');
      saying(await look('tables', { TIDEMARK_MISSING_COLUMNS: 'error' }), lacks, 'broken');
      await world.source.write('ALTER TABLE user_extension DROP COLUMN colour');
    });

    test('a time column that holds no time is broken', async () => {
      await world.source.write('ALTER TABLE user_extension MODIFY update_time VARCHAR(20)');
      saying(await look('tables'), /update_time of the source table user_extension is varchar/, 'broken');
      await world.source.write('ALTER TABLE user_extension MODIFY update_time DATETIME');
    });

    test('rows without a time are doubtful', async () => {
      await world.source.write('UPDATE plus_commission_log_1 SET update_time = NULL');
      saying(await look('tables'), /^1 rows of plus_commission_log_1 have no update_time/, 'doubtful');
      await world.source.write(`UPDATE plus_commission_log_1 SET update_time = '2026-11-18 10:00:00'`);
    });

    test('a target without transactions is broken, and the statement that is told mends it', async () => {
      await world.main.write('ALTER TABLE user_extension ENGINE = MyISAM');
      await mended(/^user_extension of the target is MyISAM/, 'broken', 'main');
    });

    test('a migration that is missing is broken, one of a newer version doubtful', async () => {
      await world.main.write(`DELETE FROM tidemark_migration WHERE name = '0038-pause'`);
      await world.main.write(
        `INSERT INTO tidemark_migration (name, batch, migration_time) VALUES ('9999-later', 9, NOW())`,
      );
      const told = await look('tables');
      saying(told, /^the main database lacks \d+ of \d+ migrations, from 0038-pause on$/, 'broken');
      saying(told, /migrated by a newer tidemark than this one: 9999-later$/, 'doubtful');
      await world.main.write(`DELETE FROM tidemark_migration WHERE name = '9999-later'`);
      expect((await world.cli(['migrate'])).code).toBe(0);
      expect(complaints(await look('tables'))).toEqual([]);
    });
  });

  describe('time', () => {
    test('rows that are stamped in the zone of the server, and not in that of the setting, are broken', async () => {
      // The host's zone is what a server takes by default: here the setting is the one that is wrong.
      const [row] = await world.source.tuples('SELECT CONVERT_TZ(NOW(), @@session.time_zone, @@global.time_zone)');
      await world.source.write('INSERT INTO user_extension VALUES (?)', [
        [7, 7, 1, null, '7', 1, row?.[0], row?.[0]] as string[],
      ]);
      const told = await look('time', { TIDEMARK_TIMEZONE: 'America/Caracas' });
      saying(
        told,
        /^the rows of user_extension are stamped in another time zone than TIDEMARK_TIMEZONE=America/,
        'broken',
      );
      await world.source.write('DELETE FROM user_extension');
    });

    test('a checkpoint ahead of the clock of the source is broken', async () => {
      await world.main.write(
        `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('sync-user-extension', '', NOW() + INTERVAL 20 DAY, UUID(), NOW())`,
      );
      const { next } = saying(await look('time'), /^the clock of the source says .*, and was .* before/, 'broken');
      expect(next[0]).toContain('tidemark run sync-user-extension --sweep');
      await world.main.write('DELETE FROM tidemark_checkpoint');
    });
  });

  /** Without a setting from the environment. */
  const inFolder = async (cwd: string, args: readonly string[]) => {
    const { execFile } = await import('node:child_process');
    const { tidemarkPath } = await import('../support/world.ts');
    return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      execFile(tidemarkPath, [...args], { cwd, env: { PATH: process.env.PATH ?? '' } }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
    });
  };
});
