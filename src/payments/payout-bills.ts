/**
 * What a payout does to its wallet: the hold, and what follows from it, each together with the payout's row.
 *
 * Promises: the bills are durable before they have their effect; their effect and what the row says of it are one
 * transaction, behind the account's lock. Killed before it: nothing has happened, and the same step again goes on from the
 * bills; behind it: the row says that it was done.
 *
 * The wallet gives the gross sum as two bills, because the provider knows the net one only: the hold's confirm of the net
 * sum, in the name of `alipay-payout` or `wechat-payout`, with the payout's id as its order, and a charge for the tax, in
 * the name of `tax`. Both leave the wallet in one transaction, so that what the confirm releases
 * for the tax can be spent by nobody else; a payout that comes back gives back both.
 */
import { readAccount } from '../ledger/account.ts';
import { codes, type Refusal, refuse, refusedAs } from '../ledger/answer.ts';
import { type Bill, type BillContent, readBill } from '../ledger/bill.ts';
import { writeBill } from '../ledger/booking.ts';
import { closeBill, type Ended, lockAccount, processBill, refusalOf } from '../ledger/process.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Session } from '../platform/mysql.ts';
import { hasRecent, insertPayout, type Mark, mark, type NewPayout, type Payout, readPayout } from './payout-record.ts';
import { offReason } from './switches.ts';

/** Whose bills these are. */
const caller = 'payments';
/** Behind a provider's name: a trade bill tells payments and refunds alone, and payouts would be missing in it every day. */
const transfers = '-payout';
/** In whose name the tax leaves the wallet. */
const taxOffice = 'tax';
/** A payout of an account is refused so soon behind the one before it. */
const pauseSeconds = 10;

type Names = Pick<Payout, 'payoutId' | 'accountId' | 'billId' | 'taxBillId' | 'provider' | 'gross' | 'tax' | 'net'>;

const notes = { info: null, operator: null, clientAddress: null };
const nothing = { amount: 0n, heldChange: 0n, provider: null, orderId: null, fee: null, items: null };
const plain = { ...nothing, caller, expiresInSeconds: null };

function holdOf({ billId, accountId, gross }: Names): BillContent {
  return { ...plain, billId, accountId, channel: 'hold', heldChange: gross };
}

/** The bills of the net sum, and of the tax where there is one: what each step does to both. */
function billsOf(payout: Names, which: Mark): BillContent[] {
  const { payoutId, accountId, billId, taxBillId, provider, gross, tax, net } = payout;
  const hold = { ...plain, accountId, billId };
  if (which === 'released_at') return [{ ...hold, channel: 'cancel', heldChange: -gross }];
  const orderId = String(payoutId);
  const sent = { ...hold, provider: `${provider}${transfers}`, orderId };
  const kept = { ...plain, accountId, billId: taxBillId as bigint, provider: taxOffice, orderId };
  const [forNet, forTax]: BillContent[] =
    which === 'taken_at'
      ? [
          { ...sent, channel: 'confirm', amount: -net, heldChange: -gross },
          { ...kept, channel: 'charge', amount: -tax },
        ]
      : [
          { ...sent, channel: 'rollback', amount: net },
          { ...kept, channel: 'rollback', amount: tax },
        ];
  return (taxBillId === null ? [forNet] : [forNet, forTax]) as BillContent[];
}

/** What the wallet has to be told of a state; in this order. */
const marksOf: Readonly<Record<Payout['state'], readonly Mark[]>> = {
  held: [],
  sending: [],
  refused: [],
  paid: ['taken_at'],
  failed: ['released_at'],
  // Both sides are booked, as they have happened.
  returned: ['taken_at', 'given_back_at'],
};

const timeOf = (payout: Payout, which: Mark): number | null =>
  ({ taken_at: payout.takenAt, released_at: payout.releasedAt, given_back_at: payout.givenBackAt })[which];

/**
 * Gives the hold its effect and writes the payout, or writes it as refused, once: a repeat answers what stands.
 *
 * The account's lock makes its requests serial, so that of two at once the second sees the first.
 */
