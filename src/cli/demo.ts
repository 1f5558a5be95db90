/**
 * `tidemark demo`: the whole story on private servers, from nothing: sample data, the jobs as real processes, one of
 * them killed half way, rows changed behind its back, Redis flushed, and then source and target compared to the fen.
 *
 * Ends with 0 only if everything that was compared is equal. Touches the private servers of the working folder and
 * nothing else, erases what is in their databases first, and leaves them running.
 */
import { join } from 'node:path';
import { followChanges } from '../demo/changes.ts';
import { syncThroughCrash } from '../demo/crash.ts';
import { fill } from '../demo/fill.ts';
import { surviveFlush } from '../demo/flush.ts';
import { Till } from '../demo/payments.ts';
import { compareAll } from '../demo/proof.ts';
import { closeScene, openScene, rollup, type Scene, syncCommission, syncUsers } from '../demo/scene.ts';
import { grouped, Stage, seconds } from '../demo/stage.ts';
import { did, programHere, runJob, tidemark } from '../demo/tidemark.ts';
import { Config } from '../platform/config.ts';
import { exitCodes, UsageError } from '../platform/errors.ts';
import { type LocalServers, up } from '../platform/local/index.ts';
import type { App } from './app.ts';

const leastRows = 1000;

/** @returns the exit code */
export async function demo(app: App, options: { rows: number }): Promise<number> {
  const { rows } = options;
  if (rows < leastRows)
    throw new UsageError(
      `--rows ${rows} is too few to show anything: expected ${leastRows} or more`,
      'tidemark demo --rows 20000',
    );
  const stage = new Stage(process.stdout);
  const startedAt = Date.now();
  stage.title('tidemark demo: commission in ten shards, copied and rolled up exactly once');
  const servers = await startServers(stage);
  const scene = await openScene(app.jobs, rows, stage, servers);
  let till: Till | undefined;
  try {
    await fill(scene);
    await makeTables(scene, app.migrations.main.length);
    till = await Till.open(scene, join(process.cwd(), '.tidemark', 'sandbox'));
    await till.sell();
    await sync(scene);
    await rollUp(scene);
    await followChanges(scene);
    await surviveFlush(scene);
    await compareAll(scene);
    await till.settle();
    await showStatus(scene);
  } finally {
    await till?.close();
    await closeScene(scene);
  }
  return finish(scene, Date.now() - startedAt);
}

async function startServers(stage: Stage): Promise<LocalServers> {
  stage.step('Private servers');
  const folder = join(process.cwd(), '.tidemark');
  const startedAt = Date.now();
  const servers = await up(folder, { say: (line) => stage.line(line) });
  const how = servers.started ? `started in ${seconds(Date.now() - startedAt)}` : 'already up';
  stage.line(`MariaDB on 127.0.0.1:${servers.mariadb.port}, Redis on 127.0.0.1:${servers.redis.port}: ${how}`);
  stage.line('They belong to this folder (.tidemark); servers on the standard ports are not touched.');
  return servers;
}

async function makeTables({ stage, environment }: Scene, migrations: number): Promise<void> {
  stage.step('The tables of the main database, mia');
  stage.command('tidemark migrate');
  const { stdout } = await tidemark(['migrate'], environment);
  const created = stdout.split('\n').filter((line) => line.startsWith('created '));
  stage.line(`applied ${migrations} migrations: tidemark's bookkeeping, income, the change log`);
  for (const line of created) stage.line(line);
}

async function sync(scene: Scene): Promise<void> {
  const { stage, environment, main } = scene;
  stage.step('Sync, with a crash');
  stage.command(`tidemark run ${syncUsers}`);
  stage.line(did(await runJob(syncUsers, environment, main, true)));
  stage.line('');
  await syncThroughCrash(scene);
}

async function rollUp({ stage, environment, main }: Scene): Promise<void> {
  stage.step('Income by user and hour, from the total table');
  stage.command(`tidemark run ${rollup}`);
  const { read, ms } = await runJob(rollup, environment, main);
  stage.line(`${grouped(read)} cells (user, hour) computed in ${seconds(ms)}; hours still open wait for their end`);
}

async function showStatus({ stage, environment }: Scene): Promise<void> {
  for (const command of ['status', 'verify']) {
    stage.line('');
    stage.command(`tidemark ${command}`);
    stage.quote((await tidemark([command], environment)).stdout);
  }
}

function finish({ stage, wrong }: Scene, ms: number): number {
  stage.line('');
  for (const sentence of wrong) stage.bad(`WRONG: ${sentence}`);
  if (wrong.length === 0) stage.good(`Source and target are equal. The demonstration took ${seconds(ms)}.`);
  const here = programHere();
  const program = settingsInTheWay() ? `env $(grep -v '^#' .tidemark/local.env) ${here}` : here;
  const next = [
    [`${program} status`, 'where each job stands'],
    [`${program} run ${rollup} --full --dry-run`, 'all income once more: none is wrong'],
    [`${program} checkpoint ${syncCommission} 3`, 'one shard, and its copy in Redis'],
  ] as const;
  const width = Math.max(...next.map(([command]) => command.length));
  stage.heading(`Try next (the servers stay up; ${here} local down stops them)`);
  for (const [command, what] of next) stage.line(`${command.padEnd(width)}  # ${what}`);
  return wrong.length === 0 ? exitCodes.done : exitCodes.failed;
}

/** Whether a command typed in this folder would use other servers, because the environment or a `.env` names some. */
function settingsInTheWay(): boolean {
  const addresses = ['SOURCE_DATABASE_URL', 'MAIN_DATABASE_URL', 'LEDGER_DATABASE_URL', 'REDIS_URL'];
  return Config.read().shown.some(({ name, from }) => addresses.includes(name) && from !== '.tidemark/local.env');
}
