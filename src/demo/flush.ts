/** The step that takes everything out of Redis: nothing is applied twice, and the checkpoints come back. */
import { readCheckpoint } from '../engine/checkpoint.ts';
import { shardNames } from '../engine/job.ts';
import { flushRedis } from './fresh.ts';
import { rollup, type Scene, syncCommission, syncUsers } from './scene.ts';
import { type RunCounts, runJob } from './tidemark.ts';

export async function surviveFlush(scene: Scene): Promise<void> {
  const { stage, environment, main, servers, wrong } = scene;
  stage.step('Redis loses everything');
  const before = await copiesThatAgree(scene);
  stage.command('redis-cli FLUSHALL');
  await flushRedis(servers.settings.REDIS_URL);
  const flushed = await copiesThatAgree(scene);
  stage.line(
    `${before.agree} checkpoints were in Redis, now ${flushed.agree}. The truth is in the database; every job again:`,
  );
  const runs: RunCounts[] = [];
  for (const job of [syncUsers, syncCommission, rollup]) runs.push(await runJob(job, environment, main));
  const applied = runs.reduce((sum, { inserted, updated }) => sum + inserted + updated, 0);
  const { agree, all } = await copiesThatAgree(scene);
  const told = `${applied} rows applied a second time; ${agree} of ${all} checkpoints are in Redis again`;
  if (applied === 0 && agree === all) stage.good(told);
  else wrong.push(told);
}

async function copiesThatAgree({ jobs, main, copies, zone }: Scene): Promise<{ agree: number; all: number }> {
  let agree = 0;
  let all = 0;
  for (const job of jobs) {
    for (const shard of shardNames(job)) {
      const name = { job: job.name, shard };
      const current = () => readCheckpoint(main, name, zone);
      const checkpoint = await current();
      if (checkpoint !== null) all += 1;
      if (checkpoint !== null && (await copies.look(name, checkpoint, current)).state === 'agrees') agree += 1;
    }
  }
  return { agree, all };
}
