/** `tidemark ledger`: what a person sees of accounts and bills, and what changing something leaves behind. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { json } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

let world: World;
let ledger: Ledger;
let account = 4710n;
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true });
  ledger = await Ledger.connect({ url: String(world.settings.LEDGER_DATABASE_URL) });
});
afterAll(async () => {
  await ledger.close();
  await world.destroy();
});
beforeEach(async () => {
  account += 1n;
  await ledger.openAccount(account);
  await ledger.recharge({ billId: await ledger.nextBillId(), accountId: account, amount: 123_456n, info: 'first' });
});

const run = (...args: string[]) => world.cli(['ledger', ...args]);

/** A charge that was written, and whose process was killed then. */
async function leaveUnprocessed(fen: bigint): Promise<bigint> {
  const billId = await ledger.nextBillId();
  await world.ledger.write(
    `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (${billId}, 'charge', ${account}, ${-fen}, 0, '')`,
  );
  return billId;
}

describe('show and bills', () => {
  test('tell balance, holds, events and the last bills', async () => {
    const billId = await ledger.nextBillId();
    await ledger.hold({ billId, accountId: account, amount: 3456n });
    const { code, stdout } = await run('show', String(account));
    expect(code).toBe(0);
    expect(stdout).toMatch(/balance +1,234\.56 yuan/);
    expect(stdout).toMatch(/available +1,200\.00/);
    expect(stdout).toContain(`hold ${billId}: 34.56 yuan, waits for its caller`);
    expect(stdout).toContain('opened: as a prepaid account');
    expect(stdout).toMatch(/recharge +1,234\.56 +success +1,234\.56 .* first/);
  });

  test('tell scripts the same, fen as text', async () => {
    expect(json(await run('show', String(account), '--json'))).toMatchObject({
      accountId: String(account),
      kind: 'prepaid',
      balance: '123456',
      held: '0',
      frozen: null,
      lastBills: [{ channel: 'recharge', amount: '123456', result: 'success' }],
    });
    expect(json(await run('bills', String(account), '--json'))).toMatchObject([{ amount: '123456', info: 'first' }]);
  });

  test('page through many bills, and name the command for the older ones', async () => {
    for (let fen = 1n; fen <= 3n; fen++)
      await ledger.charge({ billId: await ledger.nextBillId(), accountId: account, amount: fen });
    const { stdout } = await run('bills', String(account), '--limit', '2');
    const next = /tidemark ledger (bills \d+ --before \d+)/.exec(stdout)?.[1] as string;
    const older = json(await run(...next.split(' '), '--json')) as { amount: string }[];
    expect(older.map(({ amount }) => amount)).toEqual(['-1', '123456']);
  });

  test.each([
    ['an unknown account', ['show', '99'], /there is no account 99/],
    ['bills of an unknown account', ['bills', '99'], /there is no account 99/],
    ['what is no id', ['show', 'bob'], /"bob" is no id/],
  ])('refuse %s', async (_, args, complaint) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(64);
    expect(stderr).toMatch(complaint);
  });
});

describe('freeze and unfreeze', () => {
  test('change the account, and keep who did it and why', async () => {
    const frozen = await run('freeze', String(account), '--reason', 'case 12', '--yes');
    expect(frozen.stdout).toContain('frozen: case 12');
    expect(await ledger.charge({ billId: await ledger.nextBillId(), accountId: account, amount: 1n })).toMatchObject({
      code: 4,
    });
    expect(json(await run('unfreeze', String(account), '--reason', 'cleared', '--yes', '--json'))).toMatchObject({
      frozen: null,
      events: [
        { what: 'unfrozen', reason: 'cleared', operator: expect.stringContaining('(tidemark ledger)') },
        { what: 'frozen', reason: 'case 12' },
        { what: 'opened' },
      ],
    });
  });

  test.each([
    ['without a reason', ['--yes'], /--reason is missing/],
    ['without a terminal to ask on', ['--reason', 'x'], /no terminal to ask on/],
  ])('are refused %s, and change nothing', async (_, args, complaint) => {
    const { code, stderr } = await run('freeze', String(account), ...args);
    expect(code).toBe(64);
    expect(stderr).toMatch(complaint);
    expect(await ledger.balance(account)).toMatchObject({ frozen: null });
  });
});

describe('an unprocessed bill', () => {
  test('is listed, which waits for a person; closed without effect; and then no more listed', async () => {
    const billId = await leaveUnprocessed(100n);
    const listed = await run('unprocessed');
    expect(listed.code).toBe(65);
    expect(listed.stdout).toContain(`tidemark ledger resolve ${billId}`);
    expect((await run('unprocessed', '--older-than', '1h')).code).toBe(0);
    const resolved = await run('resolve', String(billId), '--reason', 'never delivered', '--yes');
    expect(resolved.stdout).toMatch(/charge +-1\.00 +failed \(5\)/);
    expect((await run('unprocessed')).code).toBe(0);
    expect(await ledger.balance(account)).toMatchObject({ balance: 123_456n });
  });

  test('is given its effect with --apply', async () => {
    const billId = await leaveUnprocessed(100n);
    expect((await run('resolve', String(billId), '--apply', '--reason', 'delivered', '--yes')).code).toBe(0);
    expect(await ledger.balance(account)).toMatchObject({ balance: 123_356n });
  });

  test('that there is not is told with the command that lists them', async () => {
    const { code, stderr } = await run('resolve', '7', '--reason', 'x', '--yes');
    expect(code).toBe(64);
    expect(stderr).toContain('tidemark ledger unprocessed');
  });
});

test('expire is quiet, and releases holds whose time is over', async () => {
  const billId = await ledger.nextBillId();
  await ledger.hold({ billId, accountId: account, amount: 10n, expiresInSeconds: 60 });
  await world.ledger.write('UPDATE open_hold SET expires_at = NOW() - INTERVAL 1 SECOND WHERE expires_at IS NOT NULL');
  expect(await run('expire')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await world.ledger.tuples(`SELECT held FROM account WHERE account_id = ${account}`)).toEqual([['0']]);
});

test('without an address of the ledger the setting is named, exit 78', async () => {
  const { code, stderr } = await world.cli(['ledger', 'show', '1'], { LEDGER_DATABASE_URL: '' });
  expect(code).toBe(78);
  expect(stderr).toContain('LEDGER_DATABASE_URL is missing');
});
