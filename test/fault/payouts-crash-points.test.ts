/**
 * Every statement and every call of a provider, from the request of a payout to its end, broken: the process killed
 * before it, its answer lost, the connection lost, a deadlock, a lock wait, or the process stopped for as long as
 * it likes. Another process asks meanwhile, once more, and looks: wallet, rows and the bank's book are in the end as if
 * nothing had happened.
 */
import { afterAll, afterEach, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { PayoutRequest } from '../../src/payments/payout-request.ts';
import type { Payouts } from '../../src/payments/payouts.ts';
import type { Transfer } from '../../src/payments/provider.ts';
import { Session } from '../../src/platform/mysql.ts';
import { onlyReads } from '../support/broken-statements.ts';
import { answered } from '../support/intercept.ts';
import { Bank, type Call, heardAs, type Place, type Plan } from '../support/payout-bank.ts';
import { PayoutWorld } from '../support/payout-world.ts';

let world: PayoutWorld;
/** A process that nothing happens to. */
let calm: Payouts;
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
  const today = { transfer: (transfer: Transfer) => world.bank.transfer(transfer) };
  calm = await world.payouts(heardAs(world.bank, { ...today, queryTransfer: (id) => world.bank.queryTransfer(id) }));
  await world.untilPeace(calm);
});
afterAll(async () => {
  expect(await world.ledgers.flaws()).toEqual({});
  await world.destroy();
});
afterEach(() => vi.restoreAllMocks());

interface Scene {
  readonly plan: Partial<Plan>;
  readonly more?: Partial<PayoutRequest>;
}

const scenes: Readonly<Record<string, Scene>> = {
  'paid, with tax': { plan: {}, more: { taxRule: 'labour-cn', amount: 500_000n } },
  failed: { plan: { fate: 'failed', told: 'success' } },
  'paid, sent twice, the first one lost': { plan: { lost: 1, told: 'failure' } },
  'returned before anybody asked': { plan: { returnsAfter: 0 }, more: { taxRule: 'labour-cn' } },
  refused: { plan: {}, more: { amount: 9_000_000n } },
};

/** Killed behind a statement is killed before the next one. */
const faults = ['killed', 'lost before', 'lost after', 'deadlock', 'lock wait'] as const;
const faultsOf = (sql: string) =>
  onlyReads.test(sql) && process.env.TIDEMARK_TEST_NIGHT === undefined
    ? faults.filter((fault) => fault !== 'lost after')
    : faults;
type Fault = (typeof faults)[number] | 'stopped';

/** Where a process is broken: at a statement by its number, or at a call of the provider by its name. */
interface Break {
  readonly at: number | string;
  readonly fault: Fault;
}

const driverError = (more: object) => Object.assign(new Error('made by the test'), more);

class Breaking {
  readonly statements: string[] = [];
  readonly calls: string[] = [];
  readonly struck: Promise<void>;
  readonly #break: Break | null;
  readonly #counts = { transfer: 0, query: 0 };
  #isDead = false;
  #strike: () => void = () => undefined;
  #goOn: () => void = () => undefined;
  readonly #goingOn: Promise<void>;

