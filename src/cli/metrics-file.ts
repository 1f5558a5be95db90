/** At the end of each run, the metrics as a file, where TIDEMARK_METRICS_FILE names one. */
import type { Job } from '../engine/job.ts';
import type { Surroundings } from './app.ts';
import type { RunObserver } from './one-run.ts';

export function metricsFileWriter(jobs: readonly Job[], surroundings: Surroundings): readonly RunObserver[] {
  const file = surroundings.config.get('TIDEMARK_METRICS_FILE');
  if (file === undefined) return [];
  return [
    {
      async ended(_, __, { request }) {
        if (request.dryRun) return;
        const { writeMetricsFile } = await import('../metrics/textfile.ts');
        await writeMetricsFile(jobs, surroundings, file).catch((error: Error) => {
          throw new Error(`TIDEMARK_METRICS_FILE was not written: ${error.message}`);
        });
      },
    },
  ];
}
