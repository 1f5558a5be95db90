/** Runs of reconcile-day of every kind, broken at every statement and every Redis command. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeScenes, runAhead } from '../support/crash-scenes.ts';
import { addBills, type BillRow } from '../support/ledger-rows.ts';
import { alipayZip, entryOf } from '../support/statements.ts';
import type { World } from '../support/world.ts';

const job = 'reconcile-day';
const [monday, tuesday] = ['2026-01-05', '2026-01-06'];
const wednesdayMorning = '2026-01-07 09:00:00';
const usual = { job, ledger: true, request: {}, clock: wednesdayMorning } as const;

const statements = mkdtempSync(join(tmpdir(), 'tidemark-crash-'));
mkdirSync(join(statements, 'alipay'));
writeFileSync(
  join(statements, 'alipay', `${tuesday}.zip`),
  alipayZip([entryOf({ reference: 'A', amount: 500n, occurredAt: `${tuesday} 10:00:00` })], tuesday),
);
afterAll(() => rm(statements, { recursive: true }));

function bill(billId: bigint, amount: bigint, local: string, more: Partial<BillRow> = {}): BillRow {
  const doneAt = new Date(`${local.replace(' ', 'T')}+08:00`).toISOString().slice(0, 19).replace('T', ' ');
  const plain = { result: 'success', provider: null, orderId: null, fee: null, accountId: billId % 3n } as const;
  return { billId, amount, doneAt, channel: amount < 0n ? 'charge' : 'recharge', ...plain, ...more };
}

/** Bills of two days, and what the initiator says of them: one otherwise, one not at all, one a day later. */
async function twoDays(world: World): Promise<void> {
  await addBills(world.ledger, [
    bill(71n, 100n, `${monday} 10:00:00`),
    bill(72n, 200n, `${monday} 11:00:00`),
    bill(73n, -300n, `${monday} 12:00:00`),
    bill(74n, 400n, `${monday} 23:59:58`),
    bill(75n, 500n, `${tuesday} 10:00:00`),
  ]);
  const entry = (day: string, reference: string, amount: number, time: string) =>
    `('initiator', '${day}', '${reference}', ${amount}, NULL, 'success', '${day} ${time}')`;
  await world.ledger.write(
    `INSERT INTO statement_entry (counterpart, day, reference, amount, fee, status, occurred_at) VALUES ${[
      entry(monday, '71', 100, '10:00:00'),
      entry(monday, '72', 201, '11:00:00'),
      entry(tuesday, '74', 400, '00:00:03'),
      entry(tuesday, '75', 500, '10:00:00'),
      entry(tuesday, '76', 600, '10:00:00'),
    ].join(',')}`,
  );
}

/** Both days were compared; then a person has resolved one difference, and the initiator has corrected itself in another. */
async function corrected(world: World): Promise<void> {
  await twoDays(world);
  await runAhead(world, job, 'initiator', wednesdayMorning);
  await world.ledger.write(
    `UPDATE difference SET outcome = 'resolved', resolved_by = 'ada', resolved_at = NOW() WHERE reference = '73'`,
  );
  await world.ledger.write(`UPDATE statement_entry SET amount = 200 WHERE reference = '72'`);
  await world.ledger.write(`UPDATE statement_entry SET amount = 101 WHERE reference = '71'`);
}

/** An account with a fen too much, and a bill that nobody has brought to its end. */
async function wrongLedger(world: World): Promise<void> {
  await addBills(world.ledger, [
    bill(71n, 100n, `${tuesday} 10:00:00`),
    bill(72n, 200n, `${tuesday} 11:00:00`),
    bill(73n, 300n, `${tuesday} 12:00:00`, { result: 'unprocessed' }),
  ]);
  await world.ledger.write('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
  await world.ledger.write('UPDATE account SET balance = balance + 1 WHERE account_id = 2');
  await world.ledger.write('SET SESSION foreign_key_checks = 1, check_constraint_checks = 1');
}

describeScenes([
  {
    ...usual,
    name: 'two days beside the rows of the initiator',
    shard: 'initiator',
    prepare: twoDays,
    commits: 3,
    pointsMin: 60,
    leaves: [
      /^difference: counterpart=initiator day=2026-01-05 reference=72 .*outcome=amount .*local_amount=200 .*channel_amount=201 /,
      /^difference: .*day=2026-01-05 reference=73 .*outcome=local_only /,
      /^difference: .*day=2026-01-05 reference=74 .*outcome=resolved .*other_half_day=2026-01-06 /,
      /^difference: .*day=2026-01-06 reference=76 .*outcome=channel_only /,
      /^reconciliation_day: counterpart=initiator day=2026-01-06 .*local_entries=1 channel_entries=3 matched=1/,
    ],
  },
  {
    ...usual,
    name: 'a day beside a file, with its reports',
    shard: 'alipay',
    settings: { TIDEMARK_STATEMENTS: statements },
    prepare: (world) =>
      addBills(world.ledger, [
        bill(71n, 501n, `${tuesday} 10:00:00`, { provider: 'alipay', orderId: 'A', fee: 59n }),
        bill(72n, 100n, `${tuesday} 11:00:00`, { provider: 'alipay', orderId: 'B', fee: 1n }),
      ]),
    commits: 2,
    pointsMin: 40,
    leaves: [
      /^difference: counterpart=alipay day=2026-01-06 reference=A .*outcome=amount /,
      /^difference: counterpart=alipay day=2026-01-06 reference=B .*outcome=local_only /,
      /^reconciliation_day: counterpart=alipay .*source=.*2026-01-06\.zip/,
    ],
  },
  {
    ...usual,
    name: 'the ledger beside itself',
    shard: 'ledger',
    prepare: wrongLedger,
    commits: 2,
    pointsMin: 40,
    leaves: [
      /^difference: counterpart=ledger .*reference=2 .*outcome=amount /,
      /^difference: counterpart=ledger .*reference=73 .*outcome=status /,
    ],
  },
  {
    ...usual,
    name: 'run --from --to, after a person and the initiator have put things right',
    shard: 'initiator',
    request: {
      kind: 'range',
      range: { start: Date.parse(`${monday}T00:00:00+08:00`), end: Date.parse(`${tuesday}T00:00:00+08:00`) },
    },
    prepare: corrected,
    commits: 1,
    pointsMin: 30,
    leaves: [
      /^difference: .*day=2026-01-05 reference=71 .*outcome=amount /,
      /^difference: .*day=2026-01-05 reference=73 .*outcome=resolved .*resolved_by=ada/,
      /^difference: .*day=2026-01-05 reference=74 .*outcome=resolved .*other_half_day=2026-01-06 /,
    ],
  },
]);
