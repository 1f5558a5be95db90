/**
 * Controls of the other tests of crash points: engines that are wrong on purpose, look right as long as nobody disturbs
 * them, and must be caught by the same strikes and the same comparison.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Parameter, Session } from '../../src/platform/mysql.ts';
import { BreakPoints, type Scene } from '../support/break-points.ts';
import { ownServers, row, runAhead, usual } from '../support/crash-scenes.ts';
import { answered } from '../support/intercept.ts';
import { World } from '../support/world.ts';

const job = 'sync-commission-log';
const shard = '1';
const movesCheckpoint = (sql: string) => sql.startsWith('UPDATE tidemark_checkpoint');

/** The checkpoint moves by itself, once the effects are committed. */
const movedAfterwards = (target: Session) => {
  let move: { sql: string; parameters: readonly Parameter[] } | null = null;
  return answered(target, async (sql, parameters, send) => {
    if (movesCheckpoint(sql)) {
      move = { sql, parameters };
      return { affected: 1, insertId: 0 };
    }
    const answer = await send(sql, parameters);
    if (sql === 'COMMIT' && move !== null) await send(move.sql, move.parameters);
    if (sql === 'COMMIT') move = null;
    return answer;
  });
};

/** Every statement commits by itself. */
const withoutTransaction = (target: Session) =>
  answered(target, (sql, parameters, send) =>
    /^(START TRANSACTION|COMMIT|ROLLBACK)/.test(sql) ? send('DO 0') : send(sql, parameters),
  );

/** Where Redis says that a run ended, the next one begins; it is told ahead of the commit. */
const redisBelieved = (world: World) => (target: Session) =>
  answered(target, async (sql, parameters, send) => {
    if (sql.startsWith('SELECT checkpoint FROM tidemark_checkpoint')) {
      await send(sql, parameters);
      const copy = await world.redisCheckpoint(job, shard);
      return [[world.zone.text(Date.parse(copy as string))]];
    }
    if (!movesCheckpoint(sql)) return send(sql, parameters);
    const instant = world.zone.fromText(String(parameters[0])) as number;
    await world.redis.set(
      `${world.settings.TIDEMARK_REDIS_PREFIX}checkpoint:${job}:${shard}`,
      new Date(instant).toISOString(),
    );
    return send(sql.replace(' AND checkpoint = ?', ''), parameters.slice(0, -1));
  });

const servers = ownServers();
const scene: Scene = usual({ job, shard, request: {} });
let world: World;
let right: readonly string[];
beforeAll(async () => {
  world = await World.create(servers().addresses);
  await world.addCommission(row(1, 100, '09:30:00'));
  await runAhead(world, job, shard);
  await world.addCommission(row(2, 200, '11:00:00'));
  right = (await BreakPoints.of(world, scene)).expected;
});
afterAll(() => world.destroy());

const wrongEngines: readonly [name: string, spoil: () => (target: Session) => Session, harm: RegExp][] = [
  [
    'moves the checkpoint after the commit repeats',
    () => movedAfterwards,
    /the next run fails: .* its journal ends at/,
  ],
  ['works without a transaction loses the half', () => withoutTransaction, /- commission_change: user_id=1001/],
  ['believes Redis leaves gaps', () => redisBelieved(world), /- plus_commission_log: id=2 /],
];
test.each(wrongEngines)(
  'an engine that %s, and is caught',
  async (_, spoil, harm) => {
    const run = await BreakPoints.of(world, { ...scene, spoil: spoil() });
    expect(run.expected).toEqual(right); // nobody sees it as long as nothing breaks
    const outside = run.points.filter(({ connection }) => !connection.startsWith('source'));
    const { wrong } = await run.strikeAll('killed', outside);
    expect(wrong.join('\n')).toMatch(harm);
  },
  300_000,
);
