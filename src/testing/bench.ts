/**
 * `tidemark/testing`: a bench for a job's test. Databases and keys of its own on private servers, the engine as it is,
 * and runs that tell what they did.
 *
 * The servers are those of `tidemark local up` in the working folder; they are started where they are not up, which takes
 * some seconds once, and stay up for the next test. `close` drops the databases.
 *
 * @example
 * const bench = await openBench({ jobs });
 * await bench.source.write('CREATE TABLE coupon (…)');
 * await bench.migrate('sync-coupon');
 * const { inserted } = await bench.run('sync-coupon');
 * await bench.close();
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrationsFor, payOrders } from '../../migrations/index.ts';
import { type App, findJob, openCopies, parseTime, type Surroundings } from '../cli/app.ts';
import { engineSetting } from '../cli/engine-setting.ts';
import { makeTables } from '../cli/migrate.ts';
import { runJob } from '../cli/one-run.ts';
import { noHalt } from '../engine/clock.ts';
import { type Job, shardNames } from '../engine/job.ts';
import { addCounts, type Counts, noCounts } from '../engine/journal.ts';
import type { Request } from '../engine/run.ts';
import { setCheckpoint } from '../engine/set-checkpoint.ts';
import { Zone } from '../engine/zone.ts';
import { Config } from '../platform/config.ts';
import { Databases } from '../platform/databases.ts';
import { up } from '../platform/local/index.ts';
import { silentLog } from '../platform/log.ts';
import { type Reader, Session } from '../platform/mysql.ts';
import { RedisLink } from '../platform/redis.ts';

export interface BenchOptions {
  /** The team's whole list: a job may follow another. */
  readonly jobs: readonly Job[];
  /** Settings beside the addresses, such as TIDEMARK_WINDOW_ROWS. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Other servers than those of the working folder: addresses without a database, of an account that may make some. */
  readonly servers?: { readonly mysql: string; readonly redis: string };
}

/** A database of the bench. */
export type BenchDatabase = Reader & Pick<Session, 'write'>;

/** What a run did, all shards together. */
export interface BenchRun extends Counts {
  readonly windows: number;
}

const settingOf = { source: 'SOURCE_DATABASE_URL', main: 'MAIN_DATABASE_URL', ledger: 'LEDGER_DATABASE_URL' } as const;
type Role = keyof typeof settingOf;
const roles = Object.keys(settingOf) as Role[];
const plainRequest: Request = {
  kind: 'windows',
  range: null,
  dryRun: false,
  maxWindows: Number.POSITIVE_INFINITY,
  waitForLock: false,
};
const quietly = { dryRun: false, tell: () => undefined };

