/** The engine's setting, from the settings in force. */
import { systemClock } from '../engine/clock.ts';
import type { Setting } from '../engine/run.ts';
import type { Exemptions } from '../engine/statements.ts';
import type { App, Surroundings } from './app.ts';

/** The statements that a person has vouched for. */
export function exemptionsOf({ config }: Surroundings): Exemptions {
  return {
    users: (config.get('TIDEMARK_EXEMPT_USERS') as string[] | undefined) ?? [],
    schemas: (config.get('TIDEMARK_EXEMPT_SCHEMAS') as string[] | undefined) ?? [],
    pattern: (config.get('TIDEMARK_EXEMPT_STATEMENTS') as RegExp | undefined) ?? null,
  };
}

/** A transaction that is open for longer was perhaps forgotten. */
const blockedWarningMs = 60_000;

export function engineSetting(
  app: App,
  surroundings: Surroundings,
  more: Pick<Setting, 'copies' | 'halt' | 'log' | 'progress'>,
): Setting {
  const { config, databases, zone } = surroundings;
  return {
    ...more,
    zone,
    jobs: app.jobs,
    clock: systemClock,
    openTarget: (job) => databases.open(job.target),
    openSource: () => databases.open('source'),
    openDatabase: (name) => databases.open(name),
    settingOf: (name) => config.get(name),
    windowRows: config.need('TIDEMARK_WINDOW_ROWS') as number,
    stallTimeoutMs: config.need('TIDEMARK_STALL_TIMEOUT') as number,
    settleLagMs: config.get('TIDEMARK_SETTLE_LAG') as number | undefined,
    exemptions: exemptionsOf(surroundings),
    blockedWarningMs,
    missingColumns: config.need('TIDEMARK_MISSING_COLUMNS') as 'warn' | 'error',
    onStep: () => undefined,
  };
}
