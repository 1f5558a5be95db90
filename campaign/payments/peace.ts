/**
 * Peace: the providers tell the truth, nobody is killed, and time passes quickly: what would be asked in ten minutes, or
 * in an hour, is asked now. First until no order and no payout is open; then, behind the days in which a payout may come
 * back and a notice of a refund is repeated, once more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../../src/platform/mysql.ts';
import type { Cast } from './cast.ts';
import { orderTables } from './checker.ts';
import type { Stage } from './stage.ts';

const settleMsMax = 600_000;

/** Waiting for the provider or for the wallet, and not for a person. */
const openOrders = (table: string) => `SELECT order_id FROM ${table} WHERE concern IS NULL
   AND (state = 'pending' OR (state IN ('paid', 'refunded') AND NOT credited) OR (state = 'refunded' AND NOT returned))`;
const openPayouts = `SELECT payout_id FROM payout WHERE (state <> 'refused' AND taken_at IS NULL AND released_at IS NULL)
   OR (state = 'returned' AND given_back_at IS NULL)`;

/** @returns what is wrong then */
export async function settle(stage: Stage, cast: Cast, tell: (line: string) => void): Promise<string[]> {
  const done = new AbortController();
  const session = await stage.open();
  await Promise.all([stage.gateway.calm(), stage.controlGateway.calm()]);
  const receiving = cast.receive(done.signal);
  try {
    await cast.settle();
    const endAt = Date.now() + settleMsMax;
    const untilNothingIsOpen = async () => {
      do {
        await passTime(session);
        await cast.check();
        tell(`${await countOpen(session)} orders and payouts are open`);
      } while ((await countOpen(session)) > 0 && Date.now() < endAt);
    };
    await untilNothingIsOpen();
    await sleep(await stage.gateway.msUntilSettled());
    await stage.gateway.tellOfRefunds();
    await sleep(2000);
    await passDays(session);
    await untilNothingIsOpen();
    const open = await countOpen(session);
    return open === 0 ? [] : [`${open} orders and payouts were still open after ${settleMsMax / 1000} s of peace`];
  } finally {
    done.abort();
    await receiving;
    await session.close();
  }
}

/** No run is at work now, so that nothing is due later because somebody has it. */
async function passTime(session: Session): Promise<void> {
  for (const table of await orderTables(session))
    await session.write(
      `UPDATE ${table} SET next_at = NOW(3), expires_at = LEAST(expires_at, NOW(3) - INTERVAL 1 MINUTE)
        WHERE next_at > NOW(3) AND order_id IN (SELECT order_id FROM (${openOrders(table)}) open_one)`,
    );
  await session.write(
    `UPDATE payout SET next_at = NOW(3) WHERE next_at > NOW(3) AND payout_id IN (SELECT payout_id FROM (${openPayouts}) open_one)`,
  );
}

async function passDays(session: Session): Promise<void> {
  for (const table of [...(await orderTables(session)), 'payout'])
    await session.write(`UPDATE ${table} SET next_at = NOW(3) WHERE next_at > NOW(3)`);
}

async function countOpen(session: Session): Promise<number> {
  let open = (await session.tuples(openPayouts)).length;
  for (const table of await orderTables(session)) open += (await session.tuples(openOrders(table))).length;
  return open;
}
