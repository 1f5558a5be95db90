/** The log's writer: what is told after it was closed is not written, and a full disk does no harm. */
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { LogWriter } from '../../src/platform/log.ts';

test('a line that comes after the log was closed is dropped, with those before it on disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'));
  const file = join(folder, 'log');
  const writer = new LogWriter('warn', file);
  const log = writer.log({ job: 'sync' });
  log.warn('the first');
  await writer.close();
  log.warn('the second');
  await new Promise((resolve) => setTimeout(resolve, 100));
  const lines = (await readFile(file, 'utf8')).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(['the first']);
  await rm(folder, { recursive: true });
});

test('a full disk is told once, and ends neither the run nor the wait for the log', async () => {
  const told = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const writer = new LogWriter('warn', '/dev/full');
  const log = writer.log();
  log.warn('the first');
  log.warn('the second');
  await new Promise((resolve) => setTimeout(resolve, 100));
  log.warn('the third');
  await writer.close();
  const lines = told.mock.calls.map(([text]) => String(text));
  told.mockRestore();
  expect(lines).toEqual([expect.stringMatching(/^tidemark: TIDEMARK_LOG_FILE cannot be written any more: ENOSPC/)]);
});

test('a disk that has room again is written again, by a process that lives on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'));
  const [file, real] = [join(folder, 'log'), join(folder, 'real')];
  const told = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const clock = vi.spyOn(Date, 'now');
  try {
    await symlink('/dev/full', file);
    const writer = new LogWriter('warn', file);
    const log = writer.log();
    log.warn('the first');
    await vi.waitFor(() => expect(told).toHaveBeenCalled());
    await rm(file);
    await symlink(real, file);
    log.warn('the second');
    clock.mockReturnValue(Date.now() + 61_000);
    log.warn('the third');
    log.warn('the fourth');
    await writer.close();
    const lines = (await readFile(real, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).message)).toEqual(['the third', 'the fourth']);
    expect(told).toHaveBeenCalledTimes(1);
  } finally {
    clock.mockRestore();
    told.mockRestore();
    await rm(folder, { recursive: true });
  }
});
