/** Orders as what is due to be looked at. */
import type { Sessions } from '../ledger/sessions.ts';
import type { Applying } from './applying.ts';
import type { DueBook } from './due.ts';
import type { Orders } from './orders.ts';

export const orderBook = (sessions: Sessions, orders: Orders, applying: Applying): DueBook => ({
  kind: 'order',
  due: (provider, aheadMs, limit) => orders.due(provider, aheadMs, limit),
  take: (id, leaseMs) =>
    sessions.call(async () => {
      const isTaken = await orders.take(id, leaseMs);
      const order = await orders.read(id);
      if (order === null) return { nextAt: null };
      return isTaken ? { provider: order.provider } : { nextAt: order.nextAt };
    }),
  look: (id) => sessions.call(() => applying.look(id)),
});
