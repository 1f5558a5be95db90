/** Accounts: their state, and the only two ways in which it changes: by a bill, and by being frozen. */
import type { Reader, Session } from '../platform/mysql.ts';

export type AccountKind = 'prepaid' | 'commission';

export interface Account {
  readonly accountId: bigint;
  readonly kind: AccountKind;
  /** Fen: the sum of the successful bills. */
  readonly balance: bigint;
  /** Fen: of the balance, spoken for by open holds. */
  readonly held: bigint;
  /** Place of the last bill in the account's chain; null before the first. */
  readonly sequence: bigint | null;
  readonly frozenReason: string | null;
  /** UTC text of the server. */
  readonly changedAt: string;
}

/** Text of a TIMESTAMP, in our sessions UTC. */
export const dateOf = (text: string): Date => new Date(`${text.replace(' ', 'T')}Z`);

/** The most that an account can hold, in fen: a BIGINT. */
export const balanceMax = 2n ** 63n - 1n;

/** What may be spent, in fen. */
export const available = ({ balance, held }: Pick<Account, 'balance' | 'held'>): bigint => balance - held;

/** @returns null when there is none */
export async function readAccount(reader: Reader, accountId: bigint, lock = false): Promise<Account | null> {
  const [row] = await reader.rows<Record<string, string | number | null>>(
    `SELECT kind, balance, held, sequence, frozen_reason, changed_at FROM account WHERE account_id = ?${lock ? ' FOR UPDATE' : ''}`,
    [String(accountId)],
  );
  if (row === undefined) return null;
  return {
    accountId,
    kind: row.kind as AccountKind,
    balance: BigInt(row.balance as string),
    held: BigInt(row.held as string),
    sequence: row.sequence === null ? null : BigInt(row.sequence as string),
    frozenReason: row.frozen_reason as string | null,
    changedAt: String(row.changed_at),
  };
}

/** Opens an account; the caller's transaction notes the event. @returns whether there was none */
export async function insertAccount(session: Session, accountId: bigint, kind: AccountKind): Promise<boolean> {
  const { affected } = await session.write(
    'INSERT INTO account (account_id, kind) VALUES (?, ?) ON DUPLICATE KEY UPDATE account_id = account_id',
    [String(accountId), kind],
  );
  return affected === 1;
}

export interface Who {
  readonly operator?: string | undefined;
  readonly clientAddress?: string | undefined;
}

/** Notes what was done to an account without a bill. */
export async function noteEvent(
  session: Session,
  accountId: bigint,
  what: 'opened' | 'frozen' | 'unfrozen' | 'resolved',
  reason: string,
  { operator, clientAddress }: Who,
): Promise<void> {
  await session.write(
    'INSERT INTO account_event (account_id, what, reason, operator, client_address) VALUES (?, ?, ?, ?, ?)',
    [String(accountId), what, reason, operator ?? null, clientAddress ?? null],
  );
}
