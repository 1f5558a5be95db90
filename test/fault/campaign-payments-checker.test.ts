/** The checker of payments must be able to fail: each flaw that it looks for is made once, in a transaction that is rolled back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type Answer, Book, type Errand } from '../../campaign/payments/book.ts';
import { findIn, hasErred, judgeControl } from '../../campaign/payments/checker.ts';
import { wantedTable } from '../../campaign/payments/controls/payer.ts';
import { openingFen } from '../../campaign/payments/errands.ts';
import type { Stall } from '../../campaign/payments/metronome.ts';
import type { Asking, Movement, ProviderBook } from '../../campaign/payments/provider-book.ts';
import { payOrders } from '../../migrations/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

const account = 1n;
const provider = 'alipay' as const;
const plain = { accountId: account, provider };
const orderErrand = (key: string, amount: bigint): Errand => ({
  ...plain,
  kind: 'order',
  key,
  amount,
  expiresInSeconds: 5,
});
const payoutErrand = (key: string, amount: bigint): Errand => ({
  ...plain,
  kind: 'payout',
  key,
  amount,
  payee: 'somebody',
  taxRule: amount > 80_000n ? 'labour-cn' : 'none',
});

/** Ids are those of the bills, too. */
const [paid, refunded, closed, sent, failed, cameBack] = [11n, 12n, 13n, 21n, 22n, 23n];
const taxBill = 31n;
/** Of 1000 yuan, 40 are kept back. */
const [gross, tax] = [100_000n, 4000n];

const there = (change: Partial<Movement>): Movement => ({
  kind: 'order',
  id: '0',
  provider,
  amount: '500',
  moved: 0,
  returned: 0,
  partly: '0',
  word: 'word',
  ...change,
});

const movements: readonly Movement[] = [
  there({ id: `${paid}`, moved: 1 }),
  there({ id: `${refunded}`, amount: '700', moved: 1, returned: 1 }),
  there({ id: `${closed}`, amount: '900' }),
  there({ kind: 'payout', id: `${sent}`, amount: `${gross - tax}`, moved: 1 }),
  there({ kind: 'payout', id: `${failed}`, amount: '50' }),
  there({ kind: 'payout', id: `${cameBack}`, amount: '60', moved: 1, returned: 1 }),
];
const asking = (startedAt: number, endedAt: number): Asking => ({
  provider,
  what: 'query',
  id: `${paid}`,
  startedAt,
  endedAt,
  fault: null,
});
const askings: readonly Asking[] = [asking(0, 500), asking(500, 900), asking(5_000_000, 5_000_500)];
const truth: ProviderBook = { movements, askings };

