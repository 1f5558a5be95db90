/**
 * Bill ids: handed out beforehand, so that a caller can ask for the same thing twice and get it once.
 *
 * Taken from the one row of `bill_number` in blocks, so that a process asks the server once for many. Ids rise, are never
 * handed out twice, and have holes where a process ended with some of its block unused.
 */
import type { Session } from '../platform/mysql.ts';
import type { Sessions } from './sessions.ts';

const firstBillId = 100_000_001n;
const blockSize = 100n;

export class BillNumbers {
  readonly #sessions: Sessions;
  #next = 0n;
  #end = 0n;
  /** Up to here ids are known to be handed out. */
  #known = 0n;
  #taking: Promise<void> | null = null;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  async next(): Promise<bigint> {
    while (this.#next === this.#end) {
      this.#taking ??= this.#takeBlock().finally(() => {
        this.#taking = null;
      });
      await this.#taking;
    }
    return this.#next++;
  }

  async #takeBlock(): Promise<void> {
    const first = await this.#sessions.run((session) => takeBillIds(session, blockSize));
    this.#next = first;
    this.#end = first + blockSize;
    this.#known = this.#end - 1n;
  }

  /** Whether an id was ever handed out, to whomever. */
  async wasHandedOut(billId: bigint): Promise<boolean> {
    if (billId < firstBillId) return false;
    if (billId <= this.#known) return true;
    const [row] = await this.#sessions.run((session) => session.tuples('SELECT last FROM bill_number'));
    this.#known = BigInt(row?.[0] ?? 0);
    return billId <= this.#known;
  }
}

/**
 * Takes `count` consecutive ids, in one statement: outside of a transaction nobody can stop in the middle and keep others
 * from theirs; inside of one, whoever else wants ids waits for its end.
 *
 * @returns the first of them
 */
export async function takeBillIds(session: Pick<Session, 'write'>, count: bigint): Promise<bigint> {
  const { insertId } = await session.write(
    `INSERT INTO bill_number (one, last) VALUES (1, LAST_INSERT_ID(?))
     ON DUPLICATE KEY UPDATE last = LAST_INSERT_ID(last + ?)`,
    [String(firstBillId - 1n + count), String(count)],
  );
  return BigInt(insertId) - count + 1n;
}
