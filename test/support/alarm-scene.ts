/**
 * A world in which all is well at a moment of the test's choosing: every shard has just run, and is up to date. The test
 * makes something wrong, and watches, in this process and with a clock of its own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jobs } from '../../jobs/index.ts';
import { migrations, payOrders } from '../../migrations/index.ts';
import type { Channel } from '../../src/alarms/channel.ts';
import type { Message } from '../../src/alarms/message.ts';
import { type Watch, type WatchBy, watchOnce } from '../../src/cli/watch.ts';
import { isDueJob, isPeriodJob, type Job, shardNames } from '../../src/engine/job.ts';
import type { Instant } from '../../src/engine/zone.ts';
import { Config } from '../../src/platform/config.ts';
import { Databases } from '../../src/platform/databases.ts';
import type { ServerAddresses } from './servers.ts';
import { World, type WorldOptions } from './world.ts';

export interface RunRow {
  readonly job: string;
  readonly shard?: string;
  readonly kind?: string;
  readonly at: Instant;
  /** Null: it has not ended. */
  readonly outcome?: string | null;
  readonly error?: string;
  readonly host?: string;
  readonly pid?: number;
}

/** A channel that keeps what it is given. */
class Recorder implements Channel {
  readonly name = 'recorder';
  readonly messages: Message[] = [];
  /** Why it takes nothing, when it does not. */
  broken: string | null = null;
  /** Before it answers. */
  beforeAnswer: () => Promise<void> = async () => undefined;

  send = async (message: Message): Promise<null> => {
    await this.beforeAnswer();
    if (this.broken !== null) throw new Error(this.broken);
    this.messages.push(message);
    return null;
  };

  /** All that was told since the last call. */
  take(): string[] {
    return this.messages.splice(0).map((message) => message.text());
  }
}

export class AlarmScene {
  readonly world: World;
  readonly told = new Recorder();
  readonly folder: string;
  readonly #config: Config;
  #runs = 0;

  private constructor(world: World, folder: string, config: Config = world.config) {
    this.world = world;
    this.folder = folder;
    this.#config = config;
  }

  static async create(addresses: ServerAddresses, options: WorldOptions = {}): Promise<AlarmScene> {
    const world = await World.create(addresses, options);
    return new AlarmScene(world, await mkdtemp(join(tmpdir(), 'tidemark-alarms-')));
  }

  async destroy(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
    await this.world.destroy();
  }

  at(text: string): Instant {
    return this.world.zone.fromText(text) as Instant;
  }

