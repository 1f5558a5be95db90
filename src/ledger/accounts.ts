/** Opening, looking at, freezing accounts, and releasing holds whose time is over. */
import type { Session } from '../platform/mysql.ts';
import {
  type Account,
  type AccountKind,
  available,
  insertAccount,
  noteEvent,
  readAccount,
  type Who,
} from './account.ts';
import { type Answer, codes, type Refusal, refuse } from './answer.ts';
import { checkId, checkText } from './arguments.ts';
import { called, noAccount } from './booking.ts';
import { expired, expireHolds, lockAccount } from './process.ts';
import { LockedError, type Sessions } from './sessions.ts';

export interface Balance {
  /** Fen: the sum of the successful bills. */
  readonly balance: bigint;
  /** Fen, of the balance, spoken for. */
  readonly held: bigint;
  /** Fen: what can be spent. */
  readonly available: bigint;
  /** Why the account is frozen; null when it is not. */
  readonly frozen: string | null;
}

/** Who changes an account, and why. */
export interface WhoAndWhy extends Who {
  readonly reason?: string;
}

const accountsPerLook = 200;

export class Accounts {
  readonly #sessions: Sessions;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  async open(accountId: bigint, kind: AccountKind, who: Who): Promise<Answer<Balance>> {
    const isKnown = kind === 'prepaid' || kind === 'commission';
    const mistake =
      checkChange(accountId, who) ??
      (isKnown ? null : refuse(codes.badArgument, 'kind is neither prepaid nor commission'));
    if (mistake !== null) return mistake;
    return this.#change(async (session) => {
      if (await insertAccount(session, accountId, kind))
        await noteEvent(session, accountId, 'opened', `as a ${kind} account`, who);
      const account = (await readAccount(session, accountId)) as Account;
      return account.kind === kind
        ? account
        : refuse(codes.badArgument, `account ${accountId} is a ${account.kind} one`);
    });
  }

  async balance(accountId: bigint): Promise<Answer<Balance>> {
    const mistake = checkId('accountId', accountId);
    if (mistake !== null) return mistake;
    return called(this.#sessions, codes.readError, async () => {
      const account = await this.#sessions.run((session) => readAccount(session, accountId));
      if (account === null) return noAccount(accountId);
      return { code: 0, ...balanceOf(account.held === 0n ? account : await this.#expire(accountId)) };
    });
  }

  /** @param frozen why; null to unfreeze */
  async setFrozen(accountId: bigint, frozen: string | null, who: WhoAndWhy): Promise<Answer<Balance>> {
    const mistake = checkChange(accountId, who) ?? checkText('reason', who.reason, 255);
    if (mistake !== null) return mistake;
    return this.#change(async (session) => {
      const account = await readAccount(session, accountId, true);
      if (account === null) return noAccount(accountId);
      if ((account.frozenReason === null) === (frozen === null)) return account;
      await session.write('UPDATE account SET frozen_reason = ? WHERE account_id = ?', [frozen, String(accountId)]);
      await noteEvent(session, accountId, frozen === null ? 'unfrozen' : 'frozen', who.reason ?? noReason, who);
      return { ...account, frozenReason: frozen };
    });
  }

  /** Releases holds whose time is over, of all accounts. */
  async expireAll(): Promise<Expiry> {
    const done = { accounts: 0, locked: 0 };
    for (let after = '0'; ; ) {
      const rows = await this.#sessions.run((session) =>
        session.tuples(
          `SELECT DISTINCT h.account_id FROM open_hold h WHERE ${expired('h.account_id > ?')} ORDER BY h.account_id LIMIT ${accountsPerLook}`,
          [after],
        ),
      );
      for (const [accountId] of rows) {
        const isDone = await this.#expire(BigInt(accountId as string)).then(
          () => true,
          (error) => {
            if (error instanceof LockedError) return false;
            throw error;
          },
        );
        if (isDone) done.accounts += 1;
        else done.locked += 1;
      }
      if (rows.length < accountsPerLook) return done;
      after = String(rows.at(-1)?.[0]);
    }
  }

  async #expire(accountId: bigint): Promise<Account> {
    for (;;) {
      const { account, isAll } = await this.#sessions.transaction(async (session) =>
        expireHolds(session, await lockAccount(session, accountId)),
      );
      if (isAll) return account;
    }
  }

  #change(work: (session: Session) => Promise<Account | Refusal>): Promise<Answer<Balance>> {
    return called(this.#sessions, codes.writeError, async () => {
      const result = await this.#sessions.transaction(work);
      return 'code' in result ? result : { code: 0, ...balanceOf(result) };
    });
  }
}

/** What became of holds whose time is over. */
export interface Expiry {
  /** Accounts whose holds were released. */
  readonly accounts: number;
  /** Accounts that others kept locked: the next time, then. */
  readonly locked: number;
}

export const noReason = 'no reason given';

const balanceOf = (account: Account): Balance => ({
  balance: account.balance,
  held: account.held,
  available: available(account),
  frozen: account.frozenReason,
});

export const checkWho = ({ operator, clientAddress }: Who): Refusal | null =>
  checkText('operator', operator, 128) ?? checkText('clientAddress', clientAddress, 64);

const checkChange = (accountId: unknown, who: Who): Refusal | null => checkId('accountId', accountId) ?? checkWho(who);
