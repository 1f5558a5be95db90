import { afterEach, describe, expect, test, vi } from 'vitest';
import { exitCodeOf, grouped, sentenceOf } from '../../src/cli/output.ts';
import { exitCodeOfShard, graveness, reportJson } from '../../src/cli/run-report.ts';
import { emptyResult, type ShardResult } from '../../src/engine/run.ts';
import { Zone } from '../../src/engine/zone.ts';
import { JobError, SetupError, TidemarkError, UnavailableError, UsageError } from '../../src/platform/errors.ts';

const driver = (errno: number, message: string) => Object.assign(new Error(message), { errno, code: 'ER_ANY' });

describe('the sentence for an error', () => {
  test('says what happened and what to type next', () => {
    expect(sentenceOf(new SetupError('REDIS_URL is missing', 'export REDIS_URL=redis://127.0.0.1'))).toBe(
      'REDIS_URL is missing. Next: export REDIS_URL=redis://127.0.0.1',
    );
  });

  test('ends there when there is nothing to type', () => {
    expect(sentenceOf(new UsageError('no such job'))).toBe('no such job.');
  });

  test.each(['no such job.', 'no such job?', 'no such job'])('has one full stop: %s', (message) => {
    expect(sentenceOf(new UsageError(message, 'tidemark list'))).toBe('no such job. Next: tidemark list');
  });

  test.each([
    ['a lost connection', driver(2013, 'Lost connection'), 'lost', 'run again'],
    ['a missing table', driver(1146, "Table 'mia.x' doesn't exist"), "Table 'mia.x' doesn't exist", 'tidemark migrate'],
    ['a missing column', driver(1054, "Unknown column 'x'"), "Unknown column 'x'", 'tidemark migrate'],
    ['a missing privilege', driver(1227, 'you need PROCESS'), 'you need PROCESS', 'grant the privilege'],
    ['a full disk', driver(1021, 'Disk full'), 'nothing is lost', 'make room'],
    ['a lock wait timeout', driver(1205, 'Lock wait timeout exceeded'), 'nothing is lost', 'tidemark status'],
    ['a refused statement', driver(1064, 'syntax error'), 'the database refuses a statement', 'mend the cause'],
  ])('explains %s of the database, with the reason and a next step', (_, error, what, next) => {
    const sentence = sentenceOf(error);
    expect(sentence).toContain(error.message);
    expect(sentence).toContain(what);
    expect(sentence).toContain(` Next: ${next}`);
    expect(sentence).not.toContain('should not happen');
  });

  test.each([
    ['a mistake in the program', new TypeError('x is not a function'), 'x is not a function'],
    ['something thrown that is no error', 'text', 'text'],
    ['nothing', undefined, 'undefined'],
  ])('admits that %s should not happen, and how to see more', (_, error, message) => {
    expect(sentenceOf(error)).toContain(`${message}. This should not happen`);
    expect(sentenceOf(error)).toContain('TIDEMARK_LOG_LEVEL=debug');
  });
});

describe('the exit code of an error', () => {
  test.each([
    [64, 'a wrong command line', new UsageError('no such job')],
    [78, 'a wrong setting', new SetupError('missing')],
    [69, 'a server that cannot be reached', new UnavailableError('down')],
    [1, 'a failed job', new JobError('failed')],
    [75, 'an error that brings its own', new TidemarkError('locked', 75)],
    [69, 'a lost connection', driver(2006, 'gone away')],
    [
      69,
      'a refused connection',
      Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED', errno: -111 }),
    ],
    [78, 'a missing table', driver(1146, 'no table')],
    [78, 'a wrong password', driver(1045, 'Access denied')],
    [1, 'a deadlock that did not pass', driver(1213, 'Deadlock')],
    [1, 'a full disk', driver(1021, 'Disk full')],
    [1, 'a refused statement', driver(1064, 'syntax')],
    [70, 'a mistake in the program', new TypeError('x')],
    [70, 'something thrown that is no error', 'text'],
    [70, 'nothing', undefined],
  ])('is %i for %s', (code, _, error) => expect(exitCodeOf(error)).toBe(code));
});

type Outcome = ShardResult['outcome'];

const shardOf = (outcome: Outcome, more: Partial<ShardResult> = {}): ShardResult => ({
  ...emptyResult('3'),
  outcome,
  ...more,
});

