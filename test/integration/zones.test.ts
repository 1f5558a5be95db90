/**
 * Days of 23 and 25 hours, and of half an hour more or less: rows are stamped as a server in that zone stamps them,
 * while sync and rollup run through the change of the clocks.
 *
 * Income is by the hour that the text names. An hour that comes twice is one cell with the income of both; an hour that
 * is skipped has none; it is complete, and computed, when its last second is over for the last time.
 */
import { afterEach, describe, expect, inject, test } from 'vitest';
import { rollupIncome } from '../../jobs/rollup-income.ts';
import { syncCommissionLog } from '../../jobs/sync-commission-log.ts';
import type { Request } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import type { Instant } from '../../src/engine/zone.ts';
import { Session } from '../../src/platform/mysql.ts';
import { Clocks } from '../support/clocks.ts';
import { World } from '../support/world.ts';

const [minuteMs, hourMs] = [60_000, 3_600_000];
const request: Request = { kind: 'windows', range: null, dryRun: false, maxWindows: 99, waitForLock: false };
const jobs = [{ ...syncCommissionLog, shards: ['1'] }, rollupIncome] as const;

/** A source in a zone of its own, whose time the test turns. */
class Platform {
  readonly world: World;
  readonly clocks: Clocks;
  readonly #writer: Session;
  rows = 0;

  private constructor(world: World, clocks: Clocks, writer: Session) {
    this.world = world;
    this.clocks = clocks;
    this.#writer = writer;
  }

  static async create(zone: string): Promise<Platform> {
    const world = await World.create(inject('servers'), { settings: { TIDEMARK_TIMEZONE: zone } });
    const url = world.settings.SOURCE_DATABASE_URL as string;
    const writer = await Session.open({ url, label: 'source', setting: '-', stallTimeoutMs: 600_000 });
    return new Platform(world, new Clocks(zone), writer);
  }

  /** An application's statement at this instant; NOW() is what the clocks of the zone show then. */
  async #at(instant: Instant, sql: string): Promise<void> {
    await this.#writer.write(`SET timestamp = ${(instant + this.clocks.offset(instant)) / 1000}`); // in a session in UTC
    await this.#writer.write(sql);
  }

  async add(instant: Instant): Promise<void> {
    const id = ++this.rows;
    await this.#at(
      instant,
      `INSERT INTO plus_commission_log_1 VALUES (${id}, 1001, 'SN', ${id}, 1, 1, NULL, NOW(), NOW())`,
    );
  }

  /** Rows get a second version half an hour and more after the first: in a repeated hour, with an earlier text. */
  async change(instant: Instant, id: number): Promise<void> {
    if (id < 1) return;
    const set = 'amount = amount + 1000, update_time = NOW()';
    await this.#at(instant, `UPDATE plus_commission_log_1 SET ${set} WHERE id = ${id}`);
  }

  async run(job: 0 | 1, instant: Instant): Promise<string> {
    const setting = this.world.setting({
      jobs,
      windowRows: 5,
      openSource: async () => {
        const session = await this.world.setting().openSource();
        await session.write(`SET timestamp = ${instant / 1000}`);
        return session;
      },
    });
    const result = await runShard(jobs[job], job === 0 ? '1' : '', crypto.randomUUID(), request, setting);
    await setting.copies.close();
    expect(result.error).toBeNull();
    return this.world.zone.text(result.checkpoint as Instant);
  }

  async destroy(): Promise<void> {
    await this.#writer.close();
    await this.world.destroy();
  }
}

/** Two days around a change: a row every ten minutes, each changed 50 minutes later, and runs all the while. */
async function liveThrough(platform: Platform, change: Instant): Promise<{ checkpoints: string[] }> {
  const { world } = platform;
  const checkpoints: string[] = [];
  for (let at = change - 14 * hourMs; at < change + 26 * hourMs; at += 10 * minuteMs) {
    await platform.add(at);
    await platform.change(at + 1000, platform.rows - 5);
    const isNear = Math.abs(at - change) <= 2.5 * hourMs;
    if (!isNear && platform.rows % 7 !== 0) continue;
    checkpoints.push(await platform.run(0, at + 3000));
    const until = await platform.run(1, at + 4000);
    // Complete hours only, and each of them as the total table has it, at any time.
    const expected = await world.main.tuples(
      `SELECT user_id, CONCAT(LEFT(create_time, 13), ':00:00'), CAST(SUM(amount) AS CHAR), CAST(COUNT(*) AS CHAR)
         FROM plus_commission_log WHERE create_time < ? GROUP BY 1, 2 ORDER BY 2`,
      [`${until.slice(0, 13)}:00:00`],
    );
    expect(await world.incomeOfTarget(), until).toEqual(expected);
  }
  const end = change + 30 * hourMs;
  checkpoints.push(await platform.run(0, end));
  await platform.run(1, end);
  return { checkpoints };
}