describe('the checker of payments', () => {
  let world: LedgerWorld;
  let folder: string;
  let books: string[];
  const run = (sql: string) => world.session.write(sql);

  beforeAll(async () => {
    world = await LedgerWorld.create(inject('servers'));
    for (const { sql } of payOrders(4)) await run(sql);
    await run(wantedTable);
    folder = await mkdtemp(join(tmpdir(), 'tidemark-book-'));
    books = [join(folder, 'book')];
    const ledger = await world.connect({ caller: 'payments' });
    await ledger.openAccount(account);
    await run('INSERT INTO bill_number (one, last) VALUES (1, 200000000)');
    await ledger.recharge({ billId: 100_000_001n, accountId: account, amount: openingFen });
    await bookAll(ledger);
    await run('SET SESSION foreign_key_checks = 0');
    await writeRows();
    await run('SET SESSION foreign_key_checks = 1');
    writeBook(books[0] as string);
  });
  afterAll(async () => {
    await world.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  const bill = (id: bigint) => ({ billId: 100_000_100n + id, accountId: account });
  const named = (id: bigint) => ({ ...bill(id), provider, orderId: String(id) });

  async function bookAll(ledger: Ledger): Promise<void> {
    const answers = [
      await ledger.recharge({ ...named(paid), amount: 500n }),
      await ledger.recharge({ ...named(refunded), amount: 700n }),
      await ledger.rollback(bill(refunded)),
      await ledger.hold({ ...bill(sent), amount: gross }),
      await ledger.confirm({ ...named(sent), amount: gross - tax }),
      await ledger.charge({ ...bill(taxBill), amount: tax }),
      await ledger.hold({ ...bill(failed), amount: 50n }),
      await ledger.cancel(bill(failed)),
      await ledger.hold({ ...bill(cameBack), amount: 60n }),
      await ledger.confirm(named(cameBack)),
      await ledger.rollback(bill(cameBack)),
    ];
    expect(answers.map(({ code }) => code)).toEqual(answers.map(() => 0));
  }

  async function writeRows(): Promise<void> {
    for (const [id, amount, state, credited, returned] of [
      [paid, 500, 'paid', 1, 0],
      [refunded, 700, 'refunded', 1, 1],
      [closed, 900, 'closed', 0, 0],
    ] as const) {
      const { billId } = bill(id);
      await run(`INSERT INTO pay_order_0 (order_id, merchant_id, provider, amount, state, bill_id, credited, returned)
        VALUES (${id}, ${account}, '${provider}', ${amount}, '${state}', ${billId}, ${credited}, ${returned})`);
      await run(`INSERT INTO pay_order_detail_0 (order_id, merchant_id, idempotency_key, subject, expires_in_seconds)
        VALUES (${id}, ${account}, 'order-${id}', 'subject', 5)`);
    }
    const common = 'account_id, provider, payee, title, attempts, sent_at, requested_at, decided_at';
    for (const [id, state, sums, marks] of [
      [sent, 'paid', [gross, tax, bill(taxBill).billId], 'NOW(3), NULL, NULL'],
      [failed, 'failed', [50n, 0n, 'NULL'], 'NULL, NOW(3), NULL'],
      [cameBack, 'returned', [60n, 0n, 'NULL'], 'NOW(3), NULL, NOW(3)'],
    ] as const)
      await run(`INSERT INTO payout (payout_id, state, gross, tax, tax_bill_id, net, tax_rule, bill_id, taken_at, released_at, given_back_at, ${common})
        VALUES (${id}, '${state}', ${sums.join(', ')}, ${sums[0] - sums[1]}, 'none', ${bill(id).billId}, ${marks},
          ${account}, '${provider}', 'somebody', 'title', 1, NOW(3), NOW(3), NOW(3))`);
  }

  function writeBook(path: string): void {
    const book = new Book(path);
    const answer = (key: string, change: Partial<Answer>) =>
      book.answer({ key, code: 0, id: null, request: null, reason: null, ...change });
    for (const [id, amount] of [
      [paid, 500n],
      [refunded, 700n],
      [closed, 900n],
    ] as const) {
      book.ask(orderErrand(`order-${id}`, amount));
      answer(`order-${id}`, { id });
    }
    for (const [id, amount] of [
      [sent, gross],
      [failed, 50n],
      [cameBack, 60n],
    ] as const) {
      book.ask(payoutErrand(`payout-${id}`, amount));
      answer(`payout-${id}`, { code: -1, reason: 'busy' });
      answer(`payout-${id}`, { id });
    }
    book.ask(payoutErrand('payout-refused', 10n));
    answer('payout-refused', { code: 3, reason: 'too low' });
    book.close();
  }

  /** The tables themselves would refuse most of it. */
  async function findingsAfter(
    statements: readonly string[],
    told: ProviderBook = truth,
    stalls: readonly Stall[] = [],
  ) {
    await run('SET SESSION foreign_key_checks = 0, check_constraint_checks = 0');
    await run('START TRANSACTION');
    try {
      for (const statement of statements) await run(statement);
      return await findIn(world.session, books, told, stalls);
    } finally {
      await run('ROLLBACK');
    }
  }
  const told = (change: Partial<Movement>): ProviderBook => ({
    askings,
    movements: movements.map((one) => (one.id === change.id ? { ...one, ...change } : one)),
  });

  test('finds nothing where all is well, and counts it', async () => {
    const { failures, gaps, repeats, figures } = await findingsAfter([]);
    expect(failures).toEqual([]);
    expect({ gaps, repeats }).toEqual({ gaps: 0, repeats: 0 });
    expect(figures).toMatchObject({
      orders: 3,
      payouts: 3,
      'paid orders': 2,
      'come back': 1,
      'refused by tidemark': 1,
    });
  });

  test.each([
    [
      'an order that is paid there and not credited',
      { id: `${closed}`, moved: 1 },
      1,
      0,
      'orders were given up that are paid',
    ],
    ['an order that was credited and not paid', { id: `${paid}`, moved: 0 }, 0, 1, 'credited that nobody has paid'],
    [
      'an order that was given back there only',
      { id: `${paid}`, returned: 1 },
      0,
      1,
      'a wallet is not what the provider says',
    ],
    [
      'a payout that was released and is paid',
      { id: `${failed}`, moved: 1 },
      1,
      0,
      'not in the state that its provider has it in',
    ],
    [
      'a payout that was taken and is not paid',
      { id: `${sent}`, moved: 0 },
      0,
      1,
      'not in the state that its provider has it in',
    ],
    ['a payout that was paid twice', { id: `${sent}`, moved: 2 }, 1, 1, 'moved money more than once'],
    ['another sum', { id: `${paid}`, amount: '501' }, 0, 0, 'told another sum'],
    [
      'a refund in part that waits for nobody',
      { id: `${paid}`, partly: '5' },
      0,
      0,
      'refunds in part, or what nobody planted',
    ],
  ] as const)('finds %s', async (_, change, gaps, repeats, flaw) => {
    const found = await findingsAfter([], told(change));
    expect({ gaps: found.gaps, repeats: found.repeats }).toEqual({ gaps, repeats });
    expect(found.failures.join('\n')).toContain(flaw);
  });

  test.each([
    [
      'a wallet with a fen too many',
      'UPDATE account SET balance = balance + 1',
      'a wallet is not what the provider says',
    ],
    [
      'an order of another account',
      'UPDATE pay_order_0 SET merchant_id = 2 WHERE order_id = 11',
      'an order is not what was asked for',
    ],
    [
      'a payout of another sum',
      'UPDATE payout SET gross = gross + 1 WHERE payout_id = 21',
      'a payout is not what was asked for',
    ],
    [
      'an order that nobody asked for',
      "UPDATE pay_order_detail_0 SET idempotency_key = 'x' WHERE order_id = 13",
      'asked for by nobody',
    ],
    [
      'a bill that is not the order’s own',
      'UPDATE pay_order_0 SET bill_id = 1 WHERE order_id = 11',
      'credited by another bill than its own',
    ],
    [
      'a hold that is left',
      `INSERT INTO open_hold (bill_id, account_id, amount) VALUES (1, 1, 5)`,
      'money is held for what is over',
    ],
    ['an unprocessed bill', "UPDATE bill SET result = 'unprocessed' WHERE channel = 'cancel'", 'bills are unprocessed'],
    [
      'an order for a person that nobody planted',
      "UPDATE pay_order_0 SET concern = 'why' WHERE order_id = 11",
      'wait or do not wait for a person',
    ],
    [
      'a refused payout that was sent',
      "UPDATE payout SET state = 'refused' WHERE payout_id = 22",
      'a refused payout was sent',
    ],
  ])('finds %s', async (_, statement, flaw) => {
    expect((await findingsAfter([statement])).failures.join('\n')).toContain(flaw);
  });

  test('finds two questions about one order at the same time, and not one behind the other', async () => {
    const { failures } = await findingsAfter([], { movements, askings: [asking(0, 900), asking(899, 1000)] });
    expect(failures).toEqual([
      expect.stringContaining('1 × an order or a payout was asked about twice at the same time'),
    ]);
  });

  test('finds the 101st request of a second, and not the 101st a second later', async () => {
    const burst = (last: number) => [
      ...Array.from({ length: 100 }, (_, number) => ({ ...asking(number * 2, number * 2 + 1), what: 'transfer' })),
      { ...asking(last, last + 1), what: 'transfer' },
    ];
    const failuresWith = async (last: number, ...stalls: Stall[]) =>
      (await findingsAfter([], { movements, askings: burst(last) }, stalls)).failures;
    expect(await failuresWith(999_999)).toEqual([expect.stringContaining('asked above the rate')]);
    expect(await failuresWith(1_000_000)).toEqual([]);
    const secondLater = { from: 1001, to: 1060 };
    expect(await failuresWith(999_999, secondLater)).toEqual([expect.stringContaining('asked above the rate')]);
    expect(await failuresWith(999_999, { from: 500, to: 560 })).toEqual([]);
  });

  test('catches a control whose wallet did not pay what its provider paid', async () => {
    const want = `INSERT INTO wanted (payout_id, account_id, amount, bill_id) VALUES (${sent}, ${account}, ${gross - tax}, 1)`;
    const foundOf = async (balance: bigint) => {
      await run('SET SESSION foreign_key_checks = 0');
      await run('START TRANSACTION');
      try {
        await run(want);
        await run(`UPDATE account SET balance = ${balance}`);
        return await judgeControl(world.session, truth);
      } finally {
        await run('ROLLBACK');
      }
    };
    expect(await foundOf(openingFen - (gross - tax))).toBe(0);
    expect(await foundOf(openingFen)).toBe(1);
  });

  test.each([
    ['paid', sent, false, false],
    ['failed', sent, false, true],
    ['paid', failed, false, true],
    ['begun', sent, false, false],
    ['begun', sent, true, true],
    ['begun', failed, true, false],
  ] as const)('sees whether a control has erred that says %s of payout %s', async (state, id, forgets, hasIt) => {
    const told = {
      ...truth,
      movements: movements.map((one) => ({ ...one, word: one.moved === 0 ? 'failed' : 'paid' })),
    };
    await run('START TRANSACTION');
    try {
      await run(`INSERT INTO wanted (payout_id, account_id, amount, bill_id, state, noted_at)
        VALUES (${id}, ${account}, 5, 1, '${state}', NOW() - INTERVAL 6 SECOND)`);
      expect(await hasErred(world.session, told, forgets)).toBe(hasIt);
    } finally {
      await run('ROLLBACK');
    }
  });
});
