import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/engine/clock.ts';
import type { Job } from '../../src/engine/job.ts';
import { Zone } from '../../src/engine/zone.ts';
import { silentLog } from '../../src/platform/log.ts';
import { inOrder, owes } from '../../src/schedule/catch-up.ts';
import { healthOf, isAlive } from '../../src/schedule/health.ts';
import { type Became, Scheduler } from '../../src/schedule/scheduler.ts';
import { nameOf, type Start, startsOf, timetableOf } from '../../src/schedule/timetable.ts';

const zone = new Zone('Asia/Shanghai');
const job = (name: string, more: object = {}): Job =>
  ({ name, summary: name, shards: [], schedule: '*/2 * * * *', target: 'main', source: {}, ...more }) as unknown as Job;
const begin = Date.parse('2026-11-20T03:00:30+08:00');
const seconds = (ms: number) => Math.round((ms - begin) / 1000);

describe('the scheduler', () => {
  let begun: [name: string, at: number][];
  let stop: AbortController;
  let scheduler: Scheduler;
  beforeEach(() => {
    vi.useFakeTimers({ now: begin, toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
    begun = [];
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    const over = scheduler.end();
    await vi.advanceTimersByTimeAsync(200_000);
    await over;
    vi.useRealTimers();
  });

  const clock = { now: () => Date.now(), sleep: (ms: number) => new Promise<void>((done) => setTimeout(done, ms)) };
  async function start(jobs: readonly Job[], work: (start: Start) => Promise<Became> = async () => 'done') {
    scheduler = new Scheduler({
      starts: timetableOf(jobs, []).flatMap(startsOf),
      zone: zone.name,
      clock,
      log: silentLog,
      work: (start) => {
        begun.push([nameOf(start), seconds(Date.now())]);
        return work(start);
      },
      stop: stop.signal,
    });
    await scheduler.begin();
  }
  const later = (ms: number) => new Promise<Became>((done) => setTimeout(() => done('done'), ms));

  test('starts at the times of the business zone, shards one behind the other', async () => {
    await start([
      job('nightly', { schedule: '2 3 * * *' }),
      job('sync', { shards: ['a', 'b', 'c'], staggerSeconds: 6 }),
    ]);
    await vi.advanceTimersByTimeAsync(230_000);
    expect(begun).toEqual([
      ['nightly', 90],
      ['sync a', 90],
      ['sync b', 96],
      ['sync c', 102],
      ['sync a', 210],
      ['sync b', 216],
      ['sync c', 222],
    ]);
  });

  test('starts that come while the former still runs are made up for right after it, by one for all', async () => {
    const tooLong = [150_000, 1000];
    await start([job('slow', { schedule: '* * * * *' })], () => later(tooLong.shift() ?? 1000));
    await vi.advanceTimersByTimeAsync(240_000);
    expect(begun.map(([, at]) => at)).toEqual([30, 180, 210]);
    expect(scheduler.posts[0]?.owed).toBe(null);
  });

  test('a run that always takes too long never overlaps itself, also where it fails; a sweep waits for its next time', async () => {
    const sweep = { schedule: '* * * * *', options: ['--sweep'], why: '' };
    const failing = job('slow', { schedule: '* * * * *', also: [sweep] });
    let atOnce = 0;
    await start([failing], async ({ entry }) => {
      if (entry.kind !== 'sweep') atOnce += 1;
      expect(atOnce).toBeLessThanOrEqual(1);
      await later(70_000);
      if (entry.kind !== 'sweep') atOnce -= 1;
      throw new Error('no');
    });
    await vi.advanceTimersByTimeAsync(290_000);
    const of = (wanted: string) => begun.filter(([name]) => name === wanted).map(([, at]) => at);
    expect(of('slow')).toEqual([30, 100, 170, 240]);
    expect(of('slow --sweep')).toEqual([30, 150, 270]);
  });

  test('what is due before the work of a start has begun, in its wait behind others, is taken by it', async () => {
    await start([job('sync', { schedule: '* * * * *', shards: ['a', 'b'], staggerSeconds: 70 })]);
    await vi.advanceTimersByTimeAsync(115_000);
    expect(begun.filter(([name]) => name === 'sync b')).toEqual([['sync b', 100]]);
  });

  test('what throws ends nothing, and starts again at its next time', async () => {
    await start([job('bad', { schedule: '* * * * *' })], () => Promise.reject(new Error('no')));
    await vi.advanceTimersByTimeAsync(100_000);
    expect(begun.map(([, at]) => at)).toEqual([30, 90]);
  });

  test('what a server that is away has kept from working is tried again before its next time, less and less often', async () => {
    let isAway = true;
    await start([job('daily', { schedule: '1 3 * * *' })], async () => (isAway ? 'owed' : 'done'));
    await vi.advanceTimersByTimeAsync(300_000);
    const pauses = begun.slice(1).map(([, at], index) => at - (begun[index]?.[1] ?? 0));
    expect(pauses.length).toBeGreaterThan(3);
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    isAway = false;
    await vi.advanceTimersByTimeAsync(400_000);
    const tried = begun.length;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(begun.length).toBe(tried);
    expect(scheduler.posts[0]?.owed).toBe(null);
  });

  test('times that passed while the process stood still are made up for, once, in order of dependency', async () => {
    await start([job('after', { follows: 'sync', rangeUnit: 'hour', source: undefined }), job('sync')]);
    vi.setSystemTime(begin + 7_200_000);
    await vi.advanceTimersByTimeAsync(6000);
    expect(begun.map(([name]) => name)).toEqual(['sync', 'after']);
  });

  test('what is made up for at the beginning goes one by one; what a server kept from working is tried again meanwhile', async () => {
    await start(
      ['long', 'after', 'away'].map((name) => job(name, { schedule: name === 'away' ? '1 3 * * *' : '0 5 * * *' })),
      async ({ entry }) => {
        if (entry.name === 'away') return begun.filter(([name]) => name === 'away').length > 1 ? 'done' : 'owed';
        return later(600_000);
      },
    );
    const missed = scheduler.posts.filter(({ name }) => name !== 'away');
    scheduler.owe(new Map(missed.map((post) => [post.start, begin - 3_600_000])));
    await vi.advanceTimersByTimeAsync(595_000);
    expect(begun).toEqual([
      ['long', 0],
      ['away', 30],
      ['away', expect.toSatisfy((at: number) => at >= 45 && at <= 55)],
    ]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(begun.at(-1)).toEqual(['after', 600]);
    await vi.advanceTimersByTimeAsync(600_000);
  });

  test('a clock that goes back does not silence it', async () => {
    await start([job('sync')]);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(begun).toHaveLength(1);
    vi.setSystemTime(Date.now() - 3_600_000);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(begun.length).toBeGreaterThanOrEqual(3);
  });

  test('what waits to be tried again does not wait for as long as the clock went back', async () => {
    await start([job('nightly', { schedule: '2 3 * * *' })], async () => 'owed');
    await vi.advanceTimersByTimeAsync(100_000);
    expect(begun).toHaveLength(1);
    vi.setSystemTime(Date.now() - 7_200_000);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(begun.length).toBeGreaterThanOrEqual(2);
  });

  test('nothing begins any more once it is to stop; what runs comes to its end', async () => {
    let ended = 0;
    await start(
      [job('slow', { schedule: '* * * * *' }), job('other', { shards: ['a', 'b'], staggerSeconds: 20 })],
      async () => {
        await later(40_000);
        ended += 1;
        return 'done';
      },
    );
    await vi.advanceTimersByTimeAsync(95_000);
    const count = begun.length;
    stop.abort();
    const over = scheduler.end();
    await vi.advanceTimersByTimeAsync(600_000);
    await over;
    expect(begun.length).toBe(count);
    expect(ended).toBe(count);
  });
});

describe('what is owed at a start', () => {
  const [plain, sweep] = timetableOf(
    [job('sync', { also: [{ schedule: '35 * * * *', options: ['--sweep'], why: '' }] })],
    [],
  ).flatMap(startsOf) as [Start, Start];
  const now = Date.parse('2026-11-20T10:40:00+08:00');
  const at = (clock: string) => ({ at: Date.parse(`2026-11-20T${clock}+08:00`), tried: true });

  test('a time since the last run that needs no other', () => {
    expect(owes(sweep, [at('10:35:00')], now, zone.name)).toBe(null);
    expect(owes(sweep, [at('10:34:59')], now, zone.name)).toBe(at('10:35:00').at);
    expect(owes(sweep, [at('10:35:01'), at('08:00:00')], now, zone.name)).toBe(at('10:35:00').at);
  });

  test('a job that never ran; but no sweep that never was, unless it was killed', () => {
    expect(owes(plain, [{ at: null, tried: false }], now, zone.name)).toBe(now);
    expect(owes(sweep, [{ at: null, tried: false }], now, zone.name)).toBe(null);
    expect(owes(sweep, [{ at: null, tried: true }], now, zone.name)).toBe(at('10:35:00').at);
  });

  test('jobs come before those that follow them, and plain runs before the others', () => {
    const jobs = [
      job('c', { follows: 'b', source: undefined }),
      job('b', { follows: 'a', source: undefined }),
      job('a', { also: [{ schedule: '0 3 * * *', options: ['--sweep'], why: '' }] }),
    ];
    const chore = { command: ['verify'], schedule: '0 3 * * *', why: '' };
    expect(inOrder(timetableOf(jobs, [chore]).flatMap(startsOf)).map(nameOf)).toEqual([
      'a',
      'b',
      'c',
      'a --sweep',
      'verify',
    ]);
  });
});

test('health: late is alive; no ticks, or stopping, is not', () => {
  const scheduler = new Scheduler({
    starts: timetableOf([job('sync')], []).flatMap(startsOf),
    zone: zone.name,
    clock: systemClock,
    log: silentLog,
    work: async () => 'done',
    stop: new AbortController().signal,
  });
  const times = { startedAt: begin, lastTick: begin, now: begin + 10_000 };
  const [post] = scheduler.posts;
  if (post !== undefined) post.owed = begin;
  const late = healthOf(scheduler.posts, times, false, zone);
  expect(late).toMatchObject({
    status: 'late',
    late: [{ name: 'sync', due: '2026-11-20T03:00:30+08:00', failures: 0 }],
  });
  expect(isAlive(late)).toBe(true);
  expect(isAlive(healthOf(scheduler.posts, { ...times, now: begin + 61_000 }, false, zone))).toBe(false);
  expect(isAlive(healthOf(scheduler.posts, times, true, zone))).toBe(false);
});
