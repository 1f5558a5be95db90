/**
 * Ids that no two processes ever make, whatever their clocks do.
 *
 * A process takes a node, and with it a stretch of time ahead, by one write that compares (`order_node`); it makes ids of
 * its node and of times inside that stretch only. Who takes the node over, when its stretch is over, begins behind it. A
 * process that was stopped meanwhile fails to lengthen its own and takes another node.
 *
 * Within a process ids ascend. Where its clock goes back a little, or ids are wanted faster than it goes (a node makes
 * 64 a millisecond for merchants of one hash), they go on from the last time, up to a second ahead of it. Where it went
 * back by more than 10 s, or is that far from the database's, none are made: `SetupError`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sessions } from '../ledger/sessions.ts';
import { SetupError, UnavailableError } from '../platform/errors.ts';
import { hashOf, idOf, nodes, type Place, placeBehind } from './order-ids.ts';

const stepBackMsMax = 10_000;
const aheadMsMax = 1000;

export interface OrderIdsOptions {
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** For how long ahead a process takes its node. */
  readonly stretchMs?: number;
}

/** A node, and the times that are this process's there; the end is not included. */
interface Reservation {
  readonly node: number;
  readonly from: number;
  readonly until: number;
}

export class OrderIds {
  readonly #sessions: Sessions;
  readonly #clock: () => number;
  readonly #stretchMs: number;
  #reservation: Reservation | null = null;
  #reserving: Promise<void> | null = null;
  #last: Place | null = null;
  /** The latest that the clock has shown. */
  #latest = 0;

  constructor(sessions: Sessions, { clock = Date.now, stretchMs = 30_000 }: OrderIdsOptions = {}) {
    this.#sessions = sessions;
    this.#clock = clock;
    this.#stretchMs = stretchMs;
  }

  /**
   * An id for an order of a merchant.
   *
   * @throws SetupError when the clock is wrong; UnavailableError when the database cannot be reached, or all nodes are taken
   */
  async next(merchantId: bigint): Promise<bigint> {
    const hash = hashOf(merchantId);
    for (;;) {
      const now = this.#now();
      const place = placeBehind(this.#last, Math.max(now, this.#reservation?.from ?? 0), hash);
      if (this.#reservation === null || place.time >= this.#reservation.until) await this.#reserve();
      else if (place.time > this.#latest + aheadMsMax) await sleep(place.time - this.#latest - aheadMsMax);
      else {
        this.#last = place;
        return idOf(place, this.#reservation.node);
      }
    }
  }

  #now(): number {
    const now = this.#clock();
    if (now < this.#latest - stepBackMsMax)
      throw new SetupError(
        `the clock of this host went back by ${Math.round((this.#latest - now) / 1000)} s: no order ids are made`,
        'put the clock right, or start the program anew',
      );
    this.#latest = Math.max(this.#latest, now);
    return now;
  }

  /** One at a time: others who need it wait for the same. */
  #reserve(): Promise<void> {
    this.#reserving ??= this.#lengthenOrTake().finally(() => {
      this.#reserving = null;
    });
    return this.#reserving;
  }

  async #lengthenOrTake(): Promise<void> {
    await this.#compareClocks();
    const mine = this.#reservation;
    // Behind what is ours already, from which others may be making ids just now.
    const from = Math.max(this.#now(), (this.#last?.time ?? 0) + 1, mine?.until ?? 0);
    const until = from + this.#stretchMs;
    if (mine !== null && (await this.#lengthen(mine, until))) this.#reservation = { ...mine, until };
    else this.#reservation = { node: await this.#take(from, until), from, until };
  }

  /** A host whose clock runs far ahead would keep its node from everybody, and for itself, until that time. */
  async #compareClocks(): Promise<void> {
    const before = this.#now();
    const [row] = await this.#sessions.run((session) =>
      session.tuples('SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)'),
    );
    const there = Number(row?.[0]);
    const apart = Math.max(before - there, there - this.#now());
    if (apart > stepBackMsMax)
      throw new SetupError(
        `the clock of this host and that of the ledger database are ${Math.round(apart / 1000)} s apart: no order ids are made`,
        'put the clock right',
      );
  }

  /** @returns false when somebody else has the node by now */
  async #lengthen({ node, until: known }: Reservation, until: number): Promise<boolean> {
    const { affected } = await this.#sessions.run((session) =>
      session.write('UPDATE order_node SET reserved_until = ? WHERE node = ? AND reserved_until = ?', [
        until,
        node,
        known,
      ]),
    );
    return affected === 1;
  }

  /** Takes a node whose stretch is over by `from`, or that nobody has had. */
  async #take(from: number, until: number): Promise<number> {
    const first = Math.floor(Math.random() * nodes);
    for (let step = 0; step < nodes; step++) {
      const node = (first + step) % nodes;
      // A repetition after a lost answer finds it taken, by ourselves: it is nobody's for a stretch.
      const { affected } = await this.#sessions.run((session) =>
        session.write(
          `INSERT INTO order_node (node, reserved_until) VALUES (?, ?)
           ON DUPLICATE KEY UPDATE reserved_until = IF(reserved_until <= ?, ?, reserved_until)`,
          [node, until, from, until],
        ),
      );
      if (affected > 0) return node;
    }
    throw new UnavailableError(`all ${nodes} nodes for order ids are taken: as many processes make orders`);
  }
}
