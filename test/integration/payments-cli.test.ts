/** `tidemark payments` and the tables that `tidemark migrate` makes: what a person sees of orders, and decides. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { Payments } from '../../src/payments/index.ts';
import { json } from '../support/cli-tools.ts';
import { noticeOf, ScriptedProvider, says } from '../support/scripted-provider.ts';
import { World } from '../support/world.ts';

let world: World;
let ledger: Ledger;
let payments: Payments;
let orderId: bigint;
let account = 4710n;
const alipay = new ScriptedProvider('alipay');
const url = () => String(world.settings.LEDGER_DATABASE_URL);
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true, settings: { TIDEMARK_ORDER_TABLES: '3' } });
  expect((await world.cli(['migrate'])).code).toBe(0);
  ledger = await Ledger.connect({ url: url() });
  payments = await Payments.connect({ url: url(), providers: [alipay], tables: 3 });
});
afterAll(async () => {
  await payments.close();
  await ledger.close();
  await world.destroy();
});
beforeEach(async () => {
  account += 1n;
  await ledger.openAccount(account);
  const answer = await payments.createOrder({
    merchantId: account,
    amount: 123_456n,
    subject: 'green tea',
    provider: 'alipay',
    expiresInSeconds: 600,
  });
  if (answer.code !== 0) throw new Error(answer.reason);
  orderId = answer.order.orderId;
});

const run = (...args: string[]) => world.cli(['payments', ...args]);
const tell = (answer: Parameters<typeof says>) =>
  payments.notice('alipay', noticeOf({ about: 'order', orderId, answer: says(...answer), nonce: null }));

describe('the tables of orders', () => {
  test('are as many as the setting says, made by migrate, once', async () => {
    const found = await world.ledger.tuples("SHOW TABLES LIKE 'pay\\_order\\__'");
    expect(found.flat()).toEqual(['pay_order_0', 'pay_order_1', 'pay_order_2']);
    expect((await world.cli(['migrate'])).stdout).toContain('nothing to do');
  });

  test.each([
    ['migrate', ['migrate']],
    ['payments', ['payments', 'list']],
  ])('keep their number: %s with another is refused, exit 78', async (_, args) => {
    const { code, stderr } = await world.cli(args, { TIDEMARK_ORDER_TABLES: '4' });
    expect(code).toBe(78);
    expect(stderr).toContain('TIDEMARK_ORDER_TABLES is 4, and the orders are spread over 3 tables');
    expect(stderr).toContain('Next: TIDEMARK_ORDER_TABLES=3');
  });

  test('that are missing are told with the command that makes them', async () => {
    const bare = await World.create(inject('servers'), { ledger: true });
    const { code, stderr } = await bare.cli(['payments', 'list']);
    await bare.destroy();
    expect(code).toBe(78);
    expect(stderr).toMatch(/lacks the tables of orders.* Next: tidemark migrate/);
  });

  test.each(['0', '65', 'four'])('cannot be %s', async (number) => {
    const { code, stderr } = await world.cli(['payments', 'list'], { TIDEMARK_ORDER_TABLES: number });
    expect(code).toBe(78);
    expect(stderr).toContain('TIDEMARK_ORDER_TABLES');
  });
});

describe('show', () => {
  test('tells the state, the money, and what the provider said', async () => {
    await tell(['paid', { amount: 123_456n, providerId: 'A17', word: 'TRADE_SUCCESS' }]);
    const { code, stdout } = await run('show', String(orderId));
    expect(code).toBe(0);
    expect(stdout).toContain(`order ${orderId}: 1,234.56 yuan by alipay to account ${account}`);
    expect(stdout).toMatch(/paid and credited, bill \d+, "green tea"/);
    expect(stdout).toMatch(/the provider says TRADE_SUCCESS since .*, its number A17/);
  });

  test('tells scripts the same, fen and ids as text', async () => {
    expect(json(await run('show', String(orderId), '--json'))).toMatchObject({
      orderId: String(orderId),
      amount: '123456',
      state: 'pending',
      isCredited: false,
    });
  });

  test.each([
    ['an unknown order', '99', /there is no order 99/],
    ['what is no id', 'bob', /"bob" is no id/],
  ])('refuses %s', async (_, order, complaint) => {
    const { code, stderr } = await run('show', order);
    expect(code).toBe(64);
    expect(stderr).toMatch(complaint);
  });
});

describe('list', () => {
  test('tells orders of a state', async () => {
    const listed = json<{ orderId: string }[]>(await run('list', '--limit', '1', '--json'));
    expect(listed.map((order) => order.orderId)).toEqual([String(orderId)]);
    expect((await run('list')).stdout).toContain(String(orderId));
    expect((await run('list', '--state', 'refunded')).stdout).toBe('no such orders\n');
    expect((await run('list', '--state', 'lost')).code).toBe(64);
  });

  test('tells those that a person must look at, exit 65, until one has', async () => {
    await tell(['paid', { amount: 1n }]);
    const { code, stdout } = await run('list', '--concern');
    expect(code).toBe(65);
    expect(stdout).toContain('1 fen were paid, and the order is of 123456');
    expect((await run('show', String(orderId))).stdout).toContain(`tidemark payments resolve ${orderId}`);
    expect((await run('resolve', String(orderId), '--as', 'closed', '--reason', 'sent back', '--yes')).code).toBe(0);
    expect((await run('list', '--concern')).code).toBe(0);
  });
});

test('switch turns new orders off and on', async () => {
  expect((await run('switch', 'orders', '--off', '--reason', 'audit', '--yes')).code).toBe(0);
  expect((await run('switch')).stdout).toContain('audit');
  expect((await run('switch', 'orders', '--on', '--reason', 'over', '--yes')).code).toBe(0);
});

describe('resolve', () => {
  test('as paid credits the account, and keeps who did it and why', async () => {
    const { code, stdout } = await run('resolve', String(orderId), '--as', 'paid', '--reason', 'case 12', '--yes');
    expect(code).toBe(0);
    expect(stdout).toContain('paid and credited');
    expect(await ledger.balance(account)).toMatchObject({ balance: 123_456n });
    const kept = await world.ledger.tuples(`SELECT operator, reason FROM order_resolution WHERE order_id = ${orderId}`);
    expect(kept).toEqual([[expect.stringContaining('(tidemark payments)'), 'case 12']]);
    expect((await run('show', String(orderId))).stdout).toMatch(
      /resolved as paid: case 12, by .* \(tidemark payments\)/,
    );
    expect(json(await run('show', String(orderId), '--json'))).toMatchObject({ resolutions: [{ as: 'paid' }] });
  });

  test.each([
    ['without --as', ['--reason', 'x', '--yes'], /--as is missing/],
    ['as something else', ['--as', 'refunded', '--reason', 'x', '--yes'], /argument 'refunded' is invalid/],
    ['without a reason', ['--as', 'paid', '--yes'], /--reason is missing/],
    ['without a terminal to ask on', ['--as', 'paid', '--reason', 'x'], /no terminal to ask on/],
  ])('is refused %s, and changes nothing', async (_, args, complaint) => {
    const { code, stderr } = await run('resolve', String(orderId), ...args);
    expect(code).toBe(64);
    expect(stderr).toMatch(complaint);
    expect(await payments.order(orderId)).toMatchObject({ order: { state: 'pending' } });
  });

  test('of a paid order as closed fails, exit 1', async () => {
    await tell(['paid', { amount: 123_456n }]);
    const { code, stderr } = await run('resolve', String(orderId), '--as', 'closed', '--reason', 'x', '--yes');
    expect(code).toBe(1);
    expect(stderr).toMatch(/is paid: what its account has is corrected in the ledger/);
  });
});
