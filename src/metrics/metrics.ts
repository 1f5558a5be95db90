/**
 * The metrics, as Prometheus reads them: from the bookkeeping of all databases, so that the daemon, `tidemark metrics` and
 * a file that runs write all tell the same.
 *
 * Jobs are labelled `job_name`: `job` is Prometheus's own. A database that cannot be reached is told by
 * `tidemark_database_up`, and nothing of its jobs. Counters come from sums that are never reset; a run that was killed is
 * in no counter, but in `tidemark_runs_killed`, and the rows of its last windows are in none.
 */
import type { Registry } from 'prom-client';
import type { Job } from '../engine/job.ts';
import type { Zone } from '../engine/zone.ts';
import { type Config, ownVersion } from '../platform/config.ts';
import type { Databases } from '../platform/databases.ts';
import { type DatabaseName, databaseSettings } from '../platform/settings.ts';
import { type Figures, figuresOf, type ShardFigures, type Sum } from './figures.ts';

export interface MetricsSurroundings {
  readonly config: Config;
  readonly databases: Databases;
  readonly zone: Zone;
}

export interface Metrics {
  /** Prometheus's text form. */
  readonly text: string;
  /** Databases of which nothing could be told, and why. */
  readonly failures: readonly { readonly database: DatabaseName; readonly error: unknown }[];
}

/**
 * Reads the figures of all databases that these jobs write and that have an address, each in a connection of its own.
 *
 * @param answerLimitMs for who cannot wait as long as a job
 */
export async function metricsOf(
  jobs: readonly Job[],
  surroundings: MetricsSurroundings,
  answerLimitMs?: number,
): Promise<Metrics> {
  const { config, databases, zone } = surroundings;
  const known = [...new Set(jobs.map(({ target }) => target))].filter(
    (target) => config.get(databaseSettings[target]) !== undefined,
  );
  const looked = await Promise.all(
    known.map(async (database) => {
      try {
        const session = await databases.open(database, answerLimitMs);
        const own = jobs.filter(({ target }) => target === database);
        return { database, figures: await figuresOf(own, session, zone).finally(() => session.close()) };
      } catch (error) {
        return { database, error };
      }
    }),
  );
  const { Registry } = (await import('prom-client')).default;
  const registry = new Registry();
  await describe(registry, looked);
  const failures = looked.flatMap((one) => ('error' in one ? [{ database: one.database, error: one.error }] : []));
  return { text: await registry.metrics(), failures };
}

/** The metrics as text; what cannot be told is left out. */
export async function metricsText(
  jobs: readonly Job[],
  surroundings: MetricsSurroundings,
  answerLimitMs?: number,
): Promise<string> {
  return (await metricsOf(jobs, surroundings, answerLimitMs)).text;
}

type Looked = { readonly database: DatabaseName } & ({ readonly figures: Figures } | { readonly error: unknown });
type Labels = Readonly<Record<string, string>>;
type Value = readonly [labels: Labels, value: number | null];

