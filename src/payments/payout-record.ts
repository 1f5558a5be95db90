/**
 * The row of a payout: read, and moved from state to state by statements that compare, so that of several who know
 * different things about it the one that is behind changes nothing. Money is fen; times are the database's.
 */
import type { Refusal, RefusalCode } from '../ledger/answer.ts';
import type { Cell, Reader, Session } from '../platform/mysql.ts';
import type { TaxRule } from '../settlement/tax.ts';
import type { Due } from './due.ts';
import type { ProviderName, TransferAnswer } from './provider.ts';

export type PayoutState = 'held' | 'sending' | 'paid' | 'failed' | 'returned' | 'refused';
/** What a provider's answer decides. */
export type Decision = 'paid' | 'failed' | 'returned';

export interface Payout {
  readonly payoutId: bigint;
  readonly accountId: bigint;
  readonly provider: ProviderName;
  /** Fen: what leaves the wallet. */
  readonly gross: bigint;
  /** Fen, of it, kept back. */
  readonly tax: bigint;
  /** Fen, of it, sent. */
  readonly net: bigint;
  readonly taxRule: TaxRule;
  readonly payee: string;
  readonly payeeName: string | null;
  readonly title: string;
  /**
   * `held`: not sent so far; `sending`: it may have been; `paid`, `failed`: the provider says so; `returned`: paid, and it
   * came back; `refused`: nothing was held.
   */
  readonly state: PayoutState;
  /** The code of a refused one, as the ledger has them. */
  readonly refusal: RefusalCode | null;
  /** Why it was refused; who gave it up and why. */
  readonly reason: string | null;
  /** Of the hold, its confirm, cancel and rollback. */
  readonly billId: bigint;
  /** Of the charge for the tax and its rollback; null without tax. */
  readonly taxBillId: bigint | null;
  /** How often the sending of it was begun. */
  readonly attempts: number;
  /** When it was begun last; milliseconds since 1970, as all times here. */
  readonly sentAt: number | null;
  /** The provider's own number. */
  readonly providerId: string | null;
  /** What the provider said last. */
  readonly word: string | null;
  readonly requestedAt: number;
  readonly decidedAt: number | null;
  /** When the wallet's bills were booked: taken; released; given back. */
  readonly takenAt: number | null;
  readonly releasedAt: number | null;
  readonly givenBackAt: number | null;
  /** When it is looked at next; null: never. */
  readonly nextAt: number | null;
  /** Looks in a row that told nothing new. */
  readonly waits: number;
  /** The database's time when it was read. */
  readonly now: number;
}

const instants = [
  'requested_at',
  'decided_at',
  'taken_at',
  'released_at',
  'given_back_at',
  'next_at',
  'NOW(3)',
  'sent_at',
];
const columns = [
  'payout_id, account_id, provider, gross, tax, net, tax_rule, payee, payee_name, title, state, refusal, reason',
  'bill_id, tax_bill_id, attempts, waits, provider_id, word',
  ...instants.map(milliseconds),
].join(', ');

/** A time of the server as milliseconds since 1970, exact. */
function milliseconds(expression: string): string {
  return `CAST(UNIX_TIMESTAMP(${expression}) * 1000 AS SIGNED)`;
}

/** @returns null when there is none */
export async function readPayout(reader: Reader, payoutId: bigint): Promise<Payout | null> {
  const [row] = await reader.tuples(`SELECT ${columns} FROM payout WHERE payout_id = ?`, [String(payoutId)]);
  return row === undefined ? null : toPayout(row);
}

/** Payouts of an account, the latest first. */
export async function readPayouts(reader: Reader, accountId: bigint, limit: number): Promise<Payout[]> {
  const rows = await reader.tuples(
    `SELECT ${columns} FROM payout WHERE account_id = ? ORDER BY requested_at DESC, payout_id DESC LIMIT ?`,
    [String(accountId), limit],
  );
  return rows.map(toPayout);
}

function toPayout(row: readonly Cell[]): Payout {
  const text = (index: number) => (row[index] === null || row[index] === undefined ? null : String(row[index]));
  const fen = (index: number) => BigInt(text(index) as string);
  const number = (index: number) => (text(index) === null ? null : Number(text(index)));
  return {
    payoutId: fen(0),
    accountId: fen(1),
    provider: text(2) as ProviderName,
    gross: fen(3),
    tax: fen(4),
    net: fen(5),
    taxRule: text(6) as TaxRule,
    payee: text(7) as string,
    payeeName: text(8),
    title: text(9) as string,
    state: text(10) as PayoutState,
    refusal: number(11) as RefusalCode | null,
    reason: text(12),
    billId: fen(13),
    taxBillId: text(14) === null ? null : fen(14),
    attempts: number(15) as number,
    waits: number(16) as number,
    providerId: text(17),
    word: text(18),
    requestedAt: number(19) as number,
    decidedAt: number(20),
    takenAt: number(21),
    releasedAt: number(22),
    givenBackAt: number(23),
    nextAt: number(24),
    now: number(25) as number,
    sentAt: number(26),
  };
}

/** What a payout begins with. */
export type NewPayout = Pick<Payout, 'payoutId' | 'accountId' | 'billId' | 'taxBillId'> &
  Pick<Payout, 'provider' | 'gross' | 'tax' | 'net' | 'taxRule' | 'payee' | 'payeeName' | 'title'>;

