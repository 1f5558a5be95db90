/**
 * Where a campaign plays: private servers that write every commit through, the platform's and tidemark's tables, and
 * three accounts, so that whose connection is whose can be told at the end.
 *
 * The book is what the writers committed: written in their own transactions, it is right also when nobody heard the
 * answer to a COMMIT. The audit is what was written to a total table: triggers there append each row as it is applied,
 * within the transaction that applies it. Nothing is put on the source's tables.
 */
import { cp, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations } from '../migrations/index.ts';
import { createPlatformTables, shards } from '../src/demo/platform-tables.ts';
import type { Session } from '../src/platform/mysql.ts';
import { copyStatement } from '../src/platform/table-copy.ts';
import { mysqlUrl, redisUrl, startTestServers, type TestServers } from '../test/support/servers.ts';
import { everyControl } from './controls/list.ts';
import { openPatiently } from './sessions.ts';

/** The shards that writers write to; the other seven stay empty. */
export const hotShards = ['0', '1', '2'] as const;
/** Rows of each hot shard that all writers share. */
export const sharedRows = 300;

const accounts = { runner: 'campaign_runner', writer: 'campaign_writer', control: 'campaign_control' } as const;
export type Account = keyof typeof accounts;
const databases = { source: 'plus', main: 'mia', book: 'campaign' } as const;

const bookTable = `CREATE TABLE campaign.version (
  id BIGINT UNSIGNED NOT NULL,
  version VARCHAR(64) NOT NULL,
  serial BIGINT UNSIGNED NOT NULL COMMENT 'the order of a row''s versions',
  shard CHAR(1) NOT NULL,
  update_time DATETIME NOT NULL,
  booked_at DATETIME(6) NOT NULL COMMENT 'its commit is not earlier',
  PRIMARY KEY (id, serial)
) ENGINE = InnoDB`;

const auditTable = `CREATE TABLE campaign_audit (
  entry BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  id BIGINT UNSIGNED NOT NULL,
  version VARCHAR(64) NOT NULL,
  action CHAR(6) NOT NULL,
  update_time DATETIME NOT NULL,
  position DATETIME NULL COMMENT 'the shard''s checkpoint when the row was applied',
  thread BIGINT UNSIGNED NOT NULL,
  at DATETIME(6) NOT NULL,
  KEY (id, version)
) ENGINE = InnoDB`;

/** SYSDATE, and not NOW: a statement that waits should tell when it wrote. */
const auditTrigger = (action: 'INSERT' | 'UPDATE', position: string) =>
  `CREATE TRIGGER campaign_${action.toLowerCase()} AFTER ${action} ON plus_commission_log FOR EACH ROW
     INSERT INTO campaign_audit (id, version, action, update_time, position, thread, at)
     VALUES (NEW.id, NEW.remark, '${action}', NEW.update_time, ${position}, CONNECTION_ID(),
       CONVERT_TZ(SYSDATE(6), @@session.time_zone, @@global.time_zone))`;

const checkpointOfRow = `(SELECT checkpoint FROM tidemark_checkpoint
   WHERE job = 'sync-commission-log' AND shard = RIGHT(NEW.user_id, 1))`;

export class Stage {
  readonly servers: TestServers;

  private constructor(servers: TestServers) {
    this.servers = servers;
  }

  static async raise(): Promise<Stage> {
    const stage = new Stage(await startTestServers());
    try {
      await stage.#furnish();
      return stage;
    } catch (error) {
      await stage.strike();
      throw error;
    }
  }

  /** The address of a database for an account; `port` where it is not the server's own. */
  url(account: Account, database: string, port = this.servers.addresses.mariadb.port): string {
    const { host, password } = this.servers.addresses.mariadb;
    return `mysql://${accounts[account]}:${password}@${host}:${port}/${database}`;
  }

  redisUrl(port = this.servers.addresses.redis.port): string {
    return redisUrl({ ...this.servers.addresses, redis: { ...this.servers.addresses.redis, port } });
  }

  /** As whoever owns the server, for furnishing and checking. */
  open(database: keyof typeof databases | string): Promise<Session> {
    const name = databases[database as keyof typeof databases] ?? database;
    return openPatiently(mysqlUrl(this.servers.addresses, name));
  }

