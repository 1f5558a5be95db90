/** Who hears of every run of this installation, by its settings. */
import type { App, Surroundings } from './app.ts';
import { metricsFileWriter } from './metrics-file.ts';
import type { RunObserver } from './one-run.ts';
import { pingObserver } from './pings.ts';
import { runLogKeeper } from './run-log.ts';

export function runObservers(app: App, surroundings: Surroundings): readonly RunObserver[] {
  const pingUrl = surroundings.config.get('TIDEMARK_PING_URL');
  return [
    ...(pingUrl === undefined ? [] : [pingObserver(pingUrl, surroundings.config.secrets)]),
    ...runLogKeeper(surroundings),
    ...metricsFileWriter(app.jobs, surroundings),
  ];
}
