/** Bills (流水): every operation leaves one, written before the account changes and never edited after its end. */
import type { Cell, Parameter, Reader, Session } from '../platform/mysql.ts';
import { errorNumber } from '../platform/mysql-errors.ts';
import { dateOf } from './account.ts';

/** What a caller asks for with a bill id of its own; each id begins one of these. */
export type OriginChannel = 'recharge' | 'charge' | 'hold' | 'correction' | 'settlement';
/** What follows from one that has begun, with its id. */
export type FollowingChannel = 'rollback' | 'confirm' | 'cancel';
export type Channel = OriginChannel | FollowingChannel;

export const isFollowing = ({ channel }: { readonly channel: Channel }): boolean =>
  channel === 'rollback' || channel === 'confirm' || channel === 'cancel';

/** A thing that was charged for, with its unit price of the moment. */
export interface PricedItem {
  readonly name: string;
  readonly quantity: bigint;
  /** Fen for one. */
  readonly price: bigint;
}

/** What a bill says before it is processed; a repeat must say the same. */
export interface BillContent {
  readonly billId: bigint;
  readonly channel: Channel;
  readonly accountId: bigint;
  /** Fen, signed: what the balance changes by. */
  readonly amount: bigint;
  /** Fen, signed: what the held part changes by. */
  readonly heldChange: bigint;
  readonly caller: string;
  readonly provider: string | null;
  readonly orderId: string | null;
  /** Fen, of the provider. */
  readonly fee: bigint | null;
  /** What was charged for; null without items. */
  readonly items: readonly PricedItem[] | null;
  /** Of a hold; null: it waits for its caller. */
  readonly expiresInSeconds: number | null;
}

/** What is noted beside it. */
export interface BillNotes {
  readonly info: string | null;
  readonly operator: string | null;
  readonly clientAddress: string | null;
}

export interface Bill extends BillContent {
  readonly id: bigint;
  readonly result: 'unprocessed' | 'success' | 'failed';
  /** The answer of a failed one. */
  readonly code: number | null;
  readonly sequence: bigint | null;
  readonly balanceBefore: bigint | null;
  readonly balanceAfter: bigint | null;
  readonly heldAfter: bigint | null;
  readonly info: string | null;
  readonly operator: string | null;
  readonly clientAddress: string | null;
  /** UTC, as the next. */
  readonly createdAt: Date;
  readonly doneAt: Date | null;
}

const columns = `id, bill_id, channel, account_id, amount, held_change, caller, provider, order_id, fee, result, code, sequence,
  balance_before, balance_after, held_after, prices, info, operator, client_address, hold_seconds, created_at, done_at`;

/** Bills by a condition of ours. */
export async function findBills(reader: Reader, condition: string, parameters: readonly Parameter[]): Promise<Bill[]> {
  return (await reader.tuples(`SELECT ${columns} FROM bill WHERE ${condition}`, parameters)).map(toBill);
}

export async function readBill(
  reader: Reader,
  { billId, channel }: Pick<Bill, 'billId' | 'channel'>,
  lock = false,
): Promise<Bill | null> {
  const condition = `bill_id = ? AND channel = ?${lock ? ' FOR UPDATE' : ''}`;
  return (await findBills(reader, condition, [String(billId), channel]))[0] ?? null;
}

/** The bill that began what a bill id stands for. */
export async function readOrigin(reader: Reader, billId: bigint, lock = false): Promise<Bill | null> {
  return (await findBills(reader, `origin = ?${lock ? ' FOR UPDATE' : ''}`, [String(billId)]))[0] ?? null;
}

/**
 * To write a bill must not wait for its account, which others may keep locked; the foreign key would. For MariaDB, and
 * for MySQL, which takes the first comment for one, as MariaDB does the second.
 */
const withoutWaiting = [
  '/*M! SET STATEMENT foreign_key_checks = 0 FOR */',
  '/*+ SET_VAR(foreign_key_checks = OFF) */',
] as const;

/**
 * Writes a bill, unprocessed, for an account that is there: accounts are never taken away.
 *
 * @returns false when its place is taken: by the same bill, asked for before, or by another use of the id
 */
export async function insertBill(session: Session, bill: BillContent, notes: BillNotes): Promise<boolean> {
  const { items, expiresInSeconds } = bill;
  const { info, operator, clientAddress } = notes;
  try {
    await session.write(
      `${withoutWaiting[0]} INSERT ${withoutWaiting[1]} INTO bill (bill_id, channel, account_id, amount, held_change, caller, provider, order_id, fee, prices, info, operator, client_address, hold_seconds)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        String(bill.billId),
        bill.channel,
        String(bill.accountId),
        String(bill.amount),
        String(bill.heldChange),
        bill.caller,
        bill.provider,
        bill.orderId,
        bill.fee === null ? null : String(bill.fee),
        items === null ? null : JSON.stringify(items.map(itemText)),
        info,
        operator,
        clientAddress,
        expiresInSeconds,
      ],
    );
    return true;
  } catch (error) {
    if (errorNumber(error) === 1062) return false;
    throw error;
  }
}

/** Whether a bill says what one of the same id and channel says that was written before. */
export function isSameContent(a: BillContent, b: BillContent): boolean {
  return (
    a.accountId === b.accountId &&
    a.amount === b.amount &&
    a.heldChange === b.heldChange &&
    a.caller === b.caller &&
    a.provider === b.provider &&
    a.orderId === b.orderId &&
    a.fee === b.fee &&
    a.expiresInSeconds === b.expiresInSeconds &&
    contentOf(a.items) === contentOf(b.items)
  );
}

/** Things and how many; their prices may have changed. */
const contentOf = (items: readonly PricedItem[] | null): string | null =>
  items === null ? null : JSON.stringify(items.map(({ name, quantity }) => [name, String(quantity)]));

const itemText = ({ name, quantity, price }: PricedItem) => ({
  name,
  quantity: String(quantity),
  price: String(price),
});

function itemsOf(json: string): PricedItem[] {
  return (JSON.parse(json) as ReturnType<typeof itemText>[]).map(({ name, quantity, price }) => ({
    name,
    quantity: BigInt(quantity),
    price: BigInt(price),
  }));
}

function toBill(row: readonly Cell[]): Bill {
  const text = (index: number) => (row[index] === null || row[index] === undefined ? null : String(row[index]));
  const number = (index: number) => (text(index) === null ? null : BigInt(text(index) as string));
  const date = (index: number) => (text(index) === null ? null : dateOf(text(index) as string));
  const prices = text(16);
  return {
    id: number(0) as bigint,
    billId: number(1) as bigint,
    channel: text(2) as Channel,
    accountId: number(3) as bigint,
    amount: number(4) as bigint,
    heldChange: number(5) as bigint,
    caller: text(6) as string,
    provider: text(7),
    orderId: text(8),
    fee: number(9),
    result: text(10) as Bill['result'],
    code: row[11] === null ? null : Number(row[11]),
    sequence: number(12),
    balanceBefore: number(13),
    balanceAfter: number(14),
    heldAfter: number(15),
    items: prices === null ? null : itemsOf(prices),
    info: text(17),
    operator: text(18),
    clientAddress: text(19),
    expiresInSeconds: row[20] === null ? null : Number(row[20]),
    createdAt: date(21) as Date,
    doneAt: date(22),
  };
}
