/**
 * Payments that an application calls: buyers pay in, through a provider, to a merchant's account of the ledger.
 *
 * Promises: an order is durable before anybody can pay it; its account is credited once, whoever brings the news first
 * (a notice, a query, a person) and however many of them at once, and only when the provider's signed answer says that
 * exactly the order's amount was paid; an order is given up only when it has expired and the provider's signed answer
 * says that it is closed or not known there. Killed anywhere, the next look goes on from the order's row. Refusals are
 * answers, with the codes of the ledger.
 *
 * Needs: the ledger's database, with the tables of orders; `check-pending-payments` at work, which looks at what is due.
 * Limits: refunds are known by notices, and while an order is asked about; what went back in part is for a person.
 */
import { type Answer, codes } from '../ledger/answer.ts';
import { checkId, checkText, firstOf } from '../ledger/arguments.ts';
import { called } from '../ledger/booking.ts';
import { Ledger, type LedgerOptions } from '../ledger/index.ts';
import { Sessions } from '../ledger/sessions.ts';
import { SetupError } from '../platform/errors.ts';
import { Applying } from './applying.ts';
import { Creating, type Creation, noOrder, type OrderRequest } from './creating.ts';
import type { DueBook } from './due.ts';
import { type NoticeOptions, Notices } from './notices.ts';
import { isSettled, type OrderState, type OrderView } from './order.ts';
import { orderBook } from './order-book.ts';
import { tablesMax } from './order-ids.ts';
import { OrderIds } from './order-nodes.ts';
import { assertTables } from './order-tables.ts';
import { Orders } from './orders.ts';
import type { NoticeRequest, Provider, ProviderName, Reply } from './provider.ts';
import { type OrderResolution, type Resolved, readResolutions, resolveOrder } from './resolving.ts';

export interface PaymentsOptions extends Omit<LedgerOptions, 'caller'>, NoticeOptions {
  /** Those that are set up. */
  readonly providers: readonly Provider[];
  /** Over how many tables the orders are spread, as TIDEMARK_ORDER_TABLES says: fixed once they are made. Default 4. */
  readonly tables?: number;
}

export interface OrderWithHistory {
  readonly order: OrderView;
  readonly resolutions: readonly Resolved[];
}

export class Payments {
  readonly #sessions: Sessions;
  readonly #ledger: Ledger;
  readonly #providers: ReadonlyMap<ProviderName, Provider>;
  readonly #orders: Orders;
  readonly #ids: OrderIds;
  readonly #applying: Applying;
  readonly #creating: Creating;
  readonly #notices: Notices;

  private constructor(sessions: Sessions, ledger: Ledger, options: PaymentsOptions) {
    const { providers, tables = 4 } = options;
    this.#sessions = sessions;
    this.#ledger = ledger;
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.#orders = new Orders(sessions, tables);
    this.#ids = new OrderIds(sessions);
    this.#applying = new Applying(this.#orders, sessions, ledger, this.#providers);
    this.#creating = new Creating({ orders: this.#orders, ids: this.#ids, sessions, ledger }, this.#providers);
    this.#notices = new Notices(this.#orders, sessions, this.#applying, options);
  }

  /**
   * Connects, and looks whether the tables are there.
   *
   * @throws UnavailableError when the server does not answer; SetupError when it refuses us, lacks the tables or has
   *   another number of them, or an option is wrong
   */
  static async connect(options: PaymentsOptions): Promise<Payments> {
    const { providers, tables = 4, payouts: _, noticeFailed: __, ...ledgerOptions } = options;
    if (!Number.isInteger(tables) || tables < 1 || tables > tablesMax)
      throw new SetupError(`tables is ${tables}: expected a whole number from 1 to ${tablesMax}`);
    if (new Set(providers.map(({ name }) => name)).size < providers.length)
      throw new SetupError('providers has one of them twice');
    const ledger = await Ledger.connect({ ...ledgerOptions, caller: 'payments' });
    const { url, connections = 8, patienceMs = 10_000, stallTimeoutMs = 60_000 } = ledgerOptions;
    const sessions = new Sessions({ url, connections, patienceMs, stallTimeoutMs });
    try {
      await sessions.run((session) => assertTables(session, tables));
    } catch (error) {
      await Promise.all([sessions.close(), ledger.close()]);
      throw error;
    }
    return new Payments(sessions, ledger, options);
  }

  /** Waits for calls under way; later ones are answered -1. */
  async close(): Promise<void> {
    await this.#sessions.close();
    await this.#ledger.close();
  }

  /** An order, durable, and what its buyer needs in order to pay. */
  createOrder(order: OrderRequest): Promise<Creation> {
    return this.#creating.create(order ?? {});
  }

  /** What the buyer of an order needs in order to pay, once more. */
  request(orderId: bigint): Promise<Creation> {
    return this.#creating.request(orderId);
  }

  /** An order, and what people have decided about it, the first first. */
  async order(orderId: bigint): Promise<Answer<OrderWithHistory>> {
    const mistake = checkId('orderId', orderId);
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.readError, async () => {
      const order = await this.#orders.view(orderId);
      if (order === null) return noOrder(orderId);
      return { code: 0, order, resolutions: await readResolutions(this.#sessions, orderId) };
    });
  }

  /** Orders of a state, or those that a person must look at, the latest first. @throws when they cannot be read */
  list(of: OrderState | 'concern', limit = 50): Promise<OrderView[]> {
    return of === 'concern' ? this.#orders.listConcerns(limit) : this.#orders.listState(of, limit);
  }

  /**
   * Takes what a provider has posted to us, and says what to answer.
   *
   * @throws SetupError when the provider is not set up
   */
  async notice(provider: ProviderName, request: NoticeRequest): Promise<Reply> {
    const known = this.#providers.get(provider);
    if (known === undefined) throw new SetupError(`${provider} is not set up`);
    return this.#sessions.call(() => this.#notices.take(known, request));
  }

  /** Decides an order in a person's name; its account is credited at once where it is to be. */
  async resolve(resolution: OrderResolution): Promise<Answer<{ readonly order: OrderView }>> {
    const { orderId, as, operator, reason } = resolution ?? {};
    const mistake = firstOf(
      checkId('orderId', orderId),
      checkText('operator', operator, 128, true),
      checkText('reason', reason, 255, true),
      as === 'paid' || as === 'closed' ? null : { code: codes.badArgument, reason: 'as is neither paid nor closed' },
    );
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.writeError, async () => {
      const answer = await resolveOrder(this.#sessions, this.#orders, resolution);
      if (answer.code !== 0) return answer;
      await this.#applying.finish(answer.order);
      const order = (await this.#orders.view(orderId)) as OrderView;
      if (!isSettled(order) || order.concern !== null) return { code: 0, order };
      await this.#orders.schedule(order, null);
      return { code: 0, order: { ...order, nextAt: null } };
    });
  }

  /** What is due to be looked at: for `check-pending-payments`. */
  book(): DueBook {
    return orderBook(this.#sessions, this.#orders, this.#applying);
  }

  /** An id as orders have them, for what else is to have one. @throws as `OrderIds.next` */
  nextId(merchantId: bigint): Promise<bigint> {
    return this.#ids.next(merchantId);
  }
}
