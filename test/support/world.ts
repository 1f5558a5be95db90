/**
 * A small platform for a test file: databases of its own with the platform's and tidemark's tables, its own keys in
 * Redis, jobs that run in this process, and the command line in another.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { jobs } from '../../jobs/index.ts';
import { migrations } from '../../migrations/index.ts';
import { createPlatformTables } from '../../src/demo/platform-tables.ts';
import { CheckpointCopies } from '../../src/engine/checkpoint-copy.ts';
import { noHalt, systemClock } from '../../src/engine/clock.ts';
import { type Job, shardNames } from '../../src/engine/job.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import { Zone } from '../../src/engine/zone.ts';
import { Config } from '../../src/platform/config.ts';
import { Databases } from '../../src/platform/databases.ts';
import { silentLog } from '../../src/platform/log.ts';
import { type Cell, Session } from '../../src/platform/mysql.ts';
import { copyStatement } from '../../src/platform/table-copy.ts';
import { newDatabase, redisUrl, type ServerAddresses } from './servers.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WorldOptions {
  /** Settings beside the addresses. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Whether tidemark's and the copied tables are there already; default true. */
  readonly migrated?: boolean;
  /** Whether there is a ledger database, with its tables; default false, as most tests do without. */
  readonly ledger?: boolean;
}

/** What runs of the commission jobs write in the target; emptied, it is as if none had ever been. */
export const writtenTables = [
  'plus_commission_log',
  'commission_change',
  'user_income',
  'user_income_hour',
  'tidemark_checkpoint',
  'tidemark_window',
  'tidemark_run',
] as const;

export const tidemarkPath = fileURLToPath(new URL('../../bin/tidemark', import.meta.url));
const plainRequest: Request = {
  kind: 'windows',
  range: null,
  dryRun: false,
  maxWindows: Number.POSITIVE_INFINITY,
  waitForLock: false,
};

export class World {
  readonly settings: Readonly<Record<string, string>>;
  readonly source: Session;
  readonly main: Session;
  readonly redis: Redis;
  readonly zone: Zone;
  readonly config: Config;
  readonly #ledger: Session | null;
  readonly #folder: string;
  readonly #drop: () => Promise<void>;

  private constructor(
    parts: Pick<World, 'settings' | 'source' | 'main' | 'redis' | 'config'> & {
      ledger: Session | null;
      folder: string;
      drop: () => Promise<void>;
    },
  ) {
    this.settings = parts.settings;
    this.source = parts.source;
    this.main = parts.main;
    this.redis = parts.redis;
    this.config = parts.config;
    this.zone = new Zone(parts.config.need('TIDEMARK_TIMEZONE') as string);
    this.#ledger = parts.ledger;
    this.#folder = parts.folder;
    this.#drop = parts.drop;
  }

