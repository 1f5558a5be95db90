/**
 * Where a campaign plays: two private MariaDB servers that write every commit through, the source with the platform's
 * tables and the book, the main one with tidemark's and the audit, and three accounts, so that whose connection is whose
 * can be told at the end. Two, because a server that runs triggers cannot tell since when its statements run, and the
 * source should be one that can.
 *
 * The book is what the writers committed: written in their own transactions, it is right also when nobody heard the
 * answer to a COMMIT. The audit is what was written to a total table: triggers there append each row as it is applied,
 * within the transaction that applies it. Nothing is put on the source's tables. For the checker, which joins all this in
 * plain SQL, the source's databases are copied onto the main server under their own names.
 */
import { cp, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations } from '../migrations/index.ts';
import { createPlatformTables, shards } from '../src/demo/platform-tables.ts';
import type { Session } from '../src/platform/mysql.ts';
import { copyStatement } from '../src/platform/table-copy.ts';
import { mysqlUrl, redisUrl, startTestServers, type TestServers } from '../test/support/servers.ts';
import { type ControlName, controls, everyControl } from './controls/list.ts';
import { openAccounts } from './ledger/callers.ts';
import { openPatiently } from './sessions.ts';

/** The shards that writers write to; the other seven stay empty. */
export const hotShards = ['0', '1', '2'] as const;
/** Rows of each hot shard that all writers share. */
export const sharedRows = 300;

export const accounts = {
  runner: 'campaign_runner',
  writer: 'campaign_writer',
  caller: 'campaign_caller',
  control: 'campaign_control',
} as const;
export type Account = keyof typeof accounts;

export const places = ['source', 'main'] as const;
/** One of the two servers. */
export type Place = (typeof places)[number];
const homes = { source: 'plus', main: 'mia' } as const;
const databasesOfSource: readonly string[] = ['plus', 'campaign'];
const databasesOfMain: readonly string[] = [homes.main, 'ledger'];

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

const grants: Readonly<Record<Place, readonly (readonly [Account, string])[]>> = {
  source: [
    ['runner', 'SELECT ON plus.*'],
    ['runner', 'PROCESS ON *.*'],
    ['writer', 'ALL ON plus.*'],
    ['writer', 'ALL ON campaign.*'],
    ['control', 'SELECT ON plus.*'],
  ],
  main: [
    ['runner', 'SELECT, INSERT, UPDATE, DELETE ON mia.*'],
    ['runner', 'SELECT, INSERT, UPDATE, DELETE ON `closing\\_%`.*'],
    ['runner', 'PROCESS ON *.*'],
    ['caller', 'SELECT, INSERT, UPDATE, DELETE ON ledger.*'],
    ['control', 'SELECT ON mia.*'],
    ['control', 'ALL ON `control\\_%`.*'],
  ],
};

const tablesOfCommissionControl = [
  'CREATE TABLE position (shard CHAR(1) PRIMARY KEY, at DATETIME NOT NULL) ENGINE = InnoDB',
  `INSERT INTO position VALUES ${shards.map((shard) => `('${shard}', '2000-01-01')`).join(',')}`,
  'CREATE TABLE income_hour (user_id BIGINT UNSIGNED, hour DATETIME, amount BIGINT NOT NULL, PRIMARY KEY (user_id, hour)) ENGINE = InnoDB',
];

/** The accounts of a ledger that callers share, with the ids from 1 on, and one more that is hot. */
export const sharedAccounts = 100;

const tableOfCalls =
  'CREATE TABLE asked_for (number INT AUTO_INCREMENT PRIMARY KEY, is_answered BOOLEAN NOT NULL) ENGINE = InnoDB';

const bareLedger = [
  'CREATE TABLE account (PRIMARY KEY (account_id)) ENGINE = InnoDB AS SELECT * FROM ledger.account',
  'CREATE TABLE bill (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY) ENGINE = InnoDB AS SELECT * FROM ledger.bill',
  'CREATE TABLE open_hold ENGINE = InnoDB AS SELECT * FROM ledger.open_hold',
];

async function makeLedger(session: Session): Promise<void> {
  for (const { sql } of migrations.ledger) await session.write(sql);
  await openAccounts(session, sharedAccounts + 1);
}

/** Rows that go onto the other server in one statement. */
const rowsAtOnce = 1000;

type Servers = Readonly<Record<Place, TestServers>>;

async function startServers(): Promise<Servers> {
  const options = { variables: { innodb_print_all_deadlocks: 'ON' } };
  const [source, main] = await Promise.allSettled([startTestServers(options), startTestServers(options)]);
  if (source.status === 'fulfilled' && main.status === 'fulfilled') return { source: source.value, main: main.value };
  for (const start of [source, main]) if (start.status === 'fulfilled') await start.value.stop();
  throw [source, main].find((start) => start.status === 'rejected')?.reason;
}

