/**
 * Several processes with the same payouts at once, each looking at whatever it likes, killed and stopped in the middle of
 * calls, and a bank that loses, lies, keeps silent and sends back. At the end wallets, payouts and the bank's book agree.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import type { Payouts } from '../../src/payments/payouts.ts';
import type { Plan } from '../support/payout-bank.ts';
import { disagreements, PayoutWorld, wealth } from '../support/payout-world.ts';

let world: PayoutWorld;
let processes: Payouts[];
beforeAll(async () => {
  world = await PayoutWorld.create(inject('servers'));
  processes = await Promise.all([world.payouts(), world.payouts(), world.payouts()]);
});
afterAll(() => world.destroy());

const plans = fc.record<Plan>({
  fate: fc.constantFrom('paid', 'paid', 'failed'),
  lost: fc.nat(2),
  told: fc.constantFrom('the truth', 'success', 'failure', 'nothing'),
  unknown: fc.nat(2),
  pending: fc.nat(2),
  returnsAfter: fc.option(fc.nat(2), { nil: null }),
});
const asked = fc.record({
  plan: plans,
  amount: fc.oneof(fc.bigInt(1n, wealth), fc.constantFrom(1n, 80_000n, 80_001n, wealth)),
  taxRule: fc.constantFrom('none' as const, 'labour-cn' as const),
});
/** What happens at one call of the bank after the other. */
const mishaps = fc.infiniteStream(fc.constantFrom('none', 'none', 'none', 'killed', 'stopped'));
const looks = fc.array(fc.record({ by: fc.nat(2), at: fc.nat(3) }), { minLength: 4, maxLength: 30 });

/** What a process gets that is killed. */
class Killed extends Error {}

/** Has the bank's calls broken off and stopped; what is stopped goes on when it is told to. */
function disturb(next: () => string): () => void {
  const stopped: (() => void)[] = [];
  world.bank.onCall = () => {
    const mishap = next();
    if (mishap === 'killed') throw new Killed();
    if (mishap === 'none') return;
    return new Promise<void>((resolve) => stopped.push(resolve));
  };
  return () => {
    for (const goOn of stopped.splice(0)) goOn();
  };
}

test('pays, returns and releases to the fen, whoever looks, is killed or stopped', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(asked, { minLength: 1, maxLength: 4 }), mishaps, looks, async (all, happening, order) => {
      const ids: bigint[] = [];
      for (const { plan, ...request } of all) {
        const { payoutId } = await world.held(processes[ids.length % 3] as Payouts, request);
        world.bank.plan(plan, payoutId);
        ids.push(payoutId);
      }
      const goOn = disturb(() => happening.next().value as string);
      const under: Promise<unknown>[] = [];
      for (const { by, at } of order) {
        const look = (processes[by] as Payouts).book().look(ids[at % ids.length] as bigint);
        under.push(
          look.catch((error) => {
            if (!(error instanceof Killed)) throw error;
          }),
        );
        if (under.length % 3 === 0) await sleep(2);
        if (under.length % 7 === 0) goOn();
      }
      world.bank.onCall = () => undefined;
      await world.untilPeace(processes[0] as Payouts);
      goOn(); // the last ones find all over
      await Promise.all(under);
      await world.untilPeace(processes[1] as Payouts);
      for (const id of ids) {
        for (let look = 0; look < 4; look++) await (processes[2] as Payouts).book().look(id);
      }
      expect(await disagreements(world, world.bank)).toEqual([]);
    }),
    { numRuns: Number(process.env.TIDEMARK_TEST_RUNS ?? 40) },
  );
}, 120_000);

test('one look at the same payout by all at once sends the identical transfer, and takes the money once', async () => {
  for (let round = 0; round < 20; round++) {
    const { payoutId } = await world.held(processes[0] as Payouts);
    for (let look = 0; look < 3; look++)
      await Promise.all([...processes, ...processes].map((one) => one.book().look(payoutId)));
    expect(await processes[0]?.payout(payoutId)).toMatchObject({ state: 'paid' });
  }
  expect(await disagreements(world, world.bank)).toEqual([]);
});
