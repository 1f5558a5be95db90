/**
 * The rows of orders: each step is one statement that says from where, so that any number of processes may take the same
 * step, and a repetition after a lost answer changes nothing more.
 */
import { codes, type Refusal, refuse } from '../ledger/answer.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Cell, Reader, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { Due } from './due.ts';
import type { Order, OrderDetail, OrderState, OrderView } from './order.ts';
import { tableOfMerchant, tableOfOrder } from './order-ids.ts';
import type { PaymentAnswer, ProviderName } from './provider.ts';
import { offReason } from './switches.ts';

/** Milliseconds since 1970 of a TIMESTAMP(3). */
const ms = (column: string) => `CAST(UNIX_TIMESTAMP(${column}) * 1000 AS SIGNED)`;
/** And back, of a parameter in seconds. */
const atSeconds = 'FROM_UNIXTIME(CAST(? AS DECIMAL(14, 3)))';
const secondsOf = (instant: number) => (instant / 1000).toFixed(3);

/** Killed behind a step, whatever is left to do is due again so much later. */
const soon = 'NOW(3) + INTERVAL 10 SECOND';

const orderColumns = `o.order_id, o.merchant_id, o.provider, o.amount, o.state, o.bill_id, o.credited, o.returned, o.concern, o.attempts,
  ${ms('o.expires_at')}, ${ms('o.next_at')}, ${ms('NOW(3)')}`;
const detailColumns = `d.subject, d.client_address, d.expires_in_seconds, d.provider_id, d.word, ${ms('d.answered_at')}, ${ms('d.paid_at')}, ${ms('d.created_at')}`;

/** What an order begins with. */
export interface NewOrder {
  readonly orderId: bigint;
  readonly merchantId: bigint;
  readonly provider: ProviderName;
  readonly amount: bigint;
  readonly billId: bigint;
  readonly subject: string;
  readonly clientAddress: string | null;
  readonly expiresInSeconds: number;
  readonly idempotencyKey: string | null;
}

export class Orders {
  readonly #sessions: Sessions;
  readonly #tables: number;

  constructor(sessions: Sessions, tables: number) {
    this.#sessions = sessions;
    this.#tables = tables;
  }

