/**
 * `npm run campaign -- <kind> --seed N --minutes M`: faults of one kind under load, and a verdict on the last line.
 *
 * Private servers; writers who commit late, roll back, stall behind table locks and move rows; several processes of
 * tidemark over the same shards in loops, with sweeps, ranges, full runs and repairs beside them; callers of a ledger
 * (ledger/), and ledgers whose months and days are closed (closing/); and the fault. When the time is over, all goes on
 * in peace until every checkpoint is past the last write and every caller has its answers, and the checkers look: exit
 * code 0 for PASS, 1 for FAIL. The seed decides what writers, runs, callers and faults choose; when they come to it, the
 * machine. The kind `payments` has a shape of its own: shops, buyers, and providers that lie (payments/).
 *
 * Each kind also runs controls, jobs that are known to be wrong (controls/), beside the others and under the same fault,
 * into databases of their own. One that the checker does not find fault with makes the campaign fail. Which belong to
 * which kind: a position in Redis only where the fault can come between a commit and Redis (kills, redis); no
 * lock where runs overlap in a bad moment (pauses, network); NOW() everywhere, because it shows that the writers are
 * hard enough; NOW() less 10 s in kills, where nothing ends a transaction of 12 s; income by a window over update_time
 * in redis and database. Of the ledger: a new bill id, and the account changed before its bill, where a caller can
 * be cut off in between (kills, database); no lock elsewhere.
 */
import { parseArgs } from 'node:util';
import { grouped, print, printJson, printTable } from '../src/cli/output.ts';
import { exitCodes } from '../src/platform/errors.ts';
import { runCampaign } from './campaign.ts';
import { runCronCampaign } from './cron/campaign.ts';
import type { Kind } from './fault.ts';
import { kinds } from './kinds.ts';
import { runPaymentsCampaign } from './payments/campaign.ts';
import { places } from './stage.ts';
import type { Verdict } from './verdict.ts';

/** What is told of a kind; `payments` is none that a fault is begun for. */
type Title = Pick<Kind, 'name' | 'summary' | 'headline'>;
const payments: Title = {
  name: 'payments',
  summary: 'payments and payouts: false answers of the providers, SIGKILL, FLUSHALL (--orders n, --payouts n)',
  headline: 'orders',
};
const cron: Title = {
  name: 'cron',
  summary: "the lines of `tidemark crontab` under Debian's real cron (as root)",
  headline: 'lines started',
};
const titles: readonly Title[] = [...kinds, payments, cron];
/** How many a second there are when nobody says. */
const usual = { orders: 10, payouts: 2.5 } as const;

