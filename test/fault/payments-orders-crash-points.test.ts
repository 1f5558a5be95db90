/**
 * Every statement of every step of an order, broken: the process killed before or after it, the connection lost before or
 * after it, a deadlock, a lock wait. Then the step once more, by another process: the order, its bills and its account
 * are as if nothing had happened. Whatever was left undone was due by itself.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { type PaymentAnswer, Payments } from '../../src/payments/index.ts';
import { breaking, type Fault, faultsAt } from '../support/broken-statements.ts';
import { PaymentsWorld } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';

let world: PaymentsWorld;
let keys = 0;
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
});
afterAll(async () => {
  expect(await world.flaws()).toEqual({});
  await world.destroy();
});
afterEach(() => vi.restoreAllMocks());

const paid = says('paid', { amount: 1000n });
const refunded = says('refunded', { amount: 1000n, refunded: 1000n });
const closed = says('closed');

interface Stage {
  readonly merchant: bigint;
  readonly orderId: bigint;
  readonly key: string;
}
/** @returns whether it came to its end: done, and known to be */
type Step = (payments: Payments, stage: Stage) => Promise<boolean>;

/** A look as the job takes it, the provider saying this. */
const look =
  (answer: PaymentAnswer): Step =>
  async (payments, { orderId }) => {
    world.alipay.script = () => answer;
    const taken = await payments.book().take(orderId, 60_000);
    if ('provider' in taken) await payments.book().look(orderId);
    return true;
  };
const notice =
  (answer: PaymentAnswer): Step =>
  async (payments, { orderId, key }) =>
    (await payments.notice('alipay', noticeOf({ about: 'order', orderId, answer, nonce: key }))).status === 200;
const ofPayments =
  (call: (payments: Payments, stage: Stage) => Promise<{ code: number }>): Step =>
  async (payments, stage) =>
    (await call(payments, stage)).code === 0;
const expire: Step = async (_, { orderId }) => {
  await world.expire(orderId);
  return true;
};
const freeze: Step = async (_, { merchant }) => (await world.ledger.freeze(merchant)).code === 0;
const resolve = (as: 'paid' | 'closed') =>
  ofPayments((payments, { orderId }) => payments.resolve({ orderId, as, operator: 'ann', reason: 'seen' }));

/** What is there before the step, the step, and whether it is repeated as it is; otherwise the job goes on from there. */
const scenes: Readonly<Record<string, { before?: Step[]; step: Step; isRepeated?: true; after?: PaymentAnswer }>> = {
  'an order is made': {
    isRepeated: true,
    step: ofPayments((payments, { merchant, key }) =>
      payments.createOrder({
        merchantId: merchant,
        amount: 5n,
        subject: 'tea',
        provider: 'alipay',
        expiresInSeconds: 900,
        idempotencyKey: key,
      }),
    ),
  },
  'a look finds it paid': { step: look(paid), after: paid },
  'a look finds it paid, and its account frozen': { before: [freeze], step: look(paid), after: paid },
  'a look finds it refunded, and had not seen it paid': { step: look(refunded), after: refunded },
  'a look finds it refunded': { before: [notice(paid)], step: look(refunded), after: refunded },
  'a look finds nothing new': { step: look(says('unknown')), after: says('unknown') },
  'a look finds another amount': { step: look(says('paid', { amount: 1n })), after: says('paid', { amount: 1n }) },
  'a look gives it up': { before: [expire], step: look(closed), after: closed },
  'a look closes it first': { before: [expire], step: look(says('pending')), after: closed },
  'a notice says that it is paid': { step: notice(paid), after: paid },
  'a notice says so after it was given up': { before: [expire, look(closed)], step: notice(paid), isRepeated: true },
  'a notice says that it is refunded': { before: [look(paid)], step: notice(refunded), isRepeated: true },
  'a person says that it is paid': { step: resolve('paid'), isRepeated: true },
  'a person says that nobody has paid': {
    before: [look(says('paid', { amount: 1n }))],
    step: resolve('closed'),
    isRepeated: true,
  },
};
type Scene = (typeof scenes)[string];

/** A step under a fault, and what follows from it; what stands then. */
async function play(scene: Scene, nth: number, fault: Fault | null) {
  const { before = [], step, after } = scene;
  const merchant = await world.merchant();
  const orderId = await world.order(merchant);
  const stage = { merchant, orderId, key: `key ${++keys}` };
  for (const one of before) {
    await world.makeDue(orderId);
    expect(await one(world.payments, stage)).toBe(true);
    stage.key = `key ${++keys}`;
  }
  if (after !== undefined) await world.makeDue(orderId);
  const sent = breaking(nth, fault);
  const options = { url: world.world.url, providers: [world.alipay], connections: 1, patienceMs: 2000 };
  const broken = await Payments.connect(options).catch(() => null);
  const isDone = broken !== null && (await step(broken, stage).catch(() => false));
  const statements = sent();
  vi.restoreAllMocks();
  await broken?.close();
  if (!isDone || after !== undefined) await goOn(stage, scene);
  return { statements, state: await stateOf(stage) };
}

/** The same once more, where its caller would ask again; then what the job finds due. */
async function goOn(stage: Stage, { step, isRepeated, after }: Scene) {
  if (isRepeated) await step(world.payments, stage);
  const [state, credited, returned, nextAt] = await world.row(stage.orderId, 'state, credited, returned, next_at');
  const isOpen =
    state === 'pending' || (state === 'paid' && credited === 0) || (state === 'refunded' && returned === 0);
  if (isOpen) expect(nextAt, 'an order that is not at its end is due').not.toBeNull();
  if (nextAt === null || after === undefined) return;
  await world.makeDue(stage.orderId);
  await look(after)(world.payments, stage);
}

async function stateOf({ merchant, orderId, key }: Stage) {
  const rows = (sql: string) => world.world.rows(sql);
  const byKey = [0, 1, 2, 3].map(
    (
      table,
    ) => `SELECT amount, state, next_at IS NULL FROM pay_order_${table} JOIN pay_order_detail_${table} d USING (order_id)
      WHERE d.merchant_id = ${merchant} AND d.idempotency_key = '${key}'`,
  );
  return {
    order: await world.row(orderId, 'state, credited, returned, concern, next_at IS NULL'),
    byKey: await rows(byKey.join(' UNION ALL ')),
    bills: await rows(
      `SELECT channel, amount, result FROM bill WHERE account_id = ${merchant} AND result <> 'failed' ORDER BY id`,
    ),
    account: await rows(`SELECT balance, held FROM account WHERE account_id = ${merchant}`),
    resolutions: await rows(`SELECT resolved_as, operator FROM order_resolution WHERE order_id = ${orderId}`),
  };
}

describe.each(Object.entries(scenes))('%s', (_, scene) => {
  test('comes out the same wherever it is broken', async () => {
    const undisturbed = await play(scene, 0, null);
    expect(undisturbed.statements.length).toBeGreaterThan(4);
    for (let nth = 1; nth <= undisturbed.statements.length; nth++)
      for (const fault of faultsAt(nth, undisturbed.statements))
        expect((await play(scene, nth, fault)).state, `${fault} statement ${nth}`).toEqual(undisturbed.state);
  });
});
