/**
 * A ledger with bills and a folder with statements, and `reconcile-day` run as if it were a chosen time in Shanghai.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import type { Session } from '../../src/platform/mysql.ts';
import type { Entry } from '../../src/reconciliation/entry.ts';
import { addBills, type BillRow } from './ledger-rows.ts';
import type { ServerAddresses } from './servers.ts';
import { World } from './world.ts';

const written = [
  'difference',
  'reconciliation_day',
  'statement_entry',
  'open_hold',
  'tidemark_checkpoint',
  'tidemark_window',
  'tidemark_run',
];

export type Shard = 'ledger' | 'initiator' | 'alipay' | 'wechat';

export class ReconcileScene {
  readonly world: World;
  readonly folder: string;
  #nextBill = 1n;

  private constructor(world: World, folder: string) {
    this.world = world;
    this.folder = folder;
  }

  static async create(addresses: ServerAddresses): Promise<ReconcileScene> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-scene-'));
    const world = await World.create(addresses, { ledger: true, settings: { TIDEMARK_STATEMENTS: folder } });
    return new ReconcileScene(world, folder);
  }

  /** As if nothing had ever been. */
  async empty(): Promise<void> {
    const { ledger, redis, settings } = this.world;
    await ledger.write('SET SESSION foreign_key_checks = 0');
    for (const table of [...written, 'bill', 'account']) await ledger.write(`DELETE FROM ${table}`);
    await ledger.write('SET SESSION foreign_key_checks = 1');
    for (const key of await redis.keys(`${settings.TIDEMARK_REDIS_PREFIX}*`)) await redis.del(key);
    await rm(this.folder, { recursive: true });
    await mkdir(this.folder);
  }

  /** Bills of what our side did; each entry of an account of its own. */
  async book(entries: readonly Entry[], provider: string | null): Promise<void> {
    await addBills(
      this.world.ledger,
      entries.map((entry) => this.billOf(entry, provider)),
    );
  }

  billOf({ reference, amount, fee, status, occurredAt }: Entry, provider: string | null): BillRow {
    const billId = provider === null ? BigInt(reference) : 500_000_000_000n + this.#nextBill++;
    return {
      billId,
      amount,
      doneAt: this.utc(occurredAt),
      channel: provider === null ? (amount < 0n ? 'charge' : 'recharge') : amount < 0n ? 'rollback' : 'recharge',
      accountId: 1n + (billId % 50n),
      result: status,
      provider,
      orderId: provider === null ? null : reference,
      fee: provider === null ? null : fee,
    };
  }

  /** The text of a TIMESTAMP for a business time. */
  utc(local: string): string {
    return new Date(this.world.zone.fromText(local) as number).toISOString().slice(0, 19).replace('T', ' ');
  }

  /** Brings a statement file. */
  async bring(counterpart: string, name: string, content: Buffer): Promise<void> {
    await mkdir(join(this.folder, counterpart), { recursive: true });
    await writeFile(join(this.folder, counterpart, name), content);
  }

  /** Runs a shard as if it were this business time. */
  runAt(time: string, shard: Shard, request: Partial<Request> = {}, more: Partial<Setting> = {}): Promise<ShardResult> {
    const now = this.world.zone.fromText(time) as number;
    const setting = this.world.setting();
    const at = async (opening: Promise<Session>) => {
      const session = await opening;
      await session.write(`SET timestamp = ${now / 1000}`);
      return session;
    };
    return this.world.runShard('reconcile-day', shard, request, {
      clock: { ...setting.clock, now: () => now },
      openTarget: (job) => at(setting.openTarget(job)),
      openDatabase: (name) => at(setting.openDatabase(name)),
      ...more,
    });
  }

  /** A day once more. */
  again(time: string, shard: Shard, day: string): Promise<ShardResult> {
    const start = this.world.zone.fromText(`${day} 00:00:00`) as number;
    return this.runAt(time, shard, { kind: 'range', range: { start, end: this.world.zone.nextPeriod('day', start) } });
  }

  /** `day direction reference outcome`, in order. */
  async differences(counterpart: string): Promise<string[]> {
    const rows = await this.world.ledger.tuples(
      'SELECT day, direction, reference, outcome FROM difference WHERE counterpart = ? ORDER BY day, reference, direction',
      [counterpart],
    );
    return rows.map((row) => row.join(' '));
  }

  async destroy(): Promise<void> {
    await this.world.destroy();
    await rm(this.folder, { recursive: true, force: true });
  }
}
