import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { everything, expectComplaint, told } from '../support/cli-tools.ts';
import { typed } from '../support/in-process.ts';
import { World } from '../support/world.ts';

const sync = 'run sync-commission-log';

/** What is typed, and what the answer must name. */
const mistakes: readonly (readonly [string, ...(string | RegExp)[]])[] = [
  ['run sync-comission-log', 'sync-comission-log', 'did you mean sync-commission-log', 'Next: tidemark list'],
  ['run rollup', 'no job "rollup"'],
  ['status rollup-incom', 'did you mean rollup-income'],
  ['verify nothing-like-it', 'no job "nothing-like-it"', 'Next: tidemark list'],
  ['checkpoint sync-users', 'no job "sync-users"'],
  ['dead-letters list sync-users', 'no job "sync-users"'],
  [`${sync} 10`, 'no shard "10"', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9'],
  [`${sync} 3 x`, 'no shard "x"'],
  ['run rollup-income 1', 'no shard "1"', 'none'],
  ['checkpoint sync-commission-log 11', 'no shard "11"'],
  ['frobnicate', /unknown command.*frobnicate/],
  ['stauts', /unknown command.*stauts/],
  ['dead-letters lits', /lits/],
  ['run', 'job'],
  [`${sync} --form 2026-11-20`, /unknown option.*--form/],
  ['status --jsn', /unknown option.*--jsn/],
  [`${sync} 3 --from yesterday --to 2026-11-20`, '--from "yesterday" is no time', 'ISO 8601'],
  [`${sync} 3 --from 2026-11-18 --to 2026-02-30`, '--to "2026-02-30" is no time'],
  [`${sync} 3 --from 2026-11-18 --to 2026-11-18T25:00:00`, '--to', 'no time'],
  [`${sync} 3 --from 2026-11-18T12:00:00 --to 2026-11-18T10:00:00`, '--from', 'not before', '--to'],
  [`${sync} 3 --from 2026-11-18 --to 2026-11-18`, '--from', 'not before', '--to'],
  [`${sync} 3 --from 2026-11-18T10:00:00.5 --to 2026-11-19`, '--from', 'whole second'],
  [`${sync} 3 --from 2026-11-18`, '--to is missing'],
  [`${sync} 3 --to 2026-11-18`, '--from is missing'],
  [`${sync} 3 --from 2026-11-18 --to 2036-11-18`, '--to', 'beyond the checkpoint', 'sync-commission-log 3'],
  [`${sync} 4 --from 2026-11-18 --to 2026-11-19`, 'none yet', 'Next: tidemark run sync-commission-log 4'],
  ['run rollup-income --from 2026-11-18T10:30:00 --to 2026-11-18T12:00:00', '--from', 'whole hour'],
  ['run rollup-income --from 2026-11-18T10:00:00 --to 2026-11-18T12:00:01', '--to', 'whole hour'],
  ['run rollup-income --sweep', 'rollup-income', 'sweep', '--full'],
  [`${sync} 3 --full --repair`, '--full', '--repair'],
  [`${sync} 3 --sweep --from 2026-11-18 --to 2026-11-19`, '--sweep', '--from'],
  [`${sync} 3 --every 10s`, '--for is missing'],
  [`${sync} 3 --for 10s`, '--every is missing'],
  [`${sync} 3 --every soon --for 10s`, '--every', 'such as 10s'],
  [`${sync} 3 --timeout 0s`, '--timeout', 'such as 10s'],
  [`${sync} 3 --timeout 10`, '--timeout', 'such as 10s'],
  [`${sync} 3 --concurrency 0`, '--concurrency', 'whole number'],
  [`${sync} 3 --concurrency many`, '--concurrency', 'whole number'],
  [`${sync} 3 --max-windows -1`, '--max-windows'],
  [`${sync} 3 --if-locked maybe`, '--if-locked', 'skip, wait, fail'],
  ['checkpoint sync-commission-log 3 --set tomorrow', '--set "tomorrow" is no time'],
  ['checkpoint sync-commission-log 3 --set 2036-01-01 --yes', '--set', 'future'],
  ['checkpoint sync-commission-log 3 --set 2026-11-18T10:00:00.25 --yes', '--set', 'whole second'],
  ['checkpoint sync-commission-log 3 --set 2026-11-18', 'confirm', '--yes'],
];

describe('what is typed wrong is answered in one sentence, with exit code 64, and nothing is changed', () => {
  let world: World;
  let before: unknown;
  beforeAll(async () => {
    world = await World.create(inject('servers'));
    await world.addCommission({ id: 1, user: 1003 }, { id: 2, user: 1004 });
    await world.runShard('sync-commission-log', '3');
    before = await everything(world);
  });
  afterAll(async () => {
    // A range beyond the checkpoint is found by the run itself, which leaves its line in the history, as does the shard
    // whose range was right.
    const runs = await world.main.tuples('SELECT DISTINCT outcome FROM tidemark_run WHERE kind <> ? ORDER BY 1', [
      'windows',
    ]);
    expect(runs).toEqual([['done'], ['failed']]);
    for (const table of ['tidemark_run', 'tidemark_run_sum'])
      await world.main.write(`DELETE FROM ${table} WHERE kind <> 'windows'`);
    const after = await everything(world);
    await world.destroy();
    expect(after).toEqual(before);
  });

  test.each(mistakes.map(([line, ...parts]) => ({ line, parts })))('$line', async ({ line, parts }) => {
    const result = await typed(line.split(' '), { settings: world.settings, folder: tmpdir() });
    expectComplaint(result, 64, ...parts);
    expect(result.stdout).toBe('');
    expect(told(result).warnings).toEqual([]);
  });

  test('the nearest command and flag are suggested', async () => {
    expect((await world.cli(['stauts'])).stderr).toMatch(/status/);
    expect((await world.cli(['run', 'rollup-income', '--ful'])).stderr).toMatch(/--full/);
  });

  test('a mistake in one shard of several: the others are done, and it counts', async () => {
    const result = await world.cli([...`${sync} 3 4 --from 2026-11-18 --to 2026-11-19`.split(' ')]);
    expectComplaint(result, 64, 'sync-commission-log 4');
  });

  test('a process of its own says the same, and ends with the same code', async () => {
    for (const [line, ...parts] of [mistakes[0], mistakes[10], mistakes[14], mistakes[16]].filter(
      (one) => one !== undefined,
    ))
      expectComplaint(await world.cli(line.split(' ')), 64, ...parts);
    for (const [settings, code, part] of [
      [{ MAIN_DATABASE_URL: 'nonsense' }, 78, 'MAIN_DATABASE_URL'],
      [{ MAIN_DATABASE_URL: `${world.settings.MAIN_DATABASE_URL}_gone` }, 78, 'Unknown database'],
      [{ MAIN_DATABASE_URL: 'mysql://nobody@127.0.0.1:1/mia' }, 69, 'cannot be reached'],
    ] as const)
      expectComplaint(await world.cli(['run', 'sync-user-extension'], settings), code, part);
    const nothing = await world.cli([]);
    expect(nothing.code).toBe(64);
    expect(nothing.stderr).toMatch(/Usage: tidemark/);
  });
});
