/** Which runs that were stopped by a time limit are a person's business. */
import { describe, expect, test } from 'vitest';
import { jobs } from '../../jobs/index.ts';
import { isOutOfTime, withLimit } from '../../src/cli/halt.ts';
import { cutOff } from '../../src/cli/run-stopped.ts';
import { durationOption, spanText } from '../../src/cli/span.ts';
import { InterruptedError } from '../../src/engine/claim.ts';
import type { Job } from '../../src/engine/job.ts';
import { emptyResult, type Request, type ShardResult } from '../../src/engine/run.ts';

const halted = (reason?: string) => {
  const given = AbortSignal.abort(reason);
  return { soon: given, now: new AbortController().signal };
};
const outOfTime = halted('time is over');

/** The shards told of, of a run of two. */
function told(
  kind: Request['kind'],
  more: Partial<ShardResult>,
  {
    job = 'sync-commission-log',
    ifLocked = 'skip' as const,
    halt = outOfTime,
    isLater = false,
  }: { job?: string; ifLocked?: 'skip' | 'wait'; halt?: typeof outOfTime; isLater?: boolean } = {},
): string[] {
  const shards = [
    { ...emptyResult('0'), outcome: 'done' as const },
    { ...emptyResult('1'), outcome: 'interrupted' as const, ...more },
  ];
  const request = { kind, range: null, dryRun: false, maxWindows: 1, waitForLock: false };
  const asked = { job: jobs.find(({ name }) => name === job) as Job, request, ifLocked, isLater };
  return cutOff({ job, runId: '', durationMs: 1, shards }, asked, halt).map(({ shard }) => shard);
}

describe('a run whose time was over', () => {
  test.each(['range', 'full', 'sweep', 'repair'] as const)('tells the shards that were not through: %s', (kind) => {
    expect(told(kind, { windows: 3 })).toEqual(['1']);
  });

  test('tells nothing of due windows, where some were done: the next run goes on', () => {
    expect(told('windows', { windows: 3 })).toEqual([]);
    expect(told('windows', { windows: 3, error: new InterruptedError() })).toEqual([]);
  });

  test('tells nothing where it was stopped with no window in hand, and none due', () => {
    expect(told('windows', {})).toEqual([]);
  });

  test('tells it where no time was left to begin the first window that is due', () => {
    expect(told('windows', { leftDue: true })).toEqual(['1']);
    expect(told('windows', { leftDue: true }, { halt: halted() })).toEqual([]);
    expect(told('windows', { leftDue: true }, { isLater: true })).toEqual([]); // an earlier round has done its work
  });

  test('tells it where the first window was rolled back: it would be so each time', () => {
    expect(told('windows', { error: new InterruptedError() })).toEqual(['1']);
  });

  test('tells nothing of a job without windows, which goes on', () => {
    expect(told('windows', { error: new InterruptedError() }, { job: 'check-pending-payments' })).toEqual([]);
  });

  test('tells it where the lock was waited for in vain, and not where it was not to be waited for', () => {
    expect(told('sweep', { outcome: 'locked' }, { ifLocked: 'wait' })).toEqual(['1']);
    expect(told('sweep', { outcome: 'locked' })).toEqual([]);
    expect(told('windows', { outcome: 'locked' }, { ifLocked: 'wait' })).toEqual([]);
  });
});

test('a run that was stopped by a signal tells nothing: who sent it knows', () => {
  expect(told('full', {}, { halt: halted() })).toEqual([]);
});

describe('a time limit', () => {
  const halt = { soon: new AbortController(), now: new AbortController() };
  const signals = { soon: halt.soon.signal, now: halt.now.signal };

  test('gives the halt when it is over, and says why', async () => {
    const limited = withLimit(signals, 20);
    expect(limited.halt.soon.aborted).toBe(false);
    await new Promise((done) => limited.halt.soon.addEventListener('abort', done));
    expect([isOutOfTime(limited.halt), limited.halt.now.aborted, signals.soon.aborted]).toEqual([true, false, false]);
    limited.done();
  });

  test('lets a signal through, which is no limit', () => {
    const limited = withLimit(signals, 60_000);
    halt.soon.abort();
    expect([limited.halt.soon.aborted, isOutOfTime(limited.halt)]).toEqual([true, false]);
    limited.done();
  });
});

test.each([
  [0, '0 s', '0d'],
  [1500, '1 s', '1500ms'],
  [90_000, '1 min', '90s'],
  [7_980_000, '2 h 13 min', '133m'],
  [7_200_000, '2 h', '2h'],
  [187_200_000, '2 d 4 h', '52h'],
])('%i ms are %s, or %s as an option', (ms, text, option) => {
  expect([spanText(ms), ms === 0 ? option : durationOption(ms)]).toEqual([text, option]);
});
