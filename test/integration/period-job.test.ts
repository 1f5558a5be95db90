/** A job that works by whole days: when a day is due, what holds it back, and what its runs tell. */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { defineJob, type Part, type PeriodJob } from '../../src/engine/job.ts';
import type { Request, Setting, ShardResult } from '../../src/engine/run.ts';
import { runShard } from '../../src/engine/runner.ts';
import { setCheckpoint } from '../../src/engine/set-checkpoint.ts';
import { World } from '../support/world.ts';

let world: World;
let applied: string[];
beforeAll(async () => {
  world = await World.create(inject('servers'), { ledger: true });
  await world.ledger.write(
    'CREATE TABLE event (id INT PRIMARY KEY AUTO_INCREMENT, at TIMESTAMP NOT NULL, KEY (at, id))',
  );
  await world.ledger.write('CREATE TABLE event_day (day CHAR(10) PRIMARY KEY, events INT)');
});
afterAll(() => world.destroy());
beforeEach(async () => {
  applied = [];
  for (const table of ['event', 'event_day', 'tidemark_checkpoint', 'tidemark_window', 'tidemark_run'])
    await world.ledger.write(`DELETE FROM ${table}`);
  await world.main.write('DELETE FROM tidemark_checkpoint');
  await world.forgetRedis('count-events');
});

const dayMs = 86_400_000;
const today = () => world.zone.periodStart('day', Date.now());
const nameOf = (daysAgo: number) => world.zone.periodName('day', today() - daysAgo * dayMs + dayMs / 2);
const utc = (instant: number) => new Date(instant).toISOString().slice(0, 19).replace('T', ' ');
/** An event at noon of a day. */
const addEvent = (daysAgo: number) =>
  world.ledger.write('INSERT INTO event (at) VALUES (?)', [utc(today() - daysAgo * dayMs + dayMs / 2)]);

const counts = { read: 1, inserted: 1, updated: 0, unchanged: 0, deadLetters: 0 };
const countEvents: PeriodJob = {
  name: 'count-events',
  summary: 'counts events by the day',
  shards: [],
  schedule: '0 1 * * *',
  target: 'ledger',
  period: 'day',
  needs: { table: 'event', time: 'at', key: 'id' },
  async oldest({ target }) {
    const [row] = await target.tuples('SELECT MIN(at) FROM event');
    return row?.[0] ? Date.parse(`${String(row[0]).replace(' ', 'T')}Z`) : null;
  },
  async apply({ period, window, target, resume, total }): Promise<Part> {
    applied.push(period);
    const [row] = await target.tuples('SELECT COUNT(*) FROM event WHERE at >= ? AND at < ?', [
      utc(window.start),
      utc(window.end),
    ]);
    await target.write('REPLACE INTO event_day VALUES (?, ?)', [period, Number(row?.[0])]);
    if (resume === null) total('events', { rows: Number(row?.[0]) });
    return { counts, resume: null };
  },
};

async function run(
  job: Partial<PeriodJob> = {},
  request: Partial<Request> = {},
  more: Partial<Setting> = {},
): Promise<ShardResult> {
  const own = defineJob({ ...countEvents, ...job });
  const upstream = { name: 'upstream', target: 'main', shards: ['a', 'b'] } as unknown as typeof own;
  const setting = world.setting({ jobs: [own, upstream], ...more });
  const all = {
    kind: 'windows',
    range: null,
    dryRun: false,
    maxWindows: 99,
    waitForLock: false,
    ...request,
  } as Request;
  const result = await runShard(own, '', crypto.randomUUID(), all, setting);
  await setting.copies.close();
  return result;
}
const fine = async (running: Promise<ShardResult>) => {
  const result = await running;
  expect(result.error).toBeNull();
  return result;
};
const days = () => world.ledger.tuples('SELECT day, events FROM event_day ORDER BY day');

