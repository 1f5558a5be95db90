/** The price list: unit prices in fen, by name. A bill keeps those of its moment. */
import type { Reader, Session } from '../platform/mysql.ts';
import { codes, type Refusal, refuse } from './answer.ts';
import type { PricedItem } from './bill.ts';

export interface Price {
  readonly name: string;
  /** Fen for one. */
  readonly price: bigint;
  readonly info: string;
}

/** What is to be charged for: how many of which. */
export type Items = Readonly<Record<string, bigint>>;

export async function listPrices(reader: Reader): Promise<Price[]> {
  const rows = await reader.tuples('SELECT name, price, info FROM price ORDER BY name');
  return rows.map(([name, price, info]) => ({
    name: String(name),
    price: BigInt(price as string),
    info: String(info),
  }));
}

export async function writePrice(session: Session, { name, price, info }: Price): Promise<void> {
  await session.write(
    'INSERT INTO price (name, price, info) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE price = VALUES(price), info = VALUES(info)',
    [name, String(price), info],
  );
}

/** Puts today's prices to what is charged for; refuses a name that has none. */
export async function priceItems(reader: Reader, items: Items): Promise<PricedItem[] | Refusal> {
  const rows = await reader.tuples('SELECT name, price FROM price WHERE name IN (?)', [Object.keys(items)]);
  const prices = new Map(rows.map(([name, price]) => [String(name), BigInt(price as string)]));
  const priced: PricedItem[] = [];
  for (const [name, quantity] of Object.entries(items).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const price = prices.get(name);
    if (price === undefined) return refuse(codes.noData, `there is no price for "${name}"`);
    priced.push({ name, quantity, price });
  }
  return priced;
}

/** Fen. */
export const sumOf = (items: readonly PricedItem[]): bigint =>
  items.reduce((sum, { quantity, price }) => sum + quantity * price, 0n);

export const isSameItems = (items: Items, priced: readonly PricedItem[] | null): boolean =>
  priced !== null &&
  priced.length === Object.keys(items).length &&
  priced.every(({ name, quantity }) => items[name] === quantity);
