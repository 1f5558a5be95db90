/** A ledger with the tables of orders, providers of the test's own, and what must always be true of orders. */
import { payOrders } from '../../migrations/index.ts';
import type { Ledger } from '../../src/ledger/index.ts';
import { Payments, type PaymentsOptions } from '../../src/payments/index.ts';
import type { Cell } from '../../src/platform/mysql.ts';
import { flawsOf, LedgerWorld } from './ledger-world.ts';
import { ScriptedProvider, says } from './scripted-provider.ts';
import type { ServerAddresses } from './servers.ts';

/** Each selects what must not be, of one table of orders. */
const flaws: Readonly<Record<string, (table: number) => string>> = {
  'an order is marked, and its bills do not say so': (table) => `
    SELECT o.order_id FROM pay_order_${table} o
      LEFT JOIN bill r ON r.bill_id = o.bill_id AND r.channel = 'recharge' AND r.result = 'success'
      LEFT JOIN bill b ON b.bill_id = o.bill_id AND b.channel = 'rollback' AND b.result = 'success'
     WHERE (o.credited = 1 AND (r.id IS NULL OR r.amount <> o.amount OR r.account_id <> o.merchant_id)) OR (o.returned = 1 AND b.id IS NULL)`,
  'an order has two bills that took effect': (table) => `
    SELECT o.order_id FROM pay_order_${table} o JOIN bill b ON b.order_id = o.order_id AND b.result = 'success'
     GROUP BY o.order_id, b.channel HAVING COUNT(*) > 1`,
  'an order lacks its details': (table) => `
    SELECT o.order_id FROM pay_order_${table} o LEFT JOIN pay_order_detail_${table} d USING (order_id) WHERE d.order_id IS NULL`,
};

const tables = 4;

/** What a provider says of an order of 1000 fen: that it is paid, and that all of it went back to the buyer. */
export const paid = says('paid', {
  amount: 1000n,
  paidAt: Date.UTC(2026, 10, 20),
  providerId: 'A17',
  word: 'TRADE_SUCCESS',
});
export const refunded = says('refunded', { amount: 1000n, refunded: 1000n, word: 'REFUND' });

export class PaymentsWorld {
  readonly world: LedgerWorld;
  readonly ledger: Ledger;
  readonly payments: Payments;
  readonly alipay: ScriptedProvider;
  readonly wechat: ScriptedProvider;
  readonly #opened: Payments[] = [];

  private constructor(parts: Pick<PaymentsWorld, 'world' | 'ledger' | 'payments' | 'alipay' | 'wechat'>) {
    this.world = parts.world;
    this.ledger = parts.ledger;
    this.payments = parts.payments;
    this.alipay = parts.alipay;
    this.wechat = parts.wechat;
    this.#opened.push(parts.payments);
  }

  static async create(addresses: ServerAddresses): Promise<PaymentsWorld> {
    const world = await LedgerWorld.create(addresses);
    for (const { sql } of payOrders(tables)) await world.session.write(sql);
    const [alipay, wechat] = [new ScriptedProvider('alipay'), new ScriptedProvider('wechat')];
    const [ledger, payments] = await Promise.all([
      world.connect(),
      Payments.connect({ url: world.url, providers: [alipay, wechat], tables }),
    ]);
    return new PaymentsWorld({ world, ledger, payments, alipay, wechat });
  }

  /** Another process, as it were. */
  async connect(options: Partial<PaymentsOptions> = {}): Promise<Payments> {
    const payments = await Payments.connect({
      url: this.world.url,
      providers: [this.alipay, this.wechat],
      tables,
      ...options,
    });
    this.#opened.push(payments);
    return payments;
  }

  /** A new account, empty. */
  merchant(): Promise<bigint> {
    return this.world.account(0n);
  }

  /** A new order of a merchant. */
  async order(
    merchantId: bigint,
    { amount = 1000n, provider = 'alipay' as 'alipay' | 'wechat' } = {},
  ): Promise<bigint> {
    const answer = await this.payments.createOrder({
      merchantId,
      amount,
      subject: 'tea',
      provider,
      expiresInSeconds: 900,
    });
    if (answer.code !== 0) throw new Error(answer.reason);
    return answer.order.orderId;
  }

  /** An order's row, whichever table it is in. */
  async row(orderId: bigint, columns = 'state, credited, returned'): Promise<Cell[]> {
    const parts = Array.from(
      { length: tables },
      (_, table) => `SELECT ${columns} FROM pay_order_${table} WHERE order_id = ${orderId}`,
    );
    return (await this.world.rows(parts.join(' UNION ALL ')))[0] as Cell[];
  }

  /** Writes an order's row, whichever table it is in. */
  async change(orderId: bigint, assignments: string): Promise<void> {
    for (let table = 0; table < tables; table++)
      await this.world.session.write(`UPDATE pay_order_${table} SET ${assignments} WHERE order_id = ${orderId}`);
  }

  /** As if its time were over, and as if it were due. */
  expire(orderId: bigint): Promise<void> {
    return this.change(orderId, 'expires_at = NOW(3) - INTERVAL 60 SECOND, next_at = NOW(3)');
  }

  makeDue(orderId: bigint): Promise<void> {
    return this.change(orderId, 'next_at = NOW(3)');
  }

  /** Takes an order that is made due, and looks at it. */
  async look(orderId: bigint, payments: Payments = this.payments) {
    await this.makeDue(orderId);
    await payments.book().take(orderId, 60_000);
    return payments.book().look(orderId);
  }

  async balance(accountId: bigint): Promise<bigint> {
    const answer = await this.ledger.balance(accountId);
    if (answer.code !== 0) throw new Error(answer.reason);
    return answer.balance;
  }

  /** Both providers say of every order that it is pending, as in the beginning. */
  reset(): void {
    for (const provider of [this.alipay, this.wechat]) provider.reset();
  }

  /** What is wrong with the books, and with the orders beside them. */
  flaws(): Promise<Record<string, Cell[][]>> {
    const own = Object.entries(flaws).flatMap(([flaw, sqlOf]) =>
      Array.from({ length: tables }, (_, table) => [`${flaw} (${table})`, sqlOf(table)] as const),
    );
    return flawsOf(this.world.session, Object.fromEntries(own));
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#opened.map((payments) => payments.close()));
    await this.world.destroy();
  }
}
