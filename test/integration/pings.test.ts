/** Dead-man pings of runs, in the form of Healthchecks, against a real server. */
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { HttpReceiver } from '../support/alarm-receivers.ts';
import { World } from '../support/world.ts';

let world: World;
let http: HttpReceiver;
beforeAll(async () => {
  http = await HttpReceiver.start();
  world = await World.create(inject('servers'));
});
afterAll(async () => {
  await http.stop();
  await world.destroy();
});
afterEach(() => {
  http.answers.clear();
  http.take();
});

const run = (args: string[], address = '/ping/{job}?create=1') =>
  world.cli(['run', ...args], { TIDEMARK_PING_URL: http.url(address) });

test('a run tells its start and, behind its last commit, its success, with its id and what was done', async () => {
  await world.addCommission({ id: 1, created: '2026-11-18 10:00:00' });
  const { code, stdout } = await run(['sync-commission-log', '1', '--json']);
  expect(code).toBe(0);
  const { runId } = JSON.parse(stdout) as { runId: string };
  const [start, end, ...more] = http.take();
  expect(more).toEqual([]);
  expect(start).toMatchObject({
    method: 'POST',
    path: `/ping/sync-commission-log/start?create=1&rid=${runId}`,
    body: '',
  });
  expect(end).toMatchObject({ method: 'POST', path: `/ping/sync-commission-log?create=1&rid=${runId}` });
  expect(end?.body).toMatch(
    /^sync-commission-log: done in \d\.\d s; \d+ windows, 1 read, 1 inserted, 0 updated, 0 dead letters$/,
  );
});

test('a run that fails tells its exit status and why', async () => {
  const { code } = await world.cli(['run', 'sync-user-extension'], {
    SOURCE_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/none',
    TIDEMARK_PING_URL: http.url('/ping/{job}'),
  });
  expect(code).toBe(69);
  const end = http.take().at(-1);
  expect(end?.path).toMatch(/^\/ping\/sync-user-extension\/69\?rid=/);
  expect(end?.body).toContain('cannot be reached');
});

test('a run that finds nothing to do, or another at work, is a success: cron lives', async () => {
  await run(['sync-user-extension']);
  http.take();
  await run(['sync-user-extension']);
  expect(http.take().at(-1)?.body).toMatch(/^sync-user-extension: (nothing-due|done) in/);
  const [lock] = await world.main.tuples(
    'SELECT GET_LOCK(CONCAT("tidemark:", DATABASE(), ":sync-user-extension:"), 0)',
  );
  expect(lock).toEqual([1]);
  await run(['sync-user-extension']);
  await world.main.tuples('SELECT RELEASE_ALL_LOCKS()');
  const end = http.take().at(-1);
  expect([end?.path.split('?')[0], end?.body.split(' in ')[0]]).toEqual([
    '/ping/sync-user-extension',
    'sync-user-extension: locked',
  ]);
});

test('with {shard} each shard is told for itself; a job without shards leaves it out', async () => {
  await run(['sync-commission-log', '1', '2'], '/ping/{job}-{shard}');
  const paths = http.take().map(({ path }) => path.split('?')[0]);
  expect(paths.slice(0, 2).sort()).toEqual(['/ping/sync-commission-log-1/start', '/ping/sync-commission-log-2/start']);
  expect(paths.slice(2).sort()).toEqual(['/ping/sync-commission-log-1', '/ping/sync-commission-log-2']);
  await run(['sync-user-extension'], '/ping/{job}-{shard}');
  expect(http.take().at(-1)?.path.split('?')[0]).toBe('/ping/sync-user-extension');
});

test('a loop tells its success once a minute', async () => {
  await run(['sync-user-extension', '--every', '300ms', '--for', '1s']);
  expect(http.take()).toHaveLength(2);
});

test('what a person runs beside the schedule is not told', async () => {
  await run(['sync-commission-log', '1', '--dry-run']);
  await run(['sync-commission-log', '1', '--sweep']);
  await run(['sync-commission-log', '1', '--repair']);
  expect(http.take()).toEqual([]);
});

test('nobody at the other end neither fails a run nor makes a word of it', async () => {
  const startedAt = Date.now();
  const result = await world.cli(['run', 'sync-user-extension'], { TIDEMARK_PING_URL: 'http://127.0.0.1:1/{job}' });
  expect(result).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(Date.now() - startedAt).toBeLessThan(6000);
});