describe('the exit code of a shard', () => {
  const finding = { what: 'the sum of user 7', was: '1', is: '2' } as unknown as ShardResult['findings'][number];

  test.each<[number, Outcome]>([
    [0, 'done'],
    [0, 'nothing-due'],
    [0, 'held-back'],
    [0, 'paused'],
    [0, 'interrupted'],
    [65, 'dead-letters'],
  ])('is %i when it is %s', (code, outcome) => expect(exitCodeOfShard(shardOf(outcome), 'skip')).toBe(code));

  test('is 75 for a lock only where that is asked for', () => {
    expect(exitCodeOfShard(shardOf('locked'), 'skip')).toBe(0);
    expect(exitCodeOfShard(shardOf('locked'), 'wait')).toBe(0);
    expect(exitCodeOfShard(shardOf('locked'), 'fail')).toBe(75);
  });

  test('is the one of its error when it failed', () => {
    expect(exitCodeOfShard(shardOf('failed', { error: new UnavailableError('down') }), 'skip')).toBe(69);
    expect(exitCodeOfShard(shardOf('failed', { error: new TypeError('x') }), 'skip')).toBe(70);
  });

  test('is 65 when it found what a person should know of', () => {
    expect(exitCodeOfShard(shardOf('done', { findings: [finding] }), 'skip')).toBe(65);
    expect(exitCodeOfShard(shardOf('nothing-due', { findings: [finding] }), 'skip')).toBe(65);
  });
});

describe('of several shards', () => {
  const gravest = (codes: readonly number[]) => [...codes].sort((a, b) => graveness(b) - graveness(a))[0];

  test('the gravest exit code counts: 70, 78, 69, 1, 65, 75, 0', () => {
    const order = [70, 78, 69, 1, 65, 75, 0];
    expect(order.toSorted((a, b) => graveness(b) - graveness(a))).toEqual(order);
    expect(new Set(order.map(graveness)).size).toBe(order.length);
    expect(gravest([0, 75, 0, 65])).toBe(65);
    expect(gravest([1, 69, 0])).toBe(69);
  });

  test('a code that is not in the order counts most, so that it is never hidden', () => {
    expect(gravest([0, 70, 64, 78])).toBe(64);
  });

  describe('the outcome in --json', () => {
    const zone = new Zone('Asia/Shanghai');
    afterEach(() => {
      vi.restoreAllMocks();
    });

    function reported(shards: readonly ShardResult[]) {
      const written: string[] = [];
      const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
      reportJson({ job: 'sync', runId: '0192', durationMs: 8, shards: [...shards] }, zone);
      write.mockRestore();
      expect(written).toHaveLength(1);
      return JSON.parse(written[0] as string);
    }

    test.each<[Outcome, Outcome[]]>([
      ['nothing-due', ['nothing-due', 'nothing-due']],
      ['done', ['nothing-due', 'done', 'nothing-due']],
      ['held-back', ['done', 'held-back', 'nothing-due']],
      ['dead-letters', ['dead-letters', 'done', 'held-back', 'locked']],
      ['failed', ['done', 'failed', 'dead-letters', 'interrupted']],
    ])('is %s for %j', (outcome, outcomes) => {
      expect(reported(outcomes.map((one) => shardOf(one))).outcome).toBe(outcome);
      expect(reported(outcomes.toReversed().map((one) => shardOf(one))).outcome).toBe(outcome);
    });

    test('times carry their offset, and the one shard of a job without shards is null', () => {
      const from = Date.parse('2026-11-20T00:00:00Z');
      const result = { ...emptyResult(''), outcome: 'done' as const, from, to: from + 3_600_000, checkpoint: null };
      expect(reported([result]).shards[0]).toMatchObject({
        shard: null,
        from: '2026-11-20T08:00:00+08:00',
        to: '2026-11-20T09:00:00+08:00',
        checkpoint: null,
      });
    });

    test('an error is a sentence; what there is not is left out', () => {
      const [failed] = reported([shardOf('failed', { error: new JobError('it failed') })]).shards;
      expect(failed.error).toBe('it failed.');
      expect(Object.keys(failed)).not.toContain('findings');
      expect(Object.keys(failed)).not.toContain('heldBackBy');
      expect(Object.keys(reported([shardOf('done')]).shards[0])).not.toContain('error');
    });
  });
});

test('large numbers are grouped', () => {
  expect([0, 999, 1000, 1_234_567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567']);
  expect(grouped(18_446_744_073_709_551_615n)).toBe('18,446,744,073,709,551,615');
});