  #jobs(): readonly Job[] {
    return jobs.filter(({ target }) => target === 'main' || this.world.settings.LEDGER_DATABASE_URL !== undefined);
  }

  session({ target }: Pick<Job, 'target'>) {
    return target === 'main' ? this.world.main : this.world.ledger;
  }

  /** Nothing stands, nothing is remembered, and every shard has run a minute ago. */
  async allWell(now: Instant): Promise<void> {
    const { world } = this;
    this.told.take();
    this.told.broken = null;
    for (const session of world.settings.LEDGER_DATABASE_URL === undefined ? [world.main] : [world.main, world.ledger])
      for (const table of ['run', 'checkpoint', 'dead_letter', 'pause'])
        await session.write(`DELETE FROM tidemark_${table}`);
    await world.main.write('DELETE FROM tidemark_alarm');
    await this.allRun(now);
  }

  /** Every shard has run a minute ago, but for one. What is remembered stays. */
  async allRun(now: Instant, but?: { readonly job: string; readonly shard: string }): Promise<void> {
    const { zone } = this.world;
    const [ran, moved] = [zone.text(now - 60_000), zone.text(now - 120_000)];
    for (const target of ['main', 'ledger'] as const) {
      const all = this.#jobs().filter((job) => job.target === target);
      const shards = all
        .flatMap((job) => shardNames(job).map((shard) => ({ job, shard })))
        .filter(({ job, shard }) => job.name !== but?.job || shard !== but.shard);
      if (shards.length === 0) continue;
      const runs = shards.map(({ job, shard }) => {
        this.#runs += 1;
        return [`run ${this.#runs}`, job.name, shard, isDueJob(job) ? 'due' : 'windows', 'db9', 4711, ran, ran, 'done'];
      });
      const checkpoints = shards
        .filter(({ job }) => !isDueJob(job))
        .map(({ job, shard }) => {
          const at = isPeriodJob(job) ? zone.text(zone.periodStart(job.period, now)) : moved;
          return [job.name, shard, at, 'test', moved];
        });
      const session = this.session({ target });
      await session.write(
        'INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at, outcome) VALUES ?',
        [runs],
      );
      await session.write(
        `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ?
         ON DUPLICATE KEY UPDATE checkpoint = VALUES(checkpoint), moved_at = VALUES(moved_at)`,
        [checkpoints],
      );
    }
  }

  async run({ job, shard = '', kind = 'windows', at, outcome = 'done', ...row }: RunRow): Promise<void> {
    const { zone } = this.world;
    const { target } = jobs.find(({ name }) => name === job) as Job;
    this.#runs += 1;
    await this.session({ target }).write(
      'INSERT INTO tidemark_run (run_id, job, shard, kind, host, pid, started_at, ended_at, outcome, error) VALUES (?)',
      [
        [
          `00000000-0000-4000-8000-${String(this.#runs).padStart(12, '0')}`,
          job,
          shard,
          kind,
          row.host ?? 'db9',
          row.pid ?? 4711,
          zone.text(at),
          outcome === null ? null : zone.text(at + 1000),
          outcome,
          row.error ?? null,
        ],
      ],
    );
  }

  async checkpoint(job: string, shard: string, at: Instant): Promise<void> {
    const { zone } = this.world;
    const { target } = jobs.find(({ name }) => name === job) as Job;
    const text = zone.text(at);
    await this.session({ target }).write(
      `INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES (?)
       ON DUPLICATE KEY UPDATE checkpoint = VALUES(checkpoint), moved_at = VALUES(moved_at)`,
      [[job, shard, text, 'test', text]],
    );
  }

  async pause(job: string, shard: string, since: Instant): Promise<void> {
    const values = [job, shard, 'moving house', 'kim', this.world.zone.text(since)];
    await this.world.main.write('INSERT INTO tidemark_pause (job, shard, reason, who, since) VALUES (?)', [values]);
  }

  /** An open dead letter of a job in the main database. */
  async letter(job: string, key: string, repairs: number): Promise<void> {
    await this.world.main.write(
      `INSERT INTO tidemark_dead_letter (job, shard, row_key, content, reason, code, attempts, run_id, first_at, last_at, repairs)
       VALUES (?, '', ?, '{}', 'too long', 1406, 1, 'test', '2026-11-19 10:00:00', '2026-11-19 10:00:00', ?)`,
      [job, key, repairs],
    );
  }

  /** The same world, with other settings. */
  with(settings: Readonly<Record<string, string>>): AlarmScene {
    const config = Config.read({ environment: { ...this.world.settings, ...settings }, workingFolder: this.folder });
    return new AlarmScene(this.world, this.folder, config);
  }

  /** What a watch finds and tells; the recorder is its channel unless others are named. */
  watch(
    now: Instant,
    { jobs: watched = jobs, ...more }: Partial<WatchBy & { jobs: readonly Job[] }> = {},
  ): Promise<Watch> {
    const { zone } = this.world;
    const config = this.#config;
    const surroundings = { config, zone, databases: new Databases(config) };
    const by = { channels: [this.told], now, isDryRun: false, folder: this.folder, ...more };
    return watchOnce({ jobs: watched, migrations, payOrders }, surroundings, by);
  }

  /** The keys of what stands, and all that was told. */
  async look(now: Instant, more: Parameters<AlarmScene['watch']>[1] = {}): Promise<{ keys: string[]; told: string[] }> {
    const { standing } = await this.watch(now, more);
    return { keys: standing.map(({ key }) => key).sort(), told: this.told.take() };
  }
}
