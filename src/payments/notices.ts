/**
 * What providers tell by themselves. A notice is verified, taken once (its nonce is kept), acted on, and answered in the
 * provider's own words: taken, or to be sent again, where it could not be acted on.
 *
 * Nothing depends on a notice: an order that nobody tells of is asked about, and what a notice has moved is confirmed by
 * a query soon after, because notices may overtake one another.
 */
import type { Sessions } from '../ledger/sessions.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import type { Applying } from './applying.ts';
import type { Orders } from './orders.ts';
import { type Notice, NoticeError, type NoticeRequest, type Provider, type Reply } from './provider.ts';

/** Who wants to know of notices about payouts. */
export interface PayoutNotices {
  noticed(payoutId: bigint): Promise<unknown>;
}

/** The age up to which providers' notices are accepted (5 minutes), and 15 minutes more. */
const keptMinutes = 20;

export class Notices {
  readonly #orders: Orders;
  readonly #sessions: Sessions;
  readonly #applying: Applying;
  readonly #payouts: PayoutNotices | null;

  constructor(orders: Orders, sessions: Sessions, applying: Applying, payouts: PayoutNotices | null) {
    this.#orders = orders;
    this.#sessions = sessions;
    this.#applying = applying;
    this.#payouts = payouts;
  }

  async take(provider: Provider, request: NoticeRequest): Promise<Reply> {
    try {
      const notice = await provider.readNotice(request);
      if (!(await this.#keepNonce(provider, notice))) return provider.reply(false);
      return provider.reply(await this.#act(provider, notice));
    } catch (error) {
      if (error instanceof NoticeError) return provider.reply(false);
      throw error;
    }
  }

  /** @returns false to have it sent again */
  async #act(provider: Provider, notice: Notice): Promise<boolean> {
    const isDone = await this.#apply(provider, notice).catch(() => false);
    // The very same message may come again: it has changed nothing, or only what a repetition leaves as it is.
    if (!isDone) await this.#forgetNonce(provider, notice).catch(() => undefined);
    return isDone;
  }

  async #apply(provider: Provider, notice: Notice): Promise<boolean> {
    if (notice.about === 'other') return true;
    if (notice.about === 'payout') {
      await this.#payouts?.noticed(notice.payoutId);
      return this.#payouts !== null;
    }
    const order = await this.#orders.read(notice.orderId);
    if (order === null || order.provider !== provider.name) return false;
    const obstacle = await this.#applying.apply(order, notice.answer);
    return obstacle?.outcome !== 'waiting';
  }

  /** @returns false when the message was taken before */
  async #keepNonce({ name }: Provider, { nonce }: Notice): Promise<boolean> {
    if (nonce === null) return true;
    try {
      await this.#sessions.run(async (session) => {
        await session.write(
          `DELETE FROM notice_nonce WHERE seen_at < NOW(3) - INTERVAL ${keptMinutes} MINUTE ORDER BY seen_at LIMIT 100`,
        );
        await session.write('INSERT INTO notice_nonce (provider, nonce) VALUES (?, ?)', [name, nonce]);
      });
      return true;
    } catch (error) {
      if (errorNumber(error) === 1062) return false;
      throw error;
    }
  }

  async #forgetNonce({ name }: Provider, { nonce }: Notice): Promise<void> {
    if (nonce === null) return;
    await this.#sessions.run((session) =>
      session.write('DELETE FROM notice_nonce WHERE provider = ? AND nonce = ?', [name, nonce]),
    );
  }
}
