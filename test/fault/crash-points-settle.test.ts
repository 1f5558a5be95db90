/** Runs of settle-month of every kind, broken at every statement and every Redis command. */
import { describeScenes, runAhead } from '../support/crash-scenes.ts';
import { SettlementBooks } from '../support/settlement-books.ts';
import type { World } from '../support/world.ts';

const job = 'settle-month';
const shard = '';
const february = '2026-02-01 00:40:00';
const march = '2026-03-01 00:40:00';

/** Five accounts of January: with bills, frozen, in debt, and two that are to be opened. */
async function january(world: World): Promise<void> {
  const books = new SettlementBooks(world);
  await books.open(1, '2026-01-02 09:00', 'prepaid');
  await books.bill(1, 'recharge', 500, '2026-01-31 23:59:59');
  await books.open(2, '2026-01-02 09:00');
  await books.freeze(2, 'asked by the court');
  await books.earn(2, '2026-01-10 10:00:00', 20);
  await books.earn(3, '2026-01-10 10:00:00', -30);
  await books.earn(4, '2026-01-10 10:00:00', 40);
  await books.earn(1, '2026-01-10 10:00:00', 10);
  await books.rolledUpTo('2026-03-01 00:00:00');
}

/** January is settled, but for one who waits and waits no more; then it changes. */
async function changed(world: World): Promise<void> {
  await january(world);
  const books = new SettlementBooks(world);
  await books.letter('5', { id: '5', user_id: '5', create_time: '2026-01-20 10:00:00' }, '5');
  await books.earn(5, '2026-01-11 10:00:00', 50);
  await runAhead(world, job, shard, february);
  await books.resolveLetters();
  await books.earn(4, '2026-01-12 10:00:00', 4);
  await books.earn(4, '2026-02-12 10:00:00', 400);
}

/** Who is killed between two parts takes the counts of the first ones along. */
const journalCounts = `'in parts'`;

describeScenes([
  {
    name: 'a month in parts of three accounts',
    job,
    shard,
    ledger: true,
    request: {},
    windowRows: 3,
    clock: february,
    journalCounts,
    prepare: january,
    commits: 3,
    pointsMin: 50,
    leaves: [
      /^settlement: account_id=1 month=2026-01 .*recharges=500 .*closing=500 .*credited=10 /,
      /^settlement: account_id=2 month=2026-01 .*carried_total=20 reason=frozen /,
      /^settlement: account_id=3 month=2026-01 .*carried_total=-30 reason=debt /,
      /^bill: .*channel=settlement account_id=4 amount=40 .*balance_after=40 /,
      /^account: account_id=1 .*balance=510 /,
      /^account_event: account_id=4 what=opened /,
      /^settlement_month: month=2026-01 /,
    ],
  },
  {
    name: 'a month with adjustments, and one who has waited for the month before',
    job,
    shard,
    ledger: true,
    request: {},
    clock: march,
    journalCounts,
    prepare: changed,
    commits: 2,
    pointsMin: 40,
    leaves: [
      /^settlement: account_id=4 month=2026-02 .*income=400 adjustment=4 .*credited=404 /,
      /^settlement_adjustment: account_id=4 month=2026-02 for_month=2026-01 amount=4$/,
      /^settlement_adjustment: account_id=5 month=2026-02 for_month=2026-01 amount=50$/,
      /^tidemark_dead_letter: .*row_key=2026-01\/5 .*state=resolved /,
    ],
  },
  {
    name: 'run --repair',
    job,
    shard,
    ledger: true,
    request: { kind: 'repair' },
    clock: '2026-02-02 00:40:00',
    prepare: changed,
    commits: 1,
    pointsMin: 30,
    leaves: [
      /^settlement: account_id=5 month=2026-01 .*credited=50 /,
      /^tidemark_dead_letter: .*row_key=2026-01\/5 .*state=resolved /,
    ],
  },
  {
    name: 'run --from --to',
    job,
    shard,
    ledger: true,
    request: {
      kind: 'range',
      range: { start: Date.parse('2026-01-01T00:00:00+08:00'), end: Date.parse('2026-02-01T00:00:00+08:00') },
    },
    windowRows: 2,
    clock: '2026-02-02 00:40:00',
    journalCounts,
    prepare: changed,
    commits: 3,
    pointsMin: 50,
    leaves: [/^settlement: account_id=5 month=2026-01 .*credited=50 /],
  },
]);
