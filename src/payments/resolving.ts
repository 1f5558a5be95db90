/** What a person decides about an order that nothing else can decide. It leaves a trace that is never edited. */
import { type Answer, codes, type Refusal, refuse } from '../ledger/answer.ts';
import type { Sessions } from '../ledger/sessions.ts';
import type { Session } from '../platform/mysql.ts';
import { noOrder } from './creating.ts';
import type { Order, OrderState, OrderView } from './order.ts';
import type { Orders } from './orders.ts';

export interface OrderResolution {
  readonly orderId: bigint;
  /** `paid`: its account is credited, once; `closed`: nobody has paid. Both: what a person had to look at is settled. */
  readonly as: 'paid' | 'closed';
  readonly operator: string;
  readonly reason: string;
}

/** What a person has decided. */
export interface Resolved extends Omit<OrderResolution, 'orderId'> {
  readonly stateBefore: OrderState;
  /** Why they had to look; null where nobody had to. */
  readonly concern: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export async function readResolutions(sessions: Sessions, orderId: bigint): Promise<Resolved[]> {
  const rows = await sessions.run((session) =>
    session.tuples(
      `SELECT resolved_as, operator, reason, state_before, concern, CAST(UNIX_TIMESTAMP(at) * 1000 AS SIGNED)
         FROM order_resolution WHERE order_id = ? ORDER BY id`,
      [String(orderId)],
    ),
  );
  return rows.map(([as, operator, reason, stateBefore, concern, at]) => ({
    as: as as Resolved['as'],
    operator: String(operator),
    reason: String(reason),
    stateBefore: stateBefore as OrderState,
    concern: concern === null ? null : String(concern),
    at: Number(at),
  }));
}

/** Moves the order, in one transaction with the note of who did it. What its new state asks for is for the caller. */
export async function resolveOrder(
  sessions: Sessions,
  orders: Orders,
  resolution: OrderResolution,
): Promise<Answer<{ readonly order: OrderView }>> {
  const { orderId } = resolution;
  const refusal = await sessions.transaction((session) => decide(session, orders, resolution));
  return refusal ?? { code: 0, order: (await orders.view(orderId)) as OrderView };
}

async function decide(session: Session, orders: Orders, resolution: OrderResolution): Promise<Refusal | null> {
  const { orderId, as, operator, reason } = resolution;
  const order = await orders.readIn(session, orderId, true);
  if (order === null) return noOrder(orderId);
  const refusal = refusalOf(order, as);
  if (refusal !== null) return refusal;
  if (order.state === as && order.concern === null) return null; // decided already
  await session.write(
    'INSERT INTO order_resolution (order_id, state_before, resolved_as, concern, operator, reason) VALUES (?, ?, ?, ?, ?, ?)',
    [String(orderId), order.state, as, order.concern, operator, reason],
  );
  // Paid: looked at soon, should its account not have the money by then.
  const nextAt = as === 'paid' && !order.isCredited ? 'NOW(3) + INTERVAL 10 SECOND' : 'NULL';
  await orders.writeIn(session, orderId, `SET state = ?, concern = NULL, next_at = ${nextAt} WHERE`, [as]);
  return null;
}

function refusalOf({ orderId, state }: Order, as: OrderResolution['as']): Refusal | null {
  if (state === 'refunded') return refuse(codes.notAllowed, `order ${orderId} was refunded: nothing is left to decide`);
  if (state === 'paid' && as === 'closed')
    return refuse(codes.notAllowed, `order ${orderId} is paid: what its account has is corrected in the ledger`);
  return null;
}
