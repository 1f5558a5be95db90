/** Payouts as a program asks for them: held once, refused with the ledger's codes, and what the provider makes of them. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import type { Payouts } from '../../src/payments/payouts.ts';
import { Bank } from '../support/payout-bank.ts';
import { PayoutWorld, wealth } from '../support/payout-world.ts';

let world: PayoutWorld;
let payouts: Payouts;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(async () => {
  expect(await world.ledgers.flaws()).toEqual({});
  await world.destroy();
});
beforeEach(async () => {
  world.bank = new Bank();
  payouts = await world.payouts();
});

const rowsOf = (accountId: bigint) =>
  world.ledgers.rows(
    `SELECT state, refusal FROM payout WHERE account_id = ${accountId} ORDER BY requested_at, payout_id`,
  );

describe('a request', () => {
  test('holds the gross sum and is due at once; nothing is sent by it', async () => {
    const accountId = await world.account();
    const answer = await payouts.request(world.requestOf(accountId));
    expect(answer).toMatchObject({ code: 0, state: 'held', gross: 300_000n, tax: 0n, net: 300_000n, attempts: 0 });
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 300_000n });
    expect(world.bank.transfers).toEqual([]);
    const due = await payouts.book().due('alipay', 0, 100);
    expect(due.map(({ id }) => id)).toContain((answer as { payoutId: bigint }).payoutId);
  });

  test('keeps the tax of its rule back, which is sent to nobody', async () => {
    const accountId = await world.account();
    const answer = await payouts.request(world.requestOf(accountId, { amount: 500_000n, taxRule: 'labour-cn' }));
    expect(answer).toMatchObject({ code: 0, gross: 500_000n, tax: 80_000n, net: 420_000n, taxRule: 'labour-cn' });
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 500_000n });
  });

  test('with the key of an earlier one is the earlier one, also long after it has ended', async () => {
    const request = world.requestOf(await world.account());
    const first = await payouts.request(request);
    const { payoutId } = first as { payoutId: bigint };
    expect(await payouts.request(request)).toMatchObject({ code: 0, payoutId, state: 'held' });
    await world.untilPeace(payouts);
    expect(await payouts.request(request)).toMatchObject({ code: 0, payoutId, state: 'paid' });
    expect(await rowsOf(request.accountId)).toHaveLength(1);
  });

  test.each([
    { amount: 300_001n },
    { payee: 'bob' },
    { payeeName: 'Ann' },
    { title: 'other' },
    { taxRule: 'labour-cn' as const },
  ])('with the key of an earlier one and other content is refused: %o', async (more) => {
    const request = world.requestOf(await world.account());
    await payouts.request(request);
    expect(await payouts.request({ ...request, ...more })).toMatchObject({ code: 6 });
    expect(await rowsOf(request.accountId)).toHaveLength(1);
  });

  test('may have a key that another account has used', async () => {
    const request = world.requestOf(await world.account());
    await payouts.request(request);
    expect(await payouts.request({ ...request, accountId: await world.account() })).toMatchObject({ code: 0 });
  });

  test('within 10 s of the last one of its account is refused, stays as a row, and its key answers so for ever', async () => {
    const accountId = await world.account();
    await payouts.request(world.requestOf(accountId));
    await world.pass(9);
    const second = world.requestOf(accountId);
    expect(await payouts.request(second)).toMatchObject({ code: 2 });
    await world.pass(2);
    expect(await payouts.request(second)).toMatchObject({ code: 2 });
    expect(await rowsOf(accountId)).toEqual([
      ['held', null],
      ['refused', 2],
    ]);
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 300_000n });
  });

  test('is taken 10 s after the last one that was taken; refused ones between them do not count', async () => {
    const accountId = await world.account();
    await payouts.request(world.requestOf(accountId));
    await world.pass(9);
    await payouts.request(world.requestOf(accountId));
    await world.pass(1.5);
    expect(await payouts.request(world.requestOf(accountId))).toMatchObject({ code: 0 });
  });

  test('is not held up by a clock that was once far ahead', async () => {
    const accountId = await world.account();
    await payouts.request(world.requestOf(accountId));
    await world.pass(-3600);
    expect(await payouts.request(world.requestOf(accountId))).toMatchObject({ code: 0 });
  });

  test('of two at once of one account by two processes, one is taken', async () => {
    const accountId = await world.account();
    const other = await world.payouts();
    const answers = await Promise.all(
      [payouts, other, payouts, other].map((one) => one.request(world.requestOf(accountId))),
    );
    expect(answers.map(({ code }) => code).sort()).toEqual([0, 2, 2, 2]);
    expect(await world.wallet(accountId)).toEqual({ balance: wealth, held: 300_000n });
  });

  test('made by several processes at once with one key is one payout', async () => {
    const request = world.requestOf(await world.account());
    const others = await Promise.all([world.payouts(), world.payouts()]);
    const answers = await Promise.all([payouts, ...others, payouts].map((one) => one.request(request)));
    expect(new Set(answers.map((one) => (one.code === 0 ? one.payoutId : one.reason))).size).toBe(1);
    expect(await rowsOf(request.accountId)).toEqual([['held', null]]);
  });

  test('of more than there is: 3, as a row; the wallet is as before', async () => {
    const request = world.requestOf(await world.account(299_999n));
    expect(await payouts.request(request)).toMatchObject({ code: 3 });
    expect(await payouts.request(request)).toMatchObject({ code: 3 });
    expect(await rowsOf(request.accountId)).toEqual([['refused', 3]]);
    expect(await world.wallet(request.accountId)).toEqual({ balance: 299_999n, held: 0n });
  });

  test('of a frozen account: 4, also by the same key when it is free again', async () => {
    const request = world.requestOf(await world.account());
    await world.ledger.freeze(request.accountId);
    expect(await payouts.request(request)).toMatchObject({ code: 4 });
    await world.ledger.unfreeze(request.accountId);
    expect(await payouts.request(request)).toMatchObject({ code: 4 });
    expect(await payouts.request(world.requestOf(request.accountId))).toMatchObject({ code: 0 });
  });

  test('of an account that is not there: 1, and nothing is written', async () => {
    expect(await payouts.request(world.requestOf(999_999n))).toMatchObject({ code: 1 });
    expect(await world.ledgers.rows('SELECT 1 FROM payout_claim WHERE account_id = 999999')).toEqual([]);
  });

  test.each([
    ['amount', 0n],
    ['amount', -1n],
    ['amount', 100],
    ['accountId', 0n],
    ['provider', 'wechat'],
    ['provider', undefined],
    ['payee', ''],
    ['payee', 'x'.repeat(129)],
    ['payeeName', ''],
    ['title', ' '],
    ['title', '汉'.repeat(33)],
    ['idempotencyKey', undefined],
    ['idempotencyKey', 'k'.repeat(65)],
    ['taxRule', 'half'],
  ])('with a wrong %s (%o): 6, told by name, and nothing is written', async (name, value) => {
    const accountId = await world.account();
    const answer = await payouts.request({ ...world.requestOf(accountId), [name]: value } as never);
    expect(answer).toMatchObject({ code: 6, reason: expect.stringContaining(name) });
    expect(await world.ledgers.rows(`SELECT 1 FROM payout_claim WHERE account_id = ${accountId}`)).toEqual([]);
  });

  test('whose hold a person has closed meanwhile: 5', async () => {
    const request = world.requestOf(await world.account());
    const accountId = request.accountId;
    const billId = await world.ledger.nextBillId();
    const first = await payouts.request({ ...request, amount: wealth + 1n, idempotencyKey: 'scratch' });
    expect(first).toMatchObject({ code: 3 });
    await world.ledgers.session.write(
      `INSERT INTO payout_claim (account_id, idempotency_key, content, payout_id, bill_id, tax)
       SELECT account_id, 'closed', content, payout_id + 500000, ${billId}, 0 FROM payout_claim WHERE account_id = ${accountId}`,
    );
    await world.ledgers.session.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller, result, code, done_at)
       VALUES (${billId}, 'hold', ${accountId}, 0, ${wealth + 1n}, 'payments', 'failed', 5, NOW())`,
    );
    const again = { ...request, amount: wealth + 1n, idempotencyKey: 'closed' };
    expect(await payouts.request(again)).toMatchObject({ code: 5 });
    expect(await payouts.request(again)).toMatchObject({ code: 5 });
  });

  test('to a server that is gone: -1, and the same again is answered', async () => {
    const request = world.requestOf(await world.account());
    const closed = await world.payouts();
    await closed.close();
    expect(await closed.request(request)).toMatchObject({ code: -1 });
    expect(await payouts.request(request)).toMatchObject({ code: 0 });
  });
});
