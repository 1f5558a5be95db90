/**
 * Many processes on one ledger, killed again and again: the callers of the campaigns, at full speed, and their checker.
 *
 * Seconds in the suite; `TIDEMARK_TEST_SECONDS=60` makes each part last that long, and prints its figures.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { killing } from '../../campaign/faults/kills.ts';
import { Callers, type CallersOptions, openAccounts } from '../../campaign/ledger/callers.ts';
import { checkLedger } from '../../campaign/ledger/checker.ts';
import { Random } from '../../campaign/random.ts';
import { Runs } from '../../campaign/runs.ts';
import { LedgerWorld } from '../support/ledger-world.ts';
import { startTestServers, type TestServers } from '../support/servers.ts';

const seconds = Number(process.env.TIDEMARK_TEST_SECONDS ?? 6);
const seed = 41;

describe('a ledger', () => {
  let servers: TestServers;
  let world: LedgerWorld;
  let folder: string;
  beforeAll(async () => {
    servers = await startTestServers({ quickCommits: true }); // statements that wait would hold back other tests
  });
  afterAll(() => servers.stop());
  beforeEach(async () => {
    world = await LedgerWorld.create(servers.addresses);
    folder = await mkdtemp(join(tmpdir(), 'tidemark-callers-'));
  });
  afterEach(async () => {
    await world.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  /** Load for some seconds, then peace, then the checker: what is wrong, and the figures. */
  async function play(options: Pick<CallersOptions, 'accounts' | 'processes' | 'lanes' | 'lifeMs'>, isKilled: boolean) {
    const over = new AbortController();
    const runs: Runs = new Runs({ codes: [], sayings: [] }, (running) => fault?.meet?.(running), ignore);
    const fault = isKilled ? killing({ random: new Random(seed), runs, signal: over.signal }) : null;
    const callers = await Callers.make({ runs, seed, folder, pauseMs: 0, stallTimeoutMs: 60_000, ...options });
    await openAccounts(world.session, options.accounts.count + 1);
    const work = callers.work(world.url, over.signal);
    await sleep(seconds * 1000);
    over.abort();
    await work;
    await callers.settle(world.url);
    const { failures, figures } = await checkLedger(world.session, callers.books, false);
    const all: Record<string, number> = { ...figures, kills: runs.tallies.caller.killed };
    if (process.env.TIDEMARK_TEST_SECONDS !== undefined) process.stdout.write(`${JSON.stringify(all, null, 1)}\n`);
    return { failures: [...runs.complaints, ...failures, ...(await leftOpen())], figures: all };
  }

  const leftOpen = async () =>
    (
      await world.rows(
        'SELECT ID, COMMAND FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()',
      )
    ).map((row) => `a connection is left open: ${row.join(' ')}`);

  test('is right to the fen, with every bill once, after 8 processes were killed over and over', async () => {
    const options = { accounts: { count: 100, hotShare: 0 }, processes: 8, lanes: 4, lifeMs: 2500 };
    const { failures, figures } = await play(options, true);
    expect(failures).toEqual([]);
    expect(figures.kills).toBeGreaterThanOrEqual(8);
    expect(figures['calls broken off']).toBeGreaterThanOrEqual(1);
    expect(figures['answered 0']).toBeGreaterThanOrEqual(100);
  }, 240_000);

  test('answers 32 callers at once on one account, none of them below 0 or with a deadlock', async () => {
    const options = { accounts: { count: 0, hotShare: 1 }, processes: 4, lanes: 8, lifeMs: 600_000 };
    const { failures, figures } = await play(options, false);
    expect(failures).toEqual([]);
    expect(figures['answered 0']).toBeGreaterThanOrEqual(100);
  }, 240_000);
});

const ignore = () => undefined;
