/** What `tidemark verify` proves from the journal, and what it tells beside it. */
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { addExtensions, json } from '../support/cli-tools.ts';
import { World } from '../support/world.ts';

const job = 'sync-user-extension';

interface Verified {
  gaps: object[];
  overlaps: object[];
  disagreements: { journalEnd: string | null; checkpoint: string | null; next: string }[];
  shards: { job: string; shard: string | null; checkpoint: string; behindSeconds: number | null; redis: string }[];
  undeclaredShards: object[];
  watermarksUnknown?: string;
}

describe('verify, from the journal alone', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.create(inject('servers'));
    await addExtensions(
      world.source,
      { id: 1 },
      { id: 2, updated: '2026-11-18 11:00:00' },
      { id: 3, updated: '2026-11-18 12:00:00' },
    );
    await world.run(job, {}, { windowRows: 1 });
  });
  afterEach(() => world.destroy());

  const verify = async (code: number, more: readonly string[] = [job], environment = {}) =>
    json<Verified>(await world.cli(['verify', ...more, '--json'], environment), code);
  const move = (set: string) => world.main.write(`UPDATE tidemark_checkpoint SET checkpoint = ${set}`);

  /** Types what verify says, and expects that nothing is left to say. */
  async function mend(next: string): Promise<void> {
    for (const command of next.split(', then ')) {
      const args = command.replace('tidemark ', '').split(' ');
      const result = await world.cli(args.includes('--set') ? [...args, '--yes'] : args);
      expect(result.code, result.stderr).toBe(0);
    }
    await verify(0);
  }

  test('windows side by side up to the checkpoint are whole', async () => {
    expect(await verify(0)).toMatchObject({ gaps: [], overlaps: [], disagreements: [] });
  });

  test('a journal that ends before the checkpoint is a gap, and its command mends it', async () => {
    await move('checkpoint + INTERVAL 1 HOUR');
    const { gaps, disagreements } = await verify(65);
    expect(gaps).toHaveLength(1);
    expect((await world.cli(['verify', job])).stdout).toMatch(/the journal ends at .*, and the checkpoint is/);
    await mend(disagreements[0]?.next as string);
  });

  test('a journal that ends beyond the checkpoint is an overlap, and its command mends it', async () => {
    await move("'2026-11-18 11:30:00'");
    const { overlaps, disagreements } = await verify(65);
    expect(overlaps).toMatchObject([{ from: '2026-11-18T11:30:00+08:00' }]);
    await mend(disagreements[0]?.next as string);
  });

  test('a journal without a checkpoint is a disagreement, and its command mends it', async () => {
    await world.main.write('DELETE FROM tidemark_checkpoint');
    const { disagreements } = await verify(65);
    expect(disagreements).toMatchObject([{ checkpoint: null, journalEnd: expect.any(String) }]);
    await mend(disagreements[0]?.next as string);
  });

  test('a checkpoint whose journal is lost is a disagreement', async () => {
    await world.main.write('DELETE FROM tidemark_window');
    const { disagreements } = await verify(65);
    expect(disagreements).toMatchObject([
      { journalEnd: null, next: expect.stringContaining(`tidemark checkpoint ${job} --set`) },
    ]);
    await mend(`tidemark checkpoint ${job} --set ${disagreements[0]?.checkpoint}`);
  });

  test('a checkpoint that was adopted, or of a first run without data, needs no journal', async () => {
    await world.cli(['checkpoint', 'sync-commission-log', '3', '--set', '2026-11-18T10:00:00', '--yes']);
    await world.runShard('sync-commission-log', '4');
    const { shards } = await verify(0, ['sync-commission-log']);
    expect(shards.filter(({ checkpoint }) => checkpoint !== null)).toHaveLength(2);
  });

  test('a window inside a longer one is an overlap, and no gap behind it', async () => {
    await world.main.write(
      `UPDATE tidemark_window SET window_end = '2026-11-18 12:30:00' WHERE window_start = '2026-11-18 10:00:00'`,
    );
    const { gaps, overlaps } = await verify(65);
    expect(gaps).toEqual([]);
    expect(overlaps).toMatchObject([
      { from: '2026-11-18T11:00:00+08:00', to: '2026-11-18T12:00:00+08:00' },
      { from: '2026-11-18T12:00:00+08:00', to: '2026-11-18T12:30:00+08:00' },
    ]);
  });

  test('a shard behind the watermark is told, and is no gap', async () => {
    await world.cli(['checkpoint', job, '--set', '2026-11-18T11:00:00', '--yes']);
    expect((await verify(0)).shards[0]?.behindSeconds).toBeGreaterThan(100);
    expect((await world.cli(['verify', job])).stdout).toContain('behind the watermark');
  });

  test('without the source the rest is told, with a word of what is not', async () => {
    const environment = { SOURCE_DATABASE_URL: 'mysql://nobody:x@127.0.0.1:1/none' };
    const { shards, watermarksUnknown } = await verify(0, [job], environment);
    expect(shards).toMatchObject([{ behindSeconds: null }]);
    expect(watermarksUnknown).toContain('cannot be reached');
    expect((await world.cli(['verify', job], environment)).stdout).toContain('cannot be reached');
  });

  test('a shard that the job does not declare is told', async () => {
    await world.main.write(`UPDATE tidemark_window SET job = 'sync-commission-log', shard = '12'`);
    await world.main.write(`UPDATE tidemark_checkpoint SET job = 'sync-commission-log', shard = '12'`);
    const { undeclaredShards } = await verify(0, ['sync-commission-log']);
    expect(undeclaredShards).toMatchObject([{ job: 'sync-commission-log', shard: '12' }]);
    expect((await world.cli(['verify'])).stdout).toContain('sync-commission-log 12: the tables know this shard');
  });

  test.each([
    ['missing', async () => world.forgetRedis(job)],
    ['behind', async () => setCopy('2026-11-18T00:00:00.000Z')],
    ['ahead', async () => setCopy('2027-11-18T00:00:00.000Z')],
    ['malformed', async () => setCopy('yesterday')],
  ])('a copy in Redis that is %s is told, and no reason for exit 65', async (state, make) => {
    await make();
    expect((await verify(0)).shards).toMatchObject([{ redis: state }]);
    expect((await world.cli(['verify', job])).stdout).toContain(`the copy in Redis is ${state}`);
  });

  test('without Redis the rest is told', async () => {
    const environment = { REDIS_URL: 'redis://127.0.0.1:1' };
    expect((await verify(0, [job], environment)).shards).toMatchObject([{ redis: 'unreachable' }]);
  });

  const setCopy = (value: string) => world.redis.set(`${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}`, value);
});
