/** The log of each run: where it lies, how it is found, what becomes of old ones, and what happens without room. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { v7 as uuid } from 'uuid';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LogWriter } from '../../src/platform/log.ts';
import { type Entry, entryOf, type Level, personLine } from '../../src/platform/log-line.ts';
import { Mask } from '../../src/platform/masking.ts';
import { RunLogs } from '../../src/platform/run-logs.ts';

const dayMs = 86_400_000;
const dayOf = (at: number) => new Date(at).toISOString().slice(0, 10);
const line = (message: string): Entry => entryOf(new Mask(), 'info', message, {});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tidemark-runs-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const linesOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Entry);

describe('the log of a run', () => {
  test('is a file of its own, in the folder of the day on which the run began', async () => {
    const began = Date.UTC(2026, 10, 20, 23, 59, 59);
    const runId = uuid({ msecs: began });
    const logs = new RunLogs(root, 30 * dayMs);
    expect(logs.append(runId, line('one'))).toBeNull();
    expect(logs.append(runId, line('two'))).toBeNull();
    expect(linesOf(join(root, '2026-11-20', `${runId}.log`)).map(({ message }) => message)).toEqual(['one', 'two']);
    await logs.close();
  });

  test('is there when the writer has gone the next moment, without a close', () => {
    const runId = uuid();
    new RunLogs(root, dayMs).append(runId, line('the last word'));
    expect(new RunLogs(root, dayMs).has(runId)).toBe(true);
  });

  test('is found by the beginning of its id, the latest first', async () => {
    const logs = new RunLogs(root, 30 * dayMs);
    const ids = [0, 1, 2].map((days) => uuid({ msecs: Date.now() - days * dayMs }));
    for (const runId of ids) logs.append(runId, line('x'));
    expect((await logs.find('')).map(({ runId }) => runId)).toEqual(ids);
    expect((await logs.find((ids[1] as string).slice(0, 13))).map(({ runId }) => runId)).toEqual([ids[1]]);
    expect(await logs.find('ffff')).toEqual([]);
    expect(await new RunLogs(join(root, 'nowhere'), dayMs).find('')).toEqual([]);
  });

  test('is removed with all of its day, once the day is older than the limit; other folders stay', async () => {
    const [old, kept] = [dayOf(Date.now() - 5 * dayMs), dayOf(Date.now() - 2 * dayMs)];
    for (const name of [old, kept, 'mine']) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, 'x.log'), '{}\n');
    }
    const logs = new RunLogs(root, 3 * dayMs);
    logs.append(uuid(), line('the first of today'));
    await logs.close();
    expect(readdirSync(root).sort()).toEqual([kept, dayOf(Date.now()), 'mine'].sort());
  });

  test('that cannot be written is told once, costs nothing, and is tried again for the next run', () => {
    writeFileSync(join(root, 'file'), '');
    const logs = new RunLogs(join(root, 'file'), dayMs); // root may write everywhere: a file in the way
    const [first, second, third] = [uuid(), uuid(), uuid()];
    expect(logs.append(first, line('x'))).toMatch(/cannot be kept .*TIDEMARK_RUN_LOGS/);
    expect(logs.append(first, line('y'))).toBeNull();
    expect(logs.append(second, line('z'))).toBeNull();
    rmSync(join(root, 'file'));
    expect(logs.append(third, line('there is room again'))).toBeNull();
    expect(logs.has(third)).toBe(true);
  });

  test('that nobody has asked for is given up without a word', () => {
    writeFileSync(join(root, 'file'), '');
    expect(new RunLogs(join(root, 'file'), dayMs, true).append(uuid(), line('x'))).toBeNull();
  });
});

describe('the log', () => {
  const write = async (level: Level, work: (writer: LogWriter) => void) => {
    const file = join(root, 'log');
    const runLogs = new RunLogs(join(root, 'runs'), dayMs);
    const writer = new LogWriter(level, file, { runLogs, mask: new Mask(['open sesame']) });
    work(writer);
    await writer.close();
    return { file, runLogs };
  };

  test('gives a run all that it tells at level info and above, whatever its own level', async () => {
    const runId = uuid();
    const { file, runLogs } = await write('warn', (writer) => {
      const log = writer.log().with({ runId, job: 'sync', shard: '3' });
      log.debug('a detail');
      log.info('a window', { from: 'a', to: 'b', read: 3 });
      log.warn('a warning');
      writer.log().warn('of no run');
    });
    expect(linesOf(file).map(({ message }) => message)).toEqual(['a warning', 'of no run']);
    const [found] = await runLogs.find(runId);
    expect(linesOf(found?.file as string)).toMatchObject([
      { level: 'info', message: 'a window', runId, job: 'sync', shard: '3', from: 'a', to: 'b', read: 3 },
      { level: 'warn', message: 'a warning', runId },
    ]);
  });

  test('makes no file for a run that has told nothing', async () => {
    const { runLogs } = await write('warn', (writer) => writer.log({ runId: uuid() }).debug('nothing was due'));
    expect(existsSync(runLogs.folder)).toBe(false);
  });

  test('masks secrets in both', async () => {
    const runId = uuid();
    const { file, runLogs } = await write('warn', (writer) =>
      writer.log({ runId }).warn('open sesame', { password: 'x1', at: 'mysql://a:b2@h/d' }),
    );
    const [found] = await runLogs.find(runId);
    for (const path of [file, found?.file as string])
      expect(linesOf(path)).toMatchObject([{ message: '****', password: '****', at: 'mysql://a:****@h/d' }]);
  });

  test('warns of a folder that it cannot write, once, and goes on', async () => {
    const file = join(root, 'log');
    writeFileSync(join(root, 'in-the-way'), '');
    const writer = new LogWriter('warn', file, { runLogs: new RunLogs(join(root, 'in-the-way'), dayMs) });
    const log = writer.log({ runId: uuid() });
    log.info('a window');
    log.info('another');
    log.warn('a warning');
    await writer.close();
    expect(linesOf(file).map(({ message }) => message)).toEqual([expect.stringMatching(/cannot be kept/), 'a warning']);
    expect(dirname(file)).toBe(root);
  });
});

describe('a line for people', () => {
  const told = (fields: Record<string, unknown>) =>
    personLine(entryOf(new Mask(), 'warn', 'the target refuses a row', fields), '18:16:29');

  test('has time, level, job and shard, message, what else there is, window and run', () => {
    const runId = '01a1fd9b-879f-70dd-b750-7db2bfb1e574';
    expect(told({ runId, job: 'sync', shard: '3', from: 'a', to: 'b', key: '17', next: undefined })).toBe(
      '18:16:29 warn  sync 3: the target refuses a row key=17 (window a to b; run 01a1fd9b-879f)',
    );
  });

  test('leaves out what there is not', () => {
    expect(told({ shard: '' })).toBe('18:16:29 warn  the target refuses a row');
  });
});
