/**
 * What the controls have in common: payouts of 1 fen and more from some accounts, each noted in `wanted` before anything
 * else, and brought to its end later where it was broken off. So what is found of them is their mistake, and not that
 * they were killed.
 */
import type { Ledger } from '../../../src/ledger/index.ts';
import type { Provider, TransferAnswer } from '../../../src/payments/provider.ts';
import type { Session } from '../../../src/platform/mysql.ts';

export interface Payer {
  readonly target: Session;
  /** A second connection, for what must be durable whatever becomes of the first. */
  readonly notes: Session;
  readonly ledger: Ledger;
  readonly provider: Provider;
}

export interface Wanted {
  readonly payoutId: bigint;
  readonly accountId: bigint;
  readonly amount: bigint;
  readonly billId: bigint;
}

export type Control = (payer: Payer, wanted: Wanted) => Promise<void>;

export const wantedTable = `CREATE TABLE wanted (
  payout_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
  account_id BIGINT UNSIGNED NOT NULL,
  amount BIGINT NOT NULL,
  bill_id BIGINT UNSIGNED NOT NULL,
  state ENUM('begun', 'paid', 'failed') NOT NULL DEFAULT 'begun',
  noted_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB`;

export async function note({ notes }: Payer, { payoutId, accountId, amount, billId }: Wanted): Promise<void> {
  const cells = [payoutId, accountId, amount, billId].map(String);
  await notes.write('INSERT INTO wanted (payout_id, account_id, amount, bill_id) VALUES (?, ?, ?, ?)', cells);
}

/** What is to be paid, in words that a repeat has, too. */
export const transferOf = ({ payoutId, amount, accountId }: Wanted) => ({
  payoutId,
  amount,
  payee: `2088${String(accountId).padStart(12, '0')}`,
  payeeName: null,
  title: 'control',
});

/** Gives an answer its effect: the right way. Nothing that was paid comes back here. */
export async function settle({ ledger, notes }: Payer, wanted: Wanted, state: TransferAnswer['state']): Promise<void> {
  const { billId, accountId, payoutId } = wanted;
  const orderId = String(payoutId);
  const become = async (end: string, answer: { readonly code: number }) => {
    if (answer.code !== 0) throw new Error(`${end}: the ledger answered ${answer.code}`);
    await notes.write('UPDATE wanted SET state = ? WHERE payout_id = ?', [end, orderId]);
  };
  if (state === 'paid') await become('paid', await ledger.confirm({ billId, accountId, provider: 'alipay', orderId }));
  if (state === 'failed') await become('failed', await ledger.cancel({ billId, accountId }));
}

export async function begin({ ledger }: Payer, { billId, accountId, amount }: Wanted): Promise<void> {
  const { code } = await ledger.hold({ billId, accountId, amount });
  if (code !== 0) throw new Error(`hold: the ledger answered ${code}`);
}

/** Goes on with what was broken off, by a query, as it should be. */
export async function goOn(payer: Payer): Promise<void> {
  const rows = await payer.notes.tuples(
    `SELECT payout_id, account_id, amount, bill_id FROM wanted WHERE state = 'begun'`,
  );
  for (const row of rows) {
    const [payoutId, accountId, amount, billId] = row.map((cell) => BigInt(String(cell))) as Four<bigint>;
    const wanted = { payoutId, accountId, amount, billId };
    await begin(payer, wanted);
    const { state } = await payer.provider.queryTransfer(payoutId);
    if (state === 'missing') await payer.provider.transfer(transferOf(wanted));
    else await settle(payer, wanted, state);
  }
}

type Four<Part> = [Part, Part, Part, Part];
