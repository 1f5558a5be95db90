/** reconcile-day with its counterparts: every kind of difference, files that are refused or late, and reports. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { addBills } from '../support/ledger-rows.ts';
import { ReconcileScene } from '../support/reconcile-scene.ts';
import {
  alipayLines,
  alipayZip,
  day,
  entryOf,
  gbk,
  initiatorRecord,
  plantedDay,
  utf8,
  wechatBill,
} from '../support/statements.ts';

const morning = '2026-11-21 09:00:00';
const [payment, other] = [
  entryOf({ reference: 'A' }),
  entryOf({ reference: 'B', amount: 5n, occurredAt: `${day} 12:00:00` }),
];

let scene: ReconcileScene;
beforeAll(async () => {
  scene = await ReconcileScene.create(inject('servers'));
});
afterAll(() => scene.destroy());
beforeEach(() => scene.empty());

async function messageAt(time: string, shard: 'initiator' | 'alipay' | 'wechat'): Promise<string> {
  const { outcome, error } = await scene.runAt(time, shard);
  expect(outcome).toBe('failed');
  return (error as Error).message;
}

describe('planted differences of every kind', () => {
  test.each([
    ['alipay', alipayZip, 'zip', 11],
    ['wechat', wechatBill, 'csv', 12],
    ['initiator', initiatorRecord, 'csv', 13],
  ] as const)('are found exactly, and nothing else: %s', async (counterpart, write, ending, seed) => {
    const planted = plantedDay(2000, 70, seed, counterpart === 'initiator' ? '7' : 'ORD');
    const expected = [...planted.expected].map(([key, outcome]) => `${day} ${key} ${outcome}`).sort();
    await scene.book(planted.local, counterpart === 'initiator' ? null : counterpart);
    await scene.bring(counterpart, `${day}.${ending}`, write(planted.channel));
    const result = await scene.runAt(morning, counterpart);
    expect(result.error).toBeNull();
    const found = (await scene.differences(counterpart)).sort();
    // An initiator's fee is not known to us, so it is not compared.
    expect(found).toEqual(counterpart === 'initiator' ? expected.filter((each) => !each.endsWith('fee')) : expected);
    expect(result).toMatchObject({ outcome: 'done', windows: 1, inserted: found.length, updated: 0 });
    expect(result.unchanged + found.length).toBe(2000);
    expect(result.waiting?.what).toContain('differences are open: 10 local_only, 10 channel_only, 10 amount');
    expect(result.waiting?.next).toBe(
      `tidemark differences list ${counterpart}, or open ${join(scene.folder, 'reports', `${day}-${counterpart}.html`)}`,
    );
  });

  test('are the same from rows in statement_entry', async () => {
    await scene.book([entryOf({ reference: '71' }), entryOf({ reference: '72' }), entryOf({ reference: '73' })], null);
    await scene.world.ledger.write(`INSERT INTO statement_entry (counterpart, day, reference, amount, fee, status, occurred_at) VALUES
      ('initiator', '${day}', '71', 9900, NULL, 'success', '${day} 10:00:00'), ('initiator', '${day}', '72', 1, NULL, 'success', '${day} 10:00:00')`);
    expect((await scene.runAt(morning, 'initiator')).error).toBeNull();
    expect(await scene.differences('initiator')).toEqual([`${day} in 72 amount`, `${day} in 73 local_only`]);
  });

  test('are kept with the values of both sides', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring(
      'alipay',
      `${day}.zip`,
      alipayZip([{ ...payment, amount: 9901n, fee: -2n, occurredAt: `${day} 10:00:07` }]),
    );
    await scene.runAt(morning, 'alipay');
    const [row] = await scene.world.ledger.rows('SELECT * FROM difference');
    expect(row).toMatchObject({
      counterpart: 'alipay',
      outcome: 'amount',
      local_amount: '9900',
      local_fee: '59',
      local_status: 'success',
      local_at: `${day} 10:00:00`,
      channel_amount: '9901',
      channel_fee: '-2',
      channel_at: `${day} 10:00:07`,
      resolved_at: null,
    });
  });
});

test('more bills than one page has are read in full, many of them in one second', async () => {
  const many = Array.from({ length: 9000 }, (_, index) =>
    entryOf({
      reference: String(9007199254740993n + BigInt(index)),
      occurredAt: `${day} 10:00:0${index < 5000 ? 0 : 1}`,
      fee: null,
    }),
  );
  await scene.book(many, null);
  await scene.bring('initiator', `${day}.csv`, initiatorRecord(many.toReversed()));
  expect(await scene.runAt(morning, 'initiator')).toMatchObject({ error: null, read: 18_000, unchanged: 9000 });
});

describe('what is no counterpart of a statement', () => {
  test('settlements, corrections, bills without effect and those of other counterparts are left out', async () => {
    const bill = { ...scene.billOf(entryOf({ reference: '71' }), null), accountId: 1n };
    await addBills(scene.world.ledger, [
      bill,
      { ...bill, billId: 72n, channel: 'settlement' },
      { ...bill, billId: 73n, channel: 'correction' },
      { ...bill, billId: 74n, result: 'failed' },
      { ...bill, billId: 75n, result: 'unprocessed' },
      { ...bill, billId: 76n, provider: 'alipay', orderId: 'X' },
      { ...bill, billId: 77n, doneAt: scene.utc('2026-11-21 00:00:00') },
    ]);
    await scene.bring('initiator', `${day}.csv`, initiatorRecord([entryOf({ reference: '71', fee: null })]));
    expect(await scene.runAt(morning, 'initiator')).toMatchObject({ error: null, read: 2, unchanged: 1 });
    expect(await scene.differences('initiator')).toEqual([]);
  });

  test('a charge and its rollback have one bill id, and are two entries', async () => {
    const charge = entryOf({ reference: '71', direction: 'out', amount: -100n, fee: null });
    const rollback = entryOf({ reference: '71', amount: 100n, fee: null, occurredAt: `${day} 11:00:00` });
    const bill = scene.billOf(charge, null);
    await addBills(scene.world.ledger, [bill, { ...scene.billOf(rollback, null), channel: 'rollback' }]);
    await scene.bring('initiator', `${day}.csv`, initiatorRecord([charge]));
    await scene.runAt(morning, 'initiator');
    expect(await scene.differences('initiator')).toEqual([`${day} in 71 local_only`]);
  });
});

describe('what only the other side has is looked up', () => {
  test('by ids of any length, none taken for its neighbour', async () => {
    const own = ['9007199254740993', '1844674407370955161'].map((reference) => entryOf({ reference, fee: null }));
    await scene.book(
      own.map((entry) => ({ ...entry, status: 'failed' })),
      null,
    );
    const theirs = ['9007199254740992', '9007199254740993', '1844674407370955161', '99999999999999999999'];
    await scene.bring(
      'initiator',
      `${day}.csv`,
      initiatorRecord(theirs.map((reference) => entryOf({ reference, fee: null }))),
    );
    expect((await scene.runAt(morning, 'initiator')).error).toBeNull();
    expect((await scene.differences('initiator')).sort()).toEqual([
      `${day} in 1844674407370955161 status`,
      `${day} in 9007199254740992 channel_only`,
      `${day} in 9007199254740993 status`,
      `${day} in 99999999999999999999 channel_only`,
    ]);
  });

  test.each(['failed', 'unprocessed'] as const)(
    'a bill of ours that is %s makes it a matter of status',
    async (status) => {
      await scene.book([{ ...payment, status }], 'alipay');
      await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
      await scene.runAt(morning, 'alipay');
      expect(await scene.differences('alipay')).toEqual([`${day} in A status`]);
      expect(await scene.world.ledger.tuples('SELECT local_status, channel_status FROM difference')).toEqual([
        [status, 'success'],
      ]);
    },
  );

  test('a bill that succeeded a day later is told so on both days', async () => {
    await scene.book([{ ...payment, occurredAt: '2026-11-21 15:00:00' }], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
    await scene.bring('alipay', '2026-11-21.zip', alipayZip([], '2026-11-21'));
    expect((await scene.runAt('2026-11-22 09:00:00', 'alipay')).error).toBeNull();
    expect(await scene.differences('alipay')).toEqual([`${day} in A resolved`]);
    expect(await scene.world.ledger.tuples('SELECT other_half_day FROM difference')).toEqual([['2026-11-21']]);
  });

  test('a bill whose other half came on its own day makes it a duplicate', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
    await scene.bring(
      'alipay',
      '2026-11-21.zip',
      alipayZip([{ ...payment, occurredAt: '2026-11-21 10:00:00' }], '2026-11-21'),
    );
    expect((await scene.runAt('2026-11-22 09:00:00', 'alipay')).error).toBeNull();
    expect(await scene.differences('alipay')).toEqual(['2026-11-21 in A duplicate']);
  });
});

describe('a statement that is refused', () => {
  const lines = alipayLines([payment, other]);
  test.each([
    ['cut off in the middle', gbk(lines.slice(0, 6)), 'line 6'],
    ['with a wrong total', gbk(lines.with(-3, (lines.at(-3) as string).replace('99.05', '99.06'))), 'line 9'],
    ['in the wrong encoding', utf8(lines), 'line 1'],
    ['with a row more than its count', gbk(lines.toSpliced(5, 0, lines[5] as string)), 'line 10'],
  ])('%s: nothing of it is used, and the next one is taken', async (_, content, line) => {
    await scene.book([payment, other], 'alipay');
    await scene.bring('alipay', `${day}.csv`, content);
    const message = await messageAt(morning, 'alipay');
    expect(message).toContain(
      `the statement is refused, nothing of it was used: ${join(scene.folder, 'alipay', `${day}.csv`)}, ${line}`,
    );
    for (const table of ['difference', 'reconciliation_day', 'tidemark_window'])
      expect(await scene.world.all(scene.world.ledger, table)).toEqual([]);
    expect(await readdir(scene.folder)).toEqual(['alipay']);
    await scene.bring('alipay', `${day}.csv`, gbk(lines));
    expect((await scene.runAt(morning, 'alipay')).error).toBeNull();
    expect(await scene.differences('alipay')).toEqual([]);
  });

  test('a row of statement_entry that is not as it must be is named', async () => {
    await scene.world.ledger.write(`INSERT INTO statement_entry (id, counterpart, day, reference, amount, status, occurred_at)
      VALUES (7, 'initiator', '${day}', '71', 9900, 'paid', '${day} 10:00:00')`);
    expect(await messageAt(morning, 'initiator')).toBe(
      'the row 7 of statement_entry has the status "paid": expected success, failed, unprocessed',
    );
  });

  test('two statements of a day are refused by name', async () => {
    await scene.bring('alipay', `${day}.zip`, alipayZip([]));
    await scene.bring('alipay', `${day}.csv`, gbk(alipayLines([])));
    expect(await messageAt(morning, 'alipay')).toContain(`${day}.csv, ${join(scene.folder, 'alipay', `${day}.zip`)}`);
  });

  test('a file and rows in statement_entry are refused', async () => {
    await scene.bring('initiator', `${day}.csv`, initiatorRecord([]));
    await scene.world.ledger.write(`INSERT INTO statement_entry (counterpart, day, reference, amount, status, occurred_at)
      VALUES ('initiator', '${day}', '71', 9900, 'success', '${day} 10:00:00')`);
    expect(await messageAt(morning, 'initiator')).toContain('rows in statement_entry');
  });
});

describe('a statement that is not there', () => {
  test('is waited for, by its path, and is an error after the deadline', async () => {
    await scene.book([payment], 'alipay');
    const waiting = await scene.runAt(morning, 'alipay');
    expect(waiting).toMatchObject({ outcome: 'held-back', windows: 0, error: null });
    expect(waiting.heldBackBy?.detail).toBe(`there is no ${join(scene.folder, 'alipay', `${day}.*`)}`);
    expect((await scene.runAt('2026-11-22 11:59:59', 'alipay')).outcome).toBe('held-back');
    expect(await messageAt('2026-11-22 12:00:00', 'alipay')).toContain(join(scene.folder, 'alipay', `${day}.*`));
  });

  test('while it is still being written', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip.part`, alipayZip([payment]));
    expect((await scene.runAt(morning, 'alipay')).outcome).toBe('held-back');
  });

  test('is not missed of a counterpart that is not in use', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
    expect(await scene.runAt(morning, 'wechat')).toMatchObject({ error: null, windows: 0 });
    expect((await scene.runAt('2026-11-22 09:00:00', 'wechat')).error).toBeNull();
  });

  test('without a folder for statements is a matter of the settings, where there are bills', async () => {
    await scene.book([payment], 'alipay');
    const settingOf = () => undefined;
    const { error } = await scene.runAt(morning, 'alipay', {}, { settingOf });
    expect((error as Error).message).toContain('TIDEMARK_STATEMENTS does not say where');
    expect(await scene.runAt(morning, 'wechat', {}, { settingOf })).toMatchObject({ error: null });
  });
});

describe('a day once more', () => {
  test('finds the same and changes nothing', async () => {
    const planted = plantedDay(500, 35, 21);
    await scene.book(planted.local, 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip(planted.channel));
    await scene.runAt(morning, 'alipay');
    const shown =
      'SELECT id, reference, outcome, local_amount, channel_amount, alone, found_at FROM difference ORDER BY id';
    const before = await scene.world.ledger.tuples(shown);
    expect(await scene.again(morning, 'alipay', day)).toMatchObject({ error: null, inserted: 0, updated: 0 });
    expect(await scene.world.ledger.tuples(shown)).toEqual(before);
  });

  test('forgets what a corrected statement has put right, and finds what it has made wrong', async () => {
    await scene.book([payment, other], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
    await scene.runAt(morning, 'alipay');
    expect(await scene.differences('alipay')).toEqual([`${day} in B local_only`]);
    await scene.bring('alipay', `${day}.zip`, alipayZip([{ ...payment, amount: 1n }, other]));
    expect((await scene.again(morning, 'alipay', day)).error).toBeNull();
    expect(await scene.differences('alipay')).toEqual([`${day} in A amount`]);
  });

  test('leaves what a person has resolved', async () => {
    await scene.book([payment, other], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([]));
    await scene.runAt(morning, 'alipay');
    await scene.world.ledger.write(
      `UPDATE difference SET outcome = 'resolved', resolved_at = NOW(), resolved_by = 'ada', resolution = 'taken back' WHERE reference = 'A'`,
    );
    const result = await scene.again(morning, 'alipay', day);
    expect(result).toMatchObject({ error: null, inserted: 0, updated: 0 });
    expect(result.waiting?.what).toBe('1 difference is open: 1 local_only');
    expect(await scene.differences('alipay')).toEqual([`${day} in A resolved`, `${day} in B local_only`]);
    const page = await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8');
    expect(page).toContain('by ada');
  });

  test('can be asked for before the shard has come to it', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([]));
    expect(await scene.again(morning, 'alipay', day)).toMatchObject({ error: null, inserted: 1, checkpoint: null });
    expect(await scene.runAt(morning, 'alipay')).toMatchObject({ error: null, inserted: 0, windows: 1 });
  });

  test('dry, it writes nothing anywhere', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([]));
    expect(await scene.runAt(morning, 'alipay', { dryRun: true })).toMatchObject({ error: null, inserted: 1, read: 1 });
    expect(await scene.differences('alipay')).toEqual([]);
    expect(await readdir(scene.folder)).toEqual(['alipay']);
  });
});

describe('the outcomes of a run', () => {
  const theirs = { ...payment, amount: 9901n };
  beforeEach(async () => {
    await scene.book([payment, other, entryOf({ reference: 'C' })], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([theirs, entryOf({ reference: 'C' })]));
  });

  test('are told with what moved on either side', async () => {
    const { totals } = await scene.runAt(morning, 'alipay');
    expect(Object.fromEntries(totals)).toEqual({
      matched: { rows: 1 },
      local_only: { rows: 1, localFen: 5n, channelFen: 0n },
      amount: { rows: 1, localFen: 9900n, channelFen: 9901n },
    });
  });

  test('say resolved of what a person has resolved', async () => {
    await scene.runAt(morning, 'alipay');
    await scene.world.ledger.write(
      `UPDATE difference SET outcome = 'resolved', resolved_by = 'ada', resolved_at = NOW() WHERE reference = 'A'`,
    );
    const { totals } = await scene.again(morning, 'alipay', day);
    expect([totals.get('amount'), totals.get('resolved')?.rows, totals.get('local_only')?.rows]).toEqual([
      undefined,
      1,
      1,
    ]);
  });

  test('are a table for a person who runs it dry, and fields of --json', async () => {
    const run = ['run', 'reconcile-day', 'alipay', '--from', day, '--to', '2026-11-21', '--dry-run'];
    const { stdout } = await scene.world.cli(run);
    expect(stdout.split('\n').map((line) => line.trim().replace(/ +/g, ' '))).toEqual([
      'SHARD TOTAL ROWS LOCAL FEN CHANNEL FEN',
      'alipay matched 1 - -',
      'alipay local_only 1 5 0',
      'alipay amount 1 9,900 9,901',
      '',
    ]);
    const json = JSON.parse((await scene.world.cli([...run, '--json'])).stdout);
    expect(json.shards[0].totals.amount).toEqual({ rows: 1, localFen: '9900', channelFen: '9901' });
  });
});

describe('reports', () => {
  test('lie beside the statements, whole, for every day', async () => {
    const planted = plantedDay(300, 14, 31);
    await scene.book(planted.local, 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip(planted.channel));
    await scene.runAt(morning, 'alipay');
    expect((await readdir(join(scene.folder, 'reports'))).sort()).toEqual([`${day}-alipay.csv`, `${day}-alipay.html`]);
    const csv = await readFile(join(scene.folder, 'reports', `${day}-alipay.csv`), 'utf8');
    expect(csv.trimEnd().split('\r\n')).toHaveLength(15);
    const page = await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8');
    expect(page).toContain('12 differences wait for you.');
  });

  test('of a day without a difference say so', async () => {
    await scene.book([payment], 'alipay');
    await scene.bring('alipay', `${day}.zip`, alipayZip([payment]));
    expect((await scene.runAt(morning, 'alipay')).waiting).toBeNull();
    expect(await readFile(join(scene.folder, 'reports', `${day}-alipay.html`), 'utf8')).toContain('Both sides agree.');
  });
});
