import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { payOrders } from '../../migrations/index.ts';
import { addManyCommissions, everything, expectComplaint, json } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

interface Statement {
  on: string;
  sql: string;
  bookkeeping: boolean;
  times: number;
  rowsReturned: number | null;
  measured: boolean;
  plan: { table: string; type: string; key: string | null; rowsRead: number; rowsKept: number | null }[];
  verdict: 'fine' | 'bad';
  says: string[];
}

interface Report {
  statements: Statement[];
  next: string[];
}

describe('explain', () => {
  let world: World;
  const explain = async (args: readonly string[], code = 0) =>
    json<Report>(await world.cli(['explain', ...args, '--json']), code);

  beforeAll(async () => {
    world = await World.create(inject('servers'), { ledger: true });
    await addManyCommissions(world, 20_000);
    await world.addCommission({ id: 900_001, user: 1002 }, { id: 900_002, user: 1002 });
    await world.source.write('ANALYZE TABLE plus_commission_log_1');
  });
  afterAll(() => world.destroy());

  test('with the indexes that windows need, every query of a shard is fine, and tells what it read and returned', async () => {
    const { statements, next } = await explain(['sync-commission-log', '1']);
    expect(next).toEqual([]);
    const page = statements.find(({ sql }) => /ORDER BY `update_time`, `id` LIMIT \?$/.test(sql)) as Statement;
    expect(page).toMatchObject({ on: 'source', verdict: 'fine', measured: true });
    expect(page.plan).toMatchObject([
      { table: 'plus_commission_log_1', type: 'range', rowsRead: 2000, rowsKept: 2000 },
    ]);
    expect(statements.filter(({ on }) => on === 'main').length).toBeGreaterThan(0);
    expect(statements.reduce((sum, { rowsReturned }) => sum + (rowsReturned ?? 0), 0)).toBeGreaterThan(20_000);
  });

  test('names a table whose index was dropped, and prints the CREATE INDEX that makes all fine again', async () => {
    await world.source.write('ALTER TABLE plus_commission_log_1 DROP KEY update_time');
    const told = await world.cli(['explain', 'sync-commission-log', '1']);
    expect(told.code, told.stderr).toBe(65);
    expect(told.stdout).toContain('reads all 20,000 rows of plus_commission_log_1 and keeps 0: no index is used');
    expect(told.stdout).toContain('sorts 20,000 rows by plus_commission_log_1.update_time, plus_commission_log_1.id');
    const [, sql] = /^ {2}(CREATE INDEX .*)$/m.exec(told.stdout) ?? [];
    expect(sql).toBe(
      `CREATE INDEX \`by_update_time_id\` ON \`${world.source.database}\`.\`plus_commission_log_1\` (\`update_time\`, \`id\`);`,
    );
    const { statements, next } = await explain(['sync-commission-log', '1'], 65);
    expect(next).toEqual([sql]);
    expect(statements.filter(({ verdict }) => verdict === 'bad').length).toBeGreaterThan(1);
    await world.source.write(sql as string);
    expect((await explain(['sync-commission-log', '1'])).next).toEqual([]);
  });

  test('a small table is fine, however it is read', async () => {
    await world.source.write('ALTER TABLE plus_commission_log_2 DROP KEY update_time');
    const { statements } = await explain(['sync-commission-log', '2']);
    expect(statements.flatMap(({ plan }) => plan).some(({ type }) => type === 'ALL')).toBe(true);
  });

  test('the same query at several shards is shown once, and one of them that is bad by itself', async () => {
    await world.source.write('ALTER TABLE plus_commission_log_1 DROP KEY by_update_time_id');
    const told = await world.cli(['explain', 'sync-commission-log']);
    await world.source.write('ALTER TABLE plus_commission_log_1 ADD KEY update_time (update_time, id)');
    expect(told.code).toBe(65);
    expect(told.stdout).toContain('the same at plus_commission_log_3 … plus_commission_log_9');
    expect(told.stdout.match(/^ {2}CREATE INDEX/gm)).toHaveLength(1);
  });

  test('changes nothing anywhere', async () => {
    const before = await everything(world);
    await explain(['sync-commission-log']);
    await world.cli(['explain', 'rollup-income']);
    await world.cli(['explain', 'settle-month']);
    await world.cli(['explain', 'check-pending-payments']);
    expect(await everything(world)).toEqual(before);
  });

  test('of a job that follows another it shows the writes, too, which the dry run leaves out; and of a range all of it', async () => {
    await world.run('sync-commission-log');
    await world.run('rollup-income');
    await world.main.write('UPDATE user_income_hour SET amount = amount + 1 LIMIT 1');
    const range = ['--from', '2026-11-18T10:00:00', '--to', '2026-11-18T16:00:00'];
    const { statements } = await explain(['rollup-income', ...range]);
    const writes = statements.filter(({ rowsReturned, bookkeeping }) => rowsReturned === null && !bookkeeping);
    expect(writes.map(({ sql }) => sql)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^INSERT INTO user_income_hour/)]),
    );
    for (const write of writes) expect(write).toMatchObject({ on: 'main', measured: false });
  });

  test('of an idle run it shows the queries of an idle run, and says so', async () => {
    const told = await world.cli(['explain', 'rollup-income']);
    expect(told).toMatchObject({ code: 0, stderr: '' });
    expect(told.stdout).toContain('Nothing is due: these are the queries of an idle run. --from and --to');
  });

  test('of a job of periods and of one without windows it shows what they ask the ledger', async () => {
    const month = await explain(['settle-month']);
    expect(month.statements.map(({ on }) => on)).toContain('ledger');
    expect(month.statements.some(({ sql }) => /\bFROM `?bill`?\b/.test(sql))).toBe(true);
    for (const sql of payOrders(4).map((migration) => migration.sql)) await world.ledger.write(sql);
    const due = await explain(['check-pending-payments']);
    expect(due.statements.find(({ sql }) => sql.includes('FROM pay_order_0'))).toMatchObject({
      on: 'ledger',
      verdict: 'fine',
    });
  });

  test("the statements of tidemark's own books are folded, unless asked for", async () => {
    const plain = await world.cli(['explain', 'rollup-income']);
    expect(plain.stdout).not.toContain('FROM tidemark_checkpoint');
    expect(plain.stdout).toMatch(/and \d+ of tidemark's books \(--verbose\)/);
    const verbose = await world.cli(['explain', 'rollup-income', '--verbose']);
    expect(verbose.stdout).toContain('FROM tidemark_checkpoint');
  });

  test('what the dry run cannot do is told behind what it did, with its exit code', async () => {
    await world.source.write('RENAME TABLE plus_commission_log_3 TO elsewhere');
    const refused = await world.cli(['explain', 'sync-commission-log', '3']);
    expectComplaint(refused, 78, 'there is no table plus_commission_log_3');
    await world.source.write('RENAME TABLE elsewhere TO plus_commission_log_3');
    expectComplaint(await world.cli(['explain', 'sync-commision-log']), 64, 'did you mean sync-commission-log');
    expectComplaint(
      await world.cli(['explain', 'rollup-income', '--from', '2026-11-18T10:00:00']),
      64,
      '--to is missing',
    );
  });
});
