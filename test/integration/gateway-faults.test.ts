import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PaymentState, ProviderName } from '../../src/payments/provider.ts';
import { UnavailableError } from '../../src/platform/errors.ts';
import { payoutState } from '../../src/sandbox/book.ts';
import { type Fault, faults } from '../../src/sandbox/faults.ts';
import { type GatewayWorld, gatewayWorld, orderToPay, transferOf } from '../support/gateway.ts';

let world: GatewayWorld;
beforeAll(async () => {
  world = await gatewayWorld();
});
afterAll(() => world.close());

const names: readonly ProviderName[] = ['alipay', 'wechat'];
const ofBills: readonly Fault[] = ['late-address', 'damaged-bill'];
const ofDeeds: readonly Fault[] = ['false-success', 'false-failure'];
const ofQueries = faults.filter((fault) => !ofBills.includes(fault) && !ofDeeds.includes(fault));
const ofAll = faults.filter((fault) => !ofBills.includes(fault));

type Stage = 'not known' | 'waiting' | 'paid' | 'closed';
const stages: Readonly<Record<Stage, PaymentState>> = {
  'not known': 'pending',
  waiting: 'pending',
  paid: 'paid',
  closed: 'closed',
};

async function orderAt(name: ProviderName, stage: Stage): Promise<bigint> {
  const order = orderToPay();
  if (stage === 'not known') return order.orderId;
  const { content } = await world.provider(name).request(order);
  expect(world.gateway.opens(content)).toBe(true);
  if (stage === 'paid') expect(world.gateway.pays(order.orderId)).toBe(true);
  if (stage === 'closed') expect(world.gateway.closes(order.orderId)).toBe(true);
  return order.orderId;
}

const lastFault = () => world.gateway.log.at(-1)?.fault;

describe.each(names)('whatever goes wrong at %s', (name) => {
  const stagesOf = Object.entries(stages) as [Stage, PaymentState][];

  describe.each(stagesOf)('a query of an order that is %s', (stage, truth) => {
    test('without a fault says the truth', async () => {
      const orderId = await orderAt(name, stage);
      const answer = await world.provider(name).query(orderId);
      expect(answer).toMatchObject({ state: truth, known: stage !== 'not known' });
    });

    test.each(ofQueries)('with %s is unknown, and not taken for not known there', async (fault) => {
      const orderId = await orderAt(name, stage);
      world.gateway.faults.next(fault);
      const answer = await world.provider(name).query(orderId);
      expect(lastFault()).toBe(fault);
      expect(answer).toMatchObject({ state: 'unknown', known: true, amount: null });
      expect(answer.word).not.toBe('');
    });
  });

  test.each(ofAll)('closing with %s throws nothing, and only a query says what it came to', async (fault) => {
    const orderId = await orderAt(name, 'waiting');
    world.gateway.faults.next(fault, 1, 'close');
    await world.provider(name).close(orderId);
    expect(lastFault()).toBe(fault);
    const isClosed = world.gateway.book.trade(String(orderId))?.state === 'closed';
    expect((await world.provider(name).query(orderId)).state).toBe(isClosed ? 'closed' : 'pending');
  });

  test.each(ofAll)(
    'sending money with %s says pending or unknown, and only a query says what it came to',
    async (fault) => {
      const transfer = transferOf();
      world.gateway.faults.next(fault, 1, 'transfer');
      const sent = await world.provider(name).transfer(transfer);
      expect(lastFault()).toBe(fault);
      expect(['pending', 'unknown']).toContain(sent.state);
      const payout = world.gateway.book.payout(String(transfer.payoutId));
      const truth = payout === undefined ? 'missing' : payoutState(payout, Date.now());
      expect((await world.provider(name).queryTransfer(transfer.payoutId)).state).toBe(truth);
    },
  );

  test.each(ofQueries)('a query of a payout with %s is unknown', async (fault) => {
    const transfer = transferOf();
    await world.provider(name).transfer(transfer);
    world.gateway.faults.next(fault);
    const answer = await world.provider(name).queryTransfer(transfer.payoutId);
    expect(lastFault()).toBe(fault);
    expect(answer).toMatchObject({ state: 'unknown', amount: null });
  });
});

