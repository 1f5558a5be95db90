/**
 * Payouts: money that leaves a wallet through a payment provider.
 *
 * Promises: a request is one payout however often it is made with its idempotency key; it is written together with the
 * hold on the wallet, or as refused; the money leaves the wallet when the provider's signed answer to a query says that
 * it was paid, goes back when it says that it failed or came back, and until then is held. Nothing is sent twice but the
 * identical transfer, which the provider takes for the same.
 *
 * Needs: the ledger's tables and its own, in one database; providers that take the same transfer again for the same; who
 * looks at what is due (`book`), without which nothing is sent. Limits: the tax is that of the one payout; where the law
 * takes a month's payments for one sum, pay once a month.
 */
import { readAccount } from '../ledger/account.ts';
import { type Answer, codes, refuse } from '../ledger/answer.ts';
import { checkId } from '../ledger/arguments.ts';
import { called, noAccount } from '../ledger/booking.ts';
import { type ConnectOptions, connectSessions, withDefaults } from '../ledger/connecting.ts';
import { BillNumbers } from '../ledger/numbers.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { DueBook } from './due.ts';
import { holdFor } from './payout-bills.ts';
import { type GivingUp, PayoutCourse } from './payout-course.ts';
import { hasten, type Payout, readDue, readPayout, readPayouts, take } from './payout-record.ts';
import { checkPayout, claim, type NextId, type PayoutRequest } from './payout-request.ts';
import type { Provider, ProviderName } from './provider.ts';

export interface PayoutsOptions extends ConnectOptions {
  readonly providers: readonly Provider[];
  /** An id that nobody else gets, of at most 63 bits. */
  readonly nextId: NextId;
}

export class Payouts {
  readonly #sessions: Sessions;
  readonly #numbers: BillNumbers;
  readonly #providers: ReadonlyMap<ProviderName, Provider>;
  readonly #course: PayoutCourse;
  readonly #nextId: NextId;

  private constructor(sessions: Sessions, { providers, nextId }: PayoutsOptions) {
    this.#sessions = sessions;
    this.#numbers = new BillNumbers(sessions);
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.#course = new PayoutCourse({ sessions, providers: this.#providers });
    this.#nextId = nextId;
  }

  /**
   * Connects, and looks whether the tables are there.
   *
   * @throws UnavailableError when the server does not answer; SetupError when it refuses us, lacks the tables, or an
   *   option is wrong
   */
  static async connect(options: PayoutsOptions): Promise<Payouts> {
    const look =
      'SELECT 1 FROM business_switch, bill, payout JOIN payout_claim USING (payout_id) WHERE payout_id = 0 AND bill.id = 0';
    return new Payouts(await connectSessions(withDefaults(options), look), options);
  }

  /** Waits for calls under way; later ones are refused. */
  close(): Promise<void> {
    return this.#sessions.close();
  }

  /**
   * Asks for a payout: 0 and the payout, whose money is held now; what becomes of it, `payout` tells.
   *
   * The same key of the same account answers as the first time, a refusal too: 2 payouts are switched off, or the account
   * had one less than 10 s ago; 3 the balance is too low; 4 the account is frozen. With other content: 6. 1: there is no
   * such account. Below 0 nobody knows: the same request again tells, or does it.
   */
  async request(request: PayoutRequest): Promise<Answer<Payout>> {
    const asked = request ?? ({} as PayoutRequest);
    const mistake = checkPayout(asked, new Set(this.#providers.keys()));
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.writeError, async () => {
      const account = await this.#sessions.run((session) => readAccount(session, asked.accountId));
      if (account === null) return noAccount(asked.accountId);
      const claimed = await claim(this.#sessions, asked, this.#numbers, this.#nextId);
      if ('code' in claimed) return claimed;
      const payout = await holdFor(this.#sessions, claimed);
      if ('code' in payout) return payout;
      if (payout.refusal !== null) return refuse(payout.refusal, payout.reason ?? '');
      return { code: codes.success, ...payout };
    });
  }

  /** A payout as it is now; null when there is none. @throws when it cannot be read */
  async payout(payoutId: bigint): Promise<Payout | null> {
    if (checkId('payoutId', payoutId) !== null) return null;
    return this.#sessions.run((session) => readPayout(session, payoutId));
  }

  /** The payouts of an account, the latest first, refused ones too. @throws when they cannot be read */
  async payouts(accountId: bigint, { limit = 50 } = {}): Promise<Payout[]> {
    if (checkId('accountId', accountId) !== null) return [];
    return this.#sessions.run((session) => readPayouts(session, accountId, limit));
  }

  /** A notice has come: the provider is asked at the next look. What the notice says decides nothing. */
  noticed(payoutId: bigint): Promise<void> {
    return this.#sessions.run((session) => hasten(session, payoutId));
  }

  /**
   * A person gives up a payout that was never sent, or that the provider says, now and signed, not to know: what was held
   * is released. 2 in every other case, and within an hour of the last sending, which may still be on its way. 1: there
   * is no such payout.
   */
  giveUp(payoutId: bigint, who: GivingUp): Promise<Answer<Payout>> {
    return called(this.#sessions, codes.writeError, () => this.#course.giveUp(payoutId, who));
  }

  /** What is to be looked at again. */
  book(): DueBook {
    const sessions = this.#sessions;
    return {
      kind: 'payout',
      due: (provider, aheadMs, limit) => sessions.run((session) => readDue(session, provider, aheadMs, limit)),
      take: async (id, leaseMs) => {
        const isOurs = await sessions.run((session) => take(session, id, leaseMs));
        const payout = await this.payout(id);
        if (isOurs && payout !== null) return { provider: payout.provider };
        return { nextAt: payout?.nextAt ?? null };
      },
      look: (id) => sessions.call(() => this.#course.look(id)),
    };
  }
}
