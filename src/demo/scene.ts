/**
 * What the steps of the demonstration share: the private servers, open sessions, the stage, and what went wrong so far.
 *
 * Promises: one demonstration at a time on the same servers; another is told so (exit 75).
 */
import { CheckpointCopies } from '../engine/checkpoint-copy.ts';
import type { Job } from '../engine/job.ts';
import { acquireLock } from '../engine/lock.ts';
import { Zone } from '../engine/zone.ts';
import { Config } from '../platform/config.ts';
import { Databases } from '../platform/databases.ts';
import { exitCodes, TidemarkError } from '../platform/errors.ts';
import type { LocalServers } from '../platform/local/index.ts';
import type { Session } from '../platform/mysql.ts';
import type { Stage } from './stage.ts';
import { demoEnvironment, type Environment } from './tidemark.ts';

const keepWarmMs = 10_000;

export const syncUsers = 'sync-user-extension';
export const syncCommission = 'sync-commission-log';
export const rollup = 'rollup-income';

export interface Scene {
  readonly jobs: readonly Job[];
  readonly rows: number;
  readonly stage: Stage;
  readonly servers: LocalServers;
  readonly environment: Environment;
  readonly source: Session;
  readonly main: Session;
  readonly ledger: Session;
  readonly zone: Zone;
  readonly copies: CheckpointCopies;
  /** A row is safe behind the watermark so long after it was stamped. */
  readonly settleMs: number;
  /** What did not come out as it should. */
  readonly wrong: string[];
}

export async function openScene(
  jobs: readonly Job[],
  rows: number,
  stage: Stage,
  servers: LocalServers,
): Promise<Scene> {
  const environment = demoEnvironment(servers.settings);
  const config = Config.read({ environment });
  const databases = new Databases(config);
  const open = (name: 'source' | 'main' | 'ledger') => databases.open(name);
  const [source, main, ledger] = [await open('source'), await open('main'), await open('ledger')];
  for (const session of [source, main, ledger]) session.keepWarm(keepWarmMs);
  if (!(await acquireLock(source, `tidemark:${source.database}:demo`, 0))) {
    await Promise.all([source, main, ledger].map((session) => session.close()));
    throw new TidemarkError('another demonstration is under way on these servers', exitCodes.locked);
  }
  return {
    ...{ jobs, rows, stage, servers, environment, source, main, ledger },
    zone: new Zone(config.need('TIDEMARK_TIMEZONE') as string),
    copies: new CheckpointCopies(() => databases.redis(), config.need('TIDEMARK_REDIS_PREFIX') as string),
    settleMs: (config.get('TIDEMARK_SETTLE_LAG') as number | undefined) ?? 1000,
    wrong: [],
  };
}

export async function closeScene({ copies, source, main, ledger }: Scene): Promise<void> {
  await Promise.all([copies, source, main, ledger].map((one) => one.close()));
}