let platform: Platform;
afterEach(() => platform.destroy());

describe.each([
  { zone: 'Europe/Berlin', change: '2025-10-26T01:00:00Z', repeated: ['02:00:00', '03:00:00'], minutes: 25 * 60 },
  { zone: 'Europe/Berlin', change: '2026-03-29T01:00:00Z', repeated: null, minutes: 23 * 60 },
  { zone: 'America/New_York', change: '2025-11-02T06:00:00Z', repeated: ['01:00:00', '02:00:00'], minutes: 25 * 60 },
  { zone: 'America/New_York', change: '2026-03-08T07:00:00Z', repeated: null, minutes: 23 * 60 },
  {
    zone: 'Australia/Lord_Howe',
    change: '2026-04-04T15:00:00Z',
    repeated: ['01:30:00', '02:00:00'],
    minutes: 24.5 * 60,
  },
  { zone: 'Australia/Lord_Howe', change: '2025-10-04T15:30:00Z', repeated: null, minutes: 23.5 * 60 },
  { zone: 'Pacific/Chatham', change: '2026-04-04T14:00:00Z', repeated: ['02:45:00', '03:45:00'], minutes: 25 * 60 },
  { zone: 'America/Havana', change: '2025-11-02T05:00:00Z', repeated: ['00:00:00', '01:00:00'], minutes: 25 * 60 },
])('in $zone, where the clocks change at $change', ({ zone, change, repeated, minutes }) => {
  test('nothing is lost or taken twice, no window closes in a repeated hour, and income is right by the hour', async () => {
    platform = await Platform.create(zone);
    const { world } = platform;
    const { checkpoints } = await liveThrough(platform, Date.parse(change));

    expect(await world.all(world.main, 'plus_commission_log')).toEqual(
      await world.all(world.source, 'plus_commission_log_1'),
    );
    expect(checkpoints.toSorted()).toEqual(checkpoints);
    const windows = await world.main.tuples(
      `SELECT window_start, window_end FROM tidemark_window WHERE job = 'sync-commission-log' ORDER BY 1`,
    );
    expect(windows.slice(1).map(([start]) => start)).toEqual(windows.slice(0, -1).map(([, end]) => end));

    const day = world.zone.text(Date.parse(change)).slice(0, 10);
    if (repeated !== null) {
      const inside = checkpoints.filter((at) => at > `${day} ${repeated[0]}` && at < `${day} ${repeated[1]}`);
      expect(inside).toEqual([]);
    }
    expect(await world.incomeOfTarget()).toEqual(await world.incomeOfSource('2100-01-01'));
    const [total] = await world.main.tuples(
      `SELECT SUM(entries) FROM user_income_hour WHERE hour >= '${day}' AND hour < '${day}' + INTERVAL 1 DAY`,
    );
    expect(Number(total?.[0]), 'a row every ten minutes of that day').toBe(minutes / 10);
  });
});

test('an hour of which the clocks skip the beginning is no whole hour while it lasts', async () => {
  platform = await Platform.create('Australia/Lord_Howe');
  const { world } = platform;
  const change = Date.parse('2025-10-04T15:30:00Z'); // from 02:00 to 02:30
  await platform.add(change - hourMs);
  await platform.add(change + 5 * minuteMs);
  await platform.run(0, change + 10 * minuteMs);
  await platform.run(1, change + 10 * minuteMs);
  expect((await world.incomeOfTarget()).map(([, hour]) => hour)).toEqual(['2025-10-05 01:00:00']);
  await platform.run(0, change + hourMs);
  await platform.run(1, change + hourMs);
  expect((await world.incomeOfTarget()).map(([, hour]) => hour)).toEqual([
    '2025-10-05 01:00:00',
    '2025-10-05 02:00:00',
  ]);
  // A range up to it takes nothing of it away.
  const range = { start: world.zone.hour(change - hourMs), end: world.zone.hour(change + minuteMs) };
  const setting = world.setting({ jobs });
  const again = await runShard(rollupIncome, '', crypto.randomUUID(), { ...request, kind: 'range', range }, setting);
  await setting.copies.close();
  expect(again).toMatchObject({ error: null, findings: [] });
  expect(await world.incomeOfTarget()).toHaveLength(2);
});
