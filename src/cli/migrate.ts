/** `tidemark migrate`: the tables that tidemark owns, and the copies of source tables that are not there yet. */
import type { Migration } from '../../migrations/migration.ts';
import { isTableJob, type Job, shardNames } from '../engine/job.ts';
import { mayMakeTables } from '../payments/order-tables.ts';
import { exitCodes } from '../platform/errors.ts';
import { migrate } from '../platform/migrator.ts';
import type { Reader, Session } from '../platform/mysql.ts';
import { databaseSettings } from '../platform/settings.ts';
import { copyStatement, tableExists } from '../platform/table-copy.ts';
import { type App, openSurroundings, type Surroundings, targetsOf, withSession } from './app.ts';
import { print } from './output.ts';

export async function migrateAll(app: App, options: { dryRun?: true }): Promise<number> {
  const changed = await makeTables(app, openSurroundings(), { dryRun: options.dryRun === true, tell: print });
  if (changed === 0) print('nothing to do: all tables are there');
  return exitCodes.done;
}

interface Making {
  readonly dryRun: boolean;
  /** Hears of each table that is made, or in a dry run of its SQL. */
  readonly tell: (line: string) => void;
}

/** @returns how many tables were made or changed */
export async function makeTables(app: App, surroundings: Surroundings, { dryRun, tell }: Making): Promise<number> {
  let changed = 0;
  for (const target of targetsOf(surroundings, app.jobs, false)) {
    const url = surroundings.config.need(databaseSettings[target]) as string;
    await withSession(surroundings, target, async (session) => {
      const applied = await migrate(session, url, await migrationsOf(app, surroundings, session, target), dryRun);
      for (const { name, sql } of applied) tell(dryRun ? `${sql};\n` : `applied ${name} to ${session.database}`);
      changed += applied.length;
      if (target === 'main') changed += await createCopies(app, surroundings, session, { dryRun, tell });
    });
  }
  return changed;
}

/**
 * What a database is to have.
 *
 * @throws SetupError when the orders are spread over another number of tables than the setting says
 */
export async function migrationsOf(
  app: App,
  { config }: Pick<Surroundings, 'config'>,
  session: Reader,
  target: Job['target'],
): Promise<readonly Migration[]> {
  if (target !== 'ledger') return app.migrations[target];
  const tables = config.need('TIDEMARK_ORDER_TABLES');
  await mayMakeTables(session, tables);
  return [...app.migrations.ledger, ...app.payOrders(tables)];
}

/** A target table that is missing is made with the columns and keys of its source. */
async function createCopies(
  app: App,
  surroundings: Surroundings,
  session: Session,
  { dryRun, tell }: Making,
): Promise<number> {
  let changed = 0;
  for (const job of app.jobs.filter(isTableJob)) {
    if (job.targetTable === undefined || (await tableExists(session, job.targetTable))) continue;
    const [shard] = shardNames(job) as [string];
    const sql = await withSession(surroundings, 'source', (source) =>
      copyStatement(source, job.source.table(shard), job.targetTable as string),
    );
    if (!dryRun) await session.write(sql);
    tell(dryRun ? `${sql};\n` : `created ${job.targetTable} like ${job.source.table(shard)} of the source`);
    changed += 1;
  }
  return changed;
}
