/** Who hears of every run of this installation, by its settings. */
import type { Surroundings } from './app.ts';
import type { RunObserver } from './one-run.ts';

export function runObservers(_: Surroundings): readonly RunObserver[] {
  return [];
}
