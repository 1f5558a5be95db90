/**
 * A campaign of cron: the lines that `tidemark crontab` prints for this installation, under Debian's real cron, while the
 * source is written to. It passes when every line was started and ended with 0, nothing was printed (so that nothing would
 * be mailed), all rows behind the checkpoints are there once, and the control was caught.
 *
 * The control is a crontab in which one shard has no line, with databases of its own beside the others.
 */
import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { payOrders } from '../../migrations/index.ts';
import { startTestServers } from '../../test/support/servers.ts';
import { tidemarkPath, World } from '../../test/support/world.ts';
import { Random } from '../random.ts';
import type { Verdict } from '../verdict.ts';
import { Crond, type CronRun } from './crond.ts';
import { linesFor, onlyLines } from './lines.ts';

interface CronOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly signal?: AbortSignal;
  readonly progress?: (line: string) => void;
}

/** The shard that the control leaves out. */
const leftOut = '3';
const shardCount = 10;
/** What is under way when cron is stopped may still take so long. */
const patienceMs = 90_000;

export async function runCronCampaign(options: CronOptions): Promise<Verdict> {
  const servers = await startTestServers();
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-cron-'));
  let crond: Crond | null = null;
  try {
    const [world, control] = await Promise.all([newWorld(servers.addresses), newWorld(servers.addresses)]);
    const minutes = Math.max(1, Math.floor(options.seconds / 60));
    const printed = await printCrontab(world.settings);
    const lines = linesFor(printed, Date.now(), minutes, hostZone());
    const controlLines = onlyLines(
      lines.text,
      (line) => /run sync-commission-log \d$/.test(line) && !line.endsWith(` ${leftOut}`),
    );
    const crontab = [
      lines.text.replace(/^SHELL=.*$/m, `SHELL=${Crond.shellIn(folder)}\n${assignments(world.settings)}`),
      assignments(control.settings),
      controlLines,
      '',
    ].join('\n');
    crond = await Crond.start(folder, crontab);
    const written = await load(options, [world, control], crond);
    const allEnded = await crond.stop(patienceMs);
    const runs = await crond.runs();
    return await judge(options, {
      world,
      control,
      runs,
      commands: lines.commands,
      moved: lines.moved,
      written,
      allEnded,
    });
  } finally {
    await crond?.stop(0);
    await servers.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function newWorld(addresses: Parameters<typeof World.create>[0]): Promise<World> {
  const world = await World.create(addresses, { ledger: true, settings: { TIDEMARK_RUN_LOGS: 'none' } });
  for (const { sql } of payOrders(4)) await world.ledger.write(sql);
  await world.source.write("SET SESSION time_zone = '+08:00'"); // that of the business
  // A shard that cron starts ahead of its first row would find nothing to begin with.
  for (let shard = 0; shard < shardCount; shard++) await addRow(world, shard + 1, shard, 'NOW() - INTERVAL 1 HOUR');
  return world;
}

const addRow = (world: World, id: number, shard: number, time = 'NOW()') =>
  world.source.write(`INSERT INTO plus_commission_log_${shard} VALUES (?, ?, 'SN', ?, 1, 1, NULL, ${time}, ${time})`, [
    id,
    1000 + shard,
    id,
  ]);

const assignments = (settings: Readonly<Record<string, string>>) =>
  Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');

async function printCrontab(settings: Readonly<Record<string, string>>): Promise<string> {
  const { stdout } = await promisify(execFile)(tidemarkPath, ['crontab'], {
    env: { PATH: process.env.PATH, ...settings },
  });
  return stdout;
}

/** cron knows no TZ but that of the host. */
const hostZone = () => /zoneinfo\/(.+)$/.exec(realpathSync('/etc/localtime'))?.[1] ?? 'Etc/UTC';

/** Rows for every shard, in both worlds alike, until the time is over. */
async function load(
  { seed, seconds, signal, progress }: CronOptions,
  worlds: readonly World[],
  crond: Crond,
): Promise<number> {
  const random = new Random(seed);
  const begin = Date.now();
  let rows = shardCount;
  while (Date.now() < begin + seconds * 1000 && signal?.aborted !== true) {
    const shard = random.below(shardCount);
    rows += 1;
    for (const world of worlds) {
      await addRow(world, rows, shard);
      if (rows % 10 === 0)
        await world.source.write(`INSERT INTO user_extension VALUES (?, ?, 1, NULL, 'user', 1, NOW(), NOW())`, [
          rows,
          rows,
        ]);
    }
    await sleep(random.between(5, 60));
    if (rows % 20 === 0) {
      crond.assertAlive();
      progress?.(
        `${Math.round((Date.now() - begin) / 1000)} s of ${seconds} s, ${(await crond.runs()).length} lines started, ${rows} rows`,
      );
    }
  }
  return rows;
}

interface Played {
  readonly world: World;
  readonly control: World;
  readonly runs: readonly CronRun[];
  readonly commands: readonly string[];
  readonly moved: number;
  readonly written: number;
  readonly allEnded: boolean;
}

async function judge({ seed, seconds, signal }: CronOptions, played: Played): Promise<Verdict> {
  const { world, control, runs, commands, moved, written, allEnded } = played;
  const interrupted = signal?.aborted === true;
  const rows = await missing(world);
  const repeats = await number(
    world,
    "SELECT IFNULL(SUM(updated), 0) FROM tidemark_window WHERE job = 'sync-commission-log'",
  );
  const carried = await number(world, 'SELECT COUNT(*) FROM plus_commission_log');
  const verified = await world.cli(['verify']);
  const found = await missing(control, { andNeverBegun: true });
  const unstarted = commands.filter((command) => !runs.some((run) => run.command === command));
  const failures = [
    ...unstarted.map((command) => `cron never started: ${command}`),
    ...(allEnded ? [] : [`${runs.filter(({ code }) => code === null).length} lines did not end`]),
    ...runs
      .filter(({ code }) => code !== null && code !== 0)
      .map(({ command, code, said }) => `${command} ended with ${code}: ${said}`),
    ...runs
      .filter(({ said }) => said !== '')
      .map(({ command, said }) => `cron would have mailed, of ${command}: ${said}`),
    ...(rows.length === 0 ? [] : [`${rows.length} rows were not carried: ${rows.slice(0, 3).join(', ')}`]),
    ...((await missing(world, { andNeverBegun: true })).length > rows.length ? ['a shard has never begun'] : []),
    ...(repeats === 0 ? [] : [`${repeats} rows were written a second time`]),
    ...(carried === 0 ? ['no row was carried'] : []),
    ...(verified.code === 0 ? [] : [`verify: ${verified.stdout}${verified.stderr}`]),
    ...(found.length > 0 || interrupted ? [] : [`the control without shard ${leftOut} was not caught`]),
  ];
  const codes: Record<string, number> = {};
  for (const { code } of runs) codes[code ?? -1] = (codes[code ?? -1] ?? 0) + 1;
  return {
    kind: 'cron',
    seed,
    seconds,
    passed: failures.length === 0 && !interrupted,
    interrupted,
    gaps: rows.length,
    repeats,
    figures: {
      'lines of the crontab': commands.length,
      'of these moved into the time': moved,
      'lines started': runs.length,
      'rows written': written,
      'rows carried': carried,
      'bytes that cron would have mailed': runs.reduce((sum, { said }) => sum + said.length, 0),
    },
    codes,
    controls: [
      {
        name: `without-shard-${leftOut}`,
        mistake: 'a crontab in which a shard has no line',
        evidence: 'gaps',
        found: found.length,
      },
    ].map((verdict) => verdict as Verdict['controls'][number]),
    failures: interrupted ? [] : failures,
    keptIn: null,
  };
}

const number = async ({ main }: World, sql: string) => Number((await main.tuples(sql))[0]?.[0]);

/** Rows of the source that their shard has passed by; and shards that have rows, and no checkpoint. */
async function missing(world: World, { andNeverBegun = false } = {}): Promise<string[]> {
  const checkpoints = new Map(
    (await world.main.tuples('SELECT CONCAT(job, shard), checkpoint FROM tidemark_checkpoint')).map(([name, at]) => [
      String(name),
      String(at),
    ]),
  );
  const there = new Set((await world.main.tuples('SELECT id FROM plus_commission_log')).map(([id]) => String(id)));
  const lost: string[] = [];
  for (let shard = 0; shard < shardCount; shard++) {
    const until = checkpoints.get(`sync-commission-log${shard}`);
    const rows = await world.source.tuples(`SELECT id, update_time FROM plus_commission_log_${shard}`);
    if (until === undefined && andNeverBegun && rows.length > 0) lost.push(`all ${rows.length} rows of shard ${shard}`);
    for (const [id, at] of rows)
      if (until !== undefined && String(at) < until && !there.has(String(id))) lost.push(`row ${id} of shard ${shard}`);
  }
  return lost;
}
