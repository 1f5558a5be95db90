/**
 * Runs of settle-month in company: interrupted ones, two at once, callers of the ledger who go on meanwhile, and random
 * months. Whatever happens, the books are those of one undisturbed run.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { OvertakenError } from '../../src/engine/checkpoint.ts';
import type { ShardResult } from '../../src/engine/run.ts';
import { Ledger } from '../../src/ledger/index.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { intercepted } from '../support/intercept.ts';
import { SettlementBooks } from '../support/settlement-books.ts';

const february = '2026-02-01 00:40:00';
let books: SettlementBooks;
beforeAll(async () => {
  books = await SettlementBooks.create(inject('servers'));
});
afterAll(() => books.destroy());
beforeEach(() => books.clear());

const fine = async (running: Promise<ShardResult>) => {
  const result = await running;
  expect(result.error).toBeNull();
  return result;
};

/** Users 1 to 40; of each, something else. Accounts 30 to 49 are there already, with a recharge and a charge. */
async function fill(): Promise<void> {
  await books.main.write(
    `INSERT INTO user_income_hour SELECT seq, '2026-01-10 10:00:00', CAST(seq AS SIGNED) * 100 - 500, 1 FROM seq_1_to_40`,
  );
  await books.main.write('INSERT INTO user_income SELECT user_id, amount, entries FROM user_income_hour');
  for (let account = 30; account < 50; account++) {
    await books.open(account, '2026-01-01 09:00', 'prepaid');
    await books.bill(account, 'recharge', 10_000 * account, '2026-01-05 09:00');
    await books.bill(account, 'charge', -account, '2026-01-06 09:00');
  }
  await books.freeze(30, 'asked by the court');
}

async function undisturbed(): Promise<string> {
  await fill();
  expect(await fine(books.run(february))).toMatchObject({ windows: 1, inserted: 49 });
  expect(await books.flaws()).toEqual({});
  const all = await books.all();
  await books.clear();
  await fill();
  return all;
}

test('a run that is interrupted after every part goes on, and settles each account once', async () => {
  const expected = await undisturbed();
  let interruptions = 0;
  for (let parts = 1; ; parts++) {
    let committed = 0;
    const onStep = (step: string) => {
      if (step === 'committed' && ++committed > parts) throw new Error('interrupted');
    };
    const result = await books.run(february, {}, { windowRows: 4, onStep });
    if (result.error === null) break;
    expect(result.error).toMatchObject({ message: 'interrupted' });
    interruptions += 1;
    expect(await books.flaws()).toEqual({});
  }
  expect(interruptions).toBeGreaterThan(10);
  expect(await books.all()).toBe(expected);
});

test('a dry run that a run overtakes between its parts tells no sums of two moments', async () => {
  const expected = await undisturbed();
  let parts = 0;
  const onStep = async (step: string) => {
    if (step === 'committed' && ++parts === 2) await fine(books.run(february));
  };
  const { error } = await books.run(february, { dryRun: true }, { windowRows: 4, onStep });
  expect(error).toMatchObject({
    message: 'settle-month: a run moved the checkpoint while this dry run was adding up; its sums are out of date',
    next: 'tidemark run settle-month --dry-run',
  });
  expect(await books.all()).toBe(expected);
});

