import type { Kind } from '../fault.ts';
import type { Running } from '../runs.ts';
import { cutOff, redisTrouble } from './sayings.ts';

const stallMs = 1000;
/** Of the processes, this share is stopped; of these, some once more, and so on. */
const share = 0.9;
const againShare = 0.5;

/** SIGSTOP at random instants, many of them longer than the stall timeout; other runs overtake meanwhile. */
export const pauses: Kind = {
  name: 'pauses',
  summary: 'SIGSTOP and SIGCONT of runs and callers, often past the stall timeout',
  stallTimeoutMs: stallMs,
  unknownAnswers: false,
  loops: 8,
  controls: ['no-lock', 'now', 'balance-written-back'],
  headline: 'pauses',
  codes: [0, 1, 69],
  sayings: [...cutOff, ...redisTrouble],
  async begin({ random, runs, signal, note }) {
    const stopped = new Set<Running>();
    const figures = {
      pauses: 0,
      'pauses past the stall timeout': 0,
      'pauses of callers': 0,
      'pauses of closing runs': 0,
    };

    const goOn = (running: Running) => {
      stopped.delete(running);
      if (!running.isOver) running.child.kill('SIGCONT');
    };
    const stop = (running: Running) => {
      if (signal.aborted || running.isOver || !running.child.kill('SIGSTOP')) return;
      const past = random.chance(0.5);
      const ms = past ? random.between(1.1, 3) * stallMs : random.between(0.02, 0.6) * stallMs;
      note(`pid ${running.child.pid} ${running.title} stopped for ${Math.round(ms)} ms`);
      stopped.add(running);
      if (running.party === 'caller') figures['pauses of callers'] += 1;
      if (running.party === 'closing') figures['pauses of closing runs'] += 1;
      if (running.party === 'run') figures.pauses += 1;
      if (running.party === 'run' && past) figures['pauses past the stall timeout'] += 1;
      setTimeout(() => {
        goOn(running);
        if (random.chance(againShare)) schedule(running);
      }, ms);
    };
    const schedule = (running: Running) => {
      const timer = setTimeout(() => stop(running), random.between(0, 1.1) * Math.min(runs.usualMs(running), 1500));
      running.ended.then(() => clearTimeout(timer));
    };
    return {
      meet: (running) => {
        if (random.chance(share)) schedule(running);
      },
      end: async () => {
        for (const running of stopped) goOn(running);
      },
      figures: () => figures,
    };
  },
};
