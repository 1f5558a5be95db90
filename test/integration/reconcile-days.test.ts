/** Differences over days: what waits near midnight, what a later day settles, and what repetitions leave alone. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Entry } from '../../src/reconciliation/entry.ts';
import { ReconcileScene } from '../support/reconcile-scene.ts';
import { alipayZip, day, entryOf } from '../support/statements.ts';

const [next, third, fourth] = ['2026-11-21', '2026-11-22', '2026-11-23'];
const late = entryOf({ reference: 'L', occurredAt: `${day} 23:59:58` });
const early = entryOf({ reference: 'L', occurredAt: `${next} 00:00:03` });

let scene: ReconcileScene;
beforeAll(async () => {
  scene = await ReconcileScene.create(inject('servers'));
});
afterAll(() => scene.destroy());
beforeEach(() => scene.empty());

const bring = (of: string, ...entries: Entry[]) => scene.bring('alipay', `${of}.zip`, alipayZip(entries, of));
/** Runs every day that is over in the morning of this one. */
async function morningOf(of: string): Promise<void> {
  const { error } = await scene.runAt(`${of} 09:00:00`, 'alipay');
  if (error !== null) throw error;
}
const found = () => scene.differences('alipay');

describe('an entry near midnight', () => {
  test('of ours waits for theirs, which comes a day later and resolves it', async () => {
    await scene.book([late], 'alipay');
    await bring(day);
    await morningOf(next);
    expect(await found()).toEqual([`${day} in L pending_cutoff`]);
    await bring(next, early);
    await morningOf(third);
    expect(await found()).toEqual([`${day} in L resolved`]);
    expect(
      await scene.world.ledger.tuples(
        'SELECT other_half_day, resolved_by, resolved_at IS NOT NULL, channel_at FROM difference',
      ),
    ).toEqual([[next, null, 1, `${next} 00:00:03`]]);
    expect(await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8')).toContain(
      `by the statement of ${next}`,
    );
  });

  test('of theirs waits for ours, which succeeds a day later', async () => {
    await bring(day, late);
    await bring(next);
    await morningOf(next);
    expect(await found()).toEqual([`${day} in L pending_cutoff`]);
    await scene.book([early], 'alipay');
    await morningOf(third);
    expect(await found()).toEqual([`${day} in L resolved`]);
  });

  test('does not wait for a person', async () => {
    await scene.book([late], 'alipay');
    await bring(day);
    const result = await scene.runAt(`${next} 09:00:00`, 'alipay');
    expect([result.outcome, result.waiting]).toEqual(['done', null]);
  });

  test('becomes a difference when its other half has another amount', async () => {
    await scene.book([late], 'alipay');
    await bring(day);
    await bring(next, { ...early, amount: 9901n });
    await morningOf(third);
    expect(await found()).toEqual([`${day} in L amount`]);
    expect(await scene.world.ledger.tuples('SELECT local_amount, channel_amount FROM difference')).toEqual([
      ['9900', '9901'],
    ]);
  });

  test('waits for three days, and no longer', async () => {
    await scene.book([late], 'alipay');
    for (const of of [day, next, third, fourth] as string[]) await bring(of);
    await morningOf(fourth as string);
    expect(await found()).toEqual([`${day} in L pending_cutoff`]);
    await morningOf('2026-11-24');
    expect(await found()).toEqual([`${day} in L local_only`]);
  });

  test('of a refund leaves the refunds before it alone', async () => {
    const refund = entryOf({ reference: 'R', direction: 'out', part: '1', amount: -100n, fee: 0n });
    const second = { ...refund, part: '2', amount: -200n, occurredAt: `${day} 23:58:00` };
    await scene.book([refund, second], 'alipay');
    await bring(day, refund);
    await morningOf(next);
    // Our side tells refunds apart by the bill, theirs by the number of the refund: it is the sum that counts.
    expect(await found()).toEqual([`${day} out R amount`]);
  });
});

describe('a difference of an earlier day', () => {
  const noon = entryOf({ reference: 'N', occurredAt: `${day} 12:00:00` });

  test('is resolved by the later statement that has its other half, and its report is written anew', async () => {
    await scene.book([noon], 'alipay');
    await bring(day);
    await morningOf(next);
    expect(await found()).toEqual([`${day} in N local_only`]);
    await bring(next, { ...noon, occurredAt: `${next} 04:00:00` });
    await morningOf(third);
    expect(await found()).toEqual([`${day} in N resolved`]);
    expect(await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8')).toContain('Nothing to do');
  });

  test('stays open while nothing comes', async () => {
    await scene.book([noon], 'alipay');
    for (const of of [day, next, third] as string[]) await bring(of);
    await morningOf(fourth as string);
    expect(await found()).toEqual([`${day} in N local_only`]);
  });

  test('is not resolved by what comes after a person has dealt with it: that is news', async () => {
    await scene.book([noon], 'alipay');
    await bring(day);
    await morningOf(next);
    await scene.world.ledger.write(
      `UPDATE difference SET outcome = 'resolved', resolved_at = NOW(), resolved_by = 'ada'`,
    );
    await bring(next, { ...noon, occurredAt: `${next} 04:00:00` });
    await morningOf(third);
    expect(await found()).toEqual([`${day} in N resolved`, `${next} in N channel_only`]);
  });
});

describe('a repetition', () => {
  beforeEach(async () => {
    await scene.book([late], 'alipay');
    await bring(day);
    await bring(next, early);
    await morningOf(third);
  });

  test('of the earlier day does not reopen what the later one resolved', async () => {
    expect((await scene.again(`${third} 09:00:00`, 'alipay', day)).error).toBeNull();
    expect(await found()).toEqual([`${day} in L resolved`]);
  });

  test('of the later day resolves it again, and finds nothing of its own', async () => {
    expect(await scene.again(`${third} 09:00:00`, 'alipay', next as string)).toMatchObject({
      error: null,
      inserted: 0,
      updated: 0,
    });
    expect(await found()).toEqual([`${day} in L resolved`]);
  });

  test('of the later day with a statement that has it no more lets it wait again', async () => {
    await bring(next);
    expect((await scene.again(`${third} 09:00:00`, 'alipay', next as string)).error).toBeNull();
    expect(await found()).toEqual([`${day} in L pending_cutoff`]);
    expect(
      await scene.world.ledger.tuples('SELECT channel_amount, other_half_day, resolved_at FROM difference'),
    ).toEqual([[null, null, null]]);
  });

  test('of both days in any order comes to the same', async () => {
    const before = await scene.world.ledger.tuples(
      'SELECT day, reference, outcome, local_at, channel_at, other_half_day FROM difference',
    );
    for (const of of [next, day, day, next] as string[]) await scene.again(`${third} 09:00:00`, 'alipay', of);
    expect(
      await scene.world.ledger.tuples(
        'SELECT day, reference, outcome, local_at, channel_at, other_half_day FROM difference',
      ),
    ).toEqual(before);
  });
});