  constructor(at: Break | null) {
    this.#break = at;
    this.struck = new Promise((resolve) => {
      this.#strike = resolve;
    });
    this.#goingOn = new Promise((resolve) => {
      this.#goOn = resolve;
    });
    const open = Session.open.bind(Session);
    vi.spyOn(Session, 'open').mockImplementation(async (options) => this.#watched(await open(options)));
  }

  goOn(): void {
    this.#goOn();
  }

  #watched(session: Session): Session {
    return answered(session, async (sql, parameters, send) => {
      if (this.#isDead) throw driverError({});
      this.statements.push(sql);
      if (this.statements.length !== this.#break?.at) return send(sql, parameters);
      const { fault } = this.#break;
      if (fault === 'stopped') {
        await this.#stop();
        return send(sql, parameters);
      }
      if (fault.endsWith('after')) await send(sql, parameters);
      if (fault === 'deadlock') await send('ROLLBACK');
      if (fault === 'deadlock' || fault === 'lock wait')
        throw driverError({ errno: fault === 'deadlock' ? 1213 : 1205 });
      session.destroy();
      this.#isDead = fault === 'killed';
      throw this.#isDead ? driverError({}) : driverError({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
    });
  }

  #stop(): Promise<void> {
    this.#strike();
    return this.#goingOn;
  }

  /** What the bank's calls meet. */
  onCall = async (call: Call, place: Place): Promise<void> => {
    if (this.#isDead) throw driverError({});
    if (place === 'before') this.#counts[call] += 1;
    const name = `${call} ${this.#counts[call]}, ${place}`;
    this.calls.push(name);
    if (name !== this.#break?.at) return;
    if (this.#break.fault === 'stopped') return this.#stop();
    this.#isDead = true;
    throw driverError({});
  };
}

/** The whole way of a payout in a process that is broken, and in another one that goes on; what stands then. */
async function play({ plan, more }: Scene, at: Break | null) {
  world.bank = new Bank();
  world.bank.plan(plan);
  const request = world.requestOf(await world.account(), more);
  const breaking = new Breaking(at);
  world.bank.onCall = breaking.onCall;
  const options = { connections: 1, patienceMs: 2000, stallTimeoutMs: 1000 };
  const work = world.payouts(world.bank, options).then(async (broken) => {
    await broken.request(request);
    await world.untilPeace(broken).finally(() => broken.close());
  });
  const over = work.catch(() => undefined); // the dead say nothing
  await Promise.race([over, breaking.struck]);
  vi.restoreAllMocks();
  world.bank.onCall = () => undefined;
  const { code } = await calm.request(request);
  await world.untilPeace(calm);
  breaking.goOn();
  await over;
  await world.untilPeace(calm);
  return { breaking, state: { code, ...(await stateOf(request.accountId)) } };
}

async function stateOf(accountId: bigint) {
  const of = `account_id = ${accountId}`;
  const rows = (sql: string) => world.ledgers.rows(sql);
  const claims = await rows(`SELECT payout_id FROM payout_claim WHERE ${of}`);
  return {
    claims: claims.length,
    payouts: await rows(
      `SELECT state, refusal, gross, tax, net, attempts > 0, taken_at > 0, released_at > 0, given_back_at > 0 FROM payout WHERE ${of}`,
    ),
    bills: await rows(
      `SELECT channel, amount, held_change, result, code, sequence, balance_after, held_after, provider, order_id <=> '${claims[0]}' FROM bill WHERE ${of} ORDER BY id`,
    ),
    account: await rows(`SELECT balance, held, sequence FROM account WHERE ${of}`),
    bank: [...world.bank.book.values()].map(({ state, transfer }) => [state, transfer.amount, transfer.payee]),
    complaints: world.bank.complaints,
  };
}

describe.each(Object.entries(scenes))('%s', (_, scene) => {
  test('comes out the same at whatever statement it is broken', async () => {
    const { breaking, state } = await play(scene, null);
    expect(breaking.statements.length).toBeGreaterThan(10);
    for (const [index, sql] of breaking.statements.entries())
      for (const fault of faultsOf(sql))
        expect((await play(scene, { at: index + 1, fault })).state, `${fault} ${sql}`).toEqual(state);
  }, 240_000);

  test('comes out the same at whatever call of the provider it is killed, or stopped until all is over', async () => {
    const { breaking, state } = await play(scene, null);
    for (const at of breaking.calls)
      for (const fault of ['killed', 'stopped'] as const)
        expect((await play(scene, { at, fault })).state, `${fault}: ${at}`).toEqual(state);
  }, 60_000);
});

describe('returned before anybody asked', () => {
  // Where it holds a lock, the others have to wait until the server drops it.
  test('comes out the same at whatever statement it is stopped until all is over', async () => {
    const scene = scenes['returned before anybody asked'] as Scene;
    const { breaking, state } = await play(scene, null);
    for (let at = 1; at <= breaking.statements.length; at++)
      expect((await play(scene, { at, fault: 'stopped' })).state, `stopped at statement ${at}`).toEqual(state);
  }, 240_000);
});