  /** The ledger database, of a world that was made with one. */
  get ledger(): Session {
    if (this.#ledger === null) throw new Error('this world has no ledger: World.create(…, { ledger: true })');
    return this.#ledger;
  }

  static async create(addresses: ServerAddresses, options: WorldOptions = {}): Promise<World> {
    const withLedger = options.ledger === true;
    const [plus, mia, money] = await Promise.all([
      newDatabase(addresses, 'plus'),
      newDatabase(addresses, 'mia'),
      withLedger ? newDatabase(addresses, 'ledger') : null,
    ]);
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-world-'));
    const settings = {
      SOURCE_DATABASE_URL: plus.url,
      MAIN_DATABASE_URL: mia.url,
      ...(money === null ? {} : { LEDGER_DATABASE_URL: money.url }),
      REDIS_URL: redisUrl(addresses),
      TIDEMARK_REDIS_PREFIX: `${randomBytes(5).toString('hex')}:`,
      TIDEMARK_RUN_LOGS: join(folder, 'runs'),
      ...options.settings,
    };
    const config = Config.read({ environment: settings, workingFolder: folder });
    const open = (url: string, label: string) => Session.open({ url, label, setting: label, stallTimeoutMs: 600_000 });
    const [source, main, ledger, redis] = await Promise.all([
      open(plus.url, 'source'),
      open(mia.url, 'main'),
      money === null ? null : open(money.url, 'ledger'),
      Promise.resolve(new Redis(settings.REDIS_URL).on('error', () => undefined)),
    ]);
    const drop = async () => {
      await Promise.all([plus.drop(), mia.drop(), money?.drop()]);
    };
    const world = new World({ settings, source, main, ledger, redis, config, folder, drop });
    await createPlatformTables(source);
    if (options.migrated !== false) await world.#migrate();
    return world;
  }

  async #migrate(): Promise<void> {
    for (const { sql } of migrations.main) await this.main.write(sql);
    if (this.#ledger !== null) for (const { sql } of migrations.ledger) await this.#ledger.write(sql);
    for (const [table, as] of [
      ['user_extension', 'user_extension'],
      ['plus_commission_log_0', 'plus_commission_log'],
    ] as const) {
      await this.main.write(await copyStatement(this.source, table, as));
    }
  }

  /** The engine's setting for runs in this process. */
  setting(more: Partial<Setting> = {}): Setting {
    const databases = new Databases(this.config);
    return {
      copies: new CheckpointCopies(() => databases.redis(), this.settings.TIDEMARK_REDIS_PREFIX as string),
      jobs,
      clock: systemClock,
      zone: this.zone,
      halt: noHalt,
      log: silentLog,
      progress: null,
      openTarget: (job) => databases.open(job.target),
      openSource: () => databases.open('source'),
      openDatabase: (name) => databases.open(name),
      settingOf: (name) => this.config.get(name),
      windowRows: this.config.need('TIDEMARK_WINDOW_ROWS') as number,
      stallTimeoutMs: this.config.need('TIDEMARK_STALL_TIMEOUT') as number,
      settleLagMs: this.config.get('TIDEMARK_SETTLE_LAG') as number | undefined,
      exemptions: { users: [], schemas: [], pattern: null },
      blockedWarningMs: 60_000,
      missingColumns: this.config.need('TIDEMARK_MISSING_COLUMNS') as 'warn' | 'error',
      onStep: () => undefined,
      ...more,
    };
  }

  /** Runs one shard of a job in this process; a failure is in the result. */
  async runShard(
    jobName: string,
    shard: string,
    request: Partial<Request> = {},
    more: Partial<Setting> = {},
  ): Promise<ShardResult> {
    const setting = this.setting(more);
    try {
      return await runShard(findJob(jobName), shard, crypto.randomUUID(), { ...plainRequest, ...request }, setting);
    } finally {
      await setting.copies.close();
    }
  }

  /** Runs all shards, one after another; the first failure is thrown. */
  async run(jobName: string, request: Partial<Request> = {}, more: Partial<Setting> = {}): Promise<ShardResult[]> {
    const results: ShardResult[] = [];
    for (const shard of shardNames(findJob(jobName))) {
      const result = await this.runShard(jobName, shard, request, more);
      if (result.error !== null) throw result.error;
      results.push(result);
    }
    return results;
  }

  /** `tidemark …` in a process of its own, with this world's settings and nothing else but a PATH. */
  cli(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliResult> {
    return new Promise((resolve) => {
      const env = { PATH: process.env.PATH ?? '', HOME: this.#folder, ...this.settings, ...environment };
      execFile(tidemarkPath, [...args], { cwd: this.#folder, env, maxBuffer: 64_000_000 }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr });
      });
    });
  }

  /** The checkpoint's copy in Redis. */
  redisCheckpoint(job: string, shard = ''): Promise<string | null> {
    return this.redis.get(`${this.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}${shard === '' ? '' : `:${shard}`}`);
  }

  /** As if Redis had never heard of the shard. */
  async forgetRedis(job: string, shard = ''): Promise<void> {
    await this.redis.del(`${this.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}${shard === '' ? '' : `:${shard}`}`);
  }

  /** Rows of commission, in the shard of their user. Times are local text; update_time is create_time unless given. */
  async addCommission(...rows: readonly Partial<Commission>[]): Promise<void> {
    for (const row of rows) {
      const full = { ...sampleCommission, ...row };
      const values = [
        full.id,
        full.user,
        full.order,
        full.amount,
        full.type,
        full.status,
        full.remark,
        full.created,
        full.updated ?? full.created,
      ];
      await this.source.write(`INSERT INTO plus_commission_log_${String(full.user).at(-1)} VALUES (?)`, [values]);
    }
  }

  /** Everything in a table, for comparison, in order of its columns. */
  all(session: Session, table: string): Promise<Cell[][]> {
    return session.tuples(`SELECT * FROM ${table} ORDER BY 1, 2`);
  }

  /** All ten shards together, as the total table should be. */
  async allShards(): Promise<Cell[][]> {
    const parts = Array.from({ length: 10 }, (_, shard) => `SELECT * FROM plus_commission_log_${shard}`);
    return this.source.tuples(`${parts.join(' UNION ALL ')} ORDER BY id`);
  }

  /** Income by user and hour, computed from the source alone: what user_income_hour should hold for hours before `until`. */
  async incomeOfSource(until: string): Promise<Cell[][]> {
    const parts = Array.from({ length: 10 }, (_, shard) => `SELECT * FROM plus_commission_log_${shard}`);
    return this.source.tuples(
      `SELECT user_id, CONCAT(LEFT(create_time, 13), ':00:00') hour, CAST(SUM(amount) AS CHAR), CAST(COUNT(*) AS CHAR)
         FROM (${parts.join(' UNION ALL ')}) l WHERE status = 1 AND create_time < ? GROUP BY user_id, hour ORDER BY hour, user_id`,
      [until],
    );
  }

  async incomeOfTarget(): Promise<Cell[][]> {
    return this.main.tuples(
      'SELECT user_id, hour, CAST(amount AS CHAR), CAST(entries AS CHAR) FROM user_income_hour ORDER BY hour, user_id',
    );
  }

  async destroy(): Promise<void> {
    this.redis.disconnect();
    await Promise.all([this.source.close(), this.main.close(), this.#ledger?.close()]);
    await this.#drop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export interface Commission {
  id: string | number;
  user: string | number;
  order: string;
  /** Fen, as text beyond 2^53. */
  amount: string | number;
  type: number;
  status: number;
  remark: string | null;
  created: string | null;
  updated: string | null;
}

const sampleCommission: Commission = {
  id: 1,
  user: 1001,
  order: 'SN1',
  amount: 100,
  type: 1,
  status: 1,
  remark: null,
  created: '2026-11-18 10:00:00',
  updated: null,
};

function findJob(name: string): Job {
  const job = jobs.find((candidate) => candidate.name === name);
  if (job === undefined) throw new Error(`no job ${name}`);
  return job;
}
