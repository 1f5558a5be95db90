/**
 * Every statement and every call of a provider, from the request of a payout to its end, broken: the process killed
 * before or after it, its answer lost, the connection lost, a deadlock, a lock wait. Then another process, which asks once
 * more and looks: wallet, rows and the bank's book are as if nothing had happened.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { PayoutRequest } from '../../src/payments/payout-request.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import { Session } from '../../src/platform/mysql.ts';
import { answered } from '../support/intercept.ts';
import { Bank, type Call, type Place, type Plan } from '../support/payout-bank.ts';
import { disagreements, PayoutWorld } from '../support/payout-world.ts';

let world: PayoutWorld;
let calm: Payouts;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
});
afterAll(() => world.destroy());
afterEach(() => vi.restoreAllMocks());

const scenes: Readonly<Record<string, { plan: Partial<Plan>; more?: Partial<PayoutRequest> }>> = {
  'paid, with tax': { plan: {}, more: { taxRule: 'labour-cn', amount: 500_000n } },
  failed: { plan: { fate: 'failed', told: 'success' } },
  'paid, sent twice, the first one lost': { plan: { lost: 1, told: 'failure' } },
  'returned before anybody asked': { plan: { returnsAfter: 0 }, more: { taxRule: 'labour-cn' } },
  refused: { plan: {}, more: { amount: 9_000_000n } },
};

const faults = ['killed before', 'killed after', 'lost before', 'lost after', 'deadlock', 'lock wait'] as const;
type Fault = (typeof faults)[number];

const driverError = (more: object) => Object.assign(new Error('made by the test'), more);

/** A process that breaks at one place, and what it has done so far. */
class Breaking {
  sent = 0;
  calls: string[] = [];
  #isDead = false;
  readonly #statement: { nth: number; fault: Fault } | null;
  readonly #call: string | null;

  constructor(statement: { nth: number; fault: Fault } | null, call: string | null = null) {
    this.#statement = statement;
    this.#call = call;
    const open = Session.open.bind(Session);
    vi.spyOn(Session, 'open').mockImplementation(async (options) => this.#watched(await open(options)));
  }

  #watched(session: Session): Session {
    return answered(session, async (sql, parameters, send) => {
      if (this.#isDead) throw driverError({});
      this.sent += 1;
      if (this.sent !== this.#statement?.nth) return send(sql, parameters);
      const { fault } = this.#statement;
      if (fault.endsWith('after')) await send(sql, parameters);
      if (fault === 'deadlock' || fault === 'lock wait') {
        if (fault === 'deadlock') await send('ROLLBACK');
        throw driverError({ errno: fault === 'deadlock' ? 1213 : 1205 });
      }
      session.destroy();
      this.#isDead = fault.startsWith('killed');
      throw this.#isDead ? driverError({}) : driverError({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
    });
  }

  /** What the bank's calls meet. */
  onCall = (call: Call, place: Place): void => {
    if (this.#isDead) throw driverError({});
    const name = `${call} ${this.calls.filter((one) => one.startsWith(`${call} `)).length / 3 + 1}, ${place}`;
    const numbered = name.replace(/ [\d.]+,/, (number) => ` ${Math.floor(Number(number.slice(1, -1)))},`);
    this.calls.push(numbered);
    if (numbered !== this.#call) return;
    this.#isDead = true;
    throw driverError({});
  };
}

async function play(scene: (typeof scenes)[string], breaking: () => Breaking) {
  world.bank = new Bank();
  world.bank.plan(scene.plan);
  const request = world.requestOf(await world.account(), scene.more);
  calm = await world.payouts(); // opened now, so that nothing of it is broken
  const calmRequest = () => calm.request(request);
  const point = breaking();
  world.bank.onCall = point.onCall;
  const broken = await world.payouts(world.bank, { connections: 1, patienceMs: 2000 }).catch(() => null);
  if (broken !== null) {
    await broken.request(request);
    await world.untilPeace(broken).catch(() => undefined); // the dead say nothing
  }
  vi.restoreAllMocks();
  world.bank.onCall = () => undefined;
  const answer = await calmRequest();
  await world.untilPeace(calm);
  const after = await calmRequest();
  const of = `account_id = ${request.accountId}`;
  const [ids] = await world.ledgers.rows(`SELECT payout_id FROM payout_claim WHERE ${of}`);
  const state = {
    code: answer.code,
    after: { code: after.code, state: after.code === 0 ? after.state : null },
    payout: await world.ledgers.rows(
      `SELECT state, refusal, gross, tax, net, attempts > 0, taken_at > 0, released_at > 0, given_back_at > 0 FROM payout WHERE ${of}`,
    ),
    bills: await world.ledgers.rows(
      `SELECT channel, amount, held_change, result, code, sequence, balance_after, held_after, provider, order_id <=> '${ids?.[0]}' FROM bill WHERE ${of} ORDER BY bill_id, id`,
    ),
    account: await world.ledgers.rows(`SELECT balance, held, sequence FROM account WHERE ${of}`),
    bank: [...world.bank.book.values()].map(({ state: fate, transfer }) => [fate, transfer.amount, transfer.payee]),
    complaints: world.bank.complaints,
  };
  await broken?.close();
  await calm.close();
  return { point, state };
}

describe.each(Object.entries(scenes))('%s', (_, scene) => {
  test('comes out the same at whatever statement it is broken', async () => {
    const { point, state } = await play(scene, () => new Breaking(null));
    expect(await disagreementsOfTheLast()).toEqual([]);
    expect(point.sent).toBeGreaterThan(10);
    for (let nth = 1; nth <= point.sent; nth++)
      for (const fault of faults) {
        const broken = await play(scene, () => new Breaking({ nth, fault }));
        expect(broken.state, `${fault} statement ${nth}`).toEqual(state);
      }
  }, 240_000);

  test('comes out the same at whatever call of the provider it is killed', async () => {
    const { point, state } = await play(scene, () => new Breaking(null));
    for (const call of point.calls) {
      const broken = await play(scene, () => new Breaking(null, call));
      expect(broken.state, call).toEqual(state);
    }
  }, 60_000);
});

/** The bank of the last play knows its own payouts only. */
async function disagreementsOfTheLast(): Promise<string[]> {
  const own = new Set([...world.bank.book.keys()].map(String));
  return (await disagreements(world, world.bank)).filter((line) => [...own].some((id) => line.includes(id)));
}