export class Bench {
  /** The settings that jobs meet, as in `.env`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly #app: App;
  readonly #surroundings: Surroundings;
  readonly #sessions: Readonly<Record<Role, Session>>;

  private constructor(app: App, surroundings: Surroundings, parts: Pick<Bench, 'settings'> & Record<Role, Session>) {
    this.#app = app;
    this.#surroundings = surroundings;
    this.#sessions = parts;
    this.settings = parts.settings;
  }

  static async open({ jobs, settings: more = {}, servers }: BenchOptions): Promise<Bench> {
    const { mysql, redis } = servers ?? (await localServers());
    const word = `bench_${randomBytes(5).toString('hex')}`;
    const addresses = roles.map((role) => [settingOf[role], `${mysql}/${word}_${role}`]);
    const settings = { ...Object.fromEntries(addresses), REDIS_URL: redis, TIDEMARK_REDIS_PREFIX: `${word}:`, ...more };
    const config = Config.read({ environment: settings, workingFolder: join(tmpdir(), word) });
    const databases = new Databases(config);
    await makeDatabases(
      mysql,
      roles.map((role) => `${word}_${role}`),
    );
    const [source, main, ledger] = await Promise.all([
      databases.open('source'),
      databases.open('main'),
      databases.open('ledger'),
    ]);
    const app = { jobs, migrations: migrationsFor(jobs), payOrders };
    const surroundings = { config, databases, zone: new Zone(config.need('TIDEMARK_TIMEZONE') as string) };
    return new Bench(app, surroundings, { settings, source, main, ledger });
  }

  get source(): BenchDatabase {
    return this.#sessions.source;
  }

  get main(): BenchDatabase {
    return this.#sessions.main;
  }

  get ledger(): BenchDatabase {
    return this.#sessions.ledger;
  }

  /** Makes the tables that the list of jobs needs, and the copies that these jobs write, or all jobs when none is named. */
  async migrate(...jobNames: readonly string[]): Promise<void> {
    const named = jobNames.map((name) => findJob(this.#app, name));
    const jobs = named.length === 0 ? this.#app.jobs : named;
    await makeTables({ ...this.#app, jobs }, this.#surroundings, quietly);
  }

  /**
   * One run of a job, all its shards; it writes nothing to the terminal.
   *
   * @throws what the first shard that failed has met
   */
  async run(
    jobName: string,
    request: Partial<Pick<Request, 'kind' | 'dryRun' | 'maxWindows'>> = {},
  ): Promise<BenchRun> {
    const job = findJob(this.#app, jobName);
    const copies = openCopies(this.#surroundings);
    const more = { copies, halt: noHalt, log: silentLog, progress: null };
    const setting = engineSetting(this.#app, this.#surroundings, more);
    const { shards } = await runJob(job, shardNames(job), { ...plainRequest, ...request }, setting, 1).finally(() =>
      copies.close(),
    );
    const failed = shards.find(({ error }) => error !== null);
    if (failed !== undefined) throw failed.error;
    const sum = { ...noCounts(), windows: 0 };
    for (const shard of shards) {
      addCounts(sum, shard);
      sum.windows += shard.windows;
    }
    return sum;
  }

  /** As `tidemark checkpoint --set` for all shards: what lies before this time counts as applied. Needs the tables. */
  async setCheckpoint(jobName: string, time: string): Promise<void> {
    const { zone } = this.#surroundings;
    const { name, target, shards } = findJob(this.#app, jobName);
    const to = parseTime(zone, 'the time', time);
    const set = { to, runId: crypto.randomUUID(), now: Date.now() };
    for (const shard of shards.length === 0 ? [''] : shards)
      await setCheckpoint(this.#sessions[target], { job: name, shard }, set, zone);
  }

  /** A day of the business zone, `2026-11-20`, so many days before today. */
  daysAgo(days: number): string {
    const { zone } = this.#surroundings;
    const noon = zone.periodStart('day', Date.now()) + 43_200_000;
    return zone.periodName('day', noon - days * 86_400_000);
  }

  /** Drops the databases, and forgets the keys. */
  async close(): Promise<void> {
    const { source, main, ledger } = this.#sessions;
    for (const session of [source, main, ledger]) {
      await session.write(`DROP DATABASE ${session.database}`);
      await session.close();
    }
    const redis = new RedisLink(String(this.settings.REDIS_URL));
    const copies = openCopies(this.#surroundings);
    for (const job of this.#app.jobs)
      for (const shard of shardNames(job))
        await redis.run("return redis.call('DEL', KEYS[1])", copies.key({ job: job.name, shard }), []);
    redis.close();
  }
}

export const openBench = (options: BenchOptions): Promise<Bench> => Bench.open(options);

async function localServers(): Promise<NonNullable<BenchOptions['servers']>> {
  const { settings } = await up(join(process.cwd(), '.tidemark'));
  return { mysql: settings.MAIN_DATABASE_URL.replace(/\/[^/]*$/, ''), redis: settings.REDIS_URL };
}

async function makeDatabases(mysql: string, names: readonly string[]): Promise<void> {
  const url = `${mysql}/information_schema`;
  const session = await Session.open({ url, label: 'bench', setting: 'servers.mysql', stallTimeoutMs: 60_000 });
  try {
    for (const name of names) await session.write(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  } finally {
    await session.close();
  }
}