export class Stage {
  /** Redis is the main one's; the other idles. */
  readonly servers: Servers;

  private constructor(servers: Servers) {
    this.servers = servers;
  }

  static async raise(): Promise<Stage> {
    const stage = new Stage(await startServers());
    try {
      await stage.#furnish();
      return stage;
    } catch (error) {
      await stage.strike();
      throw error;
    }
  }

  /** The address of a database, on the server that it is at home on, for an account; `port` where it is not the server's own. */
  url(account: Account, database: string, port?: number): string {
    const { mariadb } = this.servers[databasesOfSource.includes(database) ? 'source' : 'main'].addresses;
    return `mysql://${accounts[account]}:${mariadb.password}@${mariadb.host}:${port ?? mariadb.port}/${database}`;
  }

  redisUrl(port?: number): string {
    const { addresses } = this.servers.main;
    return redisUrl({ ...addresses, redis: { ...addresses.redis, port: port ?? addresses.redis.port } });
  }

  /** As whoever owns the server, for furnishing and checking. */
  open(place: Place, database: string = homes[place]): Promise<Session> {
    return openPatiently(mysqlUrl(this.servers[place].addresses, database));
  }

  /** Copies a database of the source onto the main server, in place of what was copied there before. */
  async bringOver(database: 'plus' | 'campaign', main: Session): Promise<void> {
    const source = await this.open('source', database);
    try {
      for (const [table] of await source.tuples('SHOW TABLES')) {
        await main.write(`TRUNCATE ${database}.${table}`);
        const rows = await source.tuples(`SELECT * FROM ${table}`);
        for (let from = 0; from < rows.length; from += rowsAtOnce)
          await main.write(`INSERT INTO ${database}.${table} VALUES ?`, [rows.slice(from, from + rowsAtOnce)]);
      }
    } finally {
      await source.close();
    }
  }

  async #furnish(): Promise<void> {
    for (const place of places) await this.#furnishServer(place);
    const [source, main] = [await this.open('source'), await this.open('main')];
    for (const { sql } of migrations.main) await main.write(sql);
    const ledger = await this.open('main', 'ledger');
    await makeLedger(ledger);
    await ledger.close();
    await main.write(await copyStatement(source, 'user_extension', 'user_extension'));
    await this.#makeTotalTable(source, main, checkpointOfRow);
    for (const control of everyControl) await this.#makeControlDatabase(source, main, control);
    for (const shard of hotShards) await fillShard(source, shard);
    await Promise.all([source, main].map((session) => session.close()));
  }

  /** The accounts, and the source's tables: on the main server for their copies. */
  async #furnishServer(place: Place): Promise<void> {
    const root = await this.open(place, 'mysql');
    for (const name of [...databasesOfSource, ...(place === 'main' ? databasesOfMain : [])])
      await root.write(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    await root.write(bookTable);
    const { password } = this.servers[place].addresses.mariadb;
    for (const account of Object.values(accounts))
      await root.write(`CREATE USER '${account}'@'127.0.0.1' IDENTIFIED BY '${password}'`);
    for (const [account, grant] of grants[place])
      await root.write(`GRANT ${grant} TO '${accounts[account]}'@'127.0.0.1'`);
    await root.close();
    const tables = await this.open(place, 'plus');
    await createPlatformTables(tables);
    await tables.close();
  }

  async #makeTotalTable(source: Session, target: Session, position: string): Promise<void> {
    await target.write(await copyStatement(source, 'plus_commission_log_0', 'plus_commission_log'));
    await target.write(auditTable);
    await target.write(auditTrigger('INSERT', position));
    await target.write(auditTrigger('UPDATE', position));
  }

  async #makeControlDatabase(source: Session, main: Session, control: ControlName): Promise<void> {
    const name = controlDatabase(control);
    await main.write(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
    const target = await this.open('main', name);
    const { tables } = controls[control];
    if (tables === 'commission') {
      await this.#makeTotalTable(source, target, 'NULL');
      for (const sql of tablesOfCommissionControl) await target.write(sql);
    } else if (tables === 'ledger') {
      await makeLedger(target);
      await target.write(tableOfCalls);
    } else for (const sql of bareLedger) await target.write(sql);
    await target.close();
  }

  /** Keeps the servers' files for a look, a folder for each, and answers where. */
  async keep(name: string): Promise<string> {
    const kept = join(tmpdir(), name);
    for (const place of places) {
      const { folder } = this.servers[place];
      await this.servers[place].killMariadb();
      await mkdir(join(kept, place), { recursive: true });
      const filter = (path: string) => !path.startsWith(join(folder, 'run'));
      await cp(folder, join(kept, place), { recursive: true, force: true, filter });
    }
    return kept;
  }

  async strike(): Promise<void> {
    await Promise.all(places.map((place) => this.servers[place].stop()));
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