export async function holdFor(sessions: Sessions, payout: NewPayout): Promise<Payout | Refusal> {
  const hold = holdOf(payout);
  const clash = await sessions.run((session) => writeBill(session, hold, notes));
  if (clash !== null) return clash;
  for (;;) {
    const written = await sessions.transaction(async (session) => {
      await lockAccount(session, payout.accountId);
      const known = await readPayout(session, payout.payoutId);
      return known ?? writePayout(session, payout, hold);
    });
    if (written !== null) return written;
  }
}

/** @returns null when many holds of the account have expired and more are to: commit, and again */
async function writePayout(session: Session, payout: NewPayout, hold: BillContent): Promise<Payout | null> {
  const bill = (await readBill(session, hold, true)) as Bill;
  // A person who has given a hold that was left alone its effect, or closed it, has decided already.
  let refusal = bill.result === 'unprocessed' ? await objectionTo(session, payout) : null;
  if (refusal !== null) await closeBill(session, bill, refusal.code);
  else {
    const ended = await processBill(session, bill);
    if (ended === null) return null;
    refusal = ended.code === null ? null : refusedAs(ended.code);
  }
  await insertPayout(session, payout, refusal);
  return readPayout(session, payout.payoutId);
}

async function objectionTo(session: Session, { accountId }: NewPayout): Promise<Refusal | null> {
  const off = await offReason(session, 'payouts');
  if (off !== null) return refuse(codes.notAllowed, `payouts are switched off: ${off}`);
  if (!(await hasRecent(session, accountId, pauseSeconds))) return null;
  return refuse(codes.notAllowed, `account ${accountId} has asked for a payout less than ${pauseSeconds} s ago`);
}

/**
 * Tells the wallet what the payout's state asks for and it does not know so far.
 *
 * @returns why the wallet cannot take that now; null when it knows all
 */
export async function settle(sessions: Sessions, payout: Payout): Promise<Refusal | null> {
  for (const which of marksOf[payout.state]) {
    if (timeOf(payout, which) !== null) continue;
    const refusal = await book(sessions, payout, which);
    if (refusal !== null) return refusal;
  }
  return null;
}

async function book(sessions: Sessions, payout: Payout, which: Mark): Promise<Refusal | null> {
  const bills = billsOf(payout, which);
  const clash = await sessions.run(
    async (session) => (await obstacleTo(session, bills)) ?? (await write(session, bills)),
  );
  if (clash !== null) return clash;
  for (;;) {
    const outcome = await sessions.transaction(async (session) => {
      const refusal = await processAll(session, bills);
      if (refusal === null) await mark(session, payout.payoutId, which);
      return refusal;
    });
    if (outcome !== 'again') return outcome;
  }
}

/** Seen before anything is written, so that no bill waits without an end for an account that is frozen. */
async function obstacleTo(session: Session, bills: readonly BillContent[]): Promise<Refusal | null> {
  const [first] = bills as [BillContent];
  if ((await readBill(session, first)) !== null) return null;
  const account = await readAccount(session, first.accountId);
  const code = account === null ? codes.noData : refusalOf(account, first);
  return code === null ? null : refusedAs(code);
}

async function write(session: Session, bills: readonly BillContent[]): Promise<Refusal | null> {
  for (const bill of bills) {
    const clash = await writeBill(session, bill, notes);
    if (clash !== null) return clash;
  }
  return null;
}

/** @returns why one of them is not done; `again`: commit, and once more */
async function processAll(session: Session, bills: readonly BillContent[]): Promise<Refusal | null | 'again'> {
  for (const [index, bill] of bills.entries()) {
    const ended = index === 0 ? await processBill(session, bill) : await processNext(session, bill);
    if (ended === null) return 'again';
    if (ended.code !== null) return refusedAs(ended.code);
  }
  return null;
}

/**
 * The charge for the tax cannot be refused behind the confirm that has just released as much. Where that took effect
 * before, by a person's hand, the money may be spent: then the charge waits, and is not closed.
 */
async function processNext(session: Session, bill: BillContent): Promise<Ended> {
  const known = (await readBill(session, bill, true)) as Bill;
  const account = await lockAccount(session, bill.accountId);
  const code = known.result === 'unprocessed' ? refusalOf(account, bill) : null;
  if (code !== null) return { ...known, code };
  for (;;) {
    const ended = await processBill(session, bill);
    if (ended !== null) return ended;
  }
}
