/** What the tests of crash points have in common: a world with small data, a scene, and a test for each fault. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BreakPoints, exactCounts, faults, runOn, type Scene, wiresOf, worthStriking } from './break-points.ts';
import { startTestServers, type TestServers } from './servers.ts';
import type { Fault } from './wires.ts';
import { type Commission, World } from './world.ts';

export interface CrashScene extends Omit<Scene, 'journalCounts' | 'clock' | 'windowRows'> {
  readonly name: string;
  readonly clock?: string;
  readonly windowRows?: number;
  readonly journalCounts?: string;
  /** The world has a ledger. */
  readonly ledger?: true;
  readonly settings?: Readonly<Record<string, string>>;
  /** Makes the world in which the run begins. */
  readonly prepare: (world: World) => Promise<void>;
  /** Transactions that an undisturbed run commits. */
  readonly commits: number;
  /** Fewer points than these would mean that the wires do not see them. */
  readonly pointsMin: number;
  /** What an undisturbed run leaves, among other things. */
  readonly leaves: readonly (string | RegExp)[];
}

/** Local time on the day of all scenes. */
export const at = (time: string) => `2025-03-04 ${time}`;
const usualClock = at('12:00:02');

export const row = (
  id: number,
  amount: number,
  updated: string,
  more: Partial<Commission> = {},
): Partial<Commission> => ({
  id,
  user: 1001,
  amount,
  created: at('09:10:00'),
  updated: at(updated),
  ...more,
});

export const usual = (
  scene: Omit<CrashScene, 'name' | 'ledger' | 'settings' | 'prepare' | 'commits' | 'pointsMin' | 'leaves'>,
): Scene => ({
  clock: usualClock,
  windowRows: 100,
  journalCounts: exactCounts,
  ...scene,
});

/** A test is hundreds of runs; on a busy machine they take long, and that is no fault. */
const limitMs = 300_000;

/** Strikes for each point, at least: fewer would mean that the table of what is meant has lost something. */
const strikesMin: Readonly<Record<Fault, number>> = {
  killed: 1,
  reset: 1.1,
  hang: 1.1,
  'server gone': 1.1,
  'lock wait timeout': 0.25,
  deadlock: 0.25,
};

let preparations = 0;

/** A run ahead of the scene, undisturbed. */
export async function runAhead(world: World, job: string, shard: string, clock = at('10:00:02')): Promise<void> {
  preparations += 1;
  const runId = `00000000-0000-4000-8000-${String(preparations).padStart(12, '0')}`;
  const wires = wiresOf(world, clock);
  const result = await runOn(world, wires, { job, shard, request: {}, windowRows: 100, clock }, runId);
  wires.close();
  if (result.error !== null) throw result.error;
}

/** The other nine shards are as far as shard 1 will ever be. */
export async function setOtherShards(world: World): Promise<void> {
  for (const shard of '023456789')
    await world.main.write(`INSERT INTO tidemark_checkpoint (job, shard, checkpoint, run_id, moved_at) VALUES
      ('sync-commission-log', '${shard}', '${at('23:00:00')}', 'test', '${at('09:00:00')}')`);
}

/** Servers of their own: long statements of other tests would hold the watermark back. */
export function ownServers(): () => TestServers {
  let servers: TestServers | undefined;
  beforeAll(async () => {
    servers = await startTestServers({ quickCommits: true });
  });
  afterAll(() => servers?.stop());
  return () => servers as TestServers;
}

export function describeScenes(scenes: readonly CrashScene[]): void {
  const servers = ownServers();
  const known = new Set<string>();
  describe.each(scenes)('$name', (scene) => {
    let world: World;
    let run: BreakPoints;
    beforeAll(async () => {
      const { ledger = false, settings = {} } = scene;
      world = await World.create(servers().addresses, { ledger, settings });
      await scene.prepare(world);
      run = await BreakPoints.of(world, usual(scene));
    });
    afterAll(() => world.destroy());

    test('an undisturbed run does what is to be broken', () => {
      expect(run.points.filter(({ text }) => text === 'COMMIT')).toHaveLength(scene.commits);
      expect(run.points.length).toBeGreaterThanOrEqual(scene.pointsMin);
      for (const line of scene.leaves) expect(run.expected).toContainEqual(expect.stringMatching(line));
    });

    test.each(faults)(
      'leaves nothing wrong, whatever point it strikes: %s',
      async (fault) => {
        const points = worthStriking(fault, run.points, known);
        const { strikes, wrong } = await run.strikeAll(fault, points);
        expect(strikes).toBeGreaterThanOrEqual(points.length * strikesMin[fault]);
        expect(run.statesSeen).toBeGreaterThanOrEqual(2);
        expect(wrong.join('\n')).toBe('');
      },
      limitMs,
    );
  });
}
