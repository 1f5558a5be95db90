/** What `tidemark verify --data` calls a difference, and what not. Nothing is written. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { verifyData } from '../../src/cli/verify-data.ts';
import type { Compared } from '../../src/engine/compared.ts';
import { compareJob } from '../../src/engine/comparison.ts';
import type { Job, TableJob } from '../../src/engine/job.ts';
import { Databases } from '../../src/platform/databases.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { addExtensions, everything, expectComplaint, json } from '../support/cli-tools.ts';
import { intercepted } from '../support/intercept.ts';
import { World } from '../support/world.ts';

const sync = 'sync-commission-log';
const users = 'sync-user-extension';
const job = jobs.find(({ name }) => name === sync) as TableJob;

interface Told {
  data: (Compared & { job: string; comparable?: false; findings?: { what: string }[]; next?: string })[];
}

let world: World;
beforeEach(async () => {
  world = await World.create(inject('servers'));
});
afterEach(() => world.destroy());

const verify = async (code: number, name = sync) => {
  const told = json<Told>(await world.cli(['verify', name, '--data', '--json']), code);
  return told.data[0] as Told['data'][number];
};
const touch = (sql: string) => world.main.write(sql);
const kinds = ({ differences }: Compared) =>
  differences.map(({ kind, shard, key }) => `${kind} ${shard} ${key}`).sort();

describe('verify --data over ten shards', () => {
  beforeEach(async () => {
    await world.addCommission(
      ...Array.from({ length: 40 }, (_, index) => ({ id: index + 1, user: 1000 + index, amount: index })),
    );
    await world.run(sync);
  });

  test('equal sides: no difference, every row compared', async () => {
    expect(await verify(0)).toMatchObject({ rows: 40, differences: [], waiting: 0 });
  });

  test('differences are listed by kind, shard, key and column, and nothing is written', async () => {
    await touch('UPDATE plus_commission_log SET amount = 7, remark = "" WHERE id = 4');
    await touch('DELETE FROM plus_commission_log WHERE id = 5');
    await world.source.write('DELETE FROM plus_commission_log_5 WHERE id = 6');
    const before = await everything(world);
    const compared = await verify(65);
    expect(kinds(compared)).toEqual(['different 3 4', 'missing in target 4 5', 'only in target null 6']);
    expect(compared.differences.find(({ key }) => key === '4')?.columns).toEqual(['amount', 'remark']);
    expect(await everything(world)).toEqual(before);
    const { stdout, code } = await world.cli(['verify', sync, '--data']);
    expect(code).toBe(65);
    expect(stdout).toContain(`${sync} 3: row 4 is different: amount, remark`);
    expect(stdout).toContain(`Next: tidemark verify ${sync} --data --fix`);
  });

  test('a terminal gets the first ones and the number of the others, --json all', async () => {
    await touch('DELETE FROM plus_commission_log WHERE id <= 25');
    expect((await verify(65)).differences).toHaveLength(25);
    expect((await world.cli(['verify', sync, '--data'])).stdout).toContain('and 5 more');
  });

  test('rows that wait for their window are no differences', async () => {
    await world.source.write(
      'UPDATE plus_commission_log_1 SET amount = 5, update_time = NOW() + INTERVAL 1 DAY WHERE id = 2',
    );
    await world.source.write(
      "INSERT INTO plus_commission_log_1 VALUES (99, 1001, 'SN', 1, 1, 1, NULL, NOW(), NOW() + INTERVAL 1 DAY)",
    );
    expect(await verify(0)).toMatchObject({ differences: [], waiting: 2 });
  });

  test('a row that moves between shards is no deletion', async () => {
    await world.source.write(
      'UPDATE plus_commission_log_1 SET user_id = 1007, update_time = NOW() + INTERVAL 1 DAY WHERE id = 2',
    );
    await world.source.write('INSERT INTO plus_commission_log_7 SELECT * FROM plus_commission_log_1 WHERE id = 2');
    await world.source.write('DELETE FROM plus_commission_log_1 WHERE id = 2');
    expect(await verify(0)).toMatchObject({ rows: 40, differences: [], waiting: 1 });
  });

  test('of a row in two shards at once the younger one counts; equally young ones are told', async () => {
    await world.source.write('INSERT INTO plus_commission_log_7 SELECT * FROM plus_commission_log_1 WHERE id = 2');
    expect(await verify(0)).toMatchObject({ differences: [], inTwoShards: ['2'] });
    await world.source.write(
      "UPDATE plus_commission_log_7 SET amount = 1, update_time = '2026-11-18 10:00:05' WHERE id = 2",
    );
    expect(await verify(65)).toMatchObject({
      inTwoShards: [],
      differences: [{ kind: 'different', shard: '7', key: '2' }],
    });
    await world.source.write(
      "UPDATE plus_commission_log_1 SET amount = 2, update_time = '2026-11-18 10:00:05' WHERE id = 2",
    );
    expect(await verify(65)).toMatchObject({ differences: [{ kind: 'undecided', shard: null, key: '2' }] });
  });

  test('rows without a time, and rows that wait as dead letters, are told apart', async () => {
    await world.source.write('ALTER TABLE plus_commission_log_1 MODIFY update_time DATETIME NULL');
    await world.source.write('UPDATE plus_commission_log_1 SET amount = 5, update_time = NULL WHERE id = 2');
    await world.addCommission({ id: 98, user: 1001, updated: '0000-00-00 00:00:00' });
    await touch('ALTER TABLE plus_commission_log ADD CHECK (amount <> 666)');
    await world.addCommission({ id: 97, user: 1003, amount: 666, created: '2026-11-20 10:00:00' });
    await world.main.write(`UPDATE tidemark_checkpoint SET checkpoint = '2026-11-18 11:00:00' WHERE shard = '3'`);
    await world.main.write(`DELETE FROM tidemark_window WHERE shard = '3'`);
    await world.runShard(sync, '3');
    expect(await verify(0)).toMatchObject({ differences: [], timeless: 2, deadLetters: 1 });
    const { stdout } = await world.cli(['verify', sync, '--data']);
    expect(stdout).toContain('2 have no time, 1 wait as dead letters');
  });

  test('a row that is written while it is compared is no difference', async () => {
    const setting = world.setting();
    let rounds = 0;
    // Between the sums and the second look the source gets a younger version, and the target the one before it.
    const openSource = async () =>
      intercepted(await setting.openSource(), async (sql) => {
        if (!sql.includes('IN (')) return;
        rounds += 1;
        await world.source.write(`UPDATE plus_commission_log_1 SET amount = amount + 1 WHERE id = 2`);
      });
    await touch('UPDATE plus_commission_log SET amount = 9 WHERE id = 2');
    const compared = await compareJob(job, { ...setting, openSource });
    expect(rounds).toBe(2);
    expect(compared).toMatchObject({ differences: [], waiting: 1 });
  });

  test('a source table far larger than the target is compared in stretches of bounded size', async () => {
    await world.source.write(
      `INSERT INTO plus_commission_log_1 SELECT seq, 1001, 'SN', seq, 1, 1, NULL, '2026-11-18 09:00:00', '2026-11-18 09:00:00'
         FROM seq_1001_to_46000`,
    );
    let largest = 0;
    const setting = world.setting();
    const openSource = async () => watchRows(await setting.openSource(), (rows) => (largest = Math.max(largest, rows)));
    const compared = await compareJob(job, { ...setting, openSource });
    expect(compared).toMatchObject({ rows: 45_040 });
    expect(new Set(kinds(compared)).size).toBe(45_000);
    expect(largest).toBeLessThan(21_000);
  });
});

function watchRows(session: Session, seen: (rows: number) => void): Session {
  return new Proxy(session, {
    get(target, property) {
      const value = Reflect.get(target, property, target) as unknown;
      if (typeof value !== 'function') return value;
      if (property !== 'tuples') return value.bind(target);
      return async (...args: unknown[]) => {
        const rows = (await Reflect.apply(value, target, args)) as unknown[];
        seen(rows.length);
        return rows;
      };
    },
  });
}

describe('verify --data of one table', () => {
  test('every type is compared by what it holds, also where the target stores it otherwise', async () => {
    await world.source.write(
      `ALTER TABLE user_extension ADD COLUMN exact DECIMAL(12,4), ADD COLUMN at DATETIME(6), ADD COLUMN stamp TIMESTAMP NULL,
         ADD COLUMN raw VARBINARY(10), ADD COLUMN word VARCHAR(20) CHARACTER SET latin1, ADD COLUMN far DOUBLE, ADD COLUMN only_here INT`,
    );
    await touch(
      `ALTER TABLE user_extension ADD COLUMN exact DECIMAL(12,2), ADD COLUMN at DATETIME, ADD COLUMN stamp TIMESTAMP NULL,
         ADD COLUMN raw VARBINARY(10), ADD COLUMN word CHAR(30), ADD COLUMN far DOUBLE`,
    );
    await addExtensionsOf(
      [1, "1.5, '2026-11-18 10:00:00.123456', '2026-11-18 10:00:00', x'00ff', 'müde  ', 0.1, 1"],
      [2, 'NULL, NULL, NULL, NULL, NULL, NULL, NULL'],
    );
    await world.run(users);
    const compared = await verify(0, users);
    expect(compared).toMatchObject({ rows: 2, differences: [], notes: [expect.stringContaining('only_here')] });
    await touch("UPDATE user_extension SET exact = 1.51, stamp = '2026-11-18 10:00:01' WHERE id = 1");
    await touch("UPDATE user_extension SET word = '' WHERE id = 2");
    const { differences } = await verify(65, users);
    expect(differences.map(({ key, columns }) => [key, columns])).toEqual([
      ['1', ['exact', 'stamp']],
      ['2', ['word']],
    ]);
  });

  test('string keys are compared, too', async () => {
    for (const session of [world.source, world.main]) {
      await session.write('ALTER TABLE user_extension MODIFY id VARCHAR(20) COLLATE utf8mb4_general_ci');
    }
    await addExtensions(world.source, { id: 1 }, { id: 10, user: 5 }, { id: 9, user: 6 });
    await world.source.write("UPDATE user_extension SET id = 'O''Neil \\\\' WHERE id = '9'");
    await world.run(users);
    await verify(0, users);
    await touch("DELETE FROM user_extension WHERE id LIKE 'O%'");
    expect((await verify(65, users)).differences).toMatchObject([{ kind: 'missing in target', key: "O'Neil \\" }]);
  });

  const addExtensionsOf = async (...rows: readonly (readonly [number, string])[]) => {
    for (const [id, more] of rows)
      await world.source.write(
        `INSERT INTO user_extension VALUES (${id}, ${id}, 1, NULL, 'n', 1, '2026-11-18 09:00:00', '2026-11-18 10:00:00', ${more})`,
      );
  };
});

describe('verify --data of income', () => {
  test('cells that the total table contradicts are told, those in the change log are not', async () => {
    await world.addCommission({ id: 1 }, { id: 2, user: 1002, created: '2026-11-18 11:00:00' });
    await world.run(sync);
    await world.run('rollup-income');
    await verify(0, 'rollup-income');
    await touch('UPDATE user_income_hour SET amount = 7 WHERE user_id = 1001');
    await touch('UPDATE plus_commission_log SET amount = 5 WHERE id = 2');
    await touch("INSERT INTO commission_change (user_id, hour) VALUES (1002, '2026-11-18 11:00:00')");
    const before = await everything(world);
    const { findings } = await verify(65, 'rollup-income');
    expect(findings?.map(({ what }) => what)).toEqual(['income of user 1001 in the hour 2026-11-18 10:00:00']);
    expect(await everything(world)).toEqual(before);
  });

  test('the range that puts right what was found is told, and a wrong total is left to --full', async () => {
    await world.addCommission({ id: 1 }, { id: 2, user: 1002, created: '2026-11-18 13:59:59' });
    await world.run(sync);
    await world.run('rollup-income');
    await touch('UPDATE user_income_hour SET amount = amount + 7');
    await touch('UPDATE user_income SET amount = amount + 7');
    const next = 'tidemark run rollup-income --from 2026-11-18T10:00:00+08:00 --to 2026-11-18T14:00:00+08:00';
    expect((await verify(65, 'rollup-income')).next).toBe(next);
    const { stdout } = await world.cli(['verify', 'rollup-income', '--data']);
    expect(stdout).toMatch(/\n {6}or all of it anew: tidemark verify rollup-income --data --fix\n$/);
    expect(stdout).toContain(`\nNext: ${next}\n`);
    expect((await world.cli(next.split(' ').slice(1))).code).toBe(65); // it tells what it has put right
    expect((await verify(0, 'rollup-income')).next).toBeUndefined();
    await touch('UPDATE user_income SET amount = 7 WHERE user_id = 1001');
    expect((await verify(65, 'rollup-income')).next).toBe('tidemark run rollup-income --full');
  });
});

describe('verify --data of jobs that cannot be compared', () => {
  const mute: Job = { ...(job as TableJob), name: 'collect-reversals' };
  delete (mute as { compare?: unknown }).compare;
  const ask = (named: boolean) =>
    verifyData(
      { jobs: [mute], migrations: { main: [], ledger: [] }, payOrders: () => [] },
      [mute],
      named,
      { json: true },
      { config: world.config, databases: new Databases(world.config), zone: world.zone },
      [],
    );

  test('one line when all jobs are asked', async () => {
    expect(await ask(false)).toEqual({ code: 0, told: [{ job: 'collect-reversals', comparable: false }] });
  });

  test('a usage error for the one that is named', async () => {
    await expect(ask(true)).rejects.toMatchObject({
      exitCode: 64,
      message: expect.stringContaining('no way to compare'),
    });
  });
});

describe('verify, typed wrongly', () => {
  test('--fix without --data', async () => {
    expectComplaint(await world.cli(['verify', sync, '--fix']), 64, '--data --fix');
  });

  test('--fix where nobody can be asked, and without --yes', async () => {
    expectComplaint(await world.cli(['verify', sync, '--data', '--fix']), 64, 'add --yes');
  });
});
