/** The engine's setting, from the settings in force. */
import type { Halt } from '../engine/clock.ts';
import { systemClock } from '../engine/clock.ts';
import type { Setting } from '../engine/run.ts';
import type { Log } from '../platform/log.ts';
import type { App, Surroundings } from './app.ts';

export function engineSetting(
  app: App,
  surroundings: Surroundings,
  more: { halt: Halt; log: Log; progress: Setting['progress'] },
): Setting {
  const { config, databases, zone, copies } = surroundings;
  return {
    ...more,
    zone,
    copies,
    jobs: app.jobs,
    clock: systemClock,
    openTarget: (job) => databases.open(job.target),
    openSource: () => databases.open('source'),
    windowRows: config.need('TIDEMARK_WINDOW_ROWS') as number,
    stallTimeoutMs: config.need('TIDEMARK_STALL_TIMEOUT') as number,
    settleLagMs: config.get('TIDEMARK_SETTLE_LAG') as number | undefined,
    missingColumns: config.need('TIDEMARK_MISSING_COLUMNS') as 'warn' | 'error',
    onStep: () => undefined,
  };
}
