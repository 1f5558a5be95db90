/**
 * From a provider's answer to the wallet.
 *
 * First the order's state is durable, then the ledger books what the state asks for, then it is marked as done; each of
 * them is once only, whoever comes first and however often. Killed between: the order is due again soon, and whoever
 * looks at it goes on from its row. The bill that credits an order is the one that it was made with; only where that one
 * can never take effect (the ledger has refused it for good) it gets another.
 */

import { codes } from '../ledger/answer.ts';
import { readBill } from '../ledger/bill.ts';
import type { Answer, Booked, Ledger } from '../ledger/index.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Looked } from './due.ts';
import { isToBeClosed, judge, nextLook, type Outcome, outcomeOf } from './judging.ts';
import { isSettled, type Order } from './order.ts';
import type { Orders } from './orders.ts';
import type { PaymentAnswer, Provider, ProviderName } from './provider.ts';

/** Why the wallet does not have what the order's state asks for. */
export interface Obstacle {
  readonly outcome: Exclude<Outcome, 'settled'>;
  readonly detail: string;
}

export class Applying {
  readonly #orders: Orders;
  readonly #sessions: Sessions;
  readonly #ledger: Ledger;
  readonly #providers: ReadonlyMap<ProviderName, Provider>;

  constructor(orders: Orders, sessions: Sessions, ledger: Ledger, providers: ReadonlyMap<ProviderName, Provider>) {
    this.#orders = orders;
    this.#sessions = sessions;
    this.#ledger = ledger;
    this.#providers = providers;
  }

  /** Asks the provider, does what its answer asks for, and says when to look again. */
  async look(orderId: bigint): Promise<Looked> {
    const order = await this.#orders.read(orderId);
    if (order === null) return { outcome: 'settled', detail: 'there is no such order', nextAt: null };
    if (order.nextAt === null) return { outcome: 'settled', detail: order.state, nextAt: null };
    const answer = await this.#ask(order);
    const found = await this.apply(order, answer);
    const now = (await this.#orders.read(orderId)) as Order;
    const obstacle = isSettled(now) ? null : found; // somebody else got over it
    const outcome = obstacle?.outcome === 'stuck' ? 'stuck' : outcomeOf(now, answer);
    const nextAt = nextLook(now, outcome, Math.random());
    await this.#orders.schedule(now, nextAt);
    const detail = now.concern ?? obstacle?.detail ?? (outcome === 'settled' ? now.state : answer.word);
    return { outcome, detail, nextAt };
  }

  /**
   * Does what a signed answer asks for. When the order is looked at next stays as it was, or is soon, where it moved.
   *
   * @param order as it was before the answer was asked for
   * @returns why the wallet does not have what the order's state asks for; null when it has
   */
  async apply(order: Order, answer: PaymentAnswer): Promise<Obstacle | null> {
    await this.#orders.note(order.orderId, answer);
    for (let known = order; ; ) {
      const verdict = judge(known, answer);
      if (verdict === null) return this.finish(known);
      if ('concern' in verdict) {
        if (await this.#orders.keepConcern(known, verdict.concern)) return this.finish(known);
      } else if (await this.#orders.move(known, verdict.move)) return this.finish({ ...known, state: verdict.move });
      // Another answer came first: judged again, but by the time at which this one was asked for.
      known = { ...((await this.#orders.read(order.orderId)) as Order), readAt: order.readAt };
    }
  }

  /**
   * Gives the wallet what the order's state asks for.
   *
   * @param order may be older than its row: what was done since is found done
   * @returns why it could not; null when it has it
   */
  async finish(order: Order): Promise<Obstacle | null> {
    if (order.state === 'pending' || isSettled(order)) return null;
    if (!order.isCredited) {
      const obstacle = await this.#credit(order);
      if (obstacle !== null || order.state !== 'refunded') return obstacle;
    }
    return this.#giveBack(order);
  }

  async #ask(order: Order): Promise<PaymentAnswer> {
    const provider = this.#providers.get(order.provider);
    if (provider === undefined) return { ...nothingKnown, word: `${order.provider} is not set up` };
    const answer = await provider.query(order.orderId);
    if (!isToBeClosed(order, answer)) return answer;
    await provider.close(order.orderId);
    return provider.query(order.orderId);
  }

  async #credit(order: Order): Promise<Obstacle | null> {
    const { orderId, billId, merchantId, amount, provider } = order;
    const answer = await this.#ledger.recharge({
      billId,
      accountId: merchantId,
      amount,
      provider,
      orderId: String(orderId),
    });
    if (answer.code === 0) {
      await this.#orders.markCredited(orderId);
      return null;
    }
    if (answer.code > 0) await this.#renewBill(order);
    return obstacleOf(answer);
  }

  /** A bill that its account has refused, because it is frozen or was locked, is refused for ever. */
  async #renewBill(order: Order): Promise<void> {
    const bill = await this.#sessions.run((session) =>
      readBill(session, { billId: order.billId, channel: 'recharge' }),
    );
    if (bill?.result === 'failed') await this.#orders.renewBill(order, await this.#ledger.nextBillId());
  }

  async #giveBack({ orderId, billId, merchantId }: Order): Promise<Obstacle | null> {
    const answer = await this.#ledger.rollback({ billId, accountId: merchantId });
    if (answer.code === 0) await this.#orders.markReturned(orderId);
    return answer.code === 0 ? null : obstacleOf(answer);
  }
}

/** What nobody knows, and an account that others kept locked, comes right by itself; of all else a person must know. */
function obstacleOf({ code, ...answer }: Answer<Booked>): Obstacle {
  const reason = 'reason' in answer ? answer.reason : '';
  return { outcome: code < 0 || code === codes.locked ? 'waiting' : 'stuck', detail: `the account: ${reason}` };
}

const nothingKnown: Omit<PaymentAnswer, 'word'> = {
  state: 'unknown',
  known: false,
  providerId: null,
  amount: null,
  refunded: null,
  paidAt: null,
};
