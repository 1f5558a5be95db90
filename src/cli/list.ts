import { shardNames } from '../engine/job.ts';
import type { App } from './app.ts';
import { print, printJson, printTable } from './output.ts';

export async function list({ jobs }: App, options: { json?: true }): Promise<number> {
  if (options.json) {
    printJson(
      jobs.map(({ name, summary, shards, schedule, staggerSeconds }) => ({
        job: name,
        summary,
        shards,
        schedule,
        staggerSeconds: staggerSeconds ?? 0,
      })),
    );
    return 0;
  }
  await printTable(
    ['JOB', 'SHARDS', 'SCHEDULE', 'WHAT IT DOES'],
    jobs.map((job) => [
      job.name,
      job.shards.length === 0 ? '-' : shardNames(job).join(' '),
      job.schedule + (job.staggerSeconds === undefined ? '' : `, ${job.staggerSeconds} s apart`),
      job.summary,
    ]),
  );
  print('\nNext: tidemark status, or tidemark run <job>');
  return 0;
}
