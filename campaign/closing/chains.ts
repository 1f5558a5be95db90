/** Bills as the ledger would have written them at times gone by, and the accounts that they left. */
import type { Session } from '../../src/platform/mysql.ts';

export interface Movement {
  readonly accountId: number;
  readonly channel: string;
  /** Fen, signed. */
  readonly amount: number;
  readonly result: 'success' | 'failed' | 'unprocessed';
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly provider: string | null;
  readonly orderId: string | null;
  readonly fee: number | null;
}

interface Opening {
  /** UTC text. */
  readonly opened: string;
  readonly prepaid: readonly number[];
  readonly commission: readonly number[];
}

const firstBillId = 100_000_001n;

export class Chains {
  readonly #movements: (Movement & { readonly billId: bigint })[] = [];

  /** @returns the id of its bill */
  add(movement: Movement): bigint {
    const billId = firstBillId + BigInt(this.#movements.length);
    this.#movements.push({ ...movement, billId });
    return billId;
  }

  /** Writes them all in the order of their times. The session looks at no constraint. */
  async write(ledger: Session, { opened, prepaid, commission }: Opening): Promise<void> {
    const states = new Map([...prepaid, ...commission].map((id) => [id, { balance: 0, sequence: 0, changed: opened }]));
    const bills = [...this.#movements]
      .sort((a, b) => a.at - b.at)
      .map(({ billId, accountId, channel, amount, result, at, provider, orderId, fee }) => {
        const state = states.get(accountId) as { balance: number; sequence: number; changed: string };
        const time = new Date(at).toISOString().slice(0, 19).replace('T', ' ');
        const about = ['', provider, orderId, fee, time, result === 'unprocessed' ? null : time];
        const head = [String(billId), channel, accountId, amount, 0, result];
        if (result !== 'success') return [...head, result === 'failed' ? 3 : null, ...Array(6).fill(null), ...about];
        const before = { ...state };
        Object.assign(state, { balance: state.balance + amount, sequence: state.sequence + 1, changed: time });
        const previous = before.sequence === 0 ? null : before.sequence;
        return [...head, null, state.sequence, previous, before.balance, state.balance, 0, 0, ...about];
      });
    await ledger.write(
      `INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, code, sequence, previous, balance_before,
         balance_after, held_before, held_after, caller, provider, order_id, fee, created_at, done_at) VALUES ?`,
      [bills],
    );
    const accounts = [...states].map(([id, { balance, sequence, changed }]) => {
      const kind = commission.includes(id) ? 'commission' : 'prepaid';
      return [id, kind, balance, sequence === 0 ? null : sequence, opened, changed];
    });
    await ledger.write('INSERT INTO account (account_id, kind, balance, sequence, opened_at, changed_at) VALUES ?', [
      accounts,
    ]);
    await ledger.write('INSERT INTO bill_number (one, last) VALUES (1, ?)', [
      String(firstBillId + BigInt(this.#movements.length)),
    ]);
  }
}
