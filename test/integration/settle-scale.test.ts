/** What a month of very many accounts costs: bounded memory, and parts that are short. On a server of its own. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestServers, type TestServers } from '../support/servers.ts';
import { SettlementBooks } from '../support/settlement-books.ts';
import { watched } from '../support/watched.ts';

/** Accounts, a quarter of them without commission and a quarter to be opened; 1000000 take minutes. */
const accounts = Number(process.env.TIDEMARK_TEST_ROWS ?? 20_000);
const memoryMaxMb = 150;

let servers: TestServers;
let books: SettlementBooks;
beforeAll(async () => {
  servers = await startTestServers({ quickCommits: true, variables: { innodb_buffer_pool_size: '1G' } });
  books = await SettlementBooks.create(servers.addresses);
  await fill();
}, 60_000 + accounts);
afterAll(async () => {
  await books?.destroy();
  await servers?.stop();
});

/** Accounts 1 to 3/4 of all have two bills of January; users from 1/4 on have ten hours of income there. */
async function fill(): Promise<void> {
  const { main, ledger } = books;
  const old = Math.floor((accounts * 3) / 4);
  const earning = `seq_${Math.floor(accounts / 4) + 1}_to_${accounts}`;
  await main.write(`INSERT INTO user_income_hour SELECT u.seq, '2026-01-05 00:00:00' + INTERVAL h.seq * 7 HOUR, 100 + h.seq, 1
    FROM seq_1_to_10 h, ${earning} u ORDER BY 2, 1`);
  await main.write(`INSERT INTO user_income SELECT seq, 1055, 10 FROM ${earning}`);
  await ledger.write('SET foreign_key_checks = 0, unique_checks = 0');
  await ledger.write(`INSERT INTO account (account_id, kind, balance, sequence, opened_at, changed_at)
    SELECT seq, 'prepaid', 900, 2, '2026-01-01 00:00:00', '2026-01-11 00:00:00' FROM seq_1_to_${old}`);
  for (const [sequence, channel, amount, before] of [
    [1, 'recharge', 1000, 0],
    [2, 'charge', -100, 1000],
  ] as const)
    await ledger.write(`INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, sequence, previous,
        balance_before, balance_after, held_before, held_after, caller, created_at, done_at)
      SELECT 100000000 + ${sequence} * 10000000 + seq, '${channel}', seq, ${amount}, 0, 'success', ${sequence},
        ${sequence === 1 ? 'NULL' : 1}, ${before}, ${before + amount}, 0, 0, '', '2026-01-10', '2026-01-1${sequence}'
        FROM seq_1_to_${old}`);
  await ledger.write('INSERT INTO bill_number VALUES (1, 200000000)');
  await ledger.write('SET foreign_key_checks = 1, unique_checks = 1');
  await books.rolledUpTo('2026-02-01 00:00:00');
  await books.world.cli(['checkpoint', 'settle-month', '--set', '2026-01-01T00:00:00+08:00', '--yes']);
}

const settle = (...args: string[]) => watched(books.world, ['run', 'settle-month', ...args, '--json']);

test.skipIf(process.platform !== 'linux')(
  `${accounts} accounts are settled in less than ${memoryMaxMb} MB, and the run after finds nothing to do`,
  async () => {
    const { code, output, peakMb, seconds } = await settle('--max-windows', '1');
    process.stderr.write(`${accounts} accounts in ${seconds} s, peak ${peakMb.toFixed(0)} MB\n`);
    expect(code, output).toBe(0);
    const earning = accounts - Math.floor(accounts / 4);
    expect(JSON.parse(output).shards[0]).toMatchObject({
      outcome: 'done',
      read: accounts,
      inserted: accounts,
      totals: { income: { fen: String(earning * 1055) }, credited: { fen: String(earning * 1055) } },
    });
    expect(peakMb).toBeGreaterThan(20);
    expect(peakMb).toBeLessThan(memoryMaxMb);
    expect(await books.flaws()).toEqual({});
    const again = await settle('--from', '2026-01-01', '--to', '2026-02-01');
    process.stderr.write(`once more in ${again.seconds} s, peak ${again.peakMb.toFixed(0)} MB\n`);
    expect(JSON.parse(again.output).shards[0]).toMatchObject({ inserted: 0, unchanged: accounts });
    expect(again.peakMb).toBeLessThan(memoryMaxMb);
  },
  120_000 + accounts * 2,
);
