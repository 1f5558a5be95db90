/** `tidemark differences`: what reconcile-day found, looked at and closed by a person. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { json } from '../support/cli-tools.ts';
import { ReconcileScene } from '../support/reconcile-scene.ts';
import { alipayZip, day, entryOf } from '../support/statements.ts';

const morning = '2026-11-21 09:00:00';
const [one, other] = [entryOf({ reference: 'A' }), entryOf({ reference: 'B', amount: 5n })];

let scene: ReconcileScene;
beforeAll(async () => {
  scene = await ReconcileScene.create(inject('servers'));
});
afterAll(() => scene.destroy());
beforeEach(async () => {
  await scene.empty();
  await scene.book([one, other], 'alipay');
  await scene.bring('alipay', `${day}.zip`, alipayZip([{ ...one, amount: 9901n }]));
  expect(await scene.runAt(morning, 'alipay')).toMatchObject({ error: null, windows: 1 });
});

const run = (...args: string[]) => scene.world.cli(['differences', ...args]);
const idOf = async (reference: string) => {
  const [row] = await scene.world.ledger.tuples('SELECT id FROM difference WHERE reference = ?', [reference]);
  return String(row?.[0]);
};

describe('list and show', () => {
  test('tell the open ones with both sides, and the next command', async () => {
    const { code, stdout } = await run();
    expect(code).toBe(0);
    expect(stdout).toMatch(/alipay +A +in +amount +99\.00 +99\.01/);
    expect(stdout).toMatch(/alipay +B +in +local_only +0\.05 +-/);
    expect(stdout).toContain(`tidemark differences show ${await idOf('A')}; when it is cleared up`);
    expect((await run('list', 'wechat')).stdout).toBe('no open differences\n');
    expect((await run('list', 'alipay', '--day', '2026-11-19')).stdout).toBe('no open differences\n');
    expect((await run('list', '--limit', '1')).stdout).toContain('only the first 1 are shown');
  });

  test('tell one with what each side says of it', async () => {
    const { stdout } = await run('show', await idOf('A'));
    expect(stdout).toContain(`with alipay on ${day}: A (in), amount`);
    expect(stdout).toMatch(/local +99\.00 yuan, fee 0\.59, success, 2026-11-20/);
    expect(stdout).toMatch(/channel +99\.01 yuan/);
  });

  test('tell scripts the same, fen as text', async () => {
    expect(json(await run('list', 'alipay', '--json'))).toMatchObject([
      { counterpart: 'alipay', reference: 'A', local: { amount: '9900' }, channel: { amount: '9901' } },
      { reference: 'B', channel: null, resolvedAt: null },
    ]);
  });
});

describe('resolve', () => {
  test('closes one for ever, with name and reason, in the report too', async () => {
    const id = await idOf('A');
    const { code, stdout } = await run('resolve', id, '--reason', 'booked as bill 4711', '--yes');
    expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^difference ${id}: resolved, by .+\n$`))]);
    expect((await run()).stdout).not.toContain(' A ');
    expect((await run('list', '--all')).stdout).toMatch(/ A +in +resolved/);
    expect((await run('show', id)).stdout).toMatch(/resolved 2\d{3}-.* by .*: booked as bill 4711/);
    expect(await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8')).toContain(
      '(tidemark differences)',
    );
    expect((await scene.again(morning, 'alipay', day)).waiting?.what).toBe('1 difference is open: 1 local_only');
  });

  test('closes several at once', async () => {
    const ids = [await idOf('A'), await idOf('B')];
    expect(json(await run('resolve', ...ids, '--reason', 'case 12', '--yes', '--json'))).toMatchObject([
      { outcome: 'resolved', resolution: 'case 12' },
      { outcome: 'resolved', resolution: 'case 12' },
    ]);
    expect((await scene.again(morning, 'alipay', day)).waiting).toBeNull();
  });

  test('waits for a run that has the shard, so that what it has read as open is not written over', async () => {
    const { ledger } = scene.world;
    await ledger.write('START TRANSACTION');
    await ledger.tuples(
      `SELECT 1 FROM tidemark_checkpoint WHERE job = 'reconcile-day' AND shard = 'alipay' FOR UPDATE`,
    );
    const resolving = run('resolve', await idOf('B'), '--reason', 'case 12', '--yes');
    const waits = async () =>
      (await ledger.tuples(`SELECT 1 FROM information_schema.INNODB_LOCK_WAITS`)).length > 0 ? 'it waits' : 'not yet';
    // The server answers anew only when nobody has asked for a while.
    await expect.poll(waits, { timeout: 20_000, interval: 400 }).toBe('it waits');
    await ledger.write(
      `UPDATE difference SET outcome = 'amount', channel_amount = 1, channel_status = 'success' WHERE reference = 'B'`,
    );
    await ledger.write('COMMIT');
    expect((await resolving).code).toBe(0);
    expect(await scene.differences('alipay')).toContain(`${day} in B resolved`);
  });

  test.each([
    [
      ['resolve', '999999', '--reason', 'x', '--yes'],
      /there is no difference 999999. Next: tidemark differences list --all/,
    ],
    [['resolve', 'A', '--reason', 'x', '--yes'], /"A" is no id of a difference/],
    [['resolve', '1', '--yes'], /--reason is missing/],
    [['resolve', '1', '--reason', 'x'], /no terminal to ask on/],
    [['list', 'alipai'], /there is no counterpart "alipai": there are ledger, initiator, alipay, wechat/],
    [['list', '--day', 'monday'], /--day "monday" is no day/],
  ])('%j is refused, and nothing changes', async (args, told) => {
    const before = await scene.differences('alipay');
    const { code, stderr } = await run(...args);
    expect([code, stderr]).toEqual([64, expect.stringMatching(told)]);
    expect(await scene.differences('alipay')).toEqual(before);
  });

  test('what is resolved already is said to be so', async () => {
    const id = await idOf('A');
    await run('resolve', id, '--reason', 'once', '--yes');
    const { code, stderr } = await run('resolve', id, '--reason', 'twice', '--yes');
    expect([code, stderr]).toEqual([64, expect.stringContaining(`difference ${id} is resolved already`)]);
  });
});
