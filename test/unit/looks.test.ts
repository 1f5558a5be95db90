/** How things look on a terminal: shards in short, colours by the environment, progress that fits. */
import { describe, expect, test } from 'vitest';
import { inWords } from '../../src/cli/looks.ts';
import { barLine } from '../../src/cli/progress.ts';
import { jobWithShards, shardsInShort } from '../../src/cli/shard-names.ts';
import { wantsColour } from '../../src/platform/colour.ts';

describe('shards in short', () => {
  test.each([
    [[...'0123456789'], '0-9'],
    [['9', '3', '4', '5', '0'], '0 3-5 9'],
    [['1', '2'], '1-2'],
    [['alipay', 'wechat'], 'alipay wechat'],
    [['ledger', '2', '10', '11'], '2 10-11 ledger'],
    [['01', '2'], '2 01'],
    [[''], ''],
    [[], ''],
  ])('%j is "%s"', (shards, text) => expect(shardsInShort(shards)).toBe(text));

  test('stand behind the job, where it has any', () => {
    expect(jobWithShards('sync', ['0', '1'])).toBe('sync 0-1');
    expect(jobWithShards('rollup-income', [''])).toBe('rollup-income');
  });
});

test.each([
  [null, '-'],
  [0, '0 s'],
  [119, '119 s'],
  [120, '2 min'],
  [7199, '120 min'],
  [7200, '2 h'],
  [172_800, '2 d'],
])('%s seconds are "%s"', (seconds, text) => expect(inWords(seconds)).toBe(text));

describe('colours', () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  const pipe = { isTTY: false } as NodeJS.WriteStream;
  test.each([
    ['a terminal', terminal, {}, true],
    ['a pipe', pipe, {}, false],
    ['a terminal with NO_COLOR', terminal, { NO_COLOR: '1' }, false],
    ['a terminal with an empty NO_COLOR', terminal, { NO_COLOR: '' }, true],
    ['a dumb terminal', terminal, { TERM: 'dumb' }, false],
    ['a pipe with FORCE_COLOR', pipe, { FORCE_COLOR: '1' }, true],
    ['a terminal with FORCE_COLOR=0', terminal, { FORCE_COLOR: '0' }, false],
    ['a pipe with FORCE_COLOR and NO_COLOR', pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  ])('%s', (_, stream, environment, wanted) => expect(wantsColour(stream, environment)).toBe(wanted));
});

describe('a progress bar', () => {
  const bar = { title: 'sync-commission-log 3', value: 1_234_567, total: 5_000_000, seconds: 20 };

  test('tells how much of how much, rows a second, and the time left', () => {
    expect(barLine(bar, 100)).toMatch(/^sync-commission-log 3 █+░+ {2}24% 1\.2M of 5M rows +61\.7K\/s {2}1:02 left$/);
  });

  test.each([120, 80, 60, 40, 20])('fits %i columns', (columns) => {
    expect(barLine(bar, columns).length).toBeLessThan(columns);
    expect(barLine({ ...bar, value: 0, seconds: 0 }, columns).length).toBeLessThan(columns);
  });

  test('without a rate yet promises nothing, and in the end tells how long it took', () => {
    expect(barLine({ ...bar, value: 0, seconds: 0 }, 100)).not.toContain('left');
    expect(barLine({ ...bar, value: 5_000_000, seconds: 3725 }, 100)).toMatch(/100% 5M of 5M rows .* took 1:02:05$/);
    expect(barLine({ ...bar, value: 6_000_000 }, 100)).toContain('100%');
  });
});