  async #furnish(): Promise<void> {
    const root = await this.open('mysql');
    for (const name of Object.values(databases)) await root.write(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await this.#makeAccounts(root);
    await root.write(bookTable);
    const [source, main] = [await this.open('source'), await this.open('main')];
    await createPlatformTables(source);
    for (const { sql } of migrations.main) await main.write(sql);
    await main.write(await copyStatement(source, 'user_extension', 'user_extension'));
    await this.#makeTotalTable(source, main, checkpointOfRow);
    for (const control of everyControl) await this.#makeControlDatabase(root, source, control);
    for (const shard of hotShards) await fillShard(source, shard);
    await Promise.all([root, source, main].map((session) => session.close()));
  }

  async #makeAccounts(root: Session): Promise<void> {
    const { password } = this.servers.addresses.mariadb;
    for (const account of Object.values(accounts))
      await root.write(`CREATE USER '${account}'@'127.0.0.1' IDENTIFIED BY '${password}'`);
    for (const [account, grant] of [
      ['runner', 'SELECT ON plus.*'],
      ['runner', 'PROCESS ON *.*'],
      ['runner', 'SELECT, INSERT, UPDATE, DELETE ON mia.*'],
      ['writer', 'ALL ON plus.*'],
      ['writer', 'ALL ON campaign.*'],
      ['control', 'SELECT ON plus.*'],
      ['control', 'SELECT ON mia.*'],
      ['control', 'ALL ON `control\\_%`.*'],
    ] as const)
      await root.write(`GRANT ${grant} TO '${accounts[account]}'@'127.0.0.1'`);
  }

  async #makeTotalTable(source: Session, target: Session, position: string): Promise<void> {
    await target.write(await copyStatement(source, 'plus_commission_log_0', 'plus_commission_log'));
    await target.write(auditTable);
    await target.write(auditTrigger('INSERT', position));
    await target.write(auditTrigger('UPDATE', position));
  }

  async #makeControlDatabase(root: Session, source: Session, control: string): Promise<void> {
    const name = controlDatabase(control);
    await root.write(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    const target = await this.open(name);
    await this.#makeTotalTable(source, target, 'NULL');
    await target.write('CREATE TABLE position (shard CHAR(1) PRIMARY KEY, at DATETIME NOT NULL) ENGINE = InnoDB');
    await target.write(`INSERT INTO position VALUES ${shards.map((shard) => `('${shard}', '2000-01-01')`).join(',')}`);
    await target.write(
      'CREATE TABLE income_hour (user_id BIGINT UNSIGNED, hour DATETIME, amount BIGINT NOT NULL, PRIMARY KEY (user_id, hour)) ENGINE = InnoDB',
    );
    await target.close();
  }

  /** Keeps the servers' files for a look, and answers where. */
  async keep(name: string): Promise<string> {
    await this.servers.killMariadb();
    const folder = join(tmpdir(), name);
    await mkdir(folder, { recursive: true });
    await cp(this.servers.folder, folder, {
      recursive: true,
      force: true,
      filter: (path) => !path.startsWith(join(this.servers.folder, 'run')),
    });
    return folder;
  }

  strike(): Promise<void> {
    return this.servers.stop();
  }
}

export const controlDatabase = (control: string): string => `control_${control.replaceAll('-', '_')}`;

/** Rows of the last two days; each is its own first version. */
async function fillShard(source: Session, shard: string): Promise<void> {
  await source.write(`INSERT INTO plus_commission_log_${shard}
    SELECT seq * 10 + ${shard}, 1000 + 10 * (seq MOD 20) + ${shard}, CONCAT('SN', seq), seq, 1, seq MOD 3, '0.fill', at, at
      FROM (SELECT seq, CONVERT_TZ(NOW(), '+00:00', '+08:00') - INTERVAL seq * 557 SECOND at FROM seq_1_to_${sharedRows}) numbered`);
  await source.write(`INSERT INTO campaign.version
    SELECT id, remark, 0, ${shard}, update_time, update_time FROM plus_commission_log_${shard}`);
}
