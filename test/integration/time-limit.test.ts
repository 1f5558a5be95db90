/** A job's own time limit, in this process: the job is the tests', so no other process knows it. */
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { syncUserExtension } from '../../jobs/sync-user-extension.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import { run } from '../../src/cli/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { addExtensions, openSession, until } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = { ...syncUserExtension, timeLimitSeconds: 1 };
const app = { jobs: [job], migrations, payOrders };
let world: World;
let other: Session;
beforeEach(async () => {
  world = await World.create(inject('servers'), { settings: { TIDEMARK_WINDOW_ROWS: '1' } });
  other = await openSession(world.settings.MAIN_DATABASE_URL as string);
  for (const [name, value] of Object.entries(world.settings)) vi.stubEnv(name, value);
  await addExtensions(world.source, ...[1, 2, 3].map((id) => ({ id, updated: `2026-11-18 1${id}:00:00` })));
  await world.runShard(job.name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await other.close();
  await world.destroy();
});

/** A --full that waits for a row for so long. @returns the exit code, and what was told */
async function fullRun(waitMs: number, options: { timeout?: number } = {}): Promise<[number, string]> {
  await other.write('START TRANSACTION');
  await other.tuples('SELECT id FROM user_extension WHERE id = 1 FOR UPDATE');
  let told = '';
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    told += String(text);
    return true;
  });
  const running = run(app, job.name, [], { full: true, concurrency: 1, ifLocked: 'skip', ...options });
  await until(async () => (await world.main.tuples(`SELECT 1 FROM tidemark_run WHERE kind = 'full'`)).length === 1);
  await new Promise((done) => setTimeout(done, waitMs));
  await other.write('ROLLBACK');
  const code = await running.finally(() => stderr.mockRestore());
  return [code, told];
}

test('cuts a run off that takes longer, which says so and ends with 65', async () => {
  const [code, told] = await fullRun(1300);
  expect(code).toBe(65);
  expect(told).toMatch(/^tidemark: sync-user-extension: its time, 1s, was over: .* --full --timeout 2s \(run \S+\)\n$/);
});

test('is not there where --timeout says otherwise', async () => {
  expect(await fullRun(1300, { timeout: 30_000 })).toEqual([0, '']);
});
