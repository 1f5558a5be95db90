/** What a program asks for when it asks for a payout, checked; and the claim that gives it ids, the same ones each time. */
import { createHash } from 'node:crypto';
import { codes, type Refusal, refuse } from '../ledger/answer.ts';
import { checkAmount, checkId, checkText, firstOf } from '../ledger/arguments.ts';
import type { BillNumbers } from '../ledger/numbers.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { isTaxRule, type TaxRule, taxOf } from '../settlement/tax.ts';
import type { NewPayout } from './payout-record.ts';
import type { ProviderName } from './provider.ts';

export interface PayoutRequest {
  readonly accountId: bigint;
  /** Fen: what is to leave the wallet, the tax included. */
  readonly amount: bigint;
  readonly provider: ProviderName;
  /** The provider's name of whom the money goes to: an open id, a login id. */
  readonly payee: string;
  /** Checked by the provider, where it is given. */
  readonly payeeName?: string;
  /** What the payee reads. */
  readonly title: string;
  /** The caller's own name for this request, one of its account: the same again is the same payout. */
  readonly idempotencyKey: string;
  /** What is kept back of it; nothing by default. */
  readonly taxRule?: TaxRule;
}

/** As many as both providers take: WeChat Pay shows 32 characters. */
const titleMax = 32;

/** @returns what is wrong; null when it can be tried */
export function checkPayout(request: PayoutRequest, providers: ReadonlySet<ProviderName>): Refusal | null {
  const { accountId, amount, provider, payee, payeeName, title, idempotencyKey, taxRule } = request;
  const wrong = (reason: string) => refuse(codes.badArgument, reason);
  return firstOf(
    checkId('accountId', accountId),
    checkAmount(amount),
    providers.has(provider) ? null : wrong(`provider is "${provider}": expected one of ${[...providers].join(', ')}`),
    checkText('payee', payee, 128, true),
    payeeName === undefined ? null : checkText('payeeName', payeeName, 128, true),
    checkText('title', title, titleMax, true),
    checkText('idempotencyKey', idempotencyKey, 64, true),
    taxRule === undefined || isTaxRule(taxRule) ? null : wrong(`taxRule is "${taxRule}": expected none or labour-cn`),
  );
}

/** What two requests of one key must have in common. */
function digestOf({ amount, provider, payee, payeeName, title, taxRule }: PayoutRequest): string {
  const content = [String(amount), provider, payee, payeeName ?? null, title, taxRule ?? 'none'];
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

export type NextId = (accountId: bigint) => Promise<bigint>;

/**
 * The payout that a request stands for: its ids and its tax, from the first time that the key was used, or from now on.
 *
 * The claim is durable before anything else is written. Killed before: nothing happened; behind: the next one with the
 * key gets the same ids.
 */
export async function claim(
  sessions: Sessions,
  request: PayoutRequest,
  numbers: BillNumbers,
  nextId: NextId,
): Promise<NewPayout | Refusal> {
  const digest = digestOf(request);
  for (;;) {
    const known = await sessions.run((session) => readClaim(session, request));
    if (known !== null) return known.content === digest ? payoutOf(request, known) : otherContent(request);
    const { accountId, amount, taxRule = 'none' } = request;
    const tax = taxOf(taxRule, amount);
    const ids = {
      payoutId: await nextId(accountId),
      billId: await numbers.next(),
      taxBillId: tax > 0n ? await numbers.next() : null,
    };
    await sessions.run((session) => writeClaim(session, request, { content: digest, tax, ...ids }));
  }
}

const otherContent = ({ accountId, idempotencyKey }: PayoutRequest): Refusal =>
  refuse(codes.badArgument, `idempotencyKey "${idempotencyKey}" of account ${accountId} was used for another payout`);

interface Claim extends Pick<NewPayout, 'payoutId' | 'billId' | 'taxBillId' | 'tax'> {
  readonly content: string;
}

function payoutOf(request: PayoutRequest, { payoutId, billId, taxBillId, tax }: Claim): NewPayout {
  const { accountId, amount, provider, payee, payeeName = null, title, taxRule = 'none' } = request;
  const sums = { gross: amount, tax, net: amount - tax, taxRule };
  return { payoutId, billId, taxBillId, accountId, provider, payee, payeeName, title, ...sums };
}

async function readClaim(
  session: Session,
  { accountId, idempotencyKey }: Pick<PayoutRequest, 'accountId' | 'idempotencyKey'>,
): Promise<Claim | null> {
  const [row] = await session.tuples(
    'SELECT content, payout_id, bill_id, tax, tax_bill_id FROM payout_claim WHERE account_id = ? AND idempotency_key = ?',
    [String(accountId), idempotencyKey],
  );
  if (row === undefined) return null;
  const [content, payoutId, billId, tax, taxBillId] = row.map((cell) => (cell === null ? null : String(cell)));
  return {
    content: content as string,
    payoutId: BigInt(payoutId as string),
    billId: BigInt(billId as string),
    tax: BigInt(tax as string),
    taxBillId: taxBillId === null || taxBillId === undefined ? null : BigInt(taxBillId),
  };
}

/** Writes a claim, unless the key has one: of somebody who was faster, or ours, when the answer was lost. */
async function writeClaim(session: Session, request: PayoutRequest, claim: Claim): Promise<void> {
  const { accountId, idempotencyKey } = request;
  const { content, payoutId, billId, tax, taxBillId } = claim;
  try {
    await session.write(
      `INSERT INTO payout_claim (account_id, idempotency_key, content, payout_id, bill_id, tax, tax_bill_id)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      [
        String(accountId),
        idempotencyKey,
        content,
        String(payoutId),
        String(billId),
        String(tax),
        taxBillId === null ? null : String(taxBillId),
      ],
    );
  } catch (error) {
    if (errorNumber(error) !== 1062 || (await readClaim(session, request)) === null) throw error;
  }
}
