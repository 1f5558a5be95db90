import type { Kind } from '../fault.ts';
import type { Random } from '../random.ts';
import { type Place, places } from '../stage.ts';
import { cutOff } from './sayings.ts';

/** One of the servers; now and then both. */
function struck(random: Random): readonly Place[] {
  return random.chance(0.2) ? places : [random.pick(places)];
}

/** kill -9 of the source's server, the target's or both, again and again, while all goes on. */
export const database: Kind = {
  name: 'database',
  summary: 'kill -9 of mariadbd, and restart',
  stallTimeoutMs: 5000,
  unknownAnswers: true,
  loops: 3,
  controls: ['now', 'income-by-update-time', 'account-before-bill'],
  headline: 'crashes',
  codes: [0, 1, 69],
  sayings: cutOff,
  async begin({ stage, random, signal, note, pause }) {
    const crashes = { source: 0, main: 0 };
    return {
      async wreak() {
        while (!signal.aborted) {
          await pause(random.between(500, 5000));
          if (signal.aborted) break;
          const down = struck(random);
          note(`mariadbd killed: ${down.join(' and ')}`);
          await Promise.all(down.map((place) => stage.servers[place].killMariadb()));
          await pause(random.chance(0.3) ? random.between(0, 2000) : 0);
          await Promise.all(down.map((place) => stage.servers[place].restartMariadb()));
          note(`mariadbd is back: ${down.join(' and ')}`);
          for (const place of down) crashes[place] += 1;
        }
      },
      end: async () => undefined,
      figures: () => ({
        crashes: crashes.source + crashes.main,
        'crashes of the source': crashes.source,
        'crashes of the target': crashes.main,
      }),
    };
  },
};
