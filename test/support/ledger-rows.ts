/**
 * Bills and accounts as the ledger would have written them, at times of the test's choosing: each account begins with a
 * settlement long ago, and its bills are a chain from there.
 */
import type { Session } from '../../src/platform/mysql.ts';

export interface BillRow {
  readonly billId: bigint;
  readonly amount: bigint;
  /** UTC. */
  readonly doneAt: string;
  readonly channel: string;
  readonly accountId: bigint;
  readonly result: 'success' | 'failed' | 'unprocessed';
  readonly provider: string | null;
  readonly orderId: string | null;
  readonly fee: bigint | null;
}

const opening = 10n ** 15n;
const rowsAtOnce = 2000;

/** Adds bills; those of one account in the order of their success. Accounts that are new are opened. */
export async function addBills(ledger: Session, bills: readonly BillRow[]): Promise<void> {
  const accounts = new Map<bigint, { sequence: number; balance: bigint }>();
  await openAccounts(ledger, [...new Set(bills.map(({ accountId }) => accountId))], accounts);
  // The rows are right as they are; looking every one of them up would take most of the time.
  await ledger.write('SET SESSION foreign_key_checks = 0');
  for (let from = 0; from < bills.length; from += rowsAtOnce) {
    const values = bills.slice(from, from + rowsAtOnce).map((bill) => rowOf(bill, accounts));
    await ledger.write(`INSERT INTO bill (${columns}) VALUES ${values.join(',')}`);
  }
  await ledger.write('SET SESSION foreign_key_checks = 1');
  await closeAccounts(ledger, accounts);
}

const columns =
  'bill_id, channel, account_id, amount, held_change, result, code, sequence, previous, balance_before, balance_after, held_before, held_after, caller, provider, order_id, fee, created_at, done_at';

function rowOf(bill: BillRow, accounts: Map<bigint, { sequence: number; balance: bigint }>): string {
  const { billId, channel, accountId, amount, result, provider, orderId, fee, doneAt } = bill;
  const text = (value: string | null) => (value === null ? 'NULL' : `'${value}'`);
  const about = `'test', ${text(provider)}, ${text(orderId)}, ${fee ?? 'NULL'}, '${doneAt}'`;
  const head = `${billId}, '${channel}', ${accountId}, ${amount}, 0, '${result}'`;
  if (result === 'unprocessed') return `(${head}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ${about}, NULL)`;
  if (result === 'failed') return `(${head}, 3, NULL, NULL, NULL, NULL, NULL, NULL, ${about}, '${doneAt}')`;
  const account = accounts.get(accountId) as { sequence: number; balance: bigint };
  const before = account.balance;
  account.balance += amount;
  account.sequence++;
  return `(${head}, NULL, ${account.sequence}, ${account.sequence - 1}, ${before}, ${account.balance}, 0, 0, ${about}, '${doneAt}')`;
}

async function openAccounts(
  ledger: Session,
  ids: readonly bigint[],
  accounts: Map<bigint, { sequence: number; balance: bigint }>,
) {
  const known = await ledger.tuples('SELECT account_id, sequence, balance FROM account');
  for (const [id, sequence, balance] of known)
    accounts.set(BigInt(String(id)), { sequence: Number(sequence), balance: BigInt(String(balance)) });
  const fresh = ids.filter((id) => !accounts.has(id));
  for (let from = 0; from < fresh.length; from += rowsAtOnce) {
    const some = fresh.slice(from, from + rowsAtOnce);
    await ledger.write(
      `INSERT INTO account (account_id, kind) VALUES ${some.map((id) => `(${id}, 'prepaid')`).join(',')}`,
    );
    const bills = some.map(
      (id) =>
        `(${900_000_000_000_000_000n + id}, 'settlement', ${id}, ${opening}, 0, 'success', NULL, 1, NULL, 0, ${opening}, 0, 0, 'test', NULL, NULL, NULL, '2020-01-01 00:00:00', '2020-01-01 00:00:00')`,
    );
    await ledger.write(`INSERT INTO bill (${columns}) VALUES ${bills.join(',')}`);
    for (const id of some) accounts.set(id, { sequence: 1, balance: opening });
  }
}

async function closeAccounts(ledger: Session, accounts: ReadonlyMap<bigint, { sequence: number; balance: bigint }>) {
  const all = [...accounts];
  for (let from = 0; from < all.length; from += rowsAtOnce) {
    const values = all
      .slice(from, from + rowsAtOnce)
      .map(([id, { sequence, balance }]) => `(${id}, 'prepaid', ${balance}, ${sequence})`);
    await ledger.write(
      `INSERT INTO account (account_id, kind, balance, sequence) VALUES ${values.join(',')}
         ON DUPLICATE KEY UPDATE balance = VALUES(balance), sequence = VALUES(sequence)`,
    );
  }
}
