/** `tidemark metrics`: the metrics in Prometheus's text form. */
import { metricsOf } from '../metrics/metrics.ts';
import { type App, openSurroundings } from './app.ts';
import { awayOf, complainOf } from './reachable.ts';

export async function metrics(app: App): Promise<number> {
  const surroundings = openSurroundings({ quiet: true });
  surroundings.config.require(['MAIN_DATABASE_URL']);
  const { text, failures } = await metricsOf(app.jobs, surroundings);
  process.stdout.write(text);
  return complainOf(failures.map(({ error }) => awayOf(error, [])));
}
