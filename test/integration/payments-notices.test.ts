/** Notices of providers: verified, taken once, acted on, and answered so that the provider knows what to do. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { type Notice, NoticeError } from '../../src/payments/index.ts';
import { PaymentsWorld } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';

let world: PaymentsWorld;
let merchant: bigint;
let orderId: bigint;
let nonces = 0;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
beforeEach(async () => {
  merchant = await world.merchant();
  orderId = await world.order(merchant);
});
afterEach(async () => {
  vi.restoreAllMocks();
  expect(await world.flaws()).toEqual({});
});

const taken = { status: 200, headers: {}, body: 'success' };
const again = { status: 500, headers: {}, body: 'fail' };
const nonce = () => `nonce ${++nonces}`;
const paid = says('paid', { amount: 1000n });
const about = (more: Partial<Extract<Notice, { about: 'order' }>> = {}): Notice => ({
  about: 'order',
  orderId,
  answer: paid,
  nonce: nonce(),
  ...more,
});

test('the whole refund that comes while a query is under way leaves nothing to a person, whatever that query says', async () => {
  await world.payments.notice('alipay', noticeOf(about()));
  world.alipay.script = async () => {
    const whole = about({ answer: says('refunded', { amount: 1000n, refunded: 1000n }) });
    expect(await world.payments.notice('alipay', noticeOf(whole))).toEqual(taken);
    return says('refunded', { amount: 1000n }); // an unknown part
  };
  expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'refunded' });
  expect((await world.row(orderId, 'state, concern, returned')).map(String)).toEqual(['refunded', 'null', '1']);
  expect(await world.balance(merchant)).toBe(0n);
});

describe('a notice that an order is paid', () => {
  test('credits it at once, and is taken; a query confirms it soon', async () => {
    expect(await world.payments.notice('alipay', noticeOf(about()))).toEqual(taken);
    expect(await world.balance(merchant)).toBe(1000n);
    const [nextAt] = await world.row(orderId, 'next_at');
    expect(nextAt).not.toBeNull();
    world.alipay.script = () => paid;
    expect(await world.look(orderId)).toEqual({ outcome: 'settled', detail: 'paid', nextAt: null });
  });

  test('that overtook the one of its refund is put right by that query', async () => {
    await world.payments.notice('alipay', noticeOf(about({ answer: says('closed') })));
    await world.payments.notice('alipay', noticeOf(about()));
    expect(await world.balance(merchant)).toBe(1000n);
    world.alipay.script = () => says('closed');
    expect(await world.look(orderId)).toMatchObject({ outcome: 'settled', detail: 'refunded' });
    expect(await world.balance(merchant)).toBe(0n);
  });

  test('and that no query confirms is asked about again, and never taken back', async () => {
    await world.payments.notice('alipay', noticeOf(about()));
    for (const state of ['pending', 'unknown', 'failed'] as const) {
      world.alipay.script = () => says(state);
      expect(await world.look(orderId)).toMatchObject({ outcome: 'waiting' });
    }
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test.each([
    ['signed by nobody', () => noticeOf(about(), 'forged')],
    ['of an order that is not ours', () => noticeOf(about({ orderId: 1n }))],
  ])('moves nothing, and is not taken: %s', async (_, request) => {
    expect(await world.payments.notice('alipay', request())).toEqual(again);
    expect(await world.row(orderId)).toEqual(['pending', 0, 0]);
  });

  test('from another provider than its own moves nothing', async () => {
    expect(await world.payments.notice('wechat', noticeOf(about()))).toEqual(again);
    expect(await world.row(orderId)).toEqual(['pending', 0, 0]);
  });

  test('from a provider that is not set up is an error that names it', async () => {
    const payments = await world.connect({ providers: [world.alipay] });
    await expect(payments.notice('wechat', noticeOf(about()))).rejects.toMatchObject({
      exitCode: 78,
      message: 'wechat is not set up',
    });
  });

  test('of another amount is taken, and a person must look', async () => {
    expect(await world.payments.notice('alipay', noticeOf(about({ answer: says('paid', { amount: 1n }) })))).toEqual(
      taken,
    );
    expect(await world.balance(merchant)).toBe(0n);
    world.alipay.script = () => says('unknown');
    expect(await world.look(orderId)).toMatchObject({ outcome: 'stuck', detail: expect.stringContaining('1 fen') });
  });
});

test('why a notice is not taken is told to the program', async () => {
  const failures: unknown[] = [];
  const payments = await world.connect({ noticeFailed: (error) => failures.push(error) });
  await payments.notice('alipay', noticeOf(about(), 'forged'));
  await payments.notice('alipay', noticeOf(about({ orderId: 1n })));
  expect(failures).toEqual([
    new NoticeError('not signed'),
    new NoticeError('alipay tells of order 1, which is none of ours there'),
  ]);
});

describe('the very same message', () => {
  test('sent again by somebody is refused, at another process, too', async () => {
    const request = noticeOf(about());
    expect(await world.payments.notice('alipay', request)).toEqual(taken);
    expect(await world.payments.notice('alipay', request)).toEqual(again);
    expect(await (await world.connect()).notice('alipay', request)).toEqual(again);
  });

  test('sent ten times at once is taken once', async () => {
    const request = noticeOf(about());
    const replies = await Promise.all(Array.from({ length: 10 }, () => world.payments.notice('alipay', request)));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('is taken when it could not be acted on before', async () => {
    const request = noticeOf(about());
    vi.spyOn(Ledger.prototype, 'recharge').mockResolvedValueOnce({ code: -3, reason: 'nobody knows' });
    expect(await world.payments.notice('alipay', request)).toEqual(again);
    expect(await world.row(orderId)).toEqual(['paid', 0, 0]);
    expect(await world.payments.notice('alipay', request)).toEqual(taken);
    expect(await world.balance(merchant)).toBe(1000n);
  });

  test('is kept 20 minutes, behind which its provider takes care of it', async () => {
    await world.world.session.write(
      "INSERT INTO notice_nonce (provider, nonce, seen_at) VALUES ('alipay', 'old', NOW(3) - INTERVAL 21 MINUTE), ('alipay', 'young', NOW(3) - INTERVAL 19 MINUTE)",
    );
    await world.payments.notice('alipay', noticeOf(about()));
    const kept = (await world.world.rows('SELECT nonce FROM notice_nonce')).flat();
    expect(kept).toContain('young');
    expect(kept).not.toContain('old');
  });

  test('without a nonce, as Alipay sends it, changes nothing when it comes again', async () => {
    const request = noticeOf(about({ nonce: null }));
    expect(await world.payments.notice('alipay', request)).toEqual(taken);
    expect(await world.payments.notice('alipay', request)).toEqual(taken);
    expect(await world.balance(merchant)).toBe(1000n);
  });
});

describe('a notice about something else', () => {
  test('is taken', async () => {
    expect(await world.payments.notice('alipay', noticeOf({ about: 'other', nonce: null }))).toEqual(taken);
  });

  test('a payout, is passed on; where nobody is there for it, or they fail, it is to be sent again', async () => {
    const noticed: bigint[] = [];
    let isBroken = false;
    const payouts = {
      noticed: async (id: bigint) => {
        if (isBroken) throw new Error('busy');
        noticed.push(id);
      },
    };
    const payments = await world.connect({ payouts });
    const payout = () => noticeOf({ about: 'payout', payoutId: 7n, nonce: nonce() });
    expect(await payments.notice('alipay', payout())).toEqual(taken);
    expect(noticed).toEqual([7n]);
    isBroken = true;
    expect(await payments.notice('alipay', payout())).toEqual(again);
    expect(await world.payments.notice('alipay', payout())).toEqual(again);
  });
});