describe('days that are over', () => {
  test('are taken one by one from the oldest event on, each whole; today is not', async () => {
    await addEvent(3);
    await addEvent(1);
    await addEvent(0);
    expect(await fine(run())).toMatchObject({ outcome: 'done', windows: 3, checkpoint: today() });
    expect(await days()).toEqual([
      [nameOf(3), 1],
      [nameOf(2), 0],
      [nameOf(1), 1],
    ]);
    expect(await fine(run())).toMatchObject({ outcome: 'nothing-due', windows: 0 });
    const windows = await world.ledger.tuples('SELECT window_start, window_end FROM tidemark_window ORDER BY 1');
    expect(windows.map(([start]) => String(start).slice(0, 10))).toEqual([nameOf(3), nameOf(2), nameOf(1)]);
  });

  test('without any event, the first run begins today', async () => {
    expect(await fine(run())).toMatchObject({ windows: 0, checkpoint: today() });
    expect(applied).toEqual([]);
  });

  test('that somebody asks for again are taken again; beyond the checkpoint only where the job allows it', async () => {
    await addEvent(2);
    await fine(run({}, { maxWindows: 1 }));
    const range = { start: today() - 2 * dayMs, end: today() };
    expect((await run({}, { kind: 'range', range })).error).toMatchObject({ exitCode: 64 });
    expect(await fine(run({ rangeMayLead: true }, { kind: 'range', range }))).toMatchObject({ windows: 2 });
    expect(await fine(run())).toMatchObject({ windows: 1 });
  });

  test('are all taken again by a full run, those from before an adoption not', async () => {
    await addEvent(9);
    const name = { job: 'count-events', shard: '' };
    const adopted = { to: today() - 2 * dayMs, runId: 'test', now: Date.now() };
    await setCheckpoint(world.ledger, name, adopted, world.zone);
    expect(await fine(run({}, { kind: 'full', maxWindows: 1 }))).toMatchObject({ windows: 1 });
    expect(applied).toEqual([nameOf(2)]);
    await fine(run());
    applied = [];
    expect(await fine(run({}, { kind: 'full' }))).toMatchObject({ windows: 2 });
    expect(applied).toEqual([nameOf(2), nameOf(1)]);
  });

  test('are not taken by name before they are over and complete', async () => {
    await addEvent(0);
    const lead = { rangeMayLead: true } as const;
    const of = (start: number) => ({ kind: 'range', range: { start, end: start + dayMs } }) as const;
    expect((await run(lead, of(today()))).error).toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('it ends at'),
    });
    const waitsFor = async () => 'the file of that day';
    expect((await run({ ...lead, waitsFor }, of(today() - dayMs))).error).toMatchObject({
      message: expect.stringContaining('the file of that day'),
    });
    expect(await fine(run(lead, of(today() - dayMs)))).toMatchObject({ windows: 1 });
  });

  test('are left alone by a dry run, which tells the same sums', async () => {
    await addEvent(2);
    const dry = await fine(run({}, { dryRun: true }));
    expect([dry.windows, dry.totals.get('events')]).toEqual([2, { rows: 1 }]);
    expect(await days()).toEqual([]);
    expect((await fine(run())).totals.get('events')).toEqual({ rows: 1 });
  });

  test('that build on one another are told by a dry run up to the first that would write', async () => {
    await addEvent(3);
    const dry = await fine(run({ buildsOnLast: true }, { dryRun: true }));
    expect(dry).toMatchObject({ outcome: 'done', windows: 1 });
    expect(dry.heldBackBy?.detail).toContain('what follows builds on what it has not written');
    const writesNothing = async () => ({ counts: { ...counts, inserted: 0 }, resume: null });
    expect(await fine(run({ buildsOnLast: true, apply: writesNothing }, { dryRun: true }))).toMatchObject({
      windows: 3,
    });
    await fine(run({ buildsOnLast: true }));
    const range = { start: today() - 3 * dayMs, end: today() };
    const again = { kind: 'range', range, dryRun: true } as const;
    expect(await fine(run({ buildsOnLast: true }, again))).toMatchObject({ windows: 1 });
  });

  test('are refused when the checkpoint is not the start of one, with the command that mends it', async () => {
    await addEvent(2);
    await fine(run({}, { maxWindows: 1 }));
    const later = world.zone.text(today() - dayMs + 3_600_000);
    for (const change of [
      `tidemark_checkpoint SET checkpoint = '${later}'`,
      `tidemark_window SET window_end = '${later}'`,
    ])
      await world.ledger.write(`UPDATE ${change}`);
    const { error } = await run();
    expect(error).toMatchObject({
      exitCode: 78,
      next: expect.stringContaining('tidemark checkpoint count-events --set'),
    });
  });
});

