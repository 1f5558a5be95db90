/**
 * Any answers in any order: by queries and notices, true, false, late and repeated, several at once from several
 * processes, some of them killed at some statement. Whatever has happened, the accounts have what signed answers said,
 * once.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { type PaymentAnswer, Payments } from '../../src/payments/index.ts';
import { breaking, faults } from '../support/broken-statements.ts';
import { PaymentsWorld } from '../support/payments-world.ts';
import { noticeOf, says } from '../support/scripted-provider.ts';

const runs = Number(process.env.TIDEMARK_TEST_RUNS ?? 60);

let world: PaymentsWorld;
let processes: Payments[];
beforeAll(async () => {
  world = await PaymentsWorld.create(inject('servers'));
  processes = [world.payments, await world.connect(), await world.connect()];
});
afterAll(() => world.destroy());

const amount = 1000n;
const answers = {
  paid: says('paid', { amount }),
  refunded: says('refunded', { amount, refunded: amount }),
  closed: says('closed'),
  'not known there': says('pending', { known: false }),
  pending: says('pending'),
  failed: says('failed'),
  unknown: says('unknown'),
  'paid too little': says('paid', { amount: 999n }),
  'paid, of how much is not told': says('paid'),
  'refunded in part': says('refunded', { amount, refunded: 1n }),
} as const satisfies Record<string, PaymentAnswer>;
type AnswerName = keyof typeof answers;
/** What makes a person look. */
const concerning: readonly AnswerName[] = ['paid too little', 'refunded in part', 'closed'];

interface Step {
  readonly how: 'look' | 'notice' | 'at once' | 'killed' | 'expire';
  readonly order: number;
  readonly answers: readonly AnswerName[];
  readonly fault: (typeof faults)[number];
  /** The statement at which it strikes. */
  readonly nth: number;
}

const common: readonly AnswerName[] = ['paid', 'refunded', 'closed', 'not known there', 'pending', 'unknown'];
const anyAnswer = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...common) },
  { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(answers) as AnswerName[])) },
);
const anySteps = fc.array(
  fc.record<Step>({
    how: fc.constantFrom('look', 'look', 'notice', 'notice', 'at once', 'killed', 'killed', 'expire'),
    order: fc.nat(1),
    answers: fc.array(anyAnswer, { minLength: 1, maxLength: 4 }),
    fault: fc.constantFrom(...faults),
    nth: fc.integer({ min: 1, max: 24 }),
  }),
  { minLength: 2, maxLength: 10 },
);

interface Known {
  readonly orderId: bigint;
  readonly provider: 'alipay' | 'wechat';
  isExpired: boolean;
  /** What was said to a process that may have been killed, and to one that was not. */
  readonly said: Set<AnswerName>;
  readonly heard: Set<AnswerName>;
}

async function look(payments: Payments, { orderId, provider }: Known, name: AnswerName): Promise<void> {
  world[provider].script = () => answers[name];
  const taken = await payments.book().take(orderId, 60_000);
  if ('provider' in taken) await payments.book().look(orderId);
}

const notice = (payments: Payments, { orderId, provider }: Known, name: AnswerName) =>
  payments.notice(provider, noticeOf({ about: 'order', orderId, answer: answers[name], nonce: null }));

async function killed(order: Known, { answers: [name], fault, nth }: Step): Promise<void> {
  breaking(nth, fault);
  const options = { url: world.world.url, providers: [world.alipay, world.wechat], connections: 1, patienceMs: 2000 };
  const broken = await Payments.connect(options).catch(() => null);
  if (broken !== null)
    await (nth % 2 === 0 ? look(broken, order, name as AnswerName) : notice(broken, order, name as AnswerName)).catch(
      () => undefined,
    );
  vi.restoreAllMocks();
  await broken?.close();
}

