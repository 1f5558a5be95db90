/**
 * The metrics as a file for node_exporter's textfile collector.
 *
 * Promises: whoever reads the file finds a whole one, since it is written aside and renamed; of several processes that
 * write it, none puts older figures over younger ones: reading the figures and the rename happen under a lock of the
 * server. A process that waits for it in vain writes nothing, and the file is a run behind until the next.
 */
import { createHash } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../engine/job.ts';
import { acquireLock } from '../engine/lock.ts';
import { UnavailableError } from '../platform/errors.ts';
import type { Session } from '../platform/mysql.ts';
import { type MetricsSurroundings, metricsText } from './metrics.ts';

const lockWaitSeconds = 3;
/** No run is kept longer. */
const limitMs = 5000;
/** A server that owes an answer would keep the process, though nobody waits any more. */
const answerLimitMs = 4000;

/** Writes the file. @throws when it cannot be written, or not in time */
export async function writeMetricsFile(
  jobs: readonly Job[],
  surroundings: MetricsSurroundings,
  file: string,
): Promise<void> {
  const timer = new AbortController();
  const limit = sleep(limitMs, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new UnavailableError(`the metrics could not be read within ${limitMs / 1000} s`);
  });
  limit.catch(() => undefined);
  try {
    await Promise.race([write(jobs, surroundings, file), limit]);
  } finally {
    timer.abort();
  }
}

async function write(jobs: readonly Job[], surroundings: MetricsSurroundings, file: string): Promise<void> {
  // Without the main database there is little to tell, and nothing that could be older than what is there.
  const session = await surroundings.databases.open('main', answerLimitMs).catch(() => null);
  try {
    if (session !== null && !(await acquireLock(session, lockOf(session, file), lockWaitSeconds))) return;
    await replace(file, await metricsText(jobs, surroundings, answerLimitMs));
  } finally {
    await session?.close();
  }
}

/** The file is one of this host. */
function lockOf({ database }: Session, file: string): string {
  const place = createHash('sha256').update(`${database}\n${hostname()}\n${file}`).digest('hex');
  return `tidemark:metrics:${place.slice(0, 32)}`;
}

/** The collector reads files that end in .prom only, so it passes over the one that is being written. */
async function replace(file: string, text: string): Promise<void> {
  const aside = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(aside, text, { mode: 0o644 });
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}
