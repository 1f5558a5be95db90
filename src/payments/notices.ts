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

export interface NoticeOptions {
  /** Who is told of notices about payouts. Without them, those are to be sent again. */
  readonly payouts?: PayoutNotices;
  /** Called with why a notice was not taken: forged, too old, about no order of ours, or the database is away. */
  readonly noticeFailed?: (error: unknown) => void;
}

/** The age up to which providers' notices are accepted (5 minutes), and 15 minutes more. */
const keptMinutes = 20;

export class Notices {
  readonly #orders: Orders;
  readonly #sessions: Sessions;
  readonly #applying: Applying;
  readonly #payouts: PayoutNotices | null;
  readonly #failed: (error: unknown) => void;

  constructor(orders: Orders, sessions: Sessions, applying: Applying, { payouts, noticeFailed }: NoticeOptions) {
    this.#orders = orders;
    this.#sessions = sessions;
    this.#applying = applying;
    this.#payouts = payouts ?? null;
    this.#failed = noticeFailed ?? (() => undefined);
  }

  async take(provider: Provider, request: NoticeRequest): Promise<Reply> {
    try {
      return provider.reply(await this.#takeOnce(provider, await provider.readNotice(request)));
    } catch (error) {
      this.#failed(error);
      return provider.reply(false);
    }
  }

  /**
   * The nonce is kept behind what it was acted on: killed between, the same message changes nothing when it comes again.
   * Kept before, the message could be lost.
   *
   * @returns false to have it sent again
   */
  async #takeOnce(provider: Provider, notice: Notice): Promise<boolean> {
    if (await this.#isKnown(provider, notice)) return false;
    return (await this.#apply(provider, notice)) && (await this.#keepNonce(provider, notice));
  }

  async #apply(provider: Provider, notice: Notice): Promise<boolean> {
    if (notice.about === 'other') return true;
    if (notice.about === 'payout') {
      await this.#payouts?.noticed(notice.payoutId);
      return this.#payouts !== null;
    }
    const order = await this.#orders.read(notice.orderId);
    if (order === null || order.provider !== provider.name)
      throw new NoticeError(`${provider.name} tells of order ${notice.orderId}, which is none of ours there`);
    const obstacle = await this.#applying.apply(order, notice.answer);
    return obstacle?.outcome !== 'waiting';
  }

  async #isKnown({ name }: Provider, { nonce }: Notice): Promise<boolean> {
    if (nonce === null) return false;
    const rows = await this.#sessions.run((session) =>
      session.tuples('SELECT 1 FROM notice_nonce WHERE provider = ? AND nonce = ?', [name, nonce]),
    );
    return rows.length > 0;
  }

  /** @returns false when the same message was taken in the meantime */
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
}
