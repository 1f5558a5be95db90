import type { Kind } from '../fault.ts';
import { FaultyProxy } from './faulty-proxy.ts';
import { cutOff, redisTrouble } from './sayings.ts';

/** Source, target and Redis are behind proxies that delay, cut, half open and refuse. */
export const network: Kind = {
  name: 'network',
  summary: 'a network that delays, cuts in mid-packet, half opens, refuses',
  stallTimeoutMs: 2000,
  unknownAnswers: true,
  loops: 4,
  controls: ['no-lock', 'now', 'balance-written-back'],
  headline: 'broken connections',
  codes: [0, 1, 69],
  sayings: [...cutOff, ...redisTrouble],
  async begin({ stage, random, signal, note, pause }) {
    const { source, main } = stage.servers;
    const proxies = {
      source: await FaultyProxy.open(() => source.addresses.mariadb.port, random.fork('source')),
      main: await FaultyProxy.open(() => main.addresses.mariadb.port, random.fork('main')),
      redis: await FaultyProxy.open(() => main.addresses.redis.port, random.fork('redis')),
    };
    const all = Object.values(proxies);
    const sum = (harm: keyof FaultyProxy['figures']) => all.reduce((total, { figures }) => total + figures[harm], 0);
    let outages = 0;
    return {
      ports: { source: proxies.source.port, main: proxies.main.port, redis: proxies.redis.port },
      async wreak() {
        while (!signal.aborted) {
          await pause(random.between(1000, 5000));
          if (signal.aborted) return;
          const name = random.pick(['source', 'main', 'redis'] as const);
          note(`nobody listens for ${name}`);
          await proxies[name].refuseFor(random.between(50, 800));
          outages += 1;
        }
      },
      end: async () => {
        for (const proxy of all) proxy.close();
      },
      figures: () => ({
        'broken connections': sum('cut') + sum('half open') + sum('refused'),
        'cut in mid-packet': sum('cut'),
        'half open': sum('half open'),
        refused: sum('refused'),
        'slow connections': sum('delays'),
        'times that nobody listened': outages,
      }),
    };
  },
};
