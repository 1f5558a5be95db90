/**
 * Charges per second, eight callers at once, beside the fewest statements that a charge can be made of.
 *
 * The limit inserts a bill, takes the money by a conditional update, notes the result and commits, on tables without
 * constraints and without a look at anything: it cannot be repeated safely, and knows no hold, no freeze, no chain.
 */
import { Ledger } from '../src/ledger/index.ts';
import { Session } from '../src/platform/mysql.ts';
import type { Benchmark, Options, Report } from './benchmark.ts';
import { type Site, withSite } from './site.ts';
import { ratioOf, short, shortSpread, spreadOf } from './statistics.ts';

const callers = 8;
const accountsOf = { 'a hundred accounts': 100, 'one account': 1 } as const;
type CaseName = keyof typeof accountsOf;
const names = Object.keys(accountsOf) as CaseName[];
const chargesPerRound = 2000;

/** Charges per second, one for each round. */
type Speeds = Readonly<Record<CaseName, { ledger: number[]; limit: number[] }>>;

export const ledger: Benchmark = {
  summary: 'charges per second, beside the fewest statements',
  run: (options) =>
    withSite(
      async (site) => {
        const url = String(site.world.settings.LEDGER_DATABASE_URL);
        const ours = await Ledger.connect({ url, connections: callers });
        const sessions = await Promise.all(Array.from({ length: callers }, () => open(url)));
        try {
          await makeAccounts(site, ours);
          return report(site, options, await measure(options, ours, sessions));
        } finally {
          await Promise.all([ours.close(), ...sessions.map((session) => session.close())]);
        }
      },
      { ledger: true },
    ),
};

const open = (url: string) => Session.open({ url, label: 'ledger', setting: 'ledger', stallTimeoutMs: 600_000 });

async function makeAccounts({ world }: Site, ours: Ledger): Promise<void> {
  await world.ledger.write(
    'CREATE TABLE bare_account (account_id BIGINT UNSIGNED PRIMARY KEY, balance BIGINT NOT NULL)',
  );
  await world.ledger.write(
    'CREATE TABLE bare_bill (bill_id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, account_id BIGINT UNSIGNED NOT NULL, amount BIGINT NOT NULL, result TINYINT NOT NULL)',
  );
  for (let id = 1n; id <= 100n; id++) {
    await ours.openAccount(id);
    await ours.recharge({ billId: await ours.nextBillId(), accountId: id, amount: 1_000_000_000n });
    await world.ledger.write('INSERT INTO bare_account VALUES (?, 1000000000)', [String(id)]);
  }
}

async function measure({ rounds, note }: Options, ours: Ledger, sessions: readonly Session[]): Promise<Speeds> {
  const speeds: Speeds = { 'a hundred accounts': { ledger: [], limit: [] }, 'one account': { ledger: [], limit: [] } };
  for (let round = 1; round <= rounds; round++) {
    note(`round ${round} of ${rounds}`);
    for (const name of names) {
      const accounts = accountsOf[name];
      speeds[name].ledger.push(await speedOf((_, nth) => charge(ours, BigInt((nth % accounts) + 1))));
      speeds[name].limit.push(
        await speedOf((caller, nth) => chargeBarely(sessions[caller] as Session, (nth % accounts) + 1)),
      );
    }
  }
  return speeds;
}

/** Charges per second of all callers together. */
async function speedOf(work: (caller: number, nth: number) => Promise<void>): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const call = async (caller: number) => {
    while (next < chargesPerRound) await work(caller, next++);
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)));
  return (chargesPerRound * 1000) / (performance.now() - startedAt);
}

async function charge(ours: Ledger, accountId: bigint): Promise<void> {
  const answer = await ours.charge({ billId: await ours.nextBillId(), accountId, amount: 1n });
  if (answer.code !== 0) throw new Error(`a charge was answered ${answer.code}: ${answer.reason}`);
}

async function chargeBarely(session: Session, account: number): Promise<void> {
  await session.write('START TRANSACTION');
  const { insertId } = await session.write('INSERT INTO bare_bill (account_id, amount, result) VALUES (?, -1, 0)', [
    account,
  ]);
  const taken = await session.write(
    'UPDATE bare_account SET balance = balance - 1 WHERE account_id = ? AND balance >= 1',
    [account],
  );
  await session.write('UPDATE bare_bill SET result = ? WHERE bill_id = ?', [taken.affected, insertId]);
  await session.write('COMMIT');
}

function report(site: Site, { rounds }: Options, speeds: Speeds): Report {
  const ratios = names.map((name) => ({ name, ratio: ratioOf(speeds[name].ledger, speeds[name].limit) }));
  const perSecond = (values: readonly number[]) => spreadOf(values).median.toFixed(0);
  return {
    figures: { about: site.about, rounds, speeds, ratios },
    method: [
      site.about,
      `${callers} callers, ${chargesPerRound} charges a round, ${rounds} rounds; medians, and the ratio within each round`,
    ],
    head: ['CHARGES OF', 'A SECOND', 'FEWEST STATEMENTS', 'RATIO'],
    table: ratios.map(({ name, ratio }) => [
      name,
      perSecond(speeds[name].ledger),
      perSecond(speeds[name].limit),
      shortSpread(ratio),
    ]),
    closing: ratios.map(
      ({ name, ratio }) =>
        `ledger, ${name}: ${short(ratio.median)} of the fewest statements (${short(ratio.min)}-${short(ratio.max)} over ${rounds} rounds)`,
    ),
  };
}