describe('a day is held back', () => {
  test('while an open transaction has rows of it', async () => {
    await addEvent(1);
    const writer = await world.setting().openDatabase('ledger');
    await writer.write('START TRANSACTION');
    await writer.write('INSERT INTO event (at) VALUES (?)', [utc(today() - 1000)]);
    expect(await fine(run())).toMatchObject({ outcome: 'held-back', windows: 0 });
    expect(applied).toEqual([]);
    await writer.write('COMMIT');
    await writer.close();
    await fine(run());
    expect(await days()).toEqual([[nameOf(1), 2]]);
  });

  test('until the job that it follows is past its end, all shards of it, and names it', async () => {
    await addEvent(1);
    const job = { follows: 'upstream' };
    const at = (shard: string, instant: number) =>
      world.main.write(
        `REPLACE INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES ('upstream', ?, ?, '', NOW())`,
        [shard, world.zone.text(instant)],
      );
    await at('a', today() + 3_600_000);
    expect((await fine(run(job))).heldBackBy?.detail).toMatch(/upstream b has no checkpoint/);
    await at('b', today() - 1000);
    expect((await fine(run(job))).heldBackBy?.detail).toMatch(
      /^upstream is at .*23:59:59.*, and is to pass .*00:00:00/,
    );
    await at('b', today());
    expect(await fine(run(job))).toMatchObject({ outcome: 'done', windows: 1, heldBackBy: null });
  });

  test('by what the job itself waits for, in its own words', async () => {
    await addEvent(2);
    const waitsFor: PeriodJob['waitsFor'] = async ({ period }) =>
      period === nameOf(1) ? 'the file of that day' : null;
    const result = await fine(run({ waitsFor }));
    expect(result).toMatchObject({ windows: 1, heldBackBy: { detail: 'the file of that day' } });
  });
});

test('what waits for a person is told with the run, although all is done', async () => {
  await addEvent(1);
  const waiting = async () => ({ what: '3 differences are open', next: 'look at them' });
  expect(await fine(run({ waiting }))).toMatchObject({ outcome: 'done', waiting: { what: '3 differences are open' } });
});

test('the sums of a transaction that had to be begun anew are told once', async () => {
  await addEvent(1);
  let attempts = 0;
  const apply: PeriodJob['apply'] = async (context) => {
    const part = await countEvents.apply(context);
    attempts += 1;
    if (attempts === 1) throw Object.assign(new Error('deadlock'), { errno: 1213 });
    return part;
  };
  const result = await fine(run({ apply }));
  expect([attempts, result.totals.get('events')]).toEqual([2, { rows: 1 }]);
});

test('a run that is killed between the parts of a day takes the whole day again', async () => {
  await addEvent(1);
  let parts = 0;
  const inParts: PeriodJob['apply'] = async ({ resume, target, period }) => {
    parts += 1;
    await target.write('INSERT INTO event_day VALUES (?, 1) ON DUPLICATE KEY UPDATE events = events', [
      `${resume ?? 'first'}`,
    ]);
    if (parts === 2) throw new Error(`killed in ${period}`);
    return { counts, resume: resume === null ? 'second' : null };
  };
  expect((await run({ apply: inParts })).error).toMatchObject({ message: expect.stringContaining('killed') });
  expect(await fine(run({ apply: inParts }))).toMatchObject({ windows: 1, checkpoint: today() });
  expect(await days()).toEqual([
    ['first', 1],
    ['second', 1],
  ]);
});
