/**
 * What the log of a run ends with: what became of each shard, as the run knows it. A run that has found nothing to do
 * adds nothing, and so makes no file.
 */
import type { ShardResult } from '../engine/run.ts';
import { entryOf, type Fields, type Level } from '../platform/log-line.ts';
import { Mask } from '../platform/masking.ts';
import { RunLogs } from '../platform/run-logs.ts';
import type { Surroundings } from './app.ts';
import type { RunObserver } from './one-run.ts';
import { exitCodeOf, grouped, sentenceOf } from './output.ts';

/** The field of the line that ends a run's log. */
export const endOfRun = 'exitCode';

export function runLogKeeper({ config, zone }: Surroundings): readonly RunObserver[] {
  const logs = RunLogs.of(config);
  if (logs === null) return [];
  const mask = new Mask(config.secrets);
  const iso = (instant: number | null) => (instant === null ? undefined : zone.iso(instant));
  return [
    {
      async ended({ job, runId, durationMs, shards }, code, { request }) {
        if (request.dryRun || (!shards.some(hasNews) && !logs.has(runId))) return;
        const add = (level: Level, message: string, fields: Fields) => {
          const trouble = logs.append(runId, entryOf(mask, level, message, { runId, job, ...fields }));
          if (trouble !== null) throw new Error(trouble);
        };
        for (const shard of shards.filter(isWorthALine)) {
          const { from, to, error, findings, waiting } = shard;
          const about = { shard: shard.shard, from: iso(from), to: iso(to) };
          for (const { what, was, is } of findings) add('warn', `${what} was ${was}, is ${is}`, about);
          if (waiting !== null) add('warn', waiting.what, { ...about, next: waiting.next });
          add(levelOf(shard), endOf(shard), { ...about, ...countsOf(shard), ...failureOf(error) });
        }
        add('info', `ended after ${(durationMs / 1000).toFixed(1)} s`, { kind: request.kind, [endOfRun]: code });
        await logs.close();
      },
    },
  ];
}

/** Whether a run has done or met something; those that were locked out, or found nothing due, have not. */
const hasNews = ({ outcome, read, deadLetters, findings }: ShardResult): boolean =>
  read > 0 || deadLetters > 0 || findings.length > 0 || outcome === 'failed' || outcome === 'interrupted';

const isWorthALine = (shard: ShardResult): boolean =>
  hasNews(shard) || shard.waiting !== null || shard.heldBackBy !== null || shard.outcome === 'dead-letters';

const levelOf = ({ outcome }: ShardResult): Level =>
  outcome === 'failed' ? 'error' : outcome === 'dead-letters' ? 'warn' : 'info';

function endOf({ outcome, error, windows, heldBackBy }: ShardResult): string {
  if (outcome === 'failed') return sentenceOf(error);
  const done = windows === 0 ? '' : `, ${grouped(windows)} window${windows === 1 ? '' : 's'}`;
  return `${outcome}${done}${heldBackBy === null ? '' : `; held back: ${heldBackBy.detail}`}`;
}

const countsOf = ({ outcome, windows, read, inserted, updated, unchanged, deadLetters }: ShardResult): Fields => ({
  outcome,
  ...Object.fromEntries(
    Object.entries({ windows, read, inserted, updated, unchanged, deadLetters }).filter(([, count]) => count > 0),
  ),
});

/** Where an error that nobody foresaw arose. */
function failureOf(error: unknown): Fields {
  if (!(error instanceof Error)) return {};
  const isBug = exitCodeOf(error) === 70;
  return { code: (error as NodeJS.ErrnoException).code, stack: isBug ? error.stack : undefined };
}