const usage = `npm run campaign -- <kind> [--seed n] [--minutes m | --seconds s] [--json]
${titles.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`).join('\n')}`;

class UsageMistake extends Error {}

interface Wanted {
  readonly title: Title;
  readonly seed: number;
  readonly seconds: number;
  /** Of the kind `payments`. */
  readonly orders: number;
  readonly payouts: number;
  readonly json: boolean;
}

function readArguments(argv: readonly string[]): Wanted | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      orders: { type: 'string' },
      payouts: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const [name, ...more] = positionals;
  const title = titles.find((candidate) => candidate.name === name);
  if (title === undefined || more.length > 0) {
    const wrong =
      name === undefined ? 'a kind is missing' : `there is no campaign "${title === undefined ? name : more[0]}"`;
    throw new UsageMistake(`${wrong}: there are ${titles.map((known) => known.name).join(', ')}`);
  }
  if (title !== payments && (values.orders ?? values.payouts) !== undefined)
    throw new UsageMistake(`--orders and --payouts are of the kind payments, not of ${title.name}`);
  if (values.minutes !== undefined && values.seconds !== undefined)
    throw new UsageMistake('--minutes and --seconds exclude each other');
  const seconds =
    values.seconds === undefined
      ? wholeNumber('--minutes', values.minutes ?? '5', 1) * 60
      : wholeNumber('--seconds', values.seconds, 5);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1e6) : wholeNumber('--seed', values.seed, 0);
  const counts = {
    orders: wholeNumber('--orders', values.orders ?? String(Math.round(usual.orders * seconds)), 1),
    payouts: wholeNumber('--payouts', values.payouts ?? String(Math.round(usual.payouts * seconds)), 1),
  };
  return { title, seed, seconds, ...counts, json: values.json };
}

function wholeNumber(option: string, text: string, least: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least) return number;
  throw new UsageMistake(`${option} "${text}": expected a whole number of ${least} or more`);
}

/** A line that is written over on a terminal; elsewhere one a minute. */
function progressLine(): { tell(line: string): void; clear(): void } {
  const { stderr } = process;
  let toldAt = 0;
  return {
    tell(line) {
      if (stderr.isTTY) stderr.write(`\r\x1b[K${line}`);
      else if (Date.now() - toldAt >= 60_000) {
        toldAt = Date.now();
        stderr.write(`${line}\n`);
      }
    },
    clear: () => void (stderr.isTTY && stderr.write('\r\x1b[K')),
  };
}

async function show(verdict: Verdict, { headline }: Title): Promise<void> {
  const { kind, seed, seconds, interrupted, gaps, repeats, figures, codes, controls, failures, keptIn } = verdict;
  await printTable(
    ['FIGURE', ''],
    Object.entries(figures).map(([name, value]) => [name, grouped(value)]),
  );
  print(
    `exit codes of runs that nobody killed: ${Object.entries(codes)
      .map(([code, count]) => `${grouped(count)} × ${code}`)
      .join(', ')}`,
  );
  for (const { name, mistake, found, evidence } of controls)
    print(`control ${name} (${mistake}): ${found > 0 ? `caught, ${grouped(found)} ${evidence}` : 'NOT CAUGHT'}`);
  if (seconds < 60 && kinds.some(({ name }) => name === kind))
    print('Under a minute, holds are 3 s and more, and fixed-lag is 2 s; from a minute on, 12 s and 10 s.');
  for (const failure of failures) print(`FAILURE ${failure}`);
  if (keptIn !== null) {
    print(`campaign.log and the servers' data are in ${keptIn}; to look at them:`);
    for (const folder of kind === payments.name ? [keptIn] : places.map((place) => `${keptIn}/${place}`))
      print(
        `  mariadbd --no-defaults --user="$(id -un)" --datadir=${folder}/mariadb --socket=${folder}/sock --skip-networking --skip-grant-tables`,
      );
  }
  const verdictWord = failures.length > 0 ? 'FAIL' : interrupted ? 'INTERRUPTED' : 'PASS';
  const length = seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
  print(
    `campaign ${kind}: ${verdictWord} seed ${seed}, ${length}, ${grouped(figures[headline] ?? 0)} ${headline}, ${grouped(gaps)} gaps, ${grouped(repeats)} repeats`,
  );
}

async function main(argv: readonly string[]): Promise<number> {
  const wanted = readArguments(argv);
  if (wanted === 'help') {
    print(usage);
    return exitCodes.done;
  }
  const stop = new AbortController();
  let signalled: number | null = null;
  for (const [signal, code] of [
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
  ] as const) {
    process.once(signal, () => {
      process.stderr.write(`campaign ${wanted.title.name}: ${signal}: the load ends here\n`);
      signalled = code;
      stop.abort();
    });
  }
  const line = progressLine();
  process.stderr.write(`campaign ${wanted.title.name}: seed ${wanted.seed}, ${wanted.seconds} s\n`);
  const verdict = await run(wanted, { signal: stop.signal, progress: line.tell });
  line.clear();
  if (wanted.json) printJson(verdict);
  else await show(verdict, wanted.title);
  if (verdict.failures.length > 0) return exitCodes.failed;
  return signalled ?? exitCodes.done;
}

function run(wanted: Wanted, hearing: { signal: AbortSignal; progress: (line: string) => void }): Promise<Verdict> {
  if (wanted.title === cron) return runCronCampaign({ ...wanted, ...hearing });
  const kind = kinds.find(({ name }) => name === wanted.title.name);
  return kind === undefined
    ? runPaymentsCampaign({ ...wanted, ...hearing })
    : runCampaign({ kind, ...wanted, ...hearing });
}

function codeOf(error: unknown): number {
  const mistaken =
    error instanceof UsageMistake || /^ERR_PARSE_ARGS_/.test(String((error as { code?: unknown })?.code));
  process.stderr.write(
    `campaign: ${mistaken ? (error as Error).message : (error as Error).stack}\n${mistaken ? `${usage}\n` : ''}`,
  );
  return mistaken ? exitCodes.usage : exitCodes.failed;
}

process.exit(await main(process.argv.slice(2)).catch(codeOf));