/** Writes the row: held, and due at once; or refused. */
export async function insertPayout(session: Session, payout: NewPayout, refusal: Refusal | null): Promise<void> {
  await session.write(
    `INSERT INTO payout (payout_id, account_id, provider, gross, tax, net, tax_rule, payee, payee_name, title,
       bill_id, tax_bill_id, refusal, reason, state, next_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${refusal !== null ? 'NULL' : 'NOW(3)'})`,
    [
      String(payout.payoutId),
      String(payout.accountId),
      payout.provider,
      String(payout.gross),
      String(payout.tax),
      String(payout.net),
      payout.taxRule,
      payout.payee,
      payout.payeeName,
      payout.title,
      String(payout.billId),
      payout.taxBillId === null ? null : String(payout.taxBillId),
      refusal?.code ?? null,
      refusal === null ? null : shortened(refusal.reason),
      refusal === null ? 'held' : 'refused',
    ],
  );
}

/** Whether a payout of an account was accepted less than so long ago; one that a clock has put into the future counts no longer than that. */
export async function hasRecent(reader: Reader, accountId: bigint, seconds: number): Promise<boolean> {
  const rows = await reader.tuples(
    `SELECT 1 FROM payout WHERE account_id = ? AND state <> 'refused'
        AND requested_at > NOW(3) - INTERVAL ? SECOND AND requested_at < NOW(3) + INTERVAL ? SECOND LIMIT 1`,
    [String(accountId), seconds, seconds],
  );
  return rows.length > 0;
}

/**
 * Notes, for good, that it is about to be sent.
 *
 * @returns false when somebody else has begun that, or it is decided meanwhile
 */
export async function beginSending(session: Session, { payoutId, attempts }: Payout): Promise<boolean> {
  const { affected } = await session.write(
    `UPDATE payout SET state = 'sending', attempts = attempts + 1, sent_at = NOW(3)
      WHERE payout_id = ? AND state IN ('held', 'sending') AND attempts = ?`,
    [String(payoutId), attempts],
  );
  return affected === 1;
}

const wordMax = 255;
const shortened = (word: string): string => [...word].slice(0, wordMax).join('');

/** Notes what was decided. @returns false when somebody has decided meanwhile, or begun to send it again */
export async function decide(
  session: Session,
  { payoutId, state, attempts }: Payout,
  decision: Decision,
  { providerId, word }: Pick<TransferAnswer, 'providerId' | 'word'>,
  reason: string | null = null,
): Promise<boolean> {
  const { affected } = await session.write(
    `UPDATE payout SET state = ?, decided_at = NOW(3), waits = 0, provider_id = IFNULL(?, provider_id), word = ?,
            reason = IFNULL(?, reason) WHERE payout_id = ? AND state = ? AND attempts = ?`,
    [decision, providerId, shortened(word), reason, String(payoutId), state, attempts],
  );
  return affected === 1;
}

/** What the wallet knows of a payout. */
export type Mark = 'taken_at' | 'released_at' | 'given_back_at';

/** Inside the transaction of the bill. */
export async function mark(session: Session, payoutId: bigint, which: Mark): Promise<void> {
  await session.write(`UPDATE payout SET ${which} = NOW(3) WHERE payout_id = ? AND ${which} IS NULL`, [
    String(payoutId),
  ]);
}

/** How a look ended. */
export interface Rest {
  readonly word: string | null;
  readonly waits: number;
  /** Milliseconds from now until the next one; null: never again. */
  readonly waitMs: number | null;
}

/** Sets when it is looked at next, unless somebody has done so since it was read. @returns when that is, then */
export async function lay(
  session: Session,
  { payoutId, nextAt }: Pick<Payout, 'payoutId' | 'nextAt'>,
  { word, waits, waitMs }: Rest,
): Promise<number | null> {
  const seen = nextAt === null ? null : (nextAt / 1000).toFixed(3);
  await session.write(
    `UPDATE payout SET next_at = NOW(3) + INTERVAL ? MICROSECOND, word = IFNULL(?, word), waits = ?
      WHERE payout_id = ? AND next_at <=> FROM_UNIXTIME(CAST(? AS DECIMAL(16, 3)))`,
    [waitMs === null ? null : waitMs * 1000, word === null ? null : shortened(word), waits, String(payoutId), seen],
  );
  return (await readPayout(session, payoutId))?.nextAt ?? null;
}

/** What is due at a provider by then, the oldest first, with its time. */
export async function readDue(reader: Reader, provider: ProviderName, aheadMs: number, limit: number): Promise<Due[]> {
  const rows = await reader.tuples(
    `SELECT payout_id, ${milliseconds('next_at')} FROM payout
      WHERE provider = ? AND next_at <= NOW(3) + INTERVAL ? MICROSECOND ORDER BY next_at, payout_id LIMIT ?`,
    [provider, aheadMs * 1000, limit],
  );
  return rows.map(([id, at]) => ({ id: BigInt(String(id)), at: Number(at) }));
}

/** Moves one that is due ahead by the lease: whoever has done so has it. @returns whether we have */
export async function take(session: Session, payoutId: bigint, leaseMs: number): Promise<boolean> {
  const { affected } = await session.write(
    'UPDATE payout SET next_at = NOW(3) + INTERVAL ? MICROSECOND WHERE payout_id = ? AND next_at <= NOW(3)',
    [leaseMs * 1000, String(payoutId)],
  );
  return affected === 1;
}

/** Makes one due now that may have news. */
export async function hasten(session: Session, payoutId: bigint): Promise<void> {
  await session.write(
    `UPDATE payout SET next_at = NOW(3)
      WHERE payout_id = ? AND state IN ('sending', 'paid', 'failed') AND (next_at IS NULL OR next_at > NOW(3))`,
    [String(payoutId)],
  );
}
