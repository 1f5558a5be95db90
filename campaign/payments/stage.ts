/**
 * Where a campaign of payments plays: one private MariaDB with a ledger and, for each control, a database of its own;
 * one Redis; and two sandbox gateways, processes of their own that nobody kills, because a provider is not ours to kill:
 * one for tidemark, one for the controls, so that its log of requests tells of tidemark alone.
 */
import { cp, mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrations, payOrders } from '../../migrations/index.ts';
import type { Session } from '../../src/platform/mysql.ts';
import { mysqlUrl, redisUrl, startTestServers, type TestServers } from '../../test/support/servers.ts';
import { openPatiently } from '../sessions.ts';
import { type ControlName, everyControl } from './controls/list.ts';
import { wantedTable } from './controls/payer.ts';
import { openingFen } from './errands.ts';
import { Gateway } from './gateway.ts';

/** Wallets, with the ids from 1 on: so many that few are asked for a second payout within ten seconds. */
export const accounts = 2000;
/** Over which the orders are spread. */
const tables = 4;
/** Of a control. */
export const controlAccounts = 50;

export const controlDatabase = (control: ControlName): string => `control_${control.replaceAll('-', '_')}`;

export interface StageOptions {
  readonly seed: number;
  /** Of the requests to a gateway, this share is answered wrongly. */
  readonly faultShare: number;
}

export class Stage {
  readonly servers: TestServers;
  readonly gateway: Gateway;
  readonly controlGateway: Gateway;
  /** Where notices go. */
  readonly noticePort: number;

  private constructor(servers: TestServers, gateway: Gateway, controlGateway: Gateway, noticePort: number) {
    this.servers = servers;
    this.gateway = gateway;
    this.controlGateway = controlGateway;
    this.noticePort = noticePort;
  }

  static async raise({ seed, faultShare }: StageOptions): Promise<Stage> {
    const servers = await startTestServers({ variables: { innodb_print_all_deadlocks: 'ON' } });
    const gateways: Gateway[] = [];
    try {
      const noticePort = await freePort();
      const noticeUrl = `http://127.0.0.1:${noticePort}`;
      for (const [name, options] of [
        ['gateway', { seed, faultShare, noticeUrl }],
        ['control-gateway', { seed: seed + 1, faultShare, noticeUrl: null }],
      ] as const)
        gateways.push(await Gateway.start({ ...options, folder: join(servers.folder, name) }));
      const [gateway, controlGateway] = gateways as [Gateway, Gateway];
      const stage = new Stage(servers, gateway, controlGateway, noticePort);
      await stage.#furnish();
      return stage;
    } catch (error) {
      for (const gateway of gateways) await gateway.stop();
      await servers.stop();
      throw error;
    }
  }

  url(database = 'ledger'): string {
    return mysqlUrl(this.servers.addresses, database);
  }

  open(database = 'ledger'): Promise<Session> {
    return openPatiently(this.url(database));
  }

  get redisUrl(): string {
    return redisUrl(this.servers.addresses);
  }

  /** What tidemark and the programs around it are told. */
  get settings(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      LEDGER_DATABASE_URL: this.url(),
      REDIS_URL: this.redisUrl,
      TIDEMARK_TIMEZONE: 'Asia/Shanghai',
      TIDEMARK_STALL_TIMEOUT: '5s',
      TIDEMARK_PROVIDER_TIMEOUT: '2s',
      ...this.gateway.settings,
    };
  }

  async #furnish(): Promise<void> {
    const root = await this.open('mysql');
    for (const database of ['ledger', ...everyControl.map(controlDatabase)])
      await root.write(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`);
    await root.close();
    const ledger = await this.open();
    for (const { sql } of [...migrations.ledger, ...payOrders(tables)]) await ledger.write(sql);
    await fillWallets(ledger, accounts);
    await ledger.close();
    for (const control of everyControl) await this.#furnishControl(control);
  }

  async #furnishControl(control: ControlName): Promise<void> {
    const session = await this.open(controlDatabase(control));
    for (const { sql } of migrations.ledger) await session.write(sql);
    await fillWallets(session, controlAccounts);
    await session.write(wantedTable);
    await session.close();
  }

  /** Keeps the servers' files for a look, and answers where. */
  async keep(name: string): Promise<string> {
    const kept = join(tmpdir(), name);
    const { folder } = this.servers;
    await this.servers.killMariadb();
    await mkdir(kept, { recursive: true });
    await cp(folder, kept, { recursive: true, force: true, filter: (path) => !path.startsWith(join(folder, 'run')) });
    return kept;
  }

  async strike(): Promise<void> {
    await Promise.all([this.gateway.stop(), this.controlGateway.stop()]);
    await this.servers.stop();
  }
}

/** Wallets with money in them, each by a bill. */
async function fillWallets(session: Session, count: number): Promise<void> {
  await session.write(`INSERT INTO account (account_id, kind) SELECT seq, 'prepaid' FROM seq_1_to_${count}`);
  await session.write(`INSERT INTO bill (bill_id, channel, account_id, amount, held_change, result, sequence, balance_before, balance_after,
      held_before, held_after, caller, info, done_at)
    SELECT seq, 'recharge', seq, ${openingFen}, 0, 'success', 1, 0, ${openingFen}, 0, 0, 'campaign', 'opening', NOW() FROM seq_1_to_${count}`);
  await session.write(`UPDATE account SET balance = ${openingFen}, sequence = 1`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
