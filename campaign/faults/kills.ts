import type { Fault, Kind, Scene } from '../fault.ts';

/** Of the processes, this share is killed. */
const share = 0.8;

/** SIGKILL at random instants over a run's whole length. */
export const kills: Kind = {
  name: 'kills',
  summary: 'SIGKILL of runs and callers at random instants',
  stallTimeoutMs: 5000,
  unknownAnswers: false,
  loops: 3,
  controls: ['redis-checkpoint', 'now', 'fixed-lag', 'new-bill-id', 'account-before-bill'],
  headline: 'kills',
  codes: [0],
  sayings: [],
  begin: async (scene) => killing(scene),
};

export function killing({ random, runs, signal }: Pick<Scene, 'random' | 'runs' | 'signal'>): Fault {
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
    figures: () => ({
      kills: runs.tallies.run.killed,
      'kills of callers': runs.tallies.caller.killed,
      'kills of closing runs': runs.tallies.closing.killed,
    }),
  };
}
