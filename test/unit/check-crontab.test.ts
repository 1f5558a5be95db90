import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { chores } from '../../jobs/chores.ts';
import { jobs } from '../../jobs/index.ts';
import { readCommand } from '../../src/cli/known-commands.ts';
import { createProgram } from '../../src/cli/program.ts';
import { checkCrontab } from '../../src/schedule/check-crontab.ts';
import { crontabText } from '../../src/schedule/crontab.ts';
import type { CheckSetting, Finding } from '../../src/schedule/finding.ts';
import { timetableOf } from '../../src/schedule/timetable.ts';
import { exampleInstall } from '../support/installs.ts';

const app = { jobs, chores, migrations: { main: [], ledger: [] }, payOrders: () => [] };
const program: Command = createProgram(app, () => undefined);
const tidemark = '/opt/tidemark/bin/tidemark';
const install = { ...exampleInstall, mailTo: 'oncall' };
const setting: CheckSetting = {
  entries: timetableOf(jobs, chores),
  jobs,
  install,
  isSystemFile: null,
  isProgram: (path) => [tidemark, '/usr/bin/node', '/usr/local/bin/tidemark'].includes(path),
  hasNode: false,
  readCommand: (words) => readCommand(program, words),
};
const good = crontabText(setting.entries, install);
const check = (text: string, more: Partial<CheckSetting> = {}) => checkCrontab(text, { ...setting, ...more });

/** What is found when this line is put into a crontab with nothing wrong, just before its end. */
const foundWith = (line: string, more: Partial<CheckSetting> = {}): Finding[] => check(`${good}${line}\n`, more);

describe('a crontab with nothing wrong', () => {
  test('is one that tidemark prints, for a user or for /etc/cron.d', () => {
    expect(check(good)).toEqual([]);
    const system = crontabText(setting.entries, { ...install, user: 'batch' });
    expect(check(system)).toEqual([]);
    expect(check(system, { isSystemFile: true })).toEqual([]);
  });

  test('may have a program with a per cent and a blank in its path', () => {
    const odd = '/opt/50% off/tidemark';
    const text = crontabText(setting.entries, { ...install, program: odd });
    expect(check(text, { isProgram: (path) => [odd, '/usr/bin/node'].includes(path) })).toEqual([]);
  });

  test('may have lines of others, other words for the same times, a line for all shards, and tidemark by its name', () => {
    const lines = good.split('\n').filter((line) => !/run sync-commission-log \d|verify/.test(line));
    const others = [
      '@daily backup --all > /tmp/x-$(date +\\%F) 2>&1',
      '*/2 * * * * cd /srv && tidemark run sync-commission-log --json | logger',
      '@midnight tidemark verify > /dev/null',
    ];
    expect(check(`${[...lines, ...others].join('\n')}\n`)).toEqual([]);
  });
});

describe('a mistake is found in its line, and what to write instead is told', () => {
  const at = '0 4 * * *';
  test.each<[what: string, line: string, wrong: string, instead: string | undefined]>([
    [
      'an unknown job',
      `${at} ${tidemark} run sync-comission-log 3`,
      'there is no job "sync-comission-log"',
      `${at} ${tidemark} run sync-commission-log 3`,
    ],
    [
      'an unknown shard',
      `1 4 * * * ${tidemark} run sync-commission-log 10`,
      'has no shard "10": it has 0, 1',
      undefined,
    ],
    [
      'a shard of a job without',
      `${at} ${tidemark} run rollup-income 4`,
      'has no shard "4": it has none',
      `${at} ${tidemark} run rollup-income`,
    ],
    ['an unknown flag', `${at} ${tidemark} run rollup-income --ful`, 'run knows no --ful', 'tidemark run --help'],
    [
      'a value that is none',
      `${at} ${tidemark} run rollup-income --timeout 5`,
      "argument '5' is invalid",
      'tidemark run --help',
    ],
    ['a missing job', `${at} ${tidemark} run`, 'run needs a job', 'tidemark run --help'],
    ['an unknown command', `${at} ${tidemark} repair`, 'there is no command "repair"', 'tidemark --help'],
    [
      'a kind of run that the job does not know',
      `${at} ${tidemark} run rollup-income --sweep --if-locked wait`,
      'rollup-income knows no --sweep',
      'tidemark list',
    ],
    [
      'a bare per cent',
      `${at} ${tidemark} list > /tmp/l-$(date +%F)`,
      'a bare % is a new line',
      `${at} ${tidemark} list > /tmp/l-$(date +\\%F)`,
    ],
    [
      'a field of seconds',
      `30 */2 * * * * ${tidemark} list`,
      'there are six fields',
      `*/2 * * * * sleep 30; ${tidemark} list`,
    ],
    ['a bad minute', `60 * * * * ${tidemark} list`, 'the minute is "60": expected 0-59', undefined],
    ['a bad month', `0 0 1 foo * ${tidemark} list`, 'the month is "foo"', undefined],
    ['a day that never is', `0 0 30 2 * ${tidemark} list`, 'it would never run', undefined],
    ['an unknown nickname', `@fortnightly ${tidemark} list`, 'cron knows no @fortnightly', undefined],
    ['no command', '0 0 * * *', 'fewer than five fields and a command', undefined],
    [
      'a user’s column where there is none',
      `${at} root ${tidemark} list`,
      'has no column for the user: cron would start a program called root',
      `${at} ${tidemark} list`,
    ],
    ['a relative path', `${at} bin/tidemark list`, "in the user's home folder", `${at} ${tidemark} list`],
    [
      'a path where nothing is',
      `${at} /opt/tidmark/bin/tidemark list`,
      'there is no program /opt/tidmark/bin/tidemark',
      `${at} ${tidemark} list`,
    ],
    ['a time zone', 'CRON_TZ=Asia/Shanghai', 'knows no CRON_TZ', undefined],
    ['mail to nobody', 'MAILTO=""', 'MAILTO is empty', 'MAILTO=whoever should hear of it'],
  ])('%s', (_, line, wrong, instead) => {
    const found = foundWith(line);
    expect(found.map((finding) => finding.wrong)).toEqual([expect.stringContaining(wrong)]);
    expect(found[0]).toMatchObject({ line: good.split('\n').length, text: line });
    if (instead !== undefined) expect(found[0]?.instead).toContain(instead);
  });

  test('a missing user in a file of /etc/cron.d', () => {
    const system = crontabText(setting.entries, { ...install, user: 'batch' });
    const found = check(`${system}${at} ${tidemark} list\n`, { isSystemFile: true });
    expect(found.map(({ wrong, instead }) => [wrong.slice(0, 50), ...instead])).toEqual([
      ['a file of /etc/cron.d names the user behind the fi', `${at} root ${tidemark} list`],
    ]);
  });

  test('a PATH without tidemark, without node, or with what cron does not expand', () => {
    const line = `${at} tidemark list`;
    expect(foundWith(`PATH=/nowhere\n${line}`).map(({ wrong }) => wrong)).toEqual([
      'no tidemark is found in the PATH of this line, /nowhere',
      'no node is found in the PATH of this line, /nowhere',
    ]);
    expect(foundWith(`PATH=/nowhere\n${line}`, { hasNode: true })).toHaveLength(1);
    expect(foundWith('PATH=$HOME/bin:/usr/bin').map(({ wrong }) => wrong)).toEqual([
      expect.stringContaining('expands nothing'),
    ]);
  });

  test('no line break at the end, and line breaks of Windows', () => {
    expect(check(good.trimEnd())).toMatchObject([{ weight: 'wrong', instead: ['echo >> FILE'] }]);
    const found = check(good.replaceAll('\n', '\r\n'));
    expect(found).toMatchObject([{ line: 1, wrong: expect.stringContaining('CR LF') }]);
  });
});

