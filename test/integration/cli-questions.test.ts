/** A person may take longer over a question than a server leaves an idle connection open: the answer counts all the same. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { Ledger } from '../../src/ledger/index.ts';
import { Payments } from '../../src/payments/index.ts';
import { Payouts } from '../../src/payments/payouts.ts';
import { addExtensions, bin, until } from '../support/cli-tools.ts';
import { Bank } from '../support/payout-bank.ts';
import { ScriptedProvider } from '../support/scripted-provider.ts';
import { World } from '../support/world.ts';

const [account, frozen] = [4711n, 4712n];
let world: World;
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true, settings: { TIDEMARK_ORDER_TABLES: '1' } });
  expect((await world.cli(['migrate'])).code).toBe(0);
});
afterAll(() => world.destroy());

/** Where a terminal is, with a person before it. */
class Asked {
  readonly words: string;
  readonly ended: Promise<number>;
  told = '';
  readonly #input: (text: string) => void;

  constructor(words: string) {
    this.words = words;
    const env = { PATH: process.env.PATH ?? '', ...world.settings };
    const child = spawn('script', ['-qefc', `${bin} ${words}`, '/dev/null'], { cwd: '/', env });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.told += text;
      });
    this.#input = (text) => child.stdin.write(text);
    this.ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  }

  get isAsked(): boolean {
    return this.told.includes('Go on? [y/N]');
  }

  async answer(): Promise<{ words: string; code: number; told: string }> {
    this.#input('y\r');
    return { words: this.words, code: await this.ended, told: this.told };
  }
}

/** One of everything that a person can be asked about. @returns the commands that ask */
async function makeDoubts(): Promise<string[]> {
  const url = String(world.settings.LEDGER_DATABASE_URL);
  await world.addCommission({ id: 1, user: 1001 });
  await world.run('sync-commission-log');
  await world.main.write('DELETE FROM plus_commission_log');
  await addExtensions(world.source, { id: 1 }, { id: 2 });
  await addExtensions(world.main, { id: 91, user: 1001 }, { id: 92, user: 1002 }); // in the way of both
  await world.run('sync-user-extension');
  await world.main.write('DELETE FROM user_extension');
  const ledger = await Ledger.connect({ url });
  const billId = await ledger.nextBillId();
  for (const one of [account, frozen]) await ledger.openAccount(one);
  await ledger.recharge({ billId, accountId: account, amount: 1_000_000n });
  await world.ledger.write(
    `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, caller) VALUES (7, 'charge', ${account}, -1, 0, '')`,
  );
  await world.ledger.write(
    `INSERT INTO difference (counterpart, day, reference, direction, outcome, local_amount, local_fee, local_status, local_at, local_entries, run_id)
     VALUES ('alipay', '2026-11-20', 'A', 'in', 'local_only', 1, 0, 'success', '2026-11-20 10:00:00', 1, '')`,
  );
  const payments = await Payments.connect({ url, providers: [new ScriptedProvider('alipay')], tables: 1 });
  const order = await payments.createOrder({
    merchantId: account,
    amount: 1n,
    subject: 'tea',
    provider: 'alipay',
    expiresInSeconds: 600,
  });
  const payouts = await Payouts.connect({ url, providers: [new Bank()], nextId: async () => 8n });
  await payouts.request({
    accountId: account,
    amount: 300_000n,
    provider: 'alipay',
    payee: 'ann',
    title: 'sales',
    idempotencyKey: '1',
  });
  await Promise.all([payouts.close(), payments.close(), ledger.close()]);
  return [
    'checkpoint sync-commission-log 3 --set 2026-11-20T10:00:00',
    'verify sync-commission-log --data --fix',
    'dead-letters retry 1',
    'dead-letters discard 2 --reason x',
    `ledger freeze ${frozen} --reason x`,
    'ledger resolve 7 --reason x',
    `payments resolve ${'order' in order ? order.order.orderId : ''} --as closed --reason x`,
    'payments give-up 8 --reason x',
    'payments switch orders --off --reason x',
    'differences resolve 1 --reason x',
  ];
}

test('every question is answered with effect, although the server has ended all connections meanwhile', async () => {
  const doubts = await makeDoubts();
  const databases = [world.source, world.main, world.ledger].map(({ database }) => `'${database}'`).join(', ');
  const connections = async () =>
    (await world.main.tuples(`SELECT ID FROM information_schema.PROCESSLIST WHERE DB IN (${databases})`)).map(Number);
  const own = new Set(await connections());
  const asked = doubts.map((words) => new Asked(words));
  await until(async () => asked.every(({ isAsked }) => isAsked));
  for (const id of await connections()) if (!own.has(id)) await world.main.write(`KILL ${id}`).catch(() => undefined);
  const answers = await Promise.all(asked.map((one) => one.answer()));
  expect(answers.filter(({ code }) => code !== 0)).toEqual([]);
});
