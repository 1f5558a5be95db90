/** A team's own repository, with tidemark packed and installed: its job runs, and the whole command line is about it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Session } from '../../src/platform/mysql.ts';
import { expectComplaint, json, openSession } from '../support/cli-tools.ts';
import { newDatabase, redisUrl } from '../support/servers.ts';
import { Team } from '../support/team.ts';

let team: Team;
let source: Session;
let main: Session;
let drop: () => Promise<unknown>;
beforeAll(async () => {
  const servers = inject('servers');
  const [shop, reports] = await Promise.all([newDatabase(servers, 'shop'), newDatabase(servers, 'reports')]);
  [source, main] = await Promise.all([openSession(shop.url), openSession(reports.url)]);
  drop = async () => {
    await Promise.all([source.close(), main.close()]);
    await Promise.all([shop.drop(), reports.drop()]);
  };
  team = await Team.create();
  const settings = [
    `SOURCE_DATABASE_URL=${shop.url}`,
    `MAIN_DATABASE_URL=${reports.url}`,
    `REDIS_URL=${redisUrl(servers)}`,
    `TIDEMARK_REDIS_PREFIX=${shop.url.split('/').at(-1)}:`,
  ];
  await writeFile(join(team.folder, '.env'), `${settings.join('\n')}\n`);
  await source.write(await readFile(join(team.folder, 'tables/orders.sql'), 'utf8'));
});
afterAll(() => Promise.all([drop(), team.destroy()]));

const order = (id: number, minutesAgo: number) =>
  source.write(
    `INSERT INTO orders (id, customer, amount, updated_at)
     VALUES (?, 'Li', 9007199254740993, CONVERT_TZ(NOW(), '+00:00', '+08:00') - INTERVAL ${minutesAgo} MINUTE)`,
    [id],
  );
const copied = () => main.tuples('SELECT id, amount FROM orders ORDER BY id');

describe('in order', () => {
  test('migrate makes the bookkeeping and the copy, and no table of jobs that are not in the list', async () => {
    expect((await team.cli('migrate')).code).toBe(0);
    const tables = (await main.tuples('SHOW TABLES')).map(([name]) => String(name));
    expect(tables).toContain('orders');
    expect(tables).toContain('tidemark_checkpoint');
    expect(tables.filter((name) => !name.startsWith('tidemark_'))).toEqual(['orders']);
  });

  test('the job runs, says nothing under cron, and finds nothing due the next time', async () => {
    await order(1, 60);
    await order(2, 30);
    expect(await team.cli('run', 'sync-orders')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await copied()).toEqual([
      ['1', '9007199254740993'],
      ['2', '9007199254740993'],
    ]);
    const again = json<{ outcome: string }>(await team.cli('run', 'sync-orders', '--max-windows', '1', '--json'));
    expect(['done', 'nothing-due']).toContain(again.outcome);
  });

  test('verify proves it, from the journal and from the data', async () => {
    const result = await team.cli('verify', '--data');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain('0 gaps, 0 overlaps');
    expect(result.stdout).toContain('2 rows compared: 0 differences');
  });

  test('what differs waits for a person: 65, and the command that mends it is one that works here', async () => {
    await main.write('DELETE FROM orders WHERE id = 2');
    const found = await team.cli('verify', 'sync-orders', '--data');
    expect(found.code).toBe(65);
    const [, next = ''] = /Next: (node tidemark\.js .*)/.exec(found.stdout) ?? [];
    expect(next).toBe('node tidemark.js verify sync-orders --data --fix');
    expect((await team.node([...next.split(' ').slice(1), '--yes'])).code).toBe(0);
    expect(await copied()).toHaveLength(2);
  });
});

describe('the command line', () => {
  test('is the whole one, over this list of jobs', async () => {
    const { code, stdout } = await team.cli('--help');
    expect(code).toBe(0);
    for (const command of ['run', 'status', 'verify', 'migrate', 'local', 'new-job', 'completion'])
      expect(stdout).toMatch(new RegExp(`^.{10}${command} `, 'm'));
    expect(stdout).not.toContain('demo');
    expect(json(await team.cli('list', '--json'))).toMatchObject([{ job: 'sync-orders' }]);
  });

  test('finds its settings from any folder', async () => {
    const from = await team.node([join(team.folder, 'tidemark.js'), 'status', '--json'], '/');
    expect(json<{ job: string }[]>(from)).toMatchObject([{ job: 'sync-orders', redis: 'agrees' }]);
  });

  test('names itself as it is called', async () => {
    expectComplaint(await team.cli('run', 'sync-order'), 64, 'did you mean sync-orders', 'Next: node tidemark.js list');
    expectComplaint(await team.cli('sync-orders'), 64, 'Next: node tidemark.js run sync-orders');
    expect((await team.cli('run', '--help')).stdout).toContain('Usage: node tidemark.js run');
  });

  test('may hold jobs that tidemark brings, with their tables', async () => {
    await writeFile(
      join(team.folder, 'more.js'),
      `import { cli } from 'tidemark';
       import { rollupIncome, syncCommissionLog } from 'tidemark/jobs';
       import { syncOrders } from './jobs/sync-orders.js';
       await cli({ jobs: [syncOrders, syncCommissionLog, rollupIncome] });`,
    );
    const { stdout } = await team.node(['more.js', 'migrate', '--dry-run']);
    expect(stdout).toContain('CREATE TABLE IF NOT EXISTS commission_change');
    expect(stdout).not.toContain('CREATE TABLE IF NOT EXISTS account');
  });
});

test('a list of jobs that is wrong is told before anything begins', async () => {
  const entry = join(team.folder, 'wrong.js');
  await writeFile(entry, "import { cli } from 'tidemark'; await cli({ jobs: [{ name: 'a', period: 'day' }] });");
  expectComplaint(
    await team.node([entry, 'list']),
    78,
    'the job a: summary is missing',
    'Next: correct it in the list',
  );
  for (const what of ['status', 'down'])
    expect(await team.node([entry, 'local', what])).toMatchObject({ code: 0, stderr: '' });
});
