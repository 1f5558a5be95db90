/**
 * How an order comes to be: its id and the id of the bill that will credit it are taken, it is durable, and only then
 * the provider is asked for the request by which its buyer pays. So nobody can pay what we do not know of; and a request
 * that got lost is asked for again, for the same order.
 */
import { readAccount } from '../ledger/account.ts';
import { type Answer, codes, type Refusal, refuse, type Unknown } from '../ledger/answer.ts';
import { checkAmount, checkId, checkText, firstOf } from '../ledger/arguments.ts';
import { called, noAccount } from '../ledger/booking.ts';
import type { Ledger } from '../ledger/index.ts';
import type { Sessions } from '../ledger/sessions.ts';
import { UnavailableError } from '../platform/errors.ts';
import type { OrderView } from './order.ts';
import type { OrderIds } from './order-nodes.ts';
import type { Orders } from './orders.ts';
import type { PaymentRequest, Provider, ProviderName } from './provider.ts';

export interface OrderRequest {
  /** The account that the money goes to. */
  readonly merchantId: bigint;
  /** Fen, 1 or more. */
  readonly amount: bigint;
  /** What the buyer reads: 1 to 127 characters. */
  readonly subject: string;
  readonly provider: ProviderName;
  /** From then on the provider takes no money for it. 1 s to 15 days; providers may want a minute at least. */
  readonly expiresInSeconds: number;
  /** Of the buyer. */
  readonly clientAddress?: string;
  /** Of one's own, unique per merchant: the same request with the same key is the same order. */
  readonly idempotencyKey?: string;
}

export interface Requested {
  readonly order: OrderView;
  readonly request: PaymentRequest;
}

/** Below 0 with an `orderId`: the order is there, and only its request could not be had; `request` asks again. */
export type Creation = Answer<Requested> | (Unknown & { readonly orderId: bigint });

const secondsMax = 15 * 86_400;

export class Creating {
  readonly #orders: Orders;
  readonly #ids: OrderIds;
  readonly #sessions: Sessions;
  readonly #ledger: Ledger;
  readonly #providers: ReadonlyMap<ProviderName, Provider>;

  constructor(
    parts: { orders: Orders; ids: OrderIds; sessions: Sessions; ledger: Ledger },
    providers: ReadonlyMap<ProviderName, Provider>,
  ) {
    this.#orders = parts.orders;
    this.#ids = parts.ids;
    this.#sessions = parts.sessions;
    this.#ledger = parts.ledger;
    this.#providers = providers;
  }

  async create(asked: OrderRequest): Promise<Creation> {
    const mistake = this.#check(asked);
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.writeError, async () => {
      const known = await this.#known(asked);
      const order = known ?? (await this.#write(asked));
      return 'code' in order ? order : this.#requestFor(order);
    });
  }

  /** The request of an order that is there, once more. */
  async request(orderId: bigint): Promise<Creation> {
    const mistake = checkId('orderId', orderId);
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.readError, async () => {
      const order = await this.#orders.view(orderId);
      return order === null ? noOrder(orderId) : this.#requestFor(order);
    });
  }

  #check({ merchantId, amount, subject, provider, expiresInSeconds, ...rest }: OrderRequest): Refusal | null {
    const seconds = expiresInSeconds as unknown;
    const isTime = Number.isInteger(seconds) && (seconds as number) > 0 && (seconds as number) <= secondsMax;
    return firstOf(
      checkId('merchantId', merchantId),
      checkAmount(amount),
      checkText('subject', subject, 127, true),
      checkText('clientAddress', rest.clientAddress, 64),
      checkText('idempotencyKey', rest.idempotencyKey, 64, rest.idempotencyKey !== undefined),
      isTime ? null : wrong(`expiresInSeconds is ${String(seconds)}: expected whole seconds, from 1 to ${secondsMax}`),
      this.#providers.has(provider)
        ? null
        : wrong(
            `provider is ${String(provider)}: expected ${[...this.#providers.keys()].join(' or ') || 'one'} that is set up`,
          ),
    );
  }

  /** The order that the same merchant has asked for with the same key. */
  async #known(asked: OrderRequest): Promise<OrderView | Refusal | null> {
    const { merchantId, idempotencyKey } = asked;
    if (idempotencyKey === undefined) return null;
    const order = await this.#orders.viewByKey(merchantId, idempotencyKey);
    if (order === null || isSame(order, asked)) return order;
    return wrong(`order ${order.orderId} was asked for with this idempotencyKey, with other content`);
  }

  async #write(asked: OrderRequest): Promise<OrderView | Refusal> {
    const { merchantId, clientAddress = null, idempotencyKey = null } = asked;
    const account = await this.#sessions.run((session) => readAccount(session, merchantId));
    if (account === null) return noAccount(merchantId);
    if (account.kind === 'commission')
      return refuse(codes.notAllowed, `account ${merchantId} is a commission account: settlements fill it`);
    if (account.frozenReason !== null) return refuse(codes.frozen, `account ${merchantId} is frozen`);
    const orderId = await this.#ids.next(merchantId);
    const billId = await this.#ledger.nextBillId();
    const written = await this.#orders.insert({ ...asked, orderId, billId, clientAddress, idempotencyKey });
    if (written !== null && written !== 'written') return written;
    // Written now, by a try whose answer was lost, or by somebody with the same key.
    return (await this.#orders.view(orderId)) ?? ((await this.#known(asked)) as OrderView | Refusal);
  }

  async #requestFor(order: OrderView): Promise<Creation> {
    const { orderId, amount, subject, expiresAt, clientAddress } = order;
    if (order.state !== 'pending') return refuse(codes.notAllowed, `order ${orderId} is ${order.state}`);
    if (order.readAt >= expiresAt) return refuse(codes.notAllowed, `order ${orderId} has expired`);
    const provider = this.#providers.get(order.provider);
    if (provider === undefined) return wrong(`order ${orderId} is of ${order.provider}, which is not set up`);
    try {
      const request = await provider.request({ orderId, amount, subject, expiresAt, clientAddress });
      return { code: 0, order, request };
    } catch (error) {
      const isBusy = error instanceof UnavailableError;
      return { code: isBusy ? codes.busy : codes.readError, reason: (error as Error).message, orderId };
    }
  }
}

/** Whether an order is what is asked for; who pays may have another address by now. */
const isSame = (order: OrderView, asked: OrderRequest): boolean =>
  order.amount === asked.amount &&
  order.subject === asked.subject &&
  order.provider === asked.provider &&
  order.expiresInSeconds === asked.expiresInSeconds;

const wrong = (reason: string): Refusal => refuse(codes.badArgument, reason);

export const noOrder = (orderId: bigint): Refusal => refuse(codes.noData, `there is no order ${orderId}`);
