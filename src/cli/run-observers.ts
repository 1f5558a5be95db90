/** Who hears of every run of this installation, by its settings. */
import type { Surroundings } from './app.ts';
import type { RunObserver } from './one-run.ts';
import { pingObserver } from './pings.ts';
import { runLogKeeper } from './run-log.ts';

export function runObservers(surroundings: Surroundings): readonly RunObserver[] {
  const pingUrl = surroundings.config.get('TIDEMARK_PING_URL');
  return [...(pingUrl === undefined ? [] : [pingObserver(pingUrl)]), ...runLogKeeper(surroundings)];
}