async function describe(registry: Registry, looked: readonly Looked[]): Promise<void> {
  const { Counter, Gauge } = (await import('prom-client')).default;
  const registers = [registry];
  const gauge = (name: string, help: string, labelNames: string[], values: readonly Value[]) => {
    const metric = new Gauge({ name: `tidemark_${name}`, help, labelNames, registers });
    for (const [labels, value] of values) if (value !== null) metric.set(labels, value);
  };
  const counter = (name: string, help: string, labelNames: string[], values: readonly Value[]) => {
    const metric = new Counter({ name: `tidemark_${name}`, help, labelNames, registers });
    for (const [labels, value] of values) if (value !== null) metric.inc(labels, value);
  };
  const all = looked.flatMap((one) => ('figures' in one ? [one.figures] : []));
  const shards = all.flatMap((figures) => figures.shards);
  const each = (value: (shard: ShardFigures) => number | null) =>
    shards.map((one): Value => [labelsOf(one), value(one)]);
  const shard = ['job_name', 'shard'];

  gauge(
    'build_info',
    'What is installed.',
    ['version', 'node'],
    [[{ version: ownVersion(), node: process.version }, 1]],
  );
  gauge(
    'database_up',
    'Whether the bookkeeping of a database could be read.',
    ['database'],
    looked.map((one): Value => [{ database: one.database }, 'figures' in one ? 1 : 0]),
  );
  gauge(
    'lag_seconds',
    'Age of the checkpoint: how old what readers see may be.',
    shard,
    each(({ checkpoint }) => secondsUntilNow(checkpoint)),
  );
  gauge(
    'watermark_lag_seconds',
    "How far behind the source's clock the last window could close.",
    shard,
    each(watermarkLag),
  );
  gauge(
    'last_run_start_timestamp_seconds',
    'When the last run began.',
    shard,
    each(({ lastRun }) => seconds(lastRun?.startedAt)),
  );
  gauge(
    'last_run_duration_seconds',
    'How long the last run took; absent while it is under way.',
    shard,
    each(durationOf),
  );
  gauge('last_success_timestamp_seconds', 'When a run last ended well.', shard, each(lastSuccess));
  gauge(
    'dead_letters_open',
    'Rows that were refused and wait.',
    shard,
    each(({ deadLetters }) => deadLetters),
  );
  gauge(
    'paused',
    'Whether a person keeps it from beginning anything new.',
    shard,
    each(({ isPaused }) => Number(isPaused)),
  );
  gauge(
    'runs_killed',
    'Runs that ended without a word.',
    shard,
    each(({ killed }) => killed),
  );
  gauge(
    'differences_open',
    'Differences between the ledger and a counterpart that nobody has cleared up.',
    ['counterpart'],
    all.flatMap(({ differences }) =>
      [...(differences ?? [])].map(([counterpart, count]): Value => [{ counterpart }, count]),
    ),
  );
  counter(
    'runs_total',
    'Runs that have ended, by kind and outcome.',
    [...shard, 'kind', 'outcome'],
    shards.flatMap((one) =>
      one.sums.map(({ kind, outcome, runs }): Value => [{ ...labelsOf(one), kind, outcome }, runs]),
    ),
  );
  counter(
    'windows_total',
    'Windows applied.',
    shard,
    each((one) => total(one, 'windows')),
  );
  counter(
    'rows_read_total',
    'Rows read.',
    shard,
    each((one) => total(one, 'read')),
  );
  counter(
    'rows_total',
    'Rows by what became of them.',
    [...shard, 'effect'],
    shards.flatMap((one) => effects.map((effect): Value => [{ ...labelsOf(one), effect }, total(one, effect)])),
  );
}

const effects = ['inserted', 'updated', 'unchanged', 'refused'] as const;
/** Outcomes after which nobody has to do anything. */
const successes = ['done', 'nothing-due', 'held-back'];

const labelsOf = ({ job, shard }: ShardFigures): Labels => ({ job_name: job, shard });
const seconds = (at: number | null | undefined): number | null => (at === null || at === undefined ? null : at / 1000);
const secondsUntilNow = (at: number | null): number | null =>
  at === null ? null : Math.max(0, (Date.now() - at) / 1000);

const watermarkLag = ({ checkpoint, sourceNow }: ShardFigures): number | null =>
  checkpoint === null || sourceNow === null ? null : Math.max(0, (sourceNow - checkpoint) / 1000);

function durationOf({ lastRun }: ShardFigures): number | null {
  if (lastRun === null || lastRun.startedAt === null || lastRun.endedAt === null) return null;
  return Math.max(0, (lastRun.endedAt - lastRun.startedAt) / 1000);
}

/** A checkpoint that a person has set is no run. */
function lastSuccess({ sums }: ShardFigures): number | null {
  const ends = sums.filter(({ kind, outcome }) => kind !== 'checkpoint' && successes.includes(outcome));
  const last = Math.max(0, ...ends.map(({ lastAt }) => lastAt ?? 0));
  return last === 0 ? null : last / 1000;
}

const total = ({ sums }: ShardFigures, what: keyof Sum & ('windows' | 'read' | (typeof effects)[number])): number =>
  sums.reduce((sum, one) => sum + one[what], 0);