test.each(names)('%s is asked once, also when the connection breaks', async (name) => {
  for (const fault of ['reset-before', 'reset-after', 'timeout-before'] as const) {
    const { length } = world.gateway.log;
    world.gateway.faults.next(fault);
    await world.provider(name).query(orderToPay().orderId);
    expect(world.gateway.log.slice(length).map((line) => line.fault)).toEqual([fault]);
  }
});

describe('asking WeChat for a code to pay by', () => {
  test.each(ofAll.filter((fault) => fault !== 'false-success'))(
    'with %s says that there is none now',
    async (fault) => {
      world.gateway.faults.next(fault, 1, 'prepay');
      const request = world.provider('wechat').request(orderToPay());
      await expect(request).rejects.toThrow(UnavailableError);
      await expect(request).rejects.toThrow(/WeChat Pay gives no code to pay the order \d{19} by: ./);
    },
  );

  test('again for the same order gives the code again', async () => {
    const order = orderToPay();
    const first = await world.provider('wechat').request(order);
    expect(await world.provider('wechat').request(order)).toEqual(first);
  });
});

describe('sending money again', () => {
  test.each(names)('to %s: the same payout is the same transfer', async (name) => {
    const transfer = transferOf();
    world.gateway.faults.next('timeout-after', 1, 'transfer');
    expect((await world.provider(name).transfer(transfer)).state).toBe('unknown');
    expect((await world.provider(name).transfer(transfer)).state).toBe('pending');
    expect(await world.provider(name).queryTransfer(transfer.payoutId)).toMatchObject({
      state: 'paid',
      amount: 50_000n,
    });
    expect(world.gateway.book.payouts.filter(({ payoutId }) => payoutId === String(transfer.payoutId))).toHaveLength(1);
  });

  test.each(names)('to %s with another amount is refused there, and unknown here', async (name) => {
    const transfer = transferOf();
    await world.provider(name).transfer(transfer);
    expect((await world.provider(name).transfer({ ...transfer, amount: 1n })).state).toBe('unknown');
    expect(world.gateway.book.payout(String(transfer.payoutId))?.amount).toBe(50_000n);
  });
});

test('more requests in a second than the provider takes are unknown, and nothing else', async () => {
  const slow = await gatewayWorld({ ratePerSecond: 10, timeout: '5s' });
  try {
    for (const name of names) {
      const ids = Array.from({ length: 25 }, () => orderToPay().orderId);
      const answers = await Promise.all(ids.map((id) => slow.provider(name).query(id)));
      expect(answers.filter(({ state, known }) => state === 'pending' && !known).length).toBeGreaterThanOrEqual(10);
      const refused = answers.filter(({ state }) => state === 'unknown');
      expect(refused.length).toBeGreaterThan(0);
      expect(new Set(refused.map(({ word }) => word))).toEqual(
        new Set([name === 'wechat' ? 'FREQUENCY_LIMITED' : 'HTTP 403']),
      );
    }
  } finally {
    await slow.close();
  }
});

test('with three requests in ten going wrong by chance, no answer is ever a wrong one', async () => {
  const turns = Array.from({ length: 48 }, (_, index) => [names[index % 2], Object.keys(stages)[index % 4]]);
  const orders = await Promise.all(
    (turns as [ProviderName, Stage][]).map(async ([name, stage]) => ({ name, stage, id: await orderAt(name, stage) })),
  );
  world.gateway.faults.share = 0.3;
  const answers = await Promise.all(orders.map(({ name, id }) => world.provider(name).query(id)));
  world.gateway.faults.share = 0;
  const said = orders.flatMap(({ stage }, index) => {
    const { state, known } = answers[index] as (typeof answers)[number];
    return state === 'unknown' ? [] : [{ stage, state, known }];
  });
  expect(said.length).toBeLessThan(orders.length);
  expect(said).toEqual(said.map(({ stage }) => ({ stage, state: stages[stage], known: stage !== 'not known' })));
});
