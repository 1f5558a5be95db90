import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/engine/clock.ts';
import { retry } from '../../src/engine/retry.ts';
import { JobError, SetupError, UnavailableError } from '../../src/platform/errors.ts';

const deadlock = (text = 'Deadlock found') => Object.assign(new Error(text), { errno: 1213 });

/** Work that fails in the given ways, one after the other, and then succeeds; everything that happens is noted. */
function scene(failures: readonly unknown[], options: { random?: () => number; haltWhileAsleep?: number } = {}) {
  const happened: string[] = [];
  const pauses: number[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const stop = new AbortController();
  const clock: Clock = {
    now: () => 0,
    sleep: async (ms, signal) => {
      pauses.push(ms);
      signals.push(signal);
      happened.push('pause');
      if (pauses.length === options.haltWhileAsleep) stop.abort();
    },
  };
  const left = [...failures];
  const work = async () => {
    happened.push('work');
    if (left.length > 0) throw left.shift();
    return 'result';
  };
  const recover = async () => {
    happened.push('recover');
  };
  const halt = { soon: stop.signal, now: new AbortController().signal };
  const random = options.random ?? (() => 0.5);
  return { happened, pauses, signals, stop, work, options: { clock, halt, recover, random } };
}

describe('trying a transaction again', () => {
  test('work that succeeds at once is done once, without a recovery and without a pause', async () => {
    const { happened, work, options } = scene([]);
    expect(await retry(work, options)).toBe('result');
    expect(happened).toEqual(['work']);
  });

  test.each([
    ['a lock wait timeout', Object.assign(new Error('Lock wait timeout exceeded'), { errno: 1205 })],
    ['a deadlock', deadlock()],
    ['a lost connection', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104 })],
    ['a killed connection', Object.assign(new Error('Connection lost'), { fatal: true })],
    ['a server that cannot be reached', new UnavailableError('MySQL cannot be reached')],
  ])('%s is tried again, after a pause and a recovery', async (_, failure) => {
    const { happened, work, options } = scene([failure]);
    expect(await retry(work, options)).toBe('result');
    expect(happened).toEqual(['work', 'pause', 'recover', 'work']);
  });

  test.each([
    ['a refused row', Object.assign(new Error('Duplicate entry'), { errno: 1062 })],
    ['a missing table', Object.assign(new Error("Table doesn't exist"), { errno: 1146 })],
    ['a full disk', Object.assign(new Error('Disk full'), { errno: 1021 })],
    ['a wrong setting', new SetupError('no such setting')],
    ['a failed job', new JobError('it failed')],
    ['a mistake in the program', new TypeError('undefined is not a function')],
    ['something thrown that is no error', 'text'],
  ])('%s is not tried again', async (_, failure) => {
    const { happened, work, options } = scene([failure]);
    await expect(retry(work, options)).rejects.toBe(failure);
    expect(happened).toEqual(['work']);
  });

  test('the attempts are bounded, and the last error is the one that is thrown', async () => {
    const failures = Array.from({ length: 100 }, (_, index) => deadlock(`deadlock ${index + 1}`));
    const { happened, work, options } = scene(failures);
    const attempts = () => happened.filter((what) => what === 'work').length;
    const thrown = await retry(work, options).catch((error: unknown) => error);
    expect(attempts()).toBeGreaterThan(2);
    expect(attempts()).toBeLessThan(20);
    expect(thrown).toBe(failures[attempts() - 1]);
    expect(happened.at(-1)).toBe('work'); // no pause behind which nothing comes
  });

  test('a failure that does not pass ends the attempts, whatever came before', async () => {
    const last = new JobError('it failed');
    const { happened, work, options } = scene([deadlock(), deadlock(), last, deadlock()]);
    await expect(retry(work, options)).rejects.toBe(last);
    expect(happened.filter((what) => what === 'work')).toHaveLength(3);
  });

  test('each new attempt begins with a recovery, and only a new one', async () => {
    const { happened, work, options } = scene([deadlock(), deadlock(), deadlock()]);
    await retry(work, options);
    const again = ['pause', 'recover', 'work'];
    expect(happened).toEqual(['work', ...again, ...again, ...again]);
  });

  test('while the recovery cannot reach the server the work is not tried, and the recovery is repeated', async () => {
    const { happened, work, options } = scene([deadlock()]);
    let down = 2;
    const recover = async () => {
      await options.recover();
      if (down-- > 0) throw new UnavailableError('MySQL cannot be reached');
    };
    expect(await retry(work, { ...options, recover })).toBe('result');
    expect(happened).toEqual(['work', 'pause', 'recover', 'pause', 'recover', 'pause', 'recover', 'work']);
  });

  test('a recovery that fails for good ends the attempts with its own error', async () => {
    const { happened, work, options } = scene([deadlock()]);
    const moved = new SetupError('the lock is lost');
    await expect(retry(work, { ...options, recover: () => Promise.reject(moved) })).rejects.toBe(moved);
    expect(happened).toEqual(['work', 'pause']);
  });
});

describe('the pauses between attempts', () => {
  const pausesWith = async (random: () => number) => {
    const { pauses, work, options } = scene(
      Array.from({ length: 100 }, () => deadlock()),
      { random },
    );
    await retry(work, options).catch(() => undefined);
    return pauses;
  };

  test('grow up to a limit', async () => {
    const pauses = await pausesWith(() => 0.5);
    const sorted = pauses.toSorted((a, b) => a - b);
    expect(pauses).toEqual(sorted);
    expect(pauses.at(-1)).toBeGreaterThan((pauses[0] as number) * 10);
    expect(pauses.at(-1)).toBeLessThanOrEqual(10_000);
  });

  test('differ by chance, so that two runs do not meet again, but never by more than half', async () => {
    const longest = await pausesWith(() => 1);
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), async (chance) => {
        const pauses = await pausesWith(() => chance);
        expect(pauses).toHaveLength(longest.length);
        pauses.forEach((pause, index) => {
          expect(pause).toBeGreaterThanOrEqual((longest[index] as number) / 2);
          expect(pause).toBeLessThanOrEqual(longest[index] as number);
        });
      }),
    );
    expect(await pausesWith(() => 0)).not.toEqual(longest);
  });
});

describe('a request to stop', () => {
  test('ends the attempts without a pause, with the error at hand', async () => {
    const failure = deadlock();
    const { happened, stop, work, options } = scene([failure]);
    stop.abort();
    await expect(retry(work, options)).rejects.toBe(failure);
    expect(happened).toEqual(['work']);
  });

  test('that comes during a pause ends it: the pause is given the signal', async () => {
    const { signals, work, options } = scene([deadlock()]);
    await retry(work, options);
    expect(signals).toEqual([options.halt.soon]);
  });

  test('that comes during a pause lets no new attempt begin', async () => {
    const failure = deadlock();
    const { happened, work, options } = scene([failure], { haltWhileAsleep: 1 });
    await expect(retry(work, options)).rejects.toBe(failure);
    expect(happened).toEqual(['work', 'pause']);
  });
});
