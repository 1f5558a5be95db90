import { Redis } from 'ioredis';
import type { Kind, Scene } from '../fault.ts';
import { redisTrouble } from './sayings.ts';

const jobs = ['rollup-income', ...Array.from({ length: 10 }, (_, shard) => `sync-commission-log:${shard}`)];
const wrongValues = [
  '2031-01-01T00:00:00.000Z', // ahead
  '2001-01-01T00:00:00.000Z', // behind
  '2026-11-20 10:00:00',
  '2026-13-40T99:99:99.999Z',
  'tomorrow',
  '0',
  '',
] as const;

/** Everything lost, the server killed, frozen, and wrong values in the keys. */
export const redis: Kind = {
  name: 'redis',
  summary: 'FLUSHALL, kill -9 and freezing of Redis, wrong values in its keys',
  stallTimeoutMs: 5000,
  unknownAnswers: false,
  loops: 3,
  controls: ['redis-checkpoint', 'now', 'income-by-update-time', 'balance-written-back'],
  headline: 'flushes',
  codes: [0],
  sayings: redisTrouble,
  async begin(scene) {
    const figures = { flushes: 0, 'restarts of Redis': 0, 'freezes of Redis': 0, 'wrong values': 0 };
    return {
      wreak: () => wreak(scene, figures),
      end: async () => undefined,
      figures: () => figures,
    };
  },
};

async function wreak(
  scene: Scene,
  figures: { flushes: number; 'restarts of Redis': number; 'freezes of Redis': number; 'wrong values': number },
): Promise<void> {
  const { stage, random, signal, note, pause } = scene;
  const client = connect(stage.redisUrl());
  while (!signal.aborted) {
    await pause(random.between(50, 500));
    const drawn = random.next();
    if (drawn < 0.5) {
      note('FLUSHALL');
      await client.flushall();
      figures.flushes += 1;
    } else if (drawn < 0.85) {
      const key = `tidemark:checkpoint:${random.pick(jobs)}`;
      const value = random.pick(wrongValues);
      note(`SET ${key} "${value}"`);
      await client.set(key, value);
      figures['wrong values'] += 1;
    } else if (drawn < 0.93) {
      note('Redis killed');
      await stage.servers.main.killRedis();
      await pause(random.between(0, 1000));
      await stage.servers.main.restartRedis();
      figures['restarts of Redis'] += 1;
    } else {
      await freeze(client, scene);
      figures['freezes of Redis'] += 1;
    }
  }
  client.disconnect();
}

/** Often longer than the two seconds that tidemark waits for it. */
async function freeze(client: Redis, { random, note, pause }: Scene): Promise<void> {
  const pid = Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]);
  const ms = random.between(100, 3500);
  note(`Redis frozen for ${Math.round(ms)} ms`);
  process.kill(pid, 'SIGSTOP');
  await pause(ms);
  process.kill(pid, 'SIGCONT');
}

/** Comes back by itself when the server does. */
function connect(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  return client;
}
