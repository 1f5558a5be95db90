import type { Kind } from '../fault.ts';

/** Of the processes, this share is killed. */
const share = 0.8;

/** SIGKILL at random instants over a run's whole length. */
export const kills: Kind = {
  name: 'kills',
  summary: 'SIGKILL of runs at random instants',
  stallTimeout: '5s',
  loops: 3,
  controls: ['redis-checkpoint', 'now', 'fixed-lag'],
  headline: 'kills',
  codes: [0],
  sayings: [],
  async begin({ random, runs, signal }) {
    return {
      meet(running) {
        if (!random.chance(share)) return;
        const afterMs = random.between(0, 1.1) * runs.usualMs(running);
        const timer = setTimeout(() => {
          if (!signal.aborted) runs.kill(running);
        }, afterMs);
        running.ended.then(() => clearTimeout(timer));
      },
      end: async () => undefined,
      figures: () => ({ kills: runs.killedAlive }),
    };
  },
};