  /**
   * Writes an order, unless orders are switched off.
   *
   * @returns null when it, or another with its key, is there already
   */
  async insert(order: NewOrder): Promise<'written' | Refusal | null> {
    const table = tableOfMerchant(order.merchantId, this.#tables);
    const { expiresInSeconds: seconds } = order;
    const [orderId, merchantId] = [String(order.orderId), String(order.merchantId)];
    try {
      return await this.#sessions.transaction(async (session) => {
        const off = await offReason(session, 'orders');
        if (off !== null) return refuse(codes.notAllowed, `orders are switched off: ${off}`);
        await session.write(
          `INSERT INTO pay_order_detail_${table} (order_id, merchant_id, idempotency_key, subject, client_address, expires_in_seconds)
           VALUES (?, ?, ?, ?, ?, ?)`,
          [orderId, merchantId, order.idempotencyKey, order.subject, order.clientAddress, seconds],
        );
        await session.write(
          `INSERT INTO pay_order_${table} (order_id, merchant_id, provider, amount, bill_id, expires_at, next_at)
           VALUES (?, ?, ?, ?, ?, NOW(3) + INTERVAL ? SECOND, NOW(3) + INTERVAL LEAST(?, 10) SECOND)`,
          [orderId, merchantId, order.provider, String(order.amount), String(order.billId), seconds, seconds],
        );
        return 'written';
      });
    } catch (error) {
      if (errorNumber(error) === 1062) return null;
      throw error;
    }
  }

  read(orderId: bigint): Promise<Order | null> {
    return this.#sessions.run((session) => this.readIn(session, orderId));
  }

  async readIn(reader: Reader, orderId: bigint, lock = false): Promise<Order | null> {
    const [row] = await reader.tuples(
      `SELECT ${orderColumns} FROM ${this.#table(orderId)} o WHERE o.order_id = ?${lock ? ' FOR UPDATE' : ''}`,
      [String(orderId)],
    );
    return row === undefined ? null : toOrder(row);
  }

  view(orderId: bigint): Promise<OrderView | null> {
    return this.#view(tableOfOrder(orderId, this.#tables), 'o.order_id = ?', [String(orderId)]);
  }

  /** The order that a program of the merchant asked for with this key. */
  viewByKey(merchantId: bigint, key: string): Promise<OrderView | null> {
    const table = tableOfMerchant(merchantId, this.#tables);
    return this.#view(table, 'd.merchant_id = ? AND d.idempotency_key = ?', [String(merchantId), key]);
  }

  async #view(table: number, condition: string, parameters: readonly string[]): Promise<OrderView | null> {
    const [row] = await this.#sessions.run((session) =>
      session.tuples(`${viewsIn(table)} WHERE ${condition}`, parameters),
    );
    return row === undefined ? null : toView(row);
  }

  /** The latest orders of a state. */
  listState(state: OrderState, limit: number): Promise<OrderView[]> {
    return this.#list('WHERE o.state = ?', [state, limit]);
  }

  /** Those that a person must look at. They are asked about, if rarely: so they are found by the index of what is due. */
  listConcerns(limit: number): Promise<OrderView[]> {
    const concerns = "WHERE o.provider IN ('alipay', 'wechat') AND o.next_at IS NOT NULL AND o.concern IS NOT NULL";
    return this.#list(concerns, [limit], 'FORCE INDEX (due)');
  }

  async #list(where: string, parameters: readonly (string | number)[], hint = ''): Promise<OrderView[]> {
    const rows = await this.#everywhere(
      (table) => `${viewsIn(table, hint)} ${where} ORDER BY o.order_id DESC LIMIT ?`,
      parameters,
    );
    return rows
      .map(toView)
      .sort((one, other) => (one.orderId < other.orderId ? 1 : -1))
      .slice(0, Number(parameters.at(-1)));
  }

  /** Moves an order on from the state that it was seen in; the rest is due soon. @returns false when it is in another by now */
  async move({ orderId, state }: Order, to: 'paid' | 'refunded' | 'closed'): Promise<boolean> {
    return (await this.#write(orderId, `SET state = ?, next_at = ${soon} WHERE state = ? AND`, [to, state])) === 1;
  }

  async markCredited(orderId: bigint): Promise<void> {
    await this.#write(orderId, 'SET credited = 1 WHERE credited = 0 AND', []);
  }

  /** What a person had to look at is gone with the money. */
  async markReturned(orderId: bigint): Promise<void> {
    await this.#write(orderId, 'SET returned = 1, concern = NULL WHERE returned = 0 AND', []);
  }

  /** Another bill for an order whose bill can never take effect. */
  async renewBill({ orderId, billId }: Order, next: bigint): Promise<void> {
    const parameters = [String(next), String(billId)];
    await this.#write(orderId, 'SET bill_id = ? WHERE bill_id = ? AND credited = 0 AND', parameters);
  }

  /**
   * Keeps why a person must look, and has the order looked at soon, whoever found it.
   *
   * @returns false when the order has moved since it was judged
   */
  async keepConcern({ orderId, state }: Order, concern: string): Promise<boolean> {
    const text = concern.slice(0, 255);
    const set = `SET concern = ?, next_at = ${soon} WHERE state = ? AND NOT concern <=> ? AND`;
    if ((await this.#write(orderId, set, [text, state, text])) === 1) return true;
    return (await this.read(orderId))?.state === state; // it is kept already
  }

  /** Keeps what the provider said, for people, where it is another word than before. */
  async note(orderId: bigint, { word, providerId, paidAt }: PaymentAnswer): Promise<void> {
    const text = word.slice(0, 128);
    await this.#sessions.run((session) =>
      session.write(
        `UPDATE pay_order_detail_${tableOfOrder(orderId, this.#tables)}
            SET word = ?, answered_at = NOW(3), provider_id = COALESCE(?, provider_id), paid_at = COALESCE(${atSeconds}, paid_at)
          WHERE NOT word <=> ? AND order_id = ?`,
        [text, providerId, paidAt === null ? null : secondsOf(paidAt), text, String(orderId)],
      ),
    );
  }

  /** When it is looked at next. An order that has changed since it was read keeps the time that its change has set. */
  async schedule(order: Order, nextAt: number | null): Promise<void> {
    const { orderId, state, isCredited, isReturned, concern } = order;
    await this.#write(
      orderId,
      `SET next_at = ${atSeconds} WHERE state = ? AND credited = ? AND returned = ? AND concern <=> ? AND`,
      [nextAt === null ? null : secondsOf(nextAt), state, Number(isCredited), Number(isReturned), concern],
    );
  }

  /** The one claim that there is: moves the time of an order that is due ahead. @returns whether it was due */
  async take(orderId: bigint, leaseMs: number): Promise<boolean> {
    const change = 'SET next_at = NOW(3) + INTERVAL ? MICROSECOND, attempts = attempts + 1 WHERE next_at <= NOW(3) AND';
    return (await this.#write(orderId, change, [Math.round(leaseMs * 1000)])) === 1;
  }

  async due(provider: ProviderName, aheadMs: number, limit: number): Promise<Due[]> {
    const rows = await this.#everywhere(
      (table) => `SELECT order_id, ${ms('next_at')} FROM pay_order_${table}
        WHERE provider = ? AND next_at <= NOW(3) + INTERVAL ? MICROSECOND ORDER BY next_at LIMIT ?`,
      [provider, Math.round(aheadMs * 1000), limit],
    );
    return rows
      .map(([id, at]) => ({ id: BigInt(String(id)), at: Number(at) }))
      .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
  }

  /** A query of each table, in one statement. */
  #everywhere(queryOf: (table: number) => string, parameters: readonly (string | number)[]): Promise<Cell[][]> {
    const tables = Array.from({ length: this.#tables }, (_, table) => table);
    const sql = tables.map((table) => `(${queryOf(table)})`).join(' UNION ALL ');
    return this.#sessions.run((session) =>
      session.tuples(
        sql,
        tables.flatMap(() => parameters),
      ),
    );
  }

  /** @param change its conditions, with an AND at the end */
  async #write(
    orderId: bigint,
    change: string,
    parameters: readonly (string | number | null | readonly string[])[],
  ): Promise<number> {
    const { affected } = await this.#sessions.run((session) => this.writeIn(session, orderId, change, parameters));
    return affected;
  }

  writeIn(
    session: Pick<Session, 'write'>,
    orderId: bigint,
    change: string,
    parameters: readonly (string | number | null | readonly string[])[],
  ) {
    return session.write(`UPDATE ${this.#table(orderId)} ${change} order_id = ?`, [...parameters, String(orderId)]);
  }

  #table(orderId: bigint): string {
    return `pay_order_${tableOfOrder(orderId, this.#tables)}`;
  }
}