describe('what should be started, and is not', () => {
  const without = (pattern: RegExp) =>
    check(
      good
        .split('\n')
        .filter((line) => line.startsWith('#') || !pattern.test(line))
        .join('\n'),
    );

  test('a shard without a line: the line is told', () => {
    expect(without(/log 3$/)).toEqual([
      {
        line: null,
        text: null,
        weight: 'wrong',
        wrong: 'no line starts shard 3 of sync-commission-log',
        instead: [`*/2 * * * * sleep 18; ${tidemark} run sync-commission-log 3`],
      },
    ]);
  });

  test('a shard of a job that has one line for all', () => {
    const some = good.replace('run reconcile-day\n', 'run reconcile-day ledger initiator alipay\n');
    expect(check(some).map(({ wrong, instead }) => [wrong, ...instead])).toEqual([
      ['no line starts shard wechat of reconcile-day', `30 * * * * ${tidemark} run reconcile-day wechat`],
    ]);
  });

  test('a whole job is wrong; a sweep or a chore may be meant so', () => {
    expect(without(/run rollup-income$/)).toMatchObject([{ weight: 'wrong', wrong: 'no line starts rollup-income' }]);
    expect(without(/user-extension --sweep/)).toMatchObject([
      { weight: 'doubtful', wrong: 'no line starts sync-user-extension --sweep' },
    ]);
    expect(without(/ verify /)).toMatchObject([{ weight: 'doubtful', wrong: 'no line starts tidemark verify' }]);
  });

  test('a line that only looks, or runs a range, or only at boot, does not count', () => {
    for (const other of [
      `20 * * * * ${tidemark} run rollup-income --dry-run`,
      `@reboot ${tidemark} run rollup-income`,
    ]) {
      const found = check(good.replace(`20 * * * * ${tidemark} run rollup-income`, other));
      expect(found.map(({ wrong }) => wrong)).toEqual(['no line starts rollup-income']);
    }
  });
});

describe('lines in each other’s way', () => {
  test('the same shard twice at the same time is wrong; half a minute apart it is meant so', () => {
    expect(foundWith(`*/4 * * * * sleep 18; ${tidemark} run sync-commission-log 3`)).toMatchObject([
      { weight: 'wrong', wrong: expect.stringMatching(/starts sync-commission-log 3 at the same time as line \d+/) },
    ]);
    expect(foundWith(`*/2 * * * * sleep 48; ${tidemark} run sync-commission-log 3`)).toEqual([]);
    expect(foundWith(`1-59/2 * * * * ${tidemark} run sync-user-extension`)).toEqual([]);
  });

  test('a sweep that does not wait may find the shard locked; one that waits, or comes at another minute, does not', () => {
    const [finding, ...more] = foundWith(`0 * * * * ${tidemark} run sync-user-extension --sweep`);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      weight: 'doubtful',
      wrong: expect.stringContaining('may find sync-user-extension locked by line'),
      instead: [`0 * * * * ${tidemark} run sync-user-extension --sweep --if-locked wait --timeout 10m`],
    });
    expect(foundWith(`0 * * * * ${tidemark} run sync-user-extension --sweep --if-locked=wait`)).toEqual([]);
    expect(foundWith(`1 * * * * ${tidemark} run sync-user-extension --sweep`)).toEqual([]);
  });
});
