/** reconcile-day broken at each step over many rows, and killed: nothing is left half, also of its files. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { ReconcileScene } from '../support/reconcile-scene.ts';
import { alipayZip, day, entryOf, plantedDay } from '../support/statements.ts';
import { tidemarkPath } from '../support/world.ts';

const next = '2026-11-21';
const morning = '2026-11-22 09:00:00';
const late = entryOf({ reference: 'L', occurredAt: `${day} 23:59:58` });

let scene: ReconcileScene;
beforeAll(async () => {
  scene = await ReconcileScene.create(inject('servers'));
});
afterAll(() => scene.destroy());
beforeEach(async () => {
  await scene.empty();
  const planted = plantedDay(1000, 70, 41);
  await scene.book([...planted.local, late], 'alipay');
  await scene.bring('alipay', `${day}.zip`, alipayZip(planted.channel));
  await scene.bring('alipay', `${next}.zip`, alipayZip([{ ...late, occurredAt: `${next} 00:00:03` }], next));
});

/** Everything that two days leave, without the numbers that count on. */
async function state(): Promise<string[]> {
  const [differences, days, windows] = await Promise.all([
    scene.world.ledger.tuples(
      `SELECT day, reference, direction, outcome, local_amount, local_fee, local_at, channel_amount, channel_fee, channel_at, alone, part,
              other_half_day, resolved_at IS NULL FROM difference ORDER BY 1, 2, 3`,
    ),
    scene.world.ledger.tuples(
      'SELECT day, source, local_entries, channel_entries, matched FROM reconciliation_day ORDER BY day',
    ),
    scene.world.ledger.tuples('SELECT window_start, window_end FROM tidemark_window ORDER BY 1'),
  ]);
  return [...differences, ...days, ...windows].map((row) => row.join(' '));
}

async function undisturbed(): Promise<string[]> {
  expect(await scene.runAt(morning, 'alipay')).toMatchObject({ error: null, windows: 2 });
  const left = await state();
  await scene.world.ledger.write('DELETE FROM difference');
  await scene.world.ledger.write('DELETE FROM reconciliation_day');
  for (const table of ['checkpoint', 'window', 'run']) await scene.world.ledger.write(`DELETE FROM tidemark_${table}`);
  await scene.world.forgetRedis('reconcile-day', 'alipay');
  return left;
}

describe.each(['checkpoint-locked', 'applied', 'recorded', 'moved', 'committed', 'published'] as const)(
  'a run that ends at the step %s',
  (broken) => {
    test.each([1, 2])('of day %s leaves whole days, and the next run does the rest', async (nth) => {
      const expected = await undisturbed();
      let met = 0;
      const onStep = (step: string) => {
        if (step === broken && ++met === nth) throw new Error('broken here');
      };
      expect((await scene.runAt(morning, 'alipay', {}, { onStep })).error).toBeInstanceOf(Error);
      const days = await scene.world.ledger.tuples('SELECT COUNT(*) FROM reconciliation_day');
      const windows = await scene.world.ledger.tuples('SELECT COUNT(*) FROM tidemark_window');
      expect(days).toEqual(windows);
      expect((await scene.runAt(morning, 'alipay')).error).toBeNull();
      expect(await state()).toEqual(expected);
    });
  },
);

test('runs that are killed leave no file behind, and no half of a report', async () => {
  const range = ['--from', day, '--to', '2026-11-22'];
  const run = ['run', 'reconcile-day', 'alipay', ...range];
  const env = { PATH: process.env.PATH, ...scene.world.settings };
  const spools = () => readdirSync(tmpdir()).filter((name) => name.startsWith('tidemark-spool-')).length;
  const before = spools();
  for (let delayMs = 150; delayMs < 900; delayMs += 75) {
    const child = spawn(tidemarkPath, run, { env, stdio: 'ignore' });
    const closed = once(child, 'close'); // it may be done before it is killed
    await sleep(delayMs);
    child.kill('SIGKILL');
    await closed;
    const reports = await readdir(join(scene.folder, 'reports')).catch(() => []);
    for (const name of reports.filter((each) => each.endsWith('.html')))
      expect(await readFile(join(scene.folder, 'reports', name), 'utf8')).toMatch(/<\/html>\n$/);
  }
  expect((await scene.world.cli(run)).code).toBe(65);
  expect(spools()).toBe(before);
  const killed = await state();
  expect(killed.filter((line) => line.includes('pending_cutoff')).length).toBe(10);
  expect(killed.some((line) => line.startsWith(`${day} L in resolved`))).toBe(true);
});