async function play(order: Known, step: Step): Promise<void> {
  if (step.how === 'expire') {
    order.isExpired = true;
    return world.expire(order.orderId);
  }
  // What is at its end is not asked about: a look would have found nothing to do.
  const [nextAt] = await world.row(order.orderId, 'next_at');
  if (nextAt !== null) await world.makeDue(order.orderId);
  for (const name of step.how === 'at once' ? step.answers : step.answers.slice(0, 1)) order.said.add(name);
  const [name, ...more] = step.answers as [AnswerName, ...AnswerName[]];
  if (step.how === 'killed') return killed(order, step);
  if (step.how === 'look') {
    await look(processes[0] as Payments, order, name);
    if (nextAt !== null) order.heard.add(name);
    return;
  }
  const told = step.how === 'notice' ? [name] : [name, ...more];
  const looks = step.how === 'notice' ? [] : processes.map((payments) => look(payments, order, name));
  await Promise.all([
    ...looks,
    ...told.map((one, index) => notice(processes[index % processes.length] as Payments, order, one)),
  ]);
  for (const one of told) order.heard.add(one);
}

/** In peace: whatever was left half done is done. */
async function settle(order: Known): Promise<void> {
  const [nextAt] = await world.row(order.orderId, 'next_at');
  if (nextAt !== null) await world.makeDue(order.orderId);
  await look(world.payments, order, 'unknown');
}

async function check(order: Known): Promise<bigint> {
  const [state, credited, returned, concern] = await world.row(order.orderId, 'state, credited, returned, concern');
  const { said, heard, provider } = order;
  const isPaidState = state === 'paid' || state === 'refunded';
  expect(credited, 'credited, and only what is paid').toBe(isPaidState ? 1 : 0);
  expect(returned, 'returned, and only what is refunded').toBe(state === 'refunded' ? 1 : 0);
  if (heard.has('paid') || heard.has('refunded')) expect(isPaidState, 'paid, as it was heard').toBe(true);
  if (heard.has('refunded')) expect(state, 'refunded, as it was heard').toBe('refunded');
  if (isPaidState) expect(said.has('paid') || said.has('refunded'), 'paid, as somebody said').toBe(true);
  const closedSaysSo = provider === 'alipay' && said.has('closed');
  if (state === 'refunded') expect(said.has('refunded') || closedSaysSo, 'refunded, as somebody said').toBe(true);
  if (state === 'closed') {
    expect(order.isExpired, 'given up only when it has expired').toBe(true);
    expect(said.has('closed') || said.has('not known there'), 'given up, as somebody said').toBe(true);
  }
  if (concern !== null) expect(concerning.some((name) => said.has(name))).toBe(true);
  return credited === 1 && returned === 0 ? amount : 0n;
}

test('accounts have what was said to be paid, once, and what was refunded has gone back', async () => {
  await fc.assert(
    fc.asyncProperty(anySteps, fc.constantFrom('alipay' as const, 'wechat' as const), async (steps, provider) => {
      const merchant = await world.merchant();
      const orders: Known[] = [];
      for (let index = 0; index < 2; index++) {
        const orderId = await world.order(merchant, { provider });
        orders.push({ orderId, provider, isExpired: false, said: new Set(), heard: new Set() });
      }
      for (const step of steps) await play(orders[step.order] as Known, step);
      for (const order of orders) await settle(order);
      let sum = 0n;
      for (const order of orders) sum += await check(order);
      expect(await world.balance(merchant)).toBe(sum);
      expect(await world.flaws()).toEqual({});
    }),
    { numRuns: runs },
  );
});

test('each pair of answers, in either order, by notice and by query', async () => {
  const names = Object.keys(answers) as AnswerName[];
  const merchant = await world.merchant();
  let sum = 0n;
  for (const first of names)
    for (const second of names)
      for (const isExpired of [false, true]) {
        const orderId = await world.order(merchant);
        const order: Known = { orderId, provider: 'alipay', isExpired, said: new Set(), heard: new Set() };
        if (isExpired) await world.expire(orderId);
        for (const name of [first, second]) {
          await play(order, { how: 'notice', order: 0, answers: [name], fault: 'deadlock', nth: 1 });
          await play(order, { how: 'look', order: 0, answers: [name], fault: 'deadlock', nth: 1 });
        }
        await settle(order);
        sum += await check(order);
      }
  expect(await world.balance(merchant)).toBe(sum);
  expect(await world.flaws()).toEqual({});
});
