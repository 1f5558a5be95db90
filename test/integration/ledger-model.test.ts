/** Random sequences of operations, compared step by step with a model of a few lines; the books must hold after each. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Answer, Booked, Ledger } from '../../src/ledger/index.ts';
import { LedgerWorld } from '../support/ledger-world.ts';

let world: LedgerWorld;
let ledger: Ledger;
let accounts = 0n;
beforeAll(async () => {
  world = await LedgerWorld.create(inject('servers'));
  ledger = await world.connect();
});
afterAll(() => world.destroy());

interface Step {
  readonly what: 'recharge' | 'charge' | 'hold' | 'confirm' | 'cancel' | 'rollback' | 'freeze' | 'unfreeze' | 'repeat';
  readonly account: number;
  /** Which of the bills so far it is about. */
  readonly bill: number;
  readonly amount: bigint;
}

const amounts = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt(1n, 300n) },
  { weight: 1, arbitrary: fc.bigInt(2n ** 53n - 2n, 2n ** 53n + 2n) },
  { weight: 1, arbitrary: fc.bigInt(2n ** 62n, 2n ** 63n - 1n) },
);
const steps = fc.array(
  fc.record<Step>({
    what: fc.constantFrom(
      ...([
        'recharge',
        'recharge',
        'charge',
        'hold',
        'hold',
        'confirm',
        'cancel',
        'rollback',
        'freeze',
        'unfreeze',
        'repeat',
      ] as const),
    ),
    account: fc.nat(2),
    bill: fc.nat(40),
    amount: amounts,
  }),
  { minLength: 5, maxLength: 40 },
);

interface ModelAccount {
  balance: bigint;
  held: bigint;
  isFrozen: boolean;
}

interface ModelBill {
  readonly billId: bigint;
  readonly account: number;
  readonly what: 'recharge' | 'charge' | 'hold';
  readonly amount: bigint;
  readonly first: Answer<Booked>;
  /** What has followed. */
  end: 'none' | 'confirmed' | 'cancelled' | 'rolled back';
  taken: bigint;
}

const max = 2n ** 63n - 1n;

/** What a new operation should answer; it moves the model where that is 0. */
function begin(account: ModelAccount, what: ModelBill['what'], amount: bigint): number {
  if (account.isFrozen) return 4;
  if (what === 'recharge') {
    if (account.balance + amount > max) return 6;
    account.balance += amount;
    return 0;
  }
  if (account.balance - account.held < amount) return 3;
  if (what === 'charge') account.balance -= amount;
  else account.held += amount;
  return 0;
}

/** What an operation that follows a bill should answer. */
function follow(
  account: ModelAccount,
  bill: ModelBill,
  what: 'confirm' | 'cancel' | 'rollback',
  amount: bigint,
): number {
  if (bill.first.code !== 0) return 1;
  if (what === 'rollback') {
    if (bill.end === 'rolled back') return 0;
    if (bill.what === 'hold' && bill.end !== 'confirmed') return 6;
    const back = bill.what === 'recharge' ? -bill.amount : bill.what === 'charge' ? bill.amount : bill.taken;
    if (back < 0n && account.isFrozen) return 4;
    if (back < 0n && account.balance - account.held + back < 0n) return 3;
    if (account.balance + back > max) return 6;
    account.balance += back;
    bill.end = 'rolled back';
    return 0;
  }
  if (bill.what !== 'hold') return 6;
  if (what === 'confirm' && amount > bill.amount) return 6;
  const wasConfirmed = bill.end === 'confirmed' || bill.end === 'rolled back';
  if (what === 'confirm' && wasConfirmed) return amount === bill.taken ? 0 : 6;
  if (what === 'cancel' && bill.end === 'cancelled') return 0;
  if (what === 'confirm' && account.isFrozen) return 4;
  if (bill.end !== 'none') return 1;
  account.held -= bill.amount;
  bill.end = what === 'confirm' ? 'confirmed' : 'cancelled';
  bill.taken = what === 'confirm' ? amount : 0n;
  account.balance -= bill.taken;
  return 0;
}

test('every answer, balance and hold is what the model says, and the books hold after each step', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const ids = [++accounts, ++accounts, ++accounts];
      for (const id of ids) await ledger.openAccount(id);
      const model = ids.map(() => ({ balance: 0n, held: 0n, isFrozen: false }));
      const bills: ModelBill[] = [];
      /** Bills whose end was refused once it was written: they stay so. */
      const refused = new Set<string>();
      for (const step of sequence) {
        const { what, amount } = step;
        if (what === 'freeze' || what === 'unfreeze') {
          await ledger[what](ids[step.account] as bigint);
          (model[step.account] as ModelAccount).isFrozen = what === 'freeze';
        } else if (what === 'recharge' || what === 'charge' || what === 'hold') {
          const billId = await ledger.nextBillId();
          const answer = await ledger[what]({ billId, accountId: ids[step.account] as bigint, amount });
          expect(answer.code, `${what} ${amount}`).toBe(begin(model[step.account] as ModelAccount, what, amount));
          bills.push({ billId, account: step.account, what, amount, first: answer, end: 'none', taken: 0n });
        } else if (bills.length > 0) {
          const bill = bills[step.bill % bills.length] as ModelBill;
          const accountId = ids[bill.account] as bigint;
          const { billId } = bill;
          if (what === 'repeat') {
            expect(await ledger[bill.what]({ billId, accountId, amount: bill.amount })).toEqual(bill.first);
          } else if (!refused.has(`${what} ${billId}`)) {
            const answer = await ledger[what]({ billId, accountId, ...(what === 'confirm' ? { amount } : {}) });
            expect(answer.code, `${what} of ${bill.what} ${bill.amount}, ${bill.end}`).toBe(
              follow(model[bill.account] as ModelAccount, bill, what, amount),
            );
            const written = await world.rows(
              `SELECT 1 FROM bill WHERE bill_id = ${billId} AND channel = '${what}' AND result = 'failed'`,
            );
            if (written.length > 0) refused.add(`${what} ${billId}`);
          }
        }
        expect(await world.flaws()).toEqual({});
      }
      for (const [index, accountId] of ids.entries())
        expect(await ledger.balance(accountId)).toMatchObject({
          code: 0,
          balance: model[index]?.balance,
          held: model[index]?.held,
        });
    }),
    { numRuns: 25 },
  );
});
