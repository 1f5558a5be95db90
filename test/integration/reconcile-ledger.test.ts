/** The ledger beside itself: what came in around its constraints is found, charges go on meanwhile. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { addBills } from '../support/ledger-rows.ts';
import { ReconcileScene } from '../support/reconcile-scene.ts';
import { day, entryOf } from '../support/statements.ts';

const morning = '2026-11-21 09:00:00';

let scene: ReconcileScene;
beforeAll(async () => {
  scene = await ReconcileScene.create(inject('servers'));
});
afterAll(() => scene.destroy());
beforeEach(() => scene.empty());

const bill = (billId: bigint, amount: bigint, more = {}) => ({
  ...scene.billOf(entryOf({ reference: String(billId), amount }), null),
  accountId: 5n,
  ...more,
});

/** A hand in the database, around every check. */
async function meddle(...statements: string[]): Promise<void> {
  const { ledger } = scene.world;
  await ledger.write('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
  for (const statement of statements) await ledger.write(statement);
  await ledger.write('SET SESSION foreign_key_checks = 1, check_constraint_checks = 1');
}

async function detailsAt(time = morning): Promise<string[]> {
  const { error } = await scene.runAt(time, 'ledger');
  expect(error).toBeNull();
  const rows = await scene.world.ledger.tuples(
    `SELECT CONCAT_WS(' ', day, direction, reference, outcome, local_amount, channel_amount), detail FROM difference WHERE counterpart = 'ledger' ORDER BY day, direction, reference`,
  );
  return rows.map((row) => row.join(': '));
}

describe('a ledger that is right', () => {
  test('has no difference', async () => {
    await addBills(scene.world.ledger, [bill(71n, 100n), bill(72n, -30n), bill(73n, 5n, { result: 'failed' })]);
    const result = await scene.runAt(morning, 'ledger');
    expect(result).toMatchObject({ error: null, outcome: 'done', inserted: 0, waiting: null });
    expect(await scene.differences('ledger')).toEqual([]);
  });

  test('of no account and no bill is right', async () => {
    expect(await scene.runAt(morning, 'ledger')).toMatchObject({ error: null });
  });
});

describe('what is wrong is found by account', () => {
  beforeEach(() =>
    addBills(scene.world.ledger, [bill(71n, 100n), bill(72n, -30n), { ...bill(81n, 1n), accountId: 6n }]),
  );
  const balance = 10n ** 15n + 70n;

  test('a balance that is not the sum of its bills', async () => {
    await meddle('UPDATE account SET balance = balance + 1 WHERE account_id = 5');
    expect(await detailsAt()).toEqual([
      `${day} in 5 amount ${balance + 1n} ${balance}: balance is not the sum of the bills: ${balance + 1n} and ${balance}; balance is not that after the last bill: ${balance + 1n} and ${balance}`,
    ]);
    expect((await scene.runAt(morning, 'ledger')).waiting?.what).toBe('1 difference is open: 1 amount');
  });

  test('a bill whose amount was edited', async () => {
    await meddle('UPDATE bill SET amount = 101 WHERE bill_id = 71');
    const [found] = await detailsAt();
    expect(found).toContain('balance is not the sum of the bills');
    expect(found).toContain('bill 71 (recharge) does not continue the one before it');
  });

  test('a bill that was deleted', async () => {
    await meddle('DELETE FROM bill WHERE bill_id = 71');
    const [found] = await detailsAt();
    expect(found).toContain('a bill is missing between the first and the last: 3 and 2');
    expect(found).toContain('bill 72 (charge) does not continue the one before it');
  });

  test('a last bill that the account does not know', async () => {
    await meddle('UPDATE account SET sequence = 2, balance = balance + 30 WHERE account_id = 5');
    expect((await detailsAt())[0]).toContain('its last bill is not the last: 2 and 3');
  });

  test('a held part without its holds, and holds without their part', async () => {
    await meddle(
      'UPDATE account SET held = 7 WHERE account_id = 5',
      'INSERT INTO open_hold (bill_id, account_id, amount) VALUES (81, 6, 9)',
    );
    const [first, second] = await detailsAt();
    expect(first).toContain('held is not the sum of the open holds: 7 and 0');
    expect(second).toContain(`${day} in 6 amount 0 9: held is not the sum of the open holds: 0 and 9`);
  });

  test('and stays one finding, with the day that found it first, until it is gone', async () => {
    await meddle('UPDATE account SET balance = balance + 1 WHERE account_id = 5');
    await detailsAt();
    expect(await detailsAt('2026-11-22 09:00:00')).toHaveLength(1);
    expect(await scene.differences('ledger')).toEqual([`${day} in 5 amount`]);
    await meddle('UPDATE account SET balance = balance - 1 WHERE account_id = 5');
    await detailsAt('2026-11-23 09:00:00');
    expect(await scene.differences('ledger')).toEqual([`${day} in 5 resolved`]);
    expect(await scene.world.ledger.tuples('SELECT other_half_day FROM difference')).toEqual([['2026-11-22']]);
  });

  test('and is found again when it comes back', async () => {
    await meddle('UPDATE account SET balance = balance + 1 WHERE account_id = 5');
    await detailsAt();
    await meddle('UPDATE account SET balance = balance - 1 WHERE account_id = 5');
    await detailsAt('2026-11-22 09:00:00');
    await meddle('UPDATE account SET balance = balance + 1 WHERE account_id = 5');
    await detailsAt('2026-11-23 09:00:00');
    expect(await scene.differences('ledger')).toEqual([`${day} in 5 resolved`, '2026-11-22 in 5 amount']);
  });
});

describe('a bill without an end', () => {
  test('is told when it is older than an hour, and resolved when it has one', async () => {
    const begun = { result: 'unprocessed', doneAt: '2026-11-21 00:30:00' };
    await addBills(scene.world.ledger, [
      bill(71n, 100n),
      bill(72n, -30n, { result: 'unprocessed' }),
      bill(73n, 1n, begun),
    ]);
    expect(await detailsAt()).toEqual([`${day} out 72 status -30: charge of account 5 has no end`]);
    await scene.world.ledger.write(
      `UPDATE bill SET result = 'failed', code = 5, done_at = NOW() WHERE bill_id IN (72, 73)`,
    );
    await detailsAt('2026-11-22 09:00:00');
    expect(await scene.differences('ledger')).toEqual([`${day} out 72 resolved`]);
  });
});

test('charges go on while it looks, and none of them is seen half', async () => {
  const { LEDGER_DATABASE_URL: url } = scene.world.settings as { LEDGER_DATABASE_URL: string };
  const ledger = await Ledger.connect({ url });
  const accounts = [1001n, 1002n, 1003n];
  for (const accountId of accounts) await ledger.openAccount(accountId);
  let busy = true;
  const charging = accounts.map(async (accountId) => {
    for (let turn = 0; busy; turn++) {
      const billId = await ledger.nextBillId();
      const amount = 100n;
      await (turn % 2 === 0
        ? ledger.recharge({ billId, accountId, amount })
        : ledger.hold({ billId, accountId, amount }));
      if (turn % 2 === 1) await ledger.confirm({ billId, accountId, amount: 40n });
    }
  });
  for (let round = 0; round < 10; round++) {
    const { error } = await scene.world.runShard('reconcile-day', 'ledger', {
      kind: 'range',
      range: yesterday(),
    });
    expect(error).toBeNull();
  }
  busy = false;
  await Promise.all(charging);
  await ledger.close();
  expect(await scene.differences('ledger')).toEqual([]);
  const [bills] = await scene.world.ledger.tuples('SELECT COUNT(*) FROM bill');
  expect(Number(bills?.[0])).toBeGreaterThan(50);
});

function yesterday() {
  const end = scene.world.zone.periodStart('day', Date.now());
  return { start: scene.world.zone.periodStart('day', end - 1), end };
}
