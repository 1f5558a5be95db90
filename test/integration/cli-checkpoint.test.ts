import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, expectComplaint, expectCopied, expectSilence, json, withRedis } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const run = ['run', 'sync-user-extension'];
const name = 'sync-user-extension';

describe('checkpoint, and its copy in Redis', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await addExtensions(
      world.source,
      { id: 1 },
      { id: 2, updated: '2026-11-18 11:00:00' },
      { id: 3, updated: '2026-11-18 12:00:00' },
    );
  });
  afterEach(() => world.destroy());

  const set = (time: string, ...more: string[]) => world.cli(['checkpoint', name, '--set', time, '--yes', ...more]);
  const at = async () => (await world.main.tuples('SELECT checkpoint FROM tidemark_checkpoint'))[0]?.[0];
  const copied = async () => (await world.main.tuples('SELECT id FROM user_extension ORDER BY id')).map(([id]) => id);
  const putInRedis = (text: string) =>
    withRedis(world, (redis) => redis.set(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${name}`, text));

  test('first adoption of an existing system: what lies before counts as applied', async () => {
    expect(json(await world.cli(['checkpoint', name, '--json']))).toMatchObject([{ checkpoint: null }]);
    expect((await world.cli(['checkpoint', name])).stdout).toContain('never ran');
    const result = await set('2026-11-18T11:00:00');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain(`${name}: the checkpoint is 2026-11-18T11:00:00+08:00`);
    expect(await world.redisCheckpoint(name)).toBe('2026-11-18T03:00:00.000Z');
    expectSilence(await world.cli(run));
    expect(await copied()).toEqual(['2', '3']);
    expect(json(await world.cli(['verify', name, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
    expectSilence(await world.cli([...run, '--full']));
    await expectCopied(world);
  });

  test('backwards: what lies between is applied again, and the journal is whole', async () => {
    await world.cli(run);
    await world.main.write('DELETE FROM user_extension');
    const shown = json(await set('2026-11-18T11:30:00+08:00', '--json'));
    expect(shown).toEqual([{ job: name, shard: null, checkpoint: '2026-11-18T11:30:00+08:00', redis: 'agrees' }]);
    expectSilence(await world.cli(run));
    expect(await copied()).toEqual(['3']);
    expect(json(await world.cli(['verify', name, '--json']))).toMatchObject({ gaps: [], overlaps: [] });
  });

  test('forwards: what is left out stays visible as a gap, and can be run', async () => {
    await world.cli([...run, '--max-windows', '1'], { TIDEMARK_WINDOW_ROWS: '1' });
    expect(await at()).toBe('2026-11-18 11:00:00');
    expect((await set('2026-11-18T12:00:00')).code).toBe(0);
    expectSilence(await world.cli(run));
    expect(await copied()).toEqual(['1', '3']);
    const gap = { from: '2026-11-18T11:00:00+08:00', to: '2026-11-18T12:00:00+08:00' };
    expect(json(await world.cli(['verify', name, '--json']), 65)).toMatchObject({ gaps: [gap], overlaps: [] });
    expectSilence(await world.cli([...run, '--from', gap.from, '--to', gap.to]));
    await expectCopied(world);
  });

  test('without --yes and without a terminal nothing is set', async () => {
    await world.cli(run);
    const before = await at();
    const result = await world.cli(['checkpoint', name, '--set', '2026-11-18']);
    expectComplaint(result, 64, 'confirm', '--yes');
    expect(await at()).toBe(before);
  });

  test('of one shard, or of all', async () => {
    const job = 'sync-commission-log';
    expect((await world.cli(['checkpoint', job, '3', '--set', '2026-11-18', '--yes'])).code).toBe(0);
    const shown = json<{ shard: string; checkpoint: string | null }[]>(await world.cli(['checkpoint', job, '--json']));
    expect(shown.map(({ shard, checkpoint }) => [shard, checkpoint])).toEqual(
      [...'0123456789'].map((shard) => [shard, shard === '3' ? '2026-11-18T00:00:00+08:00' : null]),
    );
    expect((await world.cli(['checkpoint', job, '--set', '2026-11-17T16:00:00Z', '--yes'])).code).toBe(0);
    const all = json<{ checkpoint: string; redis: string }[]>(await world.cli(['checkpoint', job, '--json']));
    for (const line of all) expect(line).toMatchObject({ checkpoint: '2026-11-18T00:00:00+08:00', redis: 'agrees' });
  });

  test('Redis knows a checkpoint and the database has none: 78, and the command that adopts it works as printed', async () => {
    await putInRedis('2026-11-18T03:00:00.000Z');
    const result = await world.cli(run);
    expectComplaint(result, 78, 'Redis knows a checkpoint', 'database has none', `tidemark checkpoint ${name} --set`);
    expect(await copied()).toEqual([]);
    expect(await at()).toBeUndefined();
    const command = /Next: tidemark (checkpoint \S+ --set \S+?),? /.exec(result.stderr)?.[1] ?? '';
    expect(command).toBe(`checkpoint ${name} --set 2026-11-18T11:00:00+08:00`);
    expect((await world.cli([...command.split(' '), '--yes'])).code).toBe(0);
    expectSilence(await world.cli(run));
    expect(await copied()).toEqual(['2', '3']);
  });

  test.each([
    ['missing', null, ''],
    ['behind', '2026-11-18T02:00:00.000Z', ''],
    ['ahead', '2036-01-01T00:00:00.000Z', 'ahead'],
    ['malformed', '2026/11/18 10:00', '2026/11/18'],
  ] as const)('a copy that is %s is found by status, and put right by the next run', async (state, text, warning) => {
    await world.cli(run);
    await withRedis(world, (redis) => redis.del(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${name}`));
    if (text !== null) await putInRedis(text);
    expect(json(await world.cli(['status', name, '--json']))).toMatchObject([{ redis: state }]);
    const result = await world.cli(run);
    expect(result).toMatchObject({ code: 0, stdout: '' });
    if (warning === '') expect(result.stderr).toBe('');
    else expect(result.stderr).toContain(warning);
    expect(json(await world.cli(['status', name, '--json']))).toMatchObject([{ redis: 'agrees' }]);
    await expectCopied(world);
  });
});
