import type { Kind } from '../fault.ts';
import { cutOff } from './sayings.ts';

/** kill -9 of the server of source and target, again and again, while all goes on. */
export const database: Kind = {
  name: 'database',
  summary: 'kill -9 of mariadbd, and restart',
  stallTimeout: '5s',
  loops: 3,
  controls: ['now', 'income-by-update-time'],
  headline: 'crashes',
  codes: [0, 1, 69],
  sayings: cutOff,
  async begin({ stage, random, signal, note, pause }) {
    let crashes = 0;
    return {
      async wreak() {
        while (!signal.aborted) {
          await pause(random.between(500, 5000));
          if (signal.aborted) break;
          note('mariadbd killed');
          await stage.servers.killMariadb();
          await pause(random.chance(0.3) ? random.between(0, 2000) : 0);
          await stage.servers.restartMariadb();
          note('mariadbd is back');
          crashes += 1;
        }
      },
      end: async () => undefined,
      figures: () => ({ crashes }),
    };
  },
};
