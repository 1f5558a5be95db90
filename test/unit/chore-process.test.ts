import { expect, test } from 'vitest';
import { runChore } from '../../src/cli/chore-process.ts';

const never = new AbortController().signal;
const shell = (line: string, more: object = {}) =>
  runChore('/bin/sh', ['-c', line], { limitMs: 60_000, graceMs: 200, stop: never, ...more });

test('a chore is left alone within its limit, and what it says is heard', async () => {
  expect(await shell('echo one; echo two >&2; exit 3')).toEqual({
    code: 3,
    signal: null,
    said: expect.stringMatching(/^(one\s+two|two\s+one)$/),
    isOutOfTime: false,
  });
});

test('one that hangs is told to end; one that does not listen is killed, whatever it has started holds its output open', async () => {
  expect(await shell('exec sleep 60', { limitMs: 100 })).toMatchObject({ signal: 'SIGTERM', isOutOfTime: true });
  const deaf = 'trap "" TERM; echo begun; sleep 3 & while :; do sleep 0.05; done';
  const startedAt = Date.now();
  expect(await shell(deaf, { limitMs: 300 })).toMatchObject({ signal: 'SIGKILL', said: 'begun', isOutOfTime: true });
  expect(Date.now() - startedAt).toBeLessThan(2500);
});

test('when the daemon ends, a deaf one does not keep it', async () => {
  const stop = new AbortController();
  const over = shell('trap "" TERM; while :; do sleep 0.05; done', { stop: stop.signal });
  stop.abort();
  expect(await over).toMatchObject({ isOutOfTime: false });
});