describe('two runs at once', () => {
  /** As behind a proxy that gives every statement another connection: the lock is always had. */
  const unlocked = async (open: () => Promise<Session>) => {
    const session = await open();
    return new Proxy(session, {
      get(real, property) {
        const value = Reflect.get(real, property, real) as unknown;
        if (typeof value !== 'function') return value;
        if (property !== 'tuples') return value.bind(real);
        return (sql: string, parameters: never) =>
          sql.includes('GET_LOCK') ? Promise.resolve([[1]]) : real.tuples(sql, parameters);
      },
    });
  };
  const run = (onStep: (step: string) => void | Promise<void>) => {
    const { openTarget } = books.clockAt(february);
    return books.run(february, {}, { windowRows: 4, onStep, openTarget: (job) => unlocked(() => openTarget(job)) });
  };

  // The first two and the last come with every part.
  test.each([
    ['checkpoint-locked', 1],
    ['checkpoint-locked', 6],
    ['applied', 1],
    ['applied', 6],
    ['recorded', 1],
    ['moved', 1],
    ['committed', 6],
  ] as const)('without a lock to keep them apart, the second begun at "%s", time %i', async (step, occurrence) => {
    const expected = await undisturbed();
    let second: Promise<ShardResult> | undefined;
    let count = 0;
    const first = await run(async (reached) => {
      if (reached !== step || ++count !== occurrence) return;
      await new Promise<void>((resolve) => {
        second = run((other) => {
          if (other === 'locked') setTimeout(resolve, 30);
        });
      });
    });
    for (const result of [first, (await second) as ShardResult])
      if (result.error !== null) expect(result.error).toBeInstanceOf(OvertakenError);
    await fine(books.run(february));
    expect(await books.flaws()).toEqual({});
    expect(await books.all()).toBe(expected);
  });

  test('from two hosts: one works, the other skips', async () => {
    await fill();
    await books.rolledUpTo('2026-02-01 00:00:00');
    const results = await Promise.all([1, 2, 3].map(() => books.world.cli(['run', 'settle-month', '--json'])));
    expect(results.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(['0', '0', '0']);
    const inserted = results.map(({ stdout }) => JSON.parse(stdout).shards[0].inserted as number);
    expect(inserted.reduce((a, b) => a + b)).toBe(49);
    expect(await books.settlements(`month = '2026-01'`)).toHaveLength(49);
    expect(await books.flaws()).toEqual({});
  });
});

describe('a dry run', () => {
  test('writes nothing, and tells the same sums as the run', async () => {
    await fill();
    await books.letter('5', { id: '5', user_id: '7', create_time: '2026-01-20 10:00:00' }, '7');
    const before = await books.all();
    const dry = await fine(books.run(february, { dryRun: true }, { windowRows: 9 }));
    expect(await books.all()).toBe(before);
    const real = await fine(books.run(february, {}, { windowRows: 9 }));
    expect(Object.fromEntries(dry.totals)).toEqual(Object.fromEntries(real.totals));
    expect([dry.read, dry.inserted, dry.deadLetters]).toEqual([real.read, real.inserted, real.deadLetters]);
    expect(real).toMatchObject({ read: 49, inserted: 48, deadLetters: 1 });
    const again = await fine(books.run(february, { ...books.range('2026-01', '2026-02'), dryRun: true }));
    expect(Object.fromEntries(again.totals)).toEqual(Object.fromEntries(real.totals));
  });

  test('of several months tells the first one', async () => {
    await fill();
    const dry = await fine(books.run('2026-04-01 00:40:00', { dryRun: true }));
    expect(dry).toMatchObject({
      windows: 1,
      inserted: 49,
      heldBackBy: { detail: expect.stringContaining('2026-02-01') },
    });
  });
});

describe('callers of the ledger', () => {
  let ledger: Ledger;
  beforeAll(async () => {
    ledger = await Ledger.connect({ url: books.world.settings.LEDGER_DATABASE_URL as string, connections: 8 });
  });
  afterAll(() => ledger.close());

  test('go on charging and recharging meanwhile: no deadlock reaches them, and no account is off by a fen', async () => {
    await fill();
    let over = false;
    const answers = new Map<number, number>();
    const caller = async (seed: number) => {
      for (let turn = seed; !over; turn++) {
        const request = {
          billId: await ledger.nextBillId(),
          accountId: BigInt(30 + (turn % 20)),
          amount: BigInt(1 + (turn % 7)),
        };
        const { code } = await (turn % 2 === 0 ? ledger.recharge(request) : ledger.charge(request));
        answers.set(code, (answers.get(code) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: 8 }, (_, index) => caller(index * 3));
    // With the server's own clock: months pass from then to now, in parts of seven accounts.
    await books.rolledUpTo(books.world.zone.text(Date.now()));
    const result = await books.world.runShard('settle-month', '', {}, { windowRows: 7 });
    over = true;
    await Promise.all(callers);
    expect(result.error).toBeNull();
    expect(result.windows).toBeGreaterThan(5);
    expect([...answers.keys()].sort()).toEqual([0, 4]); // account 30 is frozen
    expect(answers.get(0)).toBeGreaterThan(50);
    expect(await books.flaws()).toEqual({});
    expect(await books.waiting()).toEqual([]);
  });

  test('may open an account at the very moment at which the settlement would', async () => {
    await fill();
    const other = await books.world.setting().openDatabase('ledger');
    const { openTarget } = books.clockAt(february);
    let opened = 0;
    const racing = async (session: Promise<Session>) =>
      intercepted(await session, async (sql) => {
        if (!sql.startsWith('INSERT INTO account (') || opened++ > 0) return;
        await other.write(`INSERT INTO account (account_id, kind, frozen_reason) VALUES (7, 'commission', 'just so')`);
      });
    const result = await fine(books.run(february, {}, { openTarget: (job) => racing(openTarget(job)) }));
    await other.close();
    expect(result).toMatchObject({ inserted: 49 });
    expect(opened).toBe(2);
    expect(await books.settlements('account_id = 7')).toEqual(['7 2026-01: 200 0 0 0 200 frozen']);
    expect(await books.ledger.tuples('SELECT * FROM account_event WHERE account_id = 7')).toEqual([]);
    expect(await books.flaws()).toEqual({});
  });
});

describe('random months', () => {
  const users = [1, 2, 3, 4, 5, 6];
  const months = ['2026-01', '2026-02', '2026-03', '2026-04'];
  const event = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constant('earn'),
        user: fc.constantFrom(...users),
        back: fc.nat(3),
        fen: fc.integer({ min: -30_000, max: 50_000 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constantFrom('freeze', 'unfreeze', 'letter', 'resolve', 'recharge'),
        user: fc.constantFrom(...users),
        back: fc.nat(3),
        fen: fc.integer({ min: 1, max: 5000 }),
      }),
    },
  );
  type Happening = { what: string; user: number; back: number; fen: number };

  /** What happens in a month; income may be of an earlier one. */
  async function happen({ what, user, back, fen }: Happening, month: number, serial: number): Promise<void> {
    const name = months[Math.max(0, month - back)] as string;
    const there = (await books.ledger.tuples(`SELECT 1 FROM account WHERE account_id = ${user}`)).length > 0;
    if (what === 'earn') await books.earn(user, `${name}-10 10:00:00`, fen);
    else if (what === 'letter')
      await books.letter(String(serial), {
        id: String(serial),
        user_id: String(user),
        create_time: `${name}-10 10:00:00`,
      });
    else if (what === 'resolve') await books.resolveLetters();
    else if (!there) await books.open(user, `${months[month]}-20 10:00:00`);
    else if (what === 'recharge') await books.bill(user, 'recharge', fen, `${months[month]}-20 12:00:00`);
    else await books.freeze(user, what === 'freeze' ? 'random' : null);
  }

  test('every fen of income is credited, tax, or carried over, once all letters are done', async () => {
    const year = fc.array(fc.array(event, { maxLength: 8 }), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        year,
        fc.constantFrom('none', 'labour-cn'),
        fc.constantFrom(0n, 10_000n),
        async (happenings, rule, minimum) => {
          const settingOf = ((name: string) => (name === 'TIDEMARK_SETTLE_TAX' ? rule : minimum)) as never;
          await books.clear();
          await books.open(99, '2026-01-01 00:00'); // so that January is the first month
          let serial = 0;
          for (const [month, all] of happenings.entries()) {
            for (const one of all) await happen(one, month, ++serial);
            await fine(books.run(`2026-0${month + 2}-01 00:40:00`, {}, { settingOf, windowRows: 3 }));
            expect(await books.flaws()).toEqual({});
          }
          await books.resolveLetters();
          await fine(books.run('2026-05-02 00:40:00', { kind: 'repair' }, { settingOf }));
          await fine(books.run('2026-06-01 00:40:00', {}, { settingOf }));
          expect(await books.flaws()).toEqual({});
          expect(await books.waiting()).toEqual([]);
          const earned = await books.main.tuples(
            'SELECT user_id, SUM(amount) FROM user_income_hour GROUP BY user_id HAVING COUNT(*) > 0 ORDER BY user_id',
          );
          const given = await books.ledger.tuples(`SELECT account_id, SUM(credited + tax + carried) FROM settlement
          WHERE account_id <> 99 GROUP BY account_id HAVING SUM(credited + tax + carried) <> 0 ORDER BY account_id`);
          expect(given).toEqual(earned.filter(([, fen]) => fen !== '0'));
        },
      ),
      { numRuns: 20 },
    );
  }, 240_000);
});