const viewsIn = (table: number, hint = '') =>
  `SELECT ${orderColumns}, ${detailColumns} FROM pay_order_${table} o ${hint} JOIN pay_order_detail_${table} d ON d.order_id = o.order_id`;

const numberOrNull = (cell: Cell | undefined) => (cell === null ? null : Number(cell));
const textOrNull = (cell: Cell | undefined) => (cell === null ? null : String(cell));
const big = (cell: Cell | undefined) => BigInt(String(cell));

function toOrder(row: readonly Cell[]): Order {
  const [orderId, merchantId, provider, amount, state, billId, credited, returned, concern, attempts, ...times] = row;
  return {
    orderId: big(orderId),
    merchantId: big(merchantId),
    provider: provider as ProviderName,
    amount: big(amount),
    state: state as OrderState,
    billId: big(billId),
    isCredited: Number(credited) === 1,
    isReturned: Number(returned) === 1,
    concern: textOrNull(concern),
    attempts: Number(attempts),
    expiresAt: Number(times[0]),
    nextAt: numberOrNull(times[1]),
    readAt: Number(times[2]),
  };
}

function toView(row: readonly Cell[]): OrderView {
  const [subject, clientAddress, expiresInSeconds, providerId, word, answeredAt, paidAt, createdAt] = row.slice(13);
  const detail: OrderDetail = {
    subject: String(subject),
    clientAddress: textOrNull(clientAddress),
    expiresInSeconds: Number(expiresInSeconds),
    providerId: textOrNull(providerId),
    word: textOrNull(word),
    answeredAt: numberOrNull(answeredAt),
    paidAt: numberOrNull(paidAt),
    createdAt: Number(createdAt),
  };
  return { ...toOrder(row), ...detail };
}
