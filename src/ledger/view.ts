/** Everything that a person wants to see of an account. */
import type { Session } from '../platform/mysql.ts';
import { type AccountKind, dateOf, readAccount } from './account.ts';

/** Money that waits for the end of a hold. Times are UTC. */
export interface OpenHold {
  readonly billId: bigint;
  /** Fen. */
  readonly amount: bigint;
  /** When it is released by itself; null: never. */
  readonly expiresAt: Date | null;
}

export interface AccountEvent {
  readonly what: string;
  readonly reason: string;
  readonly operator: string | null;
  readonly clientAddress: string | null;
  readonly at: Date;
}

export interface AccountView {
  readonly accountId: bigint;
  readonly kind: AccountKind;
  /** Fen. */
  readonly balance: bigint;
  /** Fen, of the balance. */
  readonly held: bigint;
  /** Successful bills so far. */
  readonly bills: bigint;
  readonly frozen: string | null;
  readonly changedAt: Date;
  /** Oldest first, at most a hundred. */
  readonly holds: readonly OpenHold[];
  /** Latest first, at most a hundred. */
  readonly events: readonly AccountEvent[];
}

/** @returns null when there is no such account */
export async function viewAccount(session: Session, accountId: bigint): Promise<AccountView | null> {
  const account = await readAccount(session, accountId);
  const holds = await session.tuples(
    'SELECT bill_id, amount, expires_at FROM open_hold WHERE account_id = ? ORDER BY bill_id LIMIT 100',
    [String(accountId)],
  );
  const events = await session.tuples(
    'SELECT what, reason, operator, client_address, at FROM account_event WHERE account_id = ? ORDER BY id DESC LIMIT 100',
    [String(accountId)],
  );
  if (account === null) return null;
  const { kind, balance, held, sequence, frozenReason, changedAt } = account;
  return {
    accountId,
    kind,
    balance,
    held,
    bills: sequence ?? 0n,
    frozen: frozenReason,
    changedAt: dateOf(changedAt),
    holds: holds.map(([billId, amount, expiresAt]) => ({
      billId: BigInt(billId as string),
      amount: BigInt(amount as string),
      expiresAt: expiresAt === null ? null : dateOf(String(expiresAt)),
    })),
    events: events.map(([what, reason, operator, clientAddress, at]) => ({
      what: String(what),
      reason: String(reason),
      operator: operator as string | null,
      clientAddress: clientAddress as string | null,
      at: dateOf(String(at)),
    })),
  };
}
